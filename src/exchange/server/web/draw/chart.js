// The chart: candles, heatmap or depth curve, whichever is chosen, on one sheet.

import { fill, visible } from "./canvas.js";
import { drawCandlesticks } from "./candlesticks.js";
import { chartFrame, drawAxes } from "./chart_frame.js";
import { drawMarks, drawScenarios } from "./chart_marks.js";
import { drawDepthCurve } from "./depth_curve.js";
import { drawHeatmap } from "./heatmap.js";
import { palette } from "./palette.js";
import { grid, state } from "../state/store.js";

export function drawChart(sheet) {
  if (!visible(sheet)) return;
  if (state.chart.view === "depth") return drawDepthCurve(sheet, state.chart.pointer);
  fill(sheet.context, palette.panel, 0, 0, sheet.width, sheet.height);
  if (!grid() || !state.candles) return;
  const frame = chartFrame(sheet);
  drawAxes(sheet, frame);
  if (state.chart.view === "heatmap") drawHeatmap(sheet, frame);
  drawScenarios(sheet, frame);
  if (state.chart.view === "candles") drawCandlesticks(sheet, frame);
  drawMarks(sheet, frame);
}
