// Where time and price stand on the chart: the part that candles, heatmap, marks and crosshair share.

import { fill, line, text } from "./canvas.js";
import { fonts, palette } from "./palette.js";
import { newScale, roundStep, timeStep } from "./scale.js";
import { grid, state } from "../state/store.js";
import { clockText } from "../state/units.js";

const AXIS_WIDTH = 66;
const AXIS_HEIGHT = 20;
const TOP = 24; // room for the values under the crosshair
const VOLUME_SHARE = 0.17;
const AHEAD_PX = 44; // empty room right of the newest candle
const BAR_PX_FIRST = 8;
export const BAR_PX_MIN = 1.5;
export const BAR_PX_MAX = 60;
const TICKS_SHOWN_MIN = 12;

/** The chart's scales on a sheet of this size: `time` (ns) and `price` (ticks) to pixels. */
export function chartFrame(sheet) {
  const { chart } = state;
  const intervalNs = chart.intervalS * 1e9;
  if (!chart.nsPerPx) chart.nsPerPx = intervalNs / BAR_PX_FIRST;
  const right = sheet.width - AXIS_WIDTH;
  const bottom = sheet.height - AXIS_HEIGHT;
  const endNs = chart.endNs ?? newestNs(intervalNs) + AHEAD_PX * chart.nsPerPx;
  const time = newScale(endNs - right * chart.nsPerPx, endNs, 0, right);
  const candles = visibleCandles(time, intervalNs);
  const volumeTop = bottom - (bottom - TOP) * (chart.view === "candles" ? VOLUME_SHARE : 0);
  const [low, high] = priceRange(candles);
  const price = newScale(low, high, volumeTop - 8, TOP);
  return { time, price, candles, right, bottom, volumeTop, top: TOP, intervalNs, width: sheet.width };
}

/** Where the time axis ends while the chart follows the market. */
export function newestNs(intervalNs) {
  const last = state.candles?.series(state.chart.intervalS).at(-1);
  return Math.max(last ? last.timeNs + intervalNs : 0, state.market.timeNs);
}

function visibleCandles(time, intervalNs) {
  const series = state.candles?.series(state.chart.intervalS) ?? [];
  let end = series.length;
  while (end > 0 && series[end - 1].timeNs > time.high) end--;
  let begin = end;
  while (begin > 0 && series[begin - 1].timeNs + intervalNs > time.low) begin--;
  return series.slice(begin, end);
}

function priceRange(candles) {
  let low = Infinity;
  let high = -Infinity;
  for (const candle of candles) {
    if (candle.low < low) low = candle.low;
    if (candle.high > high) high = candle.high;
  }
  if (high < low) low = high = state.book?.mid() ?? state.lastPrice ?? 0;
  const middle = (low + high) / 2;
  const least = state.chart.view === "heatmap" ? 3 * TICKS_SHOWN_MIN : TICKS_SHOWN_MIN;
  const half = (Math.max(high - low, least) / 2) * 1.12;
  const { priceZoom, pricePan } = state.chart;
  return [middle + pricePan - half / priceZoom, middle + pricePan + half / priceZoom];
}

/** Grid lines, prices at the right, times at the foot. */
export function drawAxes(sheet, frame) {
  const { context } = sheet;
  context.font = fonts.small;
  context.textBaseline = "middle";
  const step = roundStep(frame.price.high - frame.price.low, (frame.price.from - frame.price.to) / 52, 1);
  for (let ticks = Math.ceil(frame.price.low / step) * step; ticks <= frame.price.high; ticks += step) {
    const y = frame.price.at(ticks);
    line(context, palette.grid, 0, y, frame.right, y);
    text(context, palette.muted, grid().priceText(ticks), frame.right + 8, y);
  }
  const stepNs = timeStep(frame.time.high - frame.time.low, frame.right / 92);
  for (let ns = Math.ceil(frame.time.low / stepNs) * stepNs; ns <= frame.time.high; ns += stepNs) {
    if (ns < 0) continue;
    const x = frame.time.at(ns);
    line(context, palette.grid, x, frame.top, x, frame.bottom);
    text(context, palette.muted, clockText(ns), x, frame.bottom + 11, "center");
  }
  line(context, palette.line, frame.right, 0, frame.right, sheet.height);
  line(context, palette.line, 0, frame.bottom, sheet.width, frame.bottom);
}

/** Keep what follows inside the plotting area until `context.restore()`. */
export function clipToPlot(context, frame) {
  context.save();
  context.beginPath();
  context.rect(0, frame.top - 4, frame.right, frame.bottom - frame.top + 4);
  context.clip();
}

/** A price on the right-hand axis, on a colored label. */
export function axisLabel(context, frame, ticks, color, inkColor) {
  const y = frame.price.at(ticks);
  if (y < 4 || y > frame.bottom - 4) return;
  fill(context, color, frame.right + 1, y - 8, frame.width - frame.right - 1, 16);
  text(context, inkColor, grid().priceText(ticks), frame.right + 8, y + 0.5);
}
