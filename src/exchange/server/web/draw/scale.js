// From numbers to pixels and back, and round numbers for an axis.

/** A straight map of [low, high] to pixels [from, to]. */
export function newScale(low, high, from, to) {
  const span = high - low || 1;
  return {
    low, high, from, to,
    at: (value) => from + ((value - low) / span) * (to - from),
    value: (pixel) => low + ((pixel - from) / (to - from || 1)) * span,
  };
}

const ROUND = [1, 2, 5, 10];

/** A round step (1, 2 or 5 times a power of ten) that makes at most `count` steps of `span`. */
export function roundStep(span, count, least = 0) {
  const rough = Math.max(span / Math.max(count, 1), least, 1e-12);
  const power = 10 ** Math.floor(Math.log10(rough));
  return power * ROUND.find((factor) => factor * power >= rough * 0.999999);
}

const TIME_STEPS_S = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 86400];

/** A step for a time axis in nanoseconds, at most `count` of them in `spanNs`. */
export function timeStep(spanNs, count) {
  const rough = spanNs / 1e9 / Math.max(count, 1);
  return (TIME_STEPS_S.find((step) => step >= rough) ?? TIME_STEPS_S.at(-1)) * 1e9;
}
