// Ticks and lots of one instrument, and the only conversion between them and decimal strings.

/** The price and quantity steps of one instrument. */
export class Grid {
  constructor(instrument) {
    this.instrument = instrument;
    this.symbol = instrument.symbol;
    this.tick = Number(instrument.tick_size);
    this.lot = Number(instrument.lot_size);
    this.priceDigits = digitsOf(instrument.tick_size);
    this.quantityDigits = digitsOf(instrument.lot_size);
    this.moneyDigits = Math.max(2, this.priceDigits);
  }

  /** Ticks nearest to a decimal price. */
  ticks(price) {
    return Math.round(Number(price) / this.tick);
  }

  /** Lots nearest to a decimal quantity. */
  lots(quantity) {
    return Math.round(Number(quantity) / this.lot);
  }

  /** Ticks as the decimal price, always with the tick's digits. */
  priceText(ticks) {
    return (ticks * this.tick).toFixed(this.priceDigits);
  }

  /** Lots as the decimal quantity. */
  quantityText(lots) {
    return (lots * this.lot).toFixed(this.quantityDigits);
  }
}

function digitsOf(step) {
  return step.includes(".") ? step.split(".")[1].replace(/0+$/, "").length : 0;
}

/** Money or a difference with its sign: "+12.30", "−4.05", "0.00". */
export function signed(value, digits = 2) {
  const text = Math.abs(value).toFixed(digits);
  if (Number(text) === 0) return text;
  return (value < 0 ? "−" : "+") + text;
}

/** A quantity short enough for a narrow column: 950, 12.4k, 3.1M. */
export function short(value) {
  const size = Math.abs(value);
  if (size < 10_000) return String(Math.round(value * 1e8) / 1e8);
  if (size < 1e6) return (value / 1e3).toFixed(size < 1e5 ? 1 : 0) + "k";
  return (value / 1e6).toFixed(size < 1e7 ? 2 : 1) + "M";
}

const WALL_CLOCK_FROM_NS = 1e17; // above this a market time counts from 1970, below from its opening

/** Market time as "h:mm:ss" (with `fraction` digits of a second). */
export function clockText(timeNs, fraction = 0) {
  if (timeNs > WALL_CLOCK_FROM_NS) {
    const date = new Date(timeNs / 1e6);
    const midnight = new Date(date).setHours(0, 0, 0, 0);
    return clockText((timeNs / 1e6 - midnight) * 1e6, fraction);
  }
  const seconds = Math.max(timeNs, 0) / 1e9;
  const whole = Math.floor(seconds);
  const text = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60]
    .map((part) => String(part).padStart(2, "0"))
    .join(":");
  if (fraction === 0) return text;
  const scale = 10 ** fraction;
  return `${text}.${String(Math.floor((seconds - whole) * scale)).padStart(fraction, "0")}`;
}
