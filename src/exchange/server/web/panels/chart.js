// The chart's hands: view, candle length, zoom, pan and crosshair, by pointer and keyboard.

import { arrowsMoveIn, byId, choose, make } from "./dom.js";
import { newCanvas } from "../draw/canvas.js";
import { drawChart } from "../draw/chart.js";
import { BAR_PX_MAX, BAR_PX_MIN, chartFrame } from "../draw/chart_frame.js";
import { drawCrosshair } from "../draw/crosshair.js";
import { drawDepthCurve } from "../draw/depth_curve.js";
import { addSurface } from "../draw/frame.js";
import { INTERVALS_S } from "../state/candles.js";
import { changed, grid, state } from "../state/store.js";

const WHEEL_ZOOM = 1.15;
const VIEWS = ["candles", "heatmap", "depth"];
const pointers = new Map(); // pointers pressed on the chart, for panning and pinching
let sheet = null;

export function newChart() {
  sheet = newCanvas(byId("chart"), () => redraw());
  const over = newCanvas(byId("crosshair"), () => redrawOver(), { transparent: true });
  const redraw = addSurface(
    ["candles", "orders", "fills", "account", "market", "chart", "symbol", "theme", "liquidity"], 66, () => drawChart(sheet),
  );
  const redrawOver = addSurface(["candles", "chart", "pointer", "symbol", "theme"], 100, () => drawCrosshair(over));
  addSurface(["book"], 100, () => state.chart.view === "depth" && drawChart(sheet));
  newDepthPanel();
  newChoices();
  listen(byId("chart"));
  addSurface(["candles", "symbol"], 2000, describe);
}

function newDepthPanel() {
  const depth = newCanvas(byId("depth"), () => redraw());
  let pointer = null;
  const redraw = addSurface(["book", "symbol", "theme"], 150, () => drawDepthCurve(depth, pointer));
  byId("depth").addEventListener("pointermove", (event) => {
    pointer = { x: event.offsetX, y: event.offsetY };
    redraw();
  });
  byId("depth").addEventListener("pointerleave", () => {
    pointer = null;
    redraw();
  });
}

function newChoices() {
  const names = INTERVALS_S.map((seconds) => (seconds < 60 ? `${seconds}s` : `${seconds / 60}m`));
  byId("intervals").append(...INTERVALS_S.map((seconds, i) => {
    const button = make("button", { textContent: names[i] });
    button.setAttribute("role", "radio");
    button.dataset.seconds = String(seconds);
    return button;
  }));
  setCandleLength(state.chart.intervalS);
  byId("intervals").addEventListener("click", (event) => event.target.dataset.seconds && setCandleLength(Number(event.target.dataset.seconds)));
  byId("views").addEventListener("click", (event) => event.target.dataset.view && setView(event.target.dataset.view));
  for (const id of ["intervals", "views"]) arrowsMoveIn(byId(id));
  byId("zoom-in").addEventListener("click", () => zoom(1 / 1.4));
  byId("zoom-out").addEventListener("click", () => zoom(1.4));
  byId("follow-chart").addEventListener("click", followMarket);
}

/** Show "candles", "heatmap" or "depth", by name or number from 1. */
export function setView(view) {
  state.chart.view = VIEWS[view - 1] ?? view;
  choose(byId("views"), byId("views").querySelector(`[data-view="${state.chart.view}"]`));
  changed("chart");
}

function setCandleLength(seconds) {
  if (state.chart.nsPerPx) state.chart.nsPerPx *= seconds / state.chart.intervalS;
  state.chart.intervalS = seconds;
  choose(byId("intervals"), byId("intervals").querySelector(`[data-seconds="${seconds}"]`));
  changed("chart");
}

export function nextInterval(by) {
  const next = INTERVALS_S[INTERVALS_S.indexOf(state.chart.intervalS) + by];
  if (next) setCandleLength(next);
}

/** Go back to the newest candle and the automatic price range. */
export function followMarket() {
  Object.assign(state.chart, { endNs: null, priceZoom: 1, pricePan: 0 });
  changed("chart");
}

