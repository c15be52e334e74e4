// The book over time: how much rested at each price, as color, with the trades drawn on it.

import { clipToPlot } from "./chart_frame.js";
import { palette } from "./palette.js";
import { state } from "../state/store.js";
import { COLUMN_NS } from "../state/liquidity.js";

const SHADES = 64;
const CONTRAST = 0.65; // below 1 so that small quantities are seen beside large ones
const ROWS_MAX = 700;
const raster = document.createElement("canvas"); // one pixel a column of time and row of prices
let painted = ""; // what is on the raster
let colors = null; // Uint32Array of SHADES colors as they lie in ImageData
let colorsOf = "";

export function drawHeatmap(sheet, frame) {
  const { liquidity } = state;
  clipToPlot(sheet.context, frame);
  if (liquidity && liquidity.n > 0) drawLiquidity(sheet.context, frame, liquidity);
  drawMid(sheet.context, frame, liquidity);
  drawTrades(sheet.context, frame);
  sheet.context.restore();
}

/** Stretch the small raster over the plot, painted again only when what it shows has changed. */
function drawLiquidity(context, frame, liquidity) {
  const cells = cellsOf(frame);
  const key = `${liquidity.n} ${Object.values(cells).join(" ")} ${palette.heat0}`;
  if (key !== painted) paint(liquidity, cells);
  painted = key;
  context.imageSmoothingEnabled = false;
  const left = frame.time.at(cells.beginNs);
  const top = frame.price.at(cells.low + cells.rows * cells.perRow - 0.5);
  const width = frame.time.at(cells.beginNs + cells.columns * cells.cellNs) - left;
  context.drawImage(raster, left, top, width, frame.price.at(cells.low - 0.5) - top);
}

/** The grid of cells that covers the plot; it moves by whole cells, so that it does not shimmer. */
function cellsOf(frame) {
  const low = Math.floor(frame.price.low);
  const ticks = Math.ceil(frame.price.high) - low + 1;
  const perRow = Math.ceil(ticks / ROWS_MAX);
  const spanNs = frame.time.high - frame.time.low;
  const cellNs = COLUMN_NS * Math.max(1, Math.ceil(spanNs / COLUMN_NS / Math.max(frame.right, 1)));
  const beginNs = Math.floor(frame.time.low / cellNs) * cellNs;
  return { low, perRow, rows: Math.ceil(ticks / perRow), cellNs, beginNs, columns: Math.ceil(spanNs / cellNs) + 1 };
}

function paint(liquidity, cells) {
  const image = new ImageData(cells.columns, cells.rows);
  const pixels = new Uint32Array(image.data.buffer);
  const shades = heatColors();
  pixels.fill(shades[0]);
  for (let n = liquidity.first(); n < liquidity.n; n++) {
    const next = n + 1 < liquidity.n ? liquidity.timeNs[liquidity.slot(n + 1)] : state.market.timeNs + COLUMN_NS;
    const from = Math.floor((liquidity.timeNs[liquidity.slot(n)] - cells.beginNs) / cells.cellNs);
    const to = Math.min(cells.columns, Math.max(from + 1, Math.floor((next - cells.beginNs) / cells.cellNs)));
    if (from >= cells.columns) break;
    if (to > 0) paintColumn(pixels, liquidity, n, cells, shades, Math.max(0, from), to);
  }
  raster.width = cells.columns;
  raster.height = cells.rows;
  raster.getContext("2d").putImageData(image, 0, 0);
}

/** One look at the book, over the cells [from, to) of the time axis. */
function paintColumn(pixels, liquidity, n, { low, perRow, rows, columns }, shades, from, to) {
  const scale = (SHADES - 1) / liquidity.largest ** CONTRAST;
  const start = liquidity.start(n);
  const end = start + liquidity.count[liquidity.slot(n)];
  for (let i = start; i < end; i++) {
    const row = rows - 1 - Math.floor((liquidity.price[i] - low) / perRow);
    if (row < 0 || row >= rows) continue;
    const shade = shades[Math.min(SHADES - 1, Math.round(liquidity.lots[i] ** CONTRAST * scale))];
    for (let pixel = row * columns + from; pixel < row * columns + to; pixel++) pixels[pixel] = shade;
  }
}

/** The theme's five heat colors blended into SHADES steps. */
function heatColors() {
  const stops = [palette.heat0, palette.heat1, palette.heat2, palette.heat3, palette.heat4];
  if (colorsOf === stops.join()) return colors;
  colorsOf = stops.join();
  const parts = stops.map((hex) => [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16)));
  colors = new Uint32Array(SHADES);
  for (let i = 0; i < SHADES; i++) {
    const place = (i / (SHADES - 1)) * (stops.length - 1);
    const stop = Math.min(Math.floor(place), stops.length - 2);
    const [r, g, b] = parts[stop].map((from, k) => from + (parts[stop + 1][k] - from) * (place - stop));
    colors[i] = (255 << 24) | (Math.round(b) << 16) | (Math.round(g) << 8) | Math.round(r);
  }
  return colors;
}

function drawMid(context, frame, liquidity) {
  if (!liquidity) return;
  context.strokeStyle = palette.text;
  context.lineWidth = 1.25;
  context.beginPath();
  for (let n = liquidity.first(); n < liquidity.n; n++) {
    const slot = liquidity.slot(n);
    context.lineTo(frame.time.at(liquidity.timeNs[slot]), frame.price.at(liquidity.mid[slot]));
  }
  context.stroke();
}

function drawTrades(context, frame) {
  const { trades } = state;
  if (!trades) return;
  for (const [side, color] of [[1, palette.buy], [0, palette.sell]]) {
    context.fillStyle = color;
    context.beginPath();
    for (const row of trades.newest(1500)) {
      if (trades.buy[row] !== side) continue;
      const x = frame.time.at(trades.timeNs[row]);
      if (x < 0) break;
      const y = frame.price.at(trades.price[row]);
      const radius = Math.min(7, 1 + Math.sqrt(trades.lots[row]) * 0.45);
      context.moveTo(x + radius, y);
      context.arc(x, y, radius, 0, 7);
    }
    context.fill();
  }
}
