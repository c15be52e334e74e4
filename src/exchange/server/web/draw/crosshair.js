// The crosshair and the values under it, on a sheet of its own so that moving it redraws no candle.

import { chip, line, text, visible } from "./canvas.js";
import { axisLabel, chartFrame } from "./chart_frame.js";
import { fonts, palette } from "./palette.js";
import { grid, state } from "../state/store.js";
import { clockText, short, signed } from "../state/units.js";

export function drawCrosshair(sheet) {
  const { context } = sheet;
  context.clearRect(0, 0, sheet.width, sheet.height);
  if (!visible(sheet) || !grid() || !state.candles || state.chart.view === "depth") return;
  const frame = chartFrame(sheet);
  const { pointer } = state.chart;
  context.textBaseline = "middle";
  context.font = fonts.small;
  const inside = pointer && pointer.x < frame.right && pointer.y < frame.bottom;
  const candle = inside ? candleAt(frame, pointer.x) : frame.candles.at(-1);
  if (candle) drawValues(context, candle);
  if (!inside) return;
  line(context, palette.muted, pointer.x, frame.top, pointer.x, frame.bottom, [3, 3]);
  line(context, palette.muted, 0, pointer.y, frame.right, pointer.y, [3, 3]);
  axisLabel(context, frame, Math.round(frame.price.value(pointer.y)), palette.muted, palette.panel);
  const time = clockText(frame.time.value(pointer.x), frame.intervalNs < 5e9 ? 1 : 0);
  chip(context, palette.muted, palette.panel, time, Math.min(pointer.x - 32, frame.right - 70), frame.bottom + 11);
}

function candleAt(frame, x) {
  const timeNs = frame.time.value(x);
  return frame.candles.findLast((candle) => candle.timeNs <= timeNs);
}

function drawValues(context, candle) {
  const change = candle.open ? (candle.close / candle.open - 1) * 100 : 0;
  const color = candle.close >= candle.open ? palette.buy : palette.sell;
  const parts = [
    ["O", grid().priceText(candle.open)], ["H", grid().priceText(candle.high)],
    ["L", grid().priceText(candle.low)], ["C", grid().priceText(candle.close)],
    ["", `${signed(change)}%`], ["Vol", short(candle.volume * grid().lot)],
  ];
  let x = 10;
  for (const [name, value] of parts) {
    text(context, palette.muted, name, x, 12);
    x += name ? context.measureText(name).width + 4 : 0;
    text(context, color, value, x, 12);
    x += context.measureText(value).width + 10;
  }
}
