// The newest trades in fixed arrays, so that an hour of trading needs no more memory than a minute.

const TRADES_MAX = 4096;

/** A ring of trades; `n` grows without end, the newest is at `n - 1`. */
export class Trades {
  constructor() {
    this.n = 0;
    this.lastId = -1;
    this.id = new Float64Array(TRADES_MAX);
    this.timeNs = new Float64Array(TRADES_MAX);
    this.price = new Int32Array(TRADES_MAX); // ticks
    this.lots = new Float64Array(TRADES_MAX);
    this.buy = new Uint8Array(TRADES_MAX); // 1: the taker bought
  }

  /** Take a trade message; false if it is already known. */
  add(message, grid) {
    if (message.trade_id <= this.lastId) return false;
    const row = this.n % TRADES_MAX;
    this.lastId = message.trade_id;
    this.id[row] = message.trade_id;
    this.timeNs[row] = message.time_ns;
    this.price[row] = grid.ticks(message.price);
    this.lots[row] = grid.lots(message.quantity);
    this.buy[row] = message.taker_side === "buy" ? 1 : 0;
    this.n += 1;
    return true;
  }

  /** Take over the trades of `other` that are newer than the own ones. */
  append(other) {
    for (const from of [...other.newest(TRADES_MAX)].reverse()) {
      if (other.id[from] <= this.lastId) continue;
      const row = this.n % TRADES_MAX;
      for (const column of ["id", "timeNs", "price", "lots", "buy"]) this[column][row] = other[column][from];
      this.lastId = other.id[from];
      this.n += 1;
    }
  }

  /** Rows of the newest `count` trades, the newest first. */
  *newest(count) {
    const last = Math.max(0, this.n - Math.min(count, TRADES_MAX));
    for (let i = this.n - 1; i >= last; i--) yield i % TRADES_MAX;
  }
}
