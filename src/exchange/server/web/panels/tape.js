// The tape's panel: its canvas, the rate of trades, and the newest ones as a list for screen readers.

import { byId, make, setText } from "./dom.js";
import { newCanvas } from "../draw/canvas.js";
import { addSurface } from "../draw/frame.js";
import { drawTape } from "../draw/tape.js";
import { grid, state } from "../state/store.js";

const LISTED = 5;
const RATE_OVER_NS = 5e9;

export function newTape() {
  const sheet = newCanvas(byId("tape"), () => redraw());
  const redraw = addSurface(["trades", "symbol", "theme"], 80, () => drawTape(sheet));
  addSurface(["trades", "symbol"], 1000, () => {
    drawList();
    drawRate();
  });
}

function drawList() {
  const { trades } = state;
  if (!trades || !grid()) return;
  const list = byId("tape-list");
  while (list.children.length < LISTED) list.append(make("li"));
  [...trades.newest(LISTED)].forEach((row, i) => {
    const side = trades.buy[row] ? "bought" : "sold";
    setText(list.children[i], `${grid().quantityText(trades.lots[row])} ${side} at ${grid().priceText(trades.price[row])}`);
  });
}

/** Trades a second of market time, over the last seconds. */
function drawRate() {
  const { trades } = state;
  if (!trades) return;
  let count = 0;
  for (const row of trades.newest(4000)) {
    if (trades.timeNs[row] < state.market.timeNs - RATE_OVER_NS) break;
    count += 1;
  }
  setText(byId("trade-rate"), count ? `${(count / (RATE_OVER_NS / 1e9)).toFixed(1)}/s` : "");
}
