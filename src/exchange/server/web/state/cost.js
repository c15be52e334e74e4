// What the own position cost: its average price by symbol, followed from the fills.

/** Average cost of positions. Where the fills do not reach back to a flat position it is unknown. */
export class Cost {
  constructor() {
    this.bySymbol = new Map(); // symbol -> {position, average | null}
    this.lastFillId = 0;
  }

  /** Take a fill, oldest first; false if it is already known. */
  add(fill) {
    if (fill.fill_id <= this.lastFillId) return false;
    this.lastFillId = fill.fill_id;
    const change = Number(fill.quantity) * (fill.side === "buy" ? 1 : -1);
    const after = Number(fill.position_after);
    const before = after - change;
    const known = this.bySymbol.get(fill.symbol);
    const average = known && known.position === before ? known.average : null;
    this.bySymbol.set(fill.symbol, {
      position: after,
      average: averageAfter(before, average, change, Number(fill.price), after),
    });
    return true;
  }

  /** The average price of the position in `symbol`, or null if flat or unknown. */
  average(symbol, position) {
    const known = this.bySymbol.get(symbol);
    return known && position !== 0 && known.position === position ? known.average : null;
  }
}

function averageAfter(before, average, change, price, after) {
  if (Math.abs(after) < 1e-12) return null;
  if (Math.abs(before) < 1e-12 || before * after < 0) return price; // opened, or turned around
  if (average === null) return null;
  if (before * change < 0) return average; // reduced
  return (average * before + price * change) / after;
}
