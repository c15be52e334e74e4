// Single keys for the whole page, and the dialog that lists them.

import { byId, make } from "./dom.js";
import { followMarket, nextInterval, setView } from "./chart.js";
import { openKeys } from "./keys_dialog.js";
import { nextGroup, recentre } from "./ladder.js";
import { singleStep } from "./stress.js";
import { toggleTheme } from "./theme.js";
import { cancelEverything, flattenNow, setType, submit } from "./ticket.js";
import { arm } from "./trade.js";
import { state } from "../state/store.js";

const focus = (id) => () => {
  byId(id).focus();
  byId(id).select?.();
};

/** Key -> [what it does in words, the action], in the order of the list. */
const HOTKEYS = new Map([
  ["a", ["Arm or disarm trading", () => arm(!state.armed)]],
  ["b", ["Buy as the ticket says", () => submit("buy")]],
  ["s", ["Sell as the ticket says", () => submit("sell")]],
  ["Escape", ["Cancel all orders", cancelEverything]],
  ["f", ["Flatten the position", flattenNow]],
  ["l", ["Limit order", () => setType("limit")]],
  ["m", ["Market order", () => setType("market")]],
  ["q", ["To the quantity", focus("quantity")]],
  ["p", ["To the price", focus("price")]],
  ["g", ["To the ladder", focus("ladder")]],
  [" ", ["Recentre the ladder", recentre]],
  ["+", ["Coarser price rows", () => nextGroup(1)]],
  ["-", ["Finer price rows", () => nextGroup(-1)]],
  ["c", ["To the chart", focus("chart")]],
  ["1", ["Candles", () => setView(1)]],
  ["2", ["Heatmap", () => setView(2)]],
  ["3", ["Depth curve", () => setView(3)]],
  ["[", ["Shorter candles", () => nextInterval(-1)]],
  ["]", ["Longer candles", () => nextInterval(1)]],
  ["End", ["Chart follows the market", followMarket]],
  [".", ["One step of the market", singleStep]],
  ["k", ["API keys", openKeys]],
  ["t", ["Dark or light", toggleTheme]],
  ["?", ["This list", () => byId("help-dialog").showModal()]],
]);

export function newHotkeys() {
  document.addEventListener("keydown", pressed);
  byId("open-help").addEventListener("click", () => byId("help-dialog").showModal());
  byId("hotkeys-on").addEventListener("change", (event) => (state.hotkeys = event.target.checked));
  const names = { " ": "Space", Escape: "Esc" };
  byId("hotkey-list").append(...[...HOTKEYS].flatMap(([key, [words]]) => [
    make("dt", {}, make("kbd", { textContent: names[key] ?? (key.length === 1 ? key.toUpperCase() : key) })), make("dd", { textContent: words }),
  ]));
}

function pressed(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || event.repeat || document.querySelector("dialog[open]")) return;
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  if (!HOTKEYS.has(key) || (!state.hotkeys && key.length === 1)) return;
  const { target } = event;
  if (target.matches("input:not([type=checkbox]):not([type=range]), select, textarea")) {
    if (key === "Escape") target.blur(); // a first Esc leaves the field, a second cancels
    return;
  }
  if (key === " " && target.matches("button, input, a")) return; // the space bar presses what has the focus
  event.preventDefault();
  HOTKEYS.get(key)[1]();
}
