// What the page believes right now, as plain data: for the console, for reports of faults, for tests.

import { grid, ownOrders, ownPosition, state } from "./store.js";

const levels = (side) => side.prices.map((ticks) => {
  const { price, quantity } = side.levels.get(ticks);
  return [price, quantity];
});

/** A copy; changing it changes nothing. */
export function summary() {
  const { book, link, market, candles, trades } = state;
  return {
    symbol: state.symbol,
    link: { ...link },
    market: { ...market },
    book: book && { epoch: book.epoch, seq: book.seq, bids: levels(book.bids), asks: levels(book.asks) },
    last_price: state.lastPrice === null ? null : grid().priceText(state.lastPrice),
    orders: ownOrders(),
    position: ownPosition(),
    equity: state.account?.equity ?? null,
    n_fills: state.fills.length,
    n_trades: trades?.n ?? 0,
    n_candles: candles ? candles.series(1).length : 0,
    candles: candles ? candles.series(1).slice(-300).map((candle) => ({ ...candle })) : [],
    ladder: { ...state.ladder },
    chart: { ...state.chart },
    armed: state.armed,
    fills: state.fills.slice(-20).map((fill) => ({ ...fill })),
    scenarios: state.scenarios.map((scenario) => ({ ...scenario })),
  };
}
