// Keeps the page's state true to the exchange: connects, logs in, subscribes, takes every message,
// and starts over by itself after a lost connection or a restarted exchange.

import { Book } from "../state/book.js";
import { Candles, SENT_S } from "../state/candles.js";
import { Cost } from "../state/cost.js";
import { Liquidity } from "../state/liquidity.js";
import { changed, FILLS_MAX, grid, SCENARIOS_MAX, state } from "../state/store.js";
import { Trades } from "../state/trades.js";
import { Grid } from "../state/units.js";
import { call, ExchangeError } from "./rest.js";
import { newTimestamp, noteServerClock, sign } from "./sign.js";
import { Socket } from "./socket.js";

const SOCKET_PATH = "/v1/ws";
const MARKET_CHANNELS = ["book", "trades", "candles"];
const COMMON_CHANNELS = ["status", "heartbeat"];
const PRIVATE_CHANNELS = ["orders", "fills", "account"];
const CANDLES_LOADED = 1000;
const TRADES_LOADED = 200;
const FILLS_PAGE = 500;
const QUEUES_EVERY_MS = 1000;

export const socket = new Socket(SOCKET_PATH, {
  onOpen: () => start(),
  onMessage: (message) => take[message.channel]?.(message),
  onStatus: noteLost,
  onPing: (roundTripMs) => {
    state.link.roundTripMs = roundTripMs;
    changed("link");
  },
});

function noteLost(status) {
  if (state.link.status === "live") state.link.reconnects += 1;
  state.link.status = status;
  state.who.loggedIn = false;
  changed("link", "who");
}

/** After every connect: log in, learn the instruments, show the market. */
async function start() {
  try {
    await loadInstruments();
    await logIn();
    await socket.request("subscribe", { channels: COMMON_CHANNELS });
    await showSymbol(state.instruments.has(state.symbol) ? state.symbol : firstSymbol());
    if (state.who.loggedIn) await loadPrivate();
    state.link.status = "live";
    changed("link", "who");
  } catch (error) {
    if (!(error instanceof ExchangeError)) throw error;
    socket.socket?.close(); // half a session is none: the socket's retry starts a fresh one
  }
}

function firstSymbol() {
  return state.instruments.keys().next().value;
}

/** Log in with the trader's key; the administrator's only signs REST calls, it cannot trade. */
async function logIn() {
  const keys = state.who.trader;
  if (!keys || state.who.error) return;
  const timestamp = newTimestamp();
  const signature = await sign(keys.secret, `${timestamp}GET${SOCKET_PATH}`);
  try {
    const result = await socket.request("login", { key: keys.key, timestamp, signature });
    state.who.loggedIn = result.role === "trader";
  } catch (error) {
    if (error.retryable) throw error; // the socket's retry logs in again
    state.who.error = String(error); // a wrong key: shown, and the market followed without it
    changed("who");
    throw error;
  }
}

/** Use other keys (or none): a fresh connection starts with them. */
export function logInAgain({ trader, admin }) {
  Object.assign(state.who, { trader, admin, error: null, loggedIn: false });
  state.account = null;
  state.orders.clear();
  state.fills = [];
  changed("who", "account", "orders", "fills");
  socket.reconnect();
}

async function loadInstruments() {
  const { instruments } = await call("GET", "/v1/instruments");
  const status = await call("GET", "/v1/status");
  noteServerClock(status.wall_ms); // before anything is signed
  state.instruments = new Map(instruments.map((one) => [one.symbol, new Grid(one)]));
  if (state.market.epoch !== null && state.market.epoch !== status.epoch) forgetMarket();
  Object.assign(state.market, {
    epoch: status.epoch, mode: status.mode, speed: status.speed, paused: status.paused ?? false,
  });
  state.phases = new Map(status.symbols.map((one) => [one.symbol, one.phase]));
  for (const scenario of status.scenarios ?? []) noteScenario(scenario);
  changed("instruments", "market");
}

/** A restarted exchange is another market: nothing of the old one may stay on the screen. */
function forgetMarket() {
  state.scenarios = [];
  state.equity.clear();
  state.orders.clear();
  state.fills = [];
  state.symbol = state.book = state.trades = state.candles = state.liquidity = null;
  state.leaderboard = [];
}

/** Show another symbol: drop the old one's data, subscribe and load the new one's. */
export async function showSymbol(symbol) {
  const previous = state.symbol;
  if (previous && previous !== symbol) {
    await socket.request("unsubscribe", { channels: MARKET_CHANNELS, symbol: previous });
  }
  if (previous !== symbol || !state.book) resetSymbol(symbol);
  await socket.request("subscribe", { channels: MARKET_CHANNELS, symbol });
  await loadHistory(symbol);
}

function resetSymbol(symbol) {
  state.symbol = symbol;
  const steps = state.instruments.get(symbol);
  state.book = new Book(steps);
  state.trades = new Trades();
  state.candles = new Candles(steps);
  state.liquidity = new Liquidity();
  state.lastPrice = state.openingPrice = null;
  state.market.phase = state.phases?.get(symbol) ?? "open";
  Object.assign(state.ladder, { centre: null, cursor: null, hover: null, drag: null });
  Object.assign(state.chart, { endNs: null, priceZoom: 1, pricePan: 0 });
  changed("symbol", "book", "trades", "candles", "market");
}