/** Make the time span `factor` times as long, keeping the time at pixel `x` in place. */
function zoom(factor, x = null) {
  const { chart } = state;
  if (!chart.nsPerPx) return;
  const frame = chartFrame(sheet);
  const intervalNs = chart.intervalS * 1e9;
  const next = Math.min(Math.max(chart.nsPerPx * factor, intervalNs / BAR_PX_MAX), intervalNs / BAR_PX_MIN);
  if (x !== null && chart.endNs !== null) chart.endNs += (frame.right - x) * (next - chart.nsPerPx);
  chart.nsPerPx = next;
  changed("chart");
}

function pan(byPx) {
  const { chart } = state;
  const frame = chartFrame(sheet);
  const end = (chart.endNs ?? frame.time.high) - byPx * chart.nsPerPx;
  const newest = state.market.timeNs + 60 * chart.nsPerPx;
  chart.endNs = end >= newest ? null : Math.max(end, frame.right * chart.nsPerPx * 0.2);
  changed("chart");
}

function panPrice(byPx) {
  const frame = chartFrame(sheet);
  state.chart.pricePan += byPx * ((frame.price.high - frame.price.low) / (frame.price.from - frame.price.to));
  changed("chart");
}

function zoomPrice(factor) {
  state.chart.priceZoom = Math.min(Math.max(state.chart.priceZoom * factor, 0.1), 20);
  changed("chart");
}

function listen(canvas) {
  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    pointers.set(event.pointerId, { x: event.offsetX, y: event.offsetY });
  });
  canvas.addEventListener("pointermove", moved);
  for (const name of ["pointerup", "pointercancel"]) canvas.addEventListener(name, (event) => pointers.delete(event.pointerId));
  canvas.addEventListener("pointerleave", () => setPointer(null));
  canvas.addEventListener("dblclick", followMarket);
  canvas.addEventListener("keydown", keyed);
  canvas.addEventListener("wheel", (event) => {
    event.preventDefault();
    const factor = event.deltaY > 0 ? WHEEL_ZOOM : 1 / WHEEL_ZOOM;
    if (event.shiftKey) zoomPrice(1 / factor);
    else if (Math.abs(event.deltaX) > Math.abs(event.deltaY)) pan(-event.deltaX);
    else zoom(factor, event.offsetX);
  }, { passive: false });
}

function setPointer(pointer) {
  state.chart.pointer = pointer;
  changed(state.chart.view === "depth" ? "chart" : "pointer");
}

/** One pointer pans (on the price axis: stretches the prices), two pinch. */
function moved(event) {
  const now = { x: event.offsetX, y: event.offsetY };
  const before = pointers.get(event.pointerId);
  if (before && state.chart.view !== "depth") {
    if (pointers.size === 2) pinch(event.pointerId, before, now);
    else if (before.x > chartFrame(sheet).right) zoomPrice(1 + (now.y - before.y) / 150);
    else drag(before, now);
    pointers.set(event.pointerId, now);
  }
  setPointer(now);
}

function drag(before, now) {
  pan(now.x - before.x);
  if (state.chart.endNs !== null) panPrice(now.y - before.y);
}

function pinch(id, before, now) {
  const other = [...pointers].find(([key]) => key !== id)[1];
  const spread = (point) => Math.hypot(point.x - other.x, point.y - other.y) || 1;
  zoom(spread(before) / spread(now), (now.x + other.x) / 2);
}

const KEYS = {
  ArrowLeft: () => pan(60), ArrowRight: () => pan(-60),
  ArrowUp: () => zoom(1 / 1.2), ArrowDown: () => zoom(1.2),
  PageUp: () => zoomPrice(1.2), PageDown: () => zoomPrice(1 / 1.2),
  End: followMarket, Home: () => pan(sheet.width),
};

function keyed(event) {
  if (!KEYS[event.key] || event.ctrlKey || event.metaKey || event.altKey) return;
  event.preventDefault();
  KEYS[event.key]();
}

/** The chart in words, for a screen reader. */
function describe() {
  const candle = state.candles?.series(state.chart.intervalS).at(-1);
  if (!candle || !grid()) return;
  const price = (ticks) => grid().priceText(ticks);
  byId("chart").setAttribute("aria-label",
    `Price chart of ${state.symbol}. Newest candle: open ${price(candle.open)}, high ${price(candle.high)}, ` +
    `low ${price(candle.low)}, close ${price(candle.close)}.`);
}
