// The one place where the page keeps what it knows. Whoever changes it says what with `changed`;
// the frame loop (draw/frame.js) then redraws only what shows that.

/** Everything the page knows. Times are nanoseconds of market time, prices ticks, quantities lots. */
export const state = {
  instruments: new Map(), // symbol -> Grid (state/units.js)
  symbol: null,
  market: { epoch: null, mode: "wall", speed: 1, paused: false, phase: "open", timeNs: 0 },
  link: {
    status: "connecting", // connecting | live | reconnecting
    roundTripMs: null,
    gaps: 0,
    reconnects: 0,
    lastMessageMs: 0,
  },
  book: null, // state/book.js
  bought: 0,
  sold: 0,
  lastPrice: null,
  openingPrice: null, // the first price seen, which the change in the top bar is measured from
  trades: null, // state/trades.js
  candles: null, // state/candles.js
  liquidity: null, // state/liquidity.js
  scenarios: [], // {symbol, kind, magnitude, begin_ns, end_ns}
  who: { trader: null, admin: null, loggedIn: false, error: null },
  account: null, // as GET /v1/account tells it
  cost: null, // state/cost.js: average prices from the fills
  orders: new Map(), // order_id -> order as the exchange told it
  fills: [], // oldest first, at most FILLS_MAX
  leaderboard: [],
  equity: new Map(), // account name -> numbers, oldest first
  armed: false,
  ladder: { centre: null, group: 1, follow: true, cursor: null, hover: null, drag: null },
  chart: { view: "candles", intervalS: 1, nsPerPx: 0, endNs: null, priceZoom: 1, pricePan: 0, pointer: null },
  hotkeys: true,
};

export const FILLS_MAX = 2000;
export const SCENARIOS_MAX = 50;

const listeners = [];

/** Call `listener(topic)` whenever part of the state changes. */
export function onChange(listener) {
  listeners.push(listener);
}

/** Say that the named parts of the state have changed. */
export function changed(...topics) {
  for (const topic of topics) for (const listener of listeners) listener(topic);
}

/** The grid of the symbol on show, or null before the exchange has told its instruments. */
export function grid() {
  return state.instruments.get(state.symbol) ?? null;
}

/** Own resting orders in the symbol on show. */
export function ownOrders() {
  return [...state.orders.values()].filter((order) => order.symbol === state.symbol);
}

/** Own position in the symbol on show as the account message tells it, or null. */
export function ownPosition() {
  return state.account?.positions?.find((position) => position.symbol === state.symbol) ?? null;
}