async function loadHistory(symbol) {
  const query = `symbol=${encodeURIComponent(symbol)}`;
  const { trades } = await call("GET", `/v1/trades?${query}&limit=${TRADES_LOADED}`);
  const early = state.trades;
  if (state.symbol !== symbol) return;
  state.trades = joinedTrades(trades, early);
  for (const seconds of SENT_S) {
    const path = `/v1/candles?${query}&interval_s=${seconds}&limit=${CANDLES_LOADED}`;
    const { candles } = await call("GET", path);
    if (state.symbol === symbol) state.candles.load(seconds, candles);
  }
  state.openingPrice ??= state.candles.series(SENT_S[0])[0]?.open ?? null;
  changed("trades", "candles");
}

/** The loaded trades followed by those that the feed has brought meanwhile. */
function joinedTrades(loaded, early) {
  const trades = new Trades();
  for (const trade of loaded) trades.add(trade, grid());
  trades.append(early);
  return trades;
}

/** Own orders, fills and account, after each login. */
async function loadPrivate() {
  const keys = state.who.trader;
  await socket.request("subscribe", { channels: PRIVATE_CHANNELS });
  const [{ orders }, account] = await Promise.all([
    call("GET", "/v1/orders", { keys }), call("GET", "/v1/account", { keys }),
  ]);
  state.orders = new Map(orders.map((order) => [order.order_id, order]));
  state.account = account;
  state.fills = [];
  state.cost = new Cost();
  await loadFills(keys);
  changed("orders", "account", "fills");
}

/** Where own orders stand in their queues, which moves without any report about them. */
async function refreshQueues() {
  if (!state.who.loggedIn || state.orders.size === 0 || document.hidden) return;
  try {
    const { orders } = await call("GET", "/v1/orders", { keys: state.who.trader });
    for (const order of orders) {
      const known = state.orders.get(order.order_id); // what has ended meanwhile stays ended
      if (known) known.quantity_ahead = order.quantity_ahead;
    }
    changed("orders");
  } catch {
    // asked again in a second; the link's own state tells when the exchange is away
  }
}

setInterval(refreshQueues, QUEUES_EVERY_MS);

async function loadFills(keys) {
  let page;
  do {
    const path = `/v1/fills?after=${state.cost.lastFillId}&limit=${FILLS_PAGE}`;
    page = (await call("GET", path, { keys })).fills;
    page.forEach(noteFill);
  } while (page.length === FILLS_PAGE);
}

function noteFill(fill) {
  if (!state.cost?.add(fill)) return;
  state.fills.push(fill);
  if (state.fills.length > FILLS_MAX) state.fills.splice(0, state.fills.length - FILLS_MAX);
}

function noteScenario(scenario) {
  const same = (one) => one.symbol === scenario.symbol && one.begin_ns === scenario.begin_ns &&
    one.kind === scenario.kind;
  if (state.scenarios.some(same)) return;
  state.scenarios.push(scenario);
  if (state.scenarios.length > SCENARIOS_MAX) state.scenarios.shift();
}

/** What to do with a message of each channel. */
const take = {
  book(message) {
    if (message.symbol !== state.symbol || !state.book) return;
    const outcome = state.book.apply(message);
    if (outcome !== "ok") return bookLost();
    state.bought = message.bought;
    state.sold = message.sold;
    state.lastPrice = grid().ticks(message.last_price);
    state.openingPrice ??= state.lastPrice;
    state.market.timeNs = message.time_ns;
    state.link.lastMessageMs = performance.now();
    if (state.liquidity.take(state.book)) changed("liquidity");
    changed("book");
  },
  trades(message) {
    if (message.symbol !== state.symbol || !state.trades) return;
    if (state.trades.add(message, grid())) changed("trades");
  },
  candles(message) {
    if (message.symbol !== state.symbol || !state.candles) return;
    state.candles.update(message);
    changed("candles");
  },
  status(message) {
    if (message.type === "phase") notePhase(message);
    if (message.type === "clock") Object.assign(state.market, { speed: message.speed, paused: message.paused });
    if (message.type === "scenario") noteScenario(message);
    changed("market");
  },
  heartbeat(message) {
    noteServerClock(message.wall_ms);
  },
  orders(order) {
    const known = state.orders.get(order.order_id);
    if (order.status === "resting" || order.status === "partially_filled") {
      if (order.event === "traded") order.quantity_ahead = known?.quantity_ahead;
      state.orders.set(order.order_id, order);
      if (order.event !== "traded") refreshQueues();
    } else {
      state.orders.delete(order.order_id);
    }
    changed("orders");
  },
  fills(fill) {
    noteFill(fill);
    changed("fills");
  },
  account(account) {
    state.account = account;
    changed("account");
  },
};

function notePhase(message) {
  state.phases?.set(message.symbol, message.phase);
  if (message.symbol === state.symbol) state.market.phase = message.phase;
}

let asking = false;

/** A change was missed or the checksum differs: ask for a fresh snapshot, once at a time. */
function bookLost() {
  if (asking) return;
  asking = true;
  state.link.gaps += 1;
  changed("link");
  socket.request("subscribe", { channels: ["book"], symbol: state.symbol })
    .catch(() => {}) // the connection is gone: its return brings a snapshot anyway
    .finally(() => (asking = false));
}
