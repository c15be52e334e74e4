// The top bar: the market in a line, the own position and result, the state of the link.

import { byId, make, setClass, setText } from "./dom.js";
import { addSurface } from "../draw/frame.js";
import { showSymbol } from "../link/session.js";
import { grid, ownPosition, state } from "../state/store.js";
import { clockText, short, signed } from "../state/units.js";

const STALE_MS = 3000;

export function newTopbar() {
  byId("symbol").addEventListener("change", (event) => showSymbol(event.target.value).catch(() => {}));
  addSurface(["instruments", "symbol"], 0, drawSymbols);
  addSurface(["book", "symbol"], 100, drawMarket);
  addSurface(["account", "fills", "book", "symbol", "who"], 200, drawOwn);
  addSurface(["market", "book", "symbol"], 200, drawClock);
  addSurface(["link", "who"], 200, drawLink);
}

function drawSymbols() {
  const symbols = [...state.instruments.keys()];
  const select = byId("symbol");
  if ([...select.options].map((option) => option.value).join() !== symbols.join()) {
    select.replaceChildren(...symbols.map((symbol) => make("option", { value: symbol, textContent: symbol })));
  }
  if (state.symbol) select.value = state.symbol;
}

function drawMarket() {
  const steps = grid();
  if (!steps || !state.book) return;
  const price = (ticks) => (ticks === null ? "–" : steps.priceText(ticks));
  setText(byId("last"), price(state.lastPrice));
  setText(byId("bid"), price(state.book.bids.best()));
  setText(byId("ask"), price(state.book.asks.best()));
  setText(byId("spread"), price(state.book.spread()));
  setText(byId("volume"), short(Number(state.bought) + Number(state.sold)));
  setText(byId("high"), price(state.candles?.high ?? null));
  setText(byId("low"), price(state.candles?.low ?? null));
  drawChange(steps);
}

function drawChange(steps) {
  if (state.lastPrice === null || state.openingPrice === null) return;
  const change = state.lastPrice - state.openingPrice;
  const share = signed((change / state.openingPrice) * 100);
  setText(byId("change"), `${signed(change * steps.tick, steps.priceDigits)} ${share}%`);
  setClass(byId("change"), sideClass(change));
  document.title = `${steps.priceText(state.lastPrice)} ${state.symbol} · OneBook`;
}

function sideClass(value) {
  return value > 0 ? "buy" : value < 0 ? "sell" : "muted";
}

function drawOwn() {
  const steps = grid();
  const position = ownPosition();
  if (!steps || !state.account) {
    for (const id of ["position", "average", "open-pnl", "pnl"]) setText(byId(id), "–");
    return;
  }
  const held = Number(position?.position ?? 0);
  const average = state.cost?.average(state.symbol, held) ?? null;
  const mark = (state.lastPrice ?? 0) * steps.tick;
  setText(byId("position"), signed(held, steps.quantityDigits));
  setClass(byId("position"), sideClass(held));
  setText(byId("average"), average === null ? "–" : average.toFixed(steps.priceDigits + 1));
  drawMoney("open-pnl", average === null ? null : (mark - average) * held);
  const moved = position && state.lastPrice !== null ? mark - Number(position.mark) : 0;
  drawMoney("pnl", Number(state.account.equity) + held * moved); // the mark moves between reports
}

function drawMoney(id, value) {
  setText(byId(id), value === null ? "–" : signed(value, 2));
  setClass(byId(id), value === null ? "" : sideClass(value));
}

function drawClock() {
  const { market } = state;
  const words = market.paused ? "paused" : market.phase;
  setText(byId("phase"), words);
  byId("phase").dataset.state = words;
  const speed = market.mode === "lockstep" ? "lockstep" : `${market.speed}×`;
  setText(byId("clock"), `${clockText(market.timeNs)} ${speed}`);
}

function drawLink() {
  const { link } = state;
  const silent = link.status === "live" && performance.now() - link.lastMessageMs > STALE_MS;
  byId("link").dataset.state = link.status;
  setText(byId("link-status"), silent && !state.market.paused ? "quiet" : link.status);
  const roundTrip = link.roundTripMs === null ? "–" : `${link.roundTripMs.toFixed(1)} ms`;
  setText(byId("link-latency"), roundTrip);
  setText(byId("link-losses"), ` · ${link.gaps} gaps · ${link.reconnects} reconnects`);
  setClass(byId("link-losses"), link.gaps + link.reconnects ? "" : "wide"); // on a phone only if there are any
  byId("link").title = "Round trip to the exchange, missed book changes, lost connections";
  byId("reconnecting").hidden = link.status !== "reconnecting";
  setText(byId("who"), state.account && state.who.loggedIn ? state.account.name : "Keys");
}
