// The book over time, for the heatmap: one column of levels per slice of market time, in fixed arrays.

const COLUMNS_MAX = 2400;
const LEVELS = 96; // best levels kept a side
export const COLUMN_NS = 250e6;

/** A ring of book columns; `n` grows without end, the newest is at `n - 1`. */
export class Liquidity {
  constructor() {
    this.n = 0;
    this.timeNs = new Float64Array(COLUMNS_MAX);
    this.mid = new Float64Array(COLUMNS_MAX);
    this.count = new Uint16Array(COLUMNS_MAX); // levels in each column, both sides
    this.price = new Int32Array(COLUMNS_MAX * LEVELS * 2);
    this.lots = new Float32Array(COLUMNS_MAX * LEVELS * 2);
    this.largest = 1; // a slowly fading maximum, which sets the brightest color
  }

  /** Note the book if a slice of time has passed since the last column; true if it did. */
  take(book) {
    const last = this.n > 0 ? this.timeNs[(this.n - 1) % COLUMNS_MAX] : -Infinity;
    if (book.mid() === null || book.timeNs - last < COLUMN_NS) return false;
    const column = this.n % COLUMNS_MAX;
    this.timeNs[column] = book.timeNs;
    this.mid[column] = book.mid();
    this.largest *= 0.995;
    const bids = this.copy(book.bids, column, 0);
    this.count[column] = bids + this.copy(book.asks, column, bids);
    this.n += 1;
    return true;
  }

  copy(side, column, at) {
    const levels = Math.min(LEVELS, side.prices.length);
    const start = column * LEVELS * 2 + at;
    for (let i = 0; i < levels; i++) {
      const lots = side.lotsAt(side.prices[i]);
      this.price[start + i] = side.prices[i];
      this.lots[start + i] = lots;
      if (lots > this.largest) this.largest = lots;
    }
    return levels;
  }

  /** The oldest column still held. */
  first() {
    return Math.max(0, this.n - COLUMNS_MAX);
  }

  slot(column) {
    return column % COLUMNS_MAX;
  }

  /** Where a column's levels begin in `price` and `lots`. */
  start(column) {
    return (column % COLUMNS_MAX) * LEVELS * 2;
  }
}
