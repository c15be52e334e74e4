// What is drawn over candles and heatmap: own orders, average price, own fills, last price, scenarios.

import { chip, fill, line } from "./canvas.js";
import { axisLabel, clipToPlot } from "./chart_frame.js";
import { fonts, palette } from "./palette.js";
import { grid, ownOrders, ownPosition, state } from "../state/store.js";
import { short, signed } from "../state/units.js";

const FILLS_DRAWN = 400;

export const SCENARIO_NAMES = {
  flash_crash: "Flash crash", rally: "Rally", volatility_spike: "Volatility spike",
  liquidity_drought: "Liquidity drought", news_jump: "News jump", halt: "Halt",
};

/** Where shocks began, and how long they last. */
export function drawScenarios(sheet, frame) {
  const { context } = sheet;
  clipToPlot(context, frame);
  for (const { x, end } of visibleScenarios(frame)) {
    fill(context, palette.mark, x, frame.top, Math.max(end - x, 1), frame.bottom - frame.top);
    line(context, palette.accent, x, frame.top, x, frame.bottom, [2, 3]);
  }
  context.restore();
}

function visibleScenarios(frame) {
  return state.scenarios
    .filter((scenario) => scenario.symbol === state.symbol)
    .map((scenario) => ({
      scenario, x: frame.time.at(scenario.begin_ns), end: frame.time.at(scenario.end_ns ?? scenario.begin_ns),
    }))
    .filter(({ x, end }) => end >= 0 && x <= frame.right);
}

/** Their names, over everything else. */
function drawScenarioNames(context, frame) {
  clipToPlot(context, frame);
  visibleScenarios(frame).forEach(({ scenario, x }, i) => {
    const words = `${SCENARIO_NAMES[scenario.kind] ?? scenario.kind} ×${Number(scenario.magnitude).toString().replace("-", "−")}`;
    chip(context, palette.panel, palette.accent, words, x + 3, frame.top + 10 + 17 * (i % 4));
  });
  context.restore();
}

export function drawMarks(sheet, frame) {
  const { context } = sheet;
  context.font = fonts.small;
  drawFills(context, frame);
  drawOrders(context, frame);
  drawAverage(context, frame);
  drawLast(context, frame);
  drawScenarioNames(context, frame);
}

/** Own fills: a triangle up below a buy, down above a sell. */
function drawFills(context, frame) {
  clipToPlot(context, frame);
  for (const fillReport of state.fills.slice(-FILLS_DRAWN)) {
    if (fillReport.symbol !== state.symbol) continue;
    const x = frame.time.at(fillReport.time_ns);
    if (x < -8 || x > frame.right) continue;
    const y = frame.price.at(grid().ticks(fillReport.price));
    triangle(context, x, y, fillReport.side === "buy" ? 1 : -1);
  }
  context.restore();
}

function triangle(context, x, y, direction) {
  context.beginPath();
  context.moveTo(x, y + 2 * direction);
  context.lineTo(x - 5, y + 11 * direction);
  context.lineTo(x + 5, y + 11 * direction);
  context.closePath();
  context.fillStyle = palette.own;
  context.fill();
  context.strokeStyle = palette.panel;
  context.lineWidth = 1;
  context.stroke();
}

function drawAverage(context, frame) {
  const held = Number(ownPosition()?.position ?? 0);
  const average = state.cost?.average(state.symbol, held) ?? null;
  if (average === null) return;
  const y = frame.price.at(average / grid().tick);
  if (y < frame.top || y > frame.volumeTop) return;
  line(context, palette.own, 0, y, frame.right, y, [6, 4]);
  chip(context, palette.ownSoft, palette.own, `${signed(held, grid().quantityDigits)} avg`, 6, y);
}

function drawOrders(context, frame) {
  for (const order of ownOrders()) {
    if (order.price === null) continue;
    const ticks = grid().ticks(order.price);
    const y = frame.price.at(ticks);
    if (y < frame.top || y > frame.volumeTop) continue;
    const color = order.side === "buy" ? palette.buy : palette.sell;
    line(context, color, 0, y, frame.right, y, [2, 3]);
    chip(context, color, palette.accentText, `${order.side} ${short(Number(order.open_quantity))}`, frame.right - 4, y, "right");
    axisLabel(context, frame, ticks, color, palette.accentText);
  }
}

function drawLast(context, frame) {
  if (state.lastPrice === null) return;
  const y = frame.price.at(state.lastPrice);
  if (y > frame.top && y < frame.bottom) line(context, palette.accent, 0, y, frame.right, y, [1, 3]);
  axisLabel(context, frame, state.lastPrice, palette.accent, palette.accentText);
}
