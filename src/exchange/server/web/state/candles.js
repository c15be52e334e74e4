// Candles: of one second and one minute as the exchange makes them, the lengths between and above
// built from those.

export const INTERVALS_S = [1, 5, 15, 60, 300];
export const SENT_S = [1, 60]; // the lengths that the exchange itself offers
const CANDLES_MAX = 7200; // two hours of one-second candles
const SPARE = 600; // trimmed in blocks, so that trimming is rare

/** A candle in numbers: prices in ticks, volume in lots. */
function toCandle(message, grid) {
  return {
    timeNs: message.open_time_ns,
    open: grid.ticks(message.open),
    high: grid.ticks(message.high),
    low: grid.ticks(message.low),
    close: grid.ticks(message.close),
    volume: grid.lots(message.volume),
  };
}

/** All candle series of one symbol. */
export class Candles {
  constructor(grid) {
    this.grid = grid;
    this.byInterval = new Map(INTERVALS_S.map((seconds) => [seconds, []]));
    this.high = this.low = null; // ticks, of all candles seen
  }

  note(candle) {
    this.high = Math.max(this.high ?? -Infinity, candle.high);
    this.low = Math.min(this.low ?? Infinity, candle.low);
    return candle;
  }

  series(seconds) {
    return this.byInterval.get(seconds);
  }

  /** Take the history of one sent length, oldest first, as REST gives it. */
  load(sentS, messages) {
    const live = this.series(sentS);
    this.byInterval.set(sentS, []);
    for (const message of messages) place(this.series(sentS), this.note(toCandle(message, this.grid)));
    for (const candle of live) place(this.series(sentS), candle);
    for (const seconds of builtFrom(sentS)) {
      this.byInterval.set(seconds, []);
      for (const candle of this.series(sentS)) this.extend(seconds, sentS, candle.timeNs);
    }
  }

  /** Take a candle from the feed, which sends it again as it grows. */
  update(message) {
    const candle = toCandle(message, this.grid);
    if (!SENT_S.includes(message.interval_s)) return;
    place(this.series(message.interval_s), this.note(candle));
    for (const seconds of builtFrom(message.interval_s)) {
      this.extend(seconds, message.interval_s, candle.timeNs);
    }
  }

  /** Build the longer candle that holds `timeNs` again from the sent ones up to it. */
  extend(seconds, sentS, timeNs) {
    const lengthNs = seconds * 1e9;
    const openNs = Math.floor(timeNs / lengthNs) * lengthNs;
    const sent = this.series(sentS);
    let row = sent.length - 1;
    while (row >= 0 && sent[row].timeNs > timeNs) row--;
    let built = null;
    for (; row >= 0 && sent[row].timeNs >= openNs; row--) {
      built = built ? joined(sent[row], built) : { ...sent[row] };
    }
    if (built) place(this.series(seconds), { ...built, timeNs: openNs });
  }
}

/** The lengths that are built from candles of `sentS` seconds. */
function builtFrom(sentS) {
  return INTERVALS_S.filter((s) => !SENT_S.includes(s) && s > sentS && (sentS > 1 || s < SENT_S[1]));
}

/** `earlier` and `later` as one candle. */
function joined(earlier, later) {
  return {
    timeNs: earlier.timeNs,
    open: earlier.open,
    high: Math.max(earlier.high, later.high),
    low: Math.min(earlier.low, later.low),
    close: later.close,
    volume: earlier.volume + later.volume,
  };
}

/** Put a candle at the end of a series, in place of an earlier state of the same one. */
function place(series, candle) {
  const last = series.at(-1);
  if (last && last.timeNs === candle.timeNs) series[series.length - 1] = candle;
  else if (!last || candle.timeNs > last.timeNs) series.push(candle);
  if (series.length > CANDLES_MAX + SPARE) series.splice(0, SPARE);
}
