// Candles and their volume.

import { line } from "./canvas.js";
import { clipToPlot } from "./chart_frame.js";
import { palette } from "./palette.js";

export function drawCandlesticks(sheet, frame) {
  const { context } = sheet;
  clipToPlot(context, frame);
  const width = frame.time.at(frame.intervalNs) - frame.time.at(0);
  const body = Math.max(1, Math.min(width - 1, width * 0.74));
  const up = frame.candles.filter((candle) => candle.close >= candle.open);
  const down = frame.candles.filter((candle) => candle.close < candle.open);
  drawVolume(context, frame, up, body, palette.buySoft);
  drawVolume(context, frame, down, body, palette.sellSoft);
  drawBodies(context, frame, up, body, palette.buy);
  drawBodies(context, frame, down, body, palette.sell);
  context.restore();
  line(context, palette.grid, 0, frame.volumeTop, frame.right, frame.volumeTop);
}

function drawVolume(context, frame, candles, body, color) {
  const most = frame.candles.reduce((max, candle) => Math.max(max, candle.volume), 1);
  const room = frame.bottom - frame.volumeTop - 6;
  context.fillStyle = color;
  for (const candle of candles) {
    const height = (candle.volume / most) * room;
    context.fillRect(left(frame, candle, body), frame.bottom - height, body, height);
  }
}

function drawBodies(context, frame, candles, body, color) {
  context.fillStyle = color;
  for (const candle of candles) {
    const x = left(frame, candle, body);
    const high = frame.price.at(candle.high);
    const top = frame.price.at(Math.max(candle.open, candle.close));
    const foot = frame.price.at(Math.min(candle.open, candle.close));
    context.fillRect(x, top, body, Math.max(foot - top, 1));
    if (candle.high !== candle.low) {
      context.fillRect(Math.round(x + body / 2 - 0.5), high, 1, frame.price.at(candle.low) - high);
    }
  }
}

function left(frame, candle, body) {
  return frame.time.at(candle.timeNs + frame.intervalNs / 2) - body / 2;
}
