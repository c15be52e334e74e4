// The stress panel: the market's clock and the scenarios, for an administrator.

import { byId, make, setText } from "./dom.js";
import { tell } from "./notice.js";
import { SCENARIO_NAMES } from "../draw/chart_marks.js";
import { addSurface } from "../draw/frame.js";
import { call, ExchangeError } from "../link/rest.js";
import { changed, state } from "../state/store.js";

/** [words on the button, kind, sign of the magnitude, what it does] */
const SHOCKS = [
  ["Flash crash", "flash_crash", 1, "Forced selling into a thinner book; the price comes back"],
  ["Rally", "rally", 1, "Forced buying into a thinner book; the price comes back"],
  ["Volatility", "volatility_spike", 1, "The hidden value moves more"],
  ["Drought", "liquidity_drought", 1, "Fewer and smaller resting orders"],
  ["News ▲", "news_jump", 1, "The hidden value jumps up, and stays there"],
  ["News ▼", "news_jump", -1, "The hidden value jumps down, and stays there"],
];
const SPEEDS = [0.1, 0.25, 0.5, 1, 2, 5, 10, 20, 50];

export function newStress() {
  byId("speed").append(...SPEEDS.map((speed) => make("option", { value: String(speed), textContent: `${speed}×` })));
  byId("scenarios").append(...SHOCKS.map(scenarioButton));
  byId("stress").addEventListener("submit", (event) => event.preventDefault());
  byId("pause").addEventListener("click", togglePause);
  byId("halt").addEventListener("click", toggleHalt);
  byId("single-step").addEventListener("click", singleStep);
  byId("speed").addEventListener("change", (event) => setClock({ speed: Number(event.target.value) }));
  for (const id of ["magnitude", "lasts"]) byId(id).addEventListener("input", drawSliders);
  addSurface(["market", "who", "symbol"], 100, draw);
}

function scenarioButton([name, kind, direction, title]) {
  const button = make("button", { type: "button", textContent: name, title });
  button.dataset.kind = kind;
  button.addEventListener("click", () => schedule(kind, direction));
  return button;
}

/** An administrator's call; refusals appear in the panel. */
function administer(path, body, words = null) {
  return tell("stress", async () => {
    if (!state.who.admin) {
      throw new ExchangeError({ code: "no_key", message: "Enter an administrator key first: press K" });
    }
    await call("POST", path, { body, keys: state.who.admin });
    return words;
  });
}

async function setClock(body) {
  if (await administer("/v1/admin/clock", body)) Object.assign(state.market, body);
  changed("market");
}

export function togglePause() {
  return setClock({ paused: !state.market.paused });
}

export function singleStep() {
  return administer("/v1/admin/clock", { advance_steps: 1 });
}

function schedule(kind, direction = 1) {
  const body = {
    symbol: state.symbol, kind, magnitude: direction * Number(byId("magnitude").value),
    duration_s: Number(byId("lasts").value),
  };
  return administer("/v1/admin/scenario", body, `${SCENARIO_NAMES[kind]} begins`);
}

/** A halt for the chosen time, or the end of one. */
function toggleHalt() {
  if (state.market.phase !== "halted") return schedule("halt");
  return administer("/v1/admin/resume", { symbol: state.symbol }, "The market takes orders again");
}

function drawSliders() {
  setText(byId("magnitude-words"), `${Number(byId("magnitude").value).toFixed(1)}×`);
  setText(byId("lasts-words"), `${byId("lasts").value} s`);
}

function draw() {
  const { market, who } = state;
  setText(byId("stress-who"), who.admin ? "" : "administrator key needed [K]");
  setText(byId("pause"), market.paused ? "Resume" : "Pause");
  setText(byId("halt"), market.phase === "halted" ? "Reopen" : "Halt");
  drawSpeed(String(market.speed));
}

function drawSpeed(speed) {
  const select = byId("speed");
  if (![...select.options].some((option) => option.value === speed)) {
    select.append(make("option", { value: speed, textContent: `${speed}×` }));
  }
  select.value = speed;
}

