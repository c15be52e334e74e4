// The order book rebuilt from the feed: a snapshot, then numbered changes, each checked.

import { crc32 } from "./crc32.js";

const CHECKED_LEVELS = 10;

/** One side of the book: levels by price, the best first. */
class BookSide {
  constructor(grid, better) {
    this.grid = grid;
    this.better = better; // +1: higher prices first (bids), -1: lower first (asks)
    this.levels = new Map(); // ticks -> {price, quantity, lots}; the strings as they were sent
    this.prices = []; // ticks, best first
  }

  clear() {
    this.levels.clear();
    this.prices.length = 0;
  }

  set(price, quantity) {
    const ticks = this.grid.ticks(price);
    const lots = this.grid.lots(quantity);
    const level = this.levels.get(ticks);
    if (lots === 0) {
      if (level) this.prices.splice(this.place(ticks), 1);
      this.levels.delete(ticks);
    } else if (level) {
      level.quantity = quantity;
      level.lots = lots;
    } else {
      this.prices.splice(this.place(ticks), 0, ticks);
      this.levels.set(ticks, { price, quantity, lots });
    }
  }

  /** Where `ticks` stands, or belongs, in `prices` (binary search). */
  place(ticks) {
    let low = 0;
    let high = this.prices.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.prices[middle] - ticks) * this.better > 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  lotsAt(ticks) {
    return this.levels.get(ticks)?.lots ?? 0;
  }

  best() {
    return this.prices.length ? this.prices[0] : null;
  }

  /** "price:quantity" of the level in this row, or ":" where there is none. */
  checkedText(row) {
    const level = this.levels.get(this.prices[row]);
    return level ? `${level.price}:${level.quantity}` : ":";
  }
}

/** Both sides of one symbol's book and its place in the feed. */
export class Book {
  constructor(grid) {
    this.grid = grid;
    this.bids = new BookSide(grid, 1);
    this.asks = new BookSide(grid, -1);
    this.epoch = null;
    this.seq = null;
    this.timeNs = 0;
  }

  /** Take a book message. Answers "ok", "gap" (a change was missed) or "checksum" (a wrong book). */
  apply(message) {
    if (message.type === "snapshot") {
      this.bids.clear();
      this.asks.clear();
    } else if (message.epoch !== this.epoch || message.prev_seq !== this.seq) {
      return "gap";
    }
    for (const [price, quantity] of message.bids) this.bids.set(price, quantity);
    for (const [price, quantity] of message.asks) this.asks.set(price, quantity);
    this.epoch = message.epoch;
    this.seq = message.seq;
    this.timeNs = message.time_ns;
    return message.checksum === undefined || this.checksum() === message.checksum ? "ok" : "checksum";
  }

  /** CRC-32 of the ten best levels as docs/PROTOCOL.md defines it. */
  checksum() {
    const rows = Math.min(CHECKED_LEVELS, Math.max(this.bids.prices.length, this.asks.prices.length));
    const parts = [];
    for (let row = 0; row < rows; row++) {
      parts.push(`${this.bids.checkedText(row)}:${this.asks.checkedText(row)}`);
    }
    return crc32(parts.join("|"));
  }

  /** Half-way between the best prices, in ticks; of one side where the other is empty; or null. */
  mid() {
    const bid = this.bids.best();
    const ask = this.asks.best();
    if (bid === null || ask === null) return bid ?? ask;
    return (bid + ask) / 2;
  }

  spread() {
    const bid = this.bids.best();
    const ask = this.asks.best();
    return bid === null || ask === null ? null : ask - bid;
  }
}
