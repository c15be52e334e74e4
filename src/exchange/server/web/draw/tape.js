// The tape: every trade, the newest at the top, large ones standing out.

import { fill, text, visible } from "./canvas.js";
import { fonts, palette } from "./palette.js";
import { grid, state } from "../state/store.js";
import { clockText, short } from "../state/units.js";

const ROW_HEIGHT = 17;
let usualLots = 1; // what a large trade is measured against

export function drawTape(sheet) {
  if (!visible(sheet)) return;
  const { context, width } = sheet;
  fill(context, palette.panel, 0, 0, width, sheet.height);
  if (!state.trades || !grid()) return;
  context.textBaseline = "middle";
  context.font = fonts.normal;
  const rows = [...state.trades.newest(Math.ceil(sheet.height / ROW_HEIGHT))];
  usualLots = rows.reduce((most, row) => Math.max(most, state.trades.lots[row]), usualLots * 0.98);
  rows.forEach((row, i) => drawBar(sheet, row, i * ROW_HEIGHT));
  rows.forEach((row, i) => drawTrade(sheet, row, i * ROW_HEIGHT + ROW_HEIGHT / 2 + 0.5));
}

function drawBar(sheet, row, y) {
  const length = Math.sqrt(state.trades.lots[row] / usualLots) * sheet.width * 0.62;
  const color = state.trades.buy[row] ? palette.buySoft : palette.sellSoft;
  fill(sheet.context, color, sheet.width - length, y + 1, length, ROW_HEIGHT - 2);
}

function drawTrade(sheet, row, y) {
  const { trades } = state;
  const { context, width } = sheet;
  const bought = trades.buy[row] === 1;
  text(context, palette.muted, clockText(trades.timeNs[row]), 10, y);
  const price = `${bought ? "▲" : "▼"} ${grid().priceText(trades.price[row])}`;
  text(context, bought ? palette.buy : palette.sell, price, width * 0.69, y, "right");
  text(context, palette.text, short(trades.lots[row] * grid().lot), width - 10, y, "right");
}
