// The depth curve: how much could be bought or sold down to each price.

import { chip, fill, line, text, visible } from "./canvas.js";
import { fonts, palette } from "./palette.js";
import { newScale, roundStep } from "./scale.js";
import { grid, state } from "../state/store.js";
import { short } from "../state/units.js";

const FOOT = 20;
const TOP = 22;
const SHOWN_SHARE = 0.92; // of the thinner side's quantity lies inside the shown prices

/** `pointer`: {x, y} on the sheet or null. */
export function drawDepthCurve(sheet, pointer = null) {
  if (!visible(sheet)) return;
  const { context } = sheet;
  fill(context, palette.panel, 0, 0, sheet.width, sheet.height);
  const mid = state.book?.mid() ?? null;
  if (mid === null) return;
  context.textBaseline = "middle";
  context.font = fonts.small;
  const curves = { bids: sums(state.book.bids), asks: sums(state.book.asks) };
  const reach = Math.max(reachOf(curves.bids, mid), reachOf(curves.asks, mid), 5);
  const price = newScale(mid - reach, mid + reach, 0, sheet.width);
  const most = Math.max(sumAt(curves.bids, mid - reach, -1), sumAt(curves.asks, mid + reach, 1), 1);
  const total = newScale(0, most * 1.08, sheet.height - FOOT, TOP);
  drawGrid(sheet, price, total);
  drawSide(context, curves.bids, price, total, 0, palette.buy);
  drawSide(context, curves.asks, price, total, sheet.width, palette.sell);
  if (pointer) drawPointer(sheet, curves, price, total, pointer, mid);
}

/** [ticks, lots up to and including it] from the best price outwards. */
function sums(side) {
  let total = 0;
  return side.prices.map((ticks) => [ticks, (total += side.lotsAt(ticks))]);
}

function reachOf(curve, mid) {
  if (!curve.length) return 0;
  const enough = curve.at(-1)[1] * SHOWN_SHARE;
  return Math.abs(curve.find(([, lots]) => lots >= enough)[0] - mid) * 1.05;
}

function sumAt(curve, ticks, direction) {
  return curve.findLast(([at]) => (at - ticks) * direction <= 0)?.[1] ?? 0;
}

function drawGrid(sheet, price, total) {
  const { context } = sheet;
  const step = roundStep(price.high - price.low, sheet.width / 80, 1);
  for (let ticks = Math.ceil(price.low / step) * step; ticks <= price.high; ticks += step) {
    const x = price.at(ticks);
    line(context, palette.grid, x, TOP, x, sheet.height - FOOT);
    if (x > 22 && x < sheet.width - 22) {
      text(context, palette.muted, grid().priceText(ticks), x, sheet.height - 9, "center");
    }
  }
  const lots = roundStep(total.high, 4);
  for (let level = lots; level < total.high; level += lots) {
    line(context, palette.grid, 0, total.at(level), sheet.width, total.at(level));
    text(context, palette.muted, short(level * grid().lot), 6, total.at(level) - 7);
  }
}

function drawSide(context, curve, price, total, edge, color) {
  if (!curve.length) return;
  context.beginPath();
  context.moveTo(price.at(curve[0][0]), total.from);
  let y = total.from;
  for (const [ticks, lots] of curve) {
    const x = price.at(ticks);
    context.lineTo(x, y);
    y = total.at(lots);
    context.lineTo(x, y);
  }
  context.lineTo(edge === 0 ? Math.min(0, price.at(curve.at(-1)[0])) : Math.max(edge, price.at(curve.at(-1)[0])), y);
  context.strokeStyle = color;
  context.lineWidth = 1.5;
  context.stroke();
  context.lineTo(edge, total.from);
  context.closePath();
  context.globalAlpha = 0.28; // the grid and its figures stay readable under the area
  context.fillStyle = color;
  context.fill();
  context.globalAlpha = 1;
}

function drawPointer(sheet, curves, price, total, pointer, mid) {
  const { context } = sheet;
  const ticks = Math.round(price.value(pointer.x));
  const lots = ticks < mid ? sumAt(curves.bids, ticks, -1) : sumAt(curves.asks, ticks, 1);
  line(context, palette.muted, pointer.x, TOP, pointer.x, sheet.height - FOOT, [3, 3]);
  line(context, palette.muted, 0, total.at(lots), sheet.width, total.at(lots), [3, 3]);
  const away = ((ticks / mid - 1) * 100).toFixed(2);
  const words = `${grid().priceText(ticks)}  Σ ${short(lots * grid().lot)}  ${away}%`;
  chip(context, palette.muted, palette.panel, words, Math.min(Math.max(4, pointer.x - 60), sheet.width - 150), 11);
}
