// The price ladder: one row a price, bids left of it, asks right of it, own orders at the edges.

import { chip, fill, line, text, visible } from "./canvas.js";
import { fonts, palette } from "./palette.js";
import { grid, ownOrders, ownPosition, state } from "../state/store.js";
import { short, signed } from "../state/units.js";

export const ROW_HEIGHT = 19;
const FOOT_HEIGHT = 20;
const SHOWN_MARGIN = 0.18; // following recentres when the mid enters this share of the height
let barMax = 1; // lots of the longest bar; fades slowly, so that bars do not jump

/** Where the columns stand on a sheet of this width. */
export function ladderColumns(width) {
  const own = Math.min(74, width * 0.19);
  const price = Math.min(78, width * 0.25);
  const middle = width / 2;
  return {
    own, bidLeft: own, priceLeft: middle - price / 2, priceRight: middle + price / 2,
    askRight: width - own, width, middle,
  };
}

/** Number of whole rows and the row (0 at the top) of the centre price. */
function rowsOf(sheet) {
  const count = Math.max(1, Math.floor((sheet.height - FOOT_HEIGHT) / ROW_HEIGHT));
  return { count, middle: Math.floor(count / 2) };
}

/** The price in groups of ticks shown at pixel `y`. */
export function priceAt(sheet, y) {
  return state.ladder.centre + rowsOf(sheet).middle - Math.floor(y / ROW_HEIGHT);
}

function rowTop(sheet, price) {
  return (state.ladder.centre + rowsOf(sheet).middle - price) * ROW_HEIGHT;
}

/** The group that holds a price: bids and buys are rounded down, asks and sells up. */
export function groupOf(ticks, side) {
  const group = state.ladder.group;
  return side === "buy" ? Math.floor(ticks / group) : Math.ceil(ticks / group);
}

/** Put the mid in the middle of the ladder. */
export function centre() {
  const mid = state.book?.mid() ?? state.lastPrice;
  if (mid === null || mid === undefined) return;
  state.ladder.centre = Math.round(mid / state.ladder.group);
}

function follow(sheet) {
  const { ladder, book } = state;
  if (ladder.centre === null) return centre();
  if (!ladder.follow || ladder.drag || ladder.hover || book.mid() === null) return;
  const { count } = rowsOf(sheet);
  const away = Math.abs(book.mid() / ladder.group - ladder.centre);
  if (away > count * (0.5 - SHOWN_MARGIN)) centre();
}

/** Draw everything. `sheet`: the ladder's canvas. */
export function drawLadder(sheet) {
  if (!visible(sheet)) return;
  const { context } = sheet;
  fill(context, palette.panel, 0, 0, sheet.width, sheet.height);
  if (!state.book || state.book.epoch === null) return;
  follow(sheet);
  if (state.ladder.centre === null) return;
  context.textBaseline = "middle";
  const columns = ladderColumns(sheet.width);
  drawColumns(sheet, columns);
  drawLevels(sheet, columns, rowLots(sheet));
  drawPrices(sheet, columns);
  drawAverage(sheet, columns);
  drawOwn(sheet, columns);
  drawPointer(sheet, columns);
  drawBalance(sheet);
}

function drawColumns(sheet, columns) {
  const height = sheet.height - FOOT_HEIGHT;
  fill(sheet.context, palette.raised, columns.priceLeft, 0, columns.priceRight - columns.priceLeft, height);
  line(sheet.context, palette.grid, columns.own, 0, columns.own, height);
  line(sheet.context, palette.grid, columns.askRight, 0, columns.askRight, height);
}

/** Lots in each visible row: {bids: Map(group -> lots), asks, max}. */
function rowLots(sheet) {
  const { count, middle } = rowsOf(sheet);
  const high = state.ladder.centre + middle;
  const low = high - count + 1;
  const out = { bids: new Map(), asks: new Map(), max: 1 };
  for (const [side, name, into] of [[state.book.bids, "buy", out.bids], [state.book.asks, "sell", out.asks]]) {
    for (const ticks of side.prices) {
      const group = groupOf(ticks, name);
      if (name === "buy" ? group < low : group > high) break;
      if (group < low || group > high) continue;
      const lots = (into.get(group) ?? 0) + side.lotsAt(ticks);
      into.set(group, lots);
      if (lots > out.max) out.max = lots;
    }
  }
  return out;
}

function drawLevels(sheet, columns, lots) {
  barMax = Math.max(lots.max, barMax * 0.98);
  const best = { bids: bestGroup("buy"), asks: bestGroup("sell") };
  drawSide(sheet, columns, lots.bids, best.bids, true);
  drawSide(sheet, columns, lots.asks, best.asks, false);
}

function bestGroup(side) {
  const best = (side === "buy" ? state.book.bids : state.book.asks).best();
  return best === null ? null : groupOf(best, side);
}

/** Bars, then numbers, so that the context changes its color twice and not twice a row. */
function drawSide(sheet, columns, rows, best, isBid) {
  const { context } = sheet;
  const room = isBid ? columns.priceLeft - columns.bidLeft : columns.askRight - columns.priceRight;
  context.fillStyle = isBid ? palette.buyBar : palette.sellBar;
  for (const [price, lots] of rows) {
    const width = Math.max(1, Math.min(1, lots / barMax) * (room - 2));
    const left = isBid ? columns.priceLeft - width : columns.priceRight;
    context.fillRect(left, rowTop(sheet, price) + 1, width, ROW_HEIGHT - 2);
  }
  context.font = fonts.normal;
  context.textAlign = isBid ? "right" : "left";
  context.fillStyle = palette.text;
  const x = isBid ? columns.priceLeft - 7 : columns.priceRight + 7;
  const lot = grid().lot;
  for (const [price, lots] of rows) {
    if (price === best) context.font = fonts.strong;
    context.fillText(short(lots * lot), x, rowTop(sheet, price) + ROW_HEIGHT / 2 + 0.5);
    if (price === best) context.font = fonts.normal;
  }
}

function drawPrices(sheet, columns) {
  const { context } = sheet;
  const { count, middle } = rowsOf(sheet);
  const bid = bestGroup("buy");
  const ask = bestGroup("sell");
  const last = state.lastPrice === null ? null : Math.round(state.lastPrice / state.ladder.group);
  context.textAlign = "center";
  context.font = fonts.normal;
  for (let row = 0; row < count; row++) {
    const price = state.ladder.centre + middle - row;
    const y = row * ROW_HEIGHT;
    if (price === last) fill(context, palette.accent, columns.priceLeft, y + 1, columns.priceRight - columns.priceLeft, ROW_HEIGHT - 2);
    context.fillStyle = priceColor(price, bid, ask, last);
    context.fillText(grid().priceText(price * state.ladder.group), columns.middle, y + ROW_HEIGHT / 2 + 0.5);
  }
}

function priceColor(price, bid, ask, last) {
  if (price === last) return palette.accentText;
  if (bid !== null && price <= bid) return palette.buy;
  if (ask !== null && price >= ask) return palette.sell;
  return palette.faint;
}

/** The average price of the position, as a bracket around its row and the open result beside it. */
function drawAverage(sheet, columns) {
  const position = ownPosition();
  const held = Number(position?.position ?? 0);
  const average = state.cost?.average(state.symbol, held) ?? null;
  if (average === null) return;
  const price = Math.round(grid().ticks(average) / state.ladder.group);
  const y = rowTop(sheet, price);
  const { context } = sheet;
  context.strokeStyle = palette.own;
  context.lineWidth = 1.5;
  context.strokeRect(columns.priceLeft + 1, y + 1, columns.priceRight - columns.priceLeft - 2, ROW_HEIGHT - 2);
  context.font = fonts.small;
  const words = `avg ${signed(held, grid().quantityDigits)}`;
  const x = held > 0 ? 4 : sheet.width - 4; // the side where own orders at this price are unlikely
  text(context, palette.own, words, x, y + ROW_HEIGHT / 2 + 0.5, held > 0 ? "left" : "right");
}

/** Own orders of each row: total open quantity and what is ahead in the queue. */
export function ownRows() {
  const rows = new Map(); // "buy:9953" -> {side, price, orders}
  for (const order of ownOrders()) {
    if (order.price === null) continue;
    const price = groupOf(grid().ticks(order.price), order.side);
    const key = `${order.side}:${price}`;
    if (!rows.has(key)) rows.set(key, { side: order.side, price, orders: [] });
    rows.get(key).orders.push(order);
  }
  return rows;
}

function drawOwn(sheet, columns) {
  const { context } = sheet;
  context.font = fonts.small;
  for (const row of ownRows().values()) {
    const y = rowTop(sheet, row.price) + ROW_HEIGHT / 2;
    if (y < 0 || y > sheet.height - FOOT_HEIGHT) continue;
    const open = row.orders.reduce((sum, order) => sum + Number(order.open_quantity), 0);
    const ahead = row.orders[0].quantity_ahead;
    const isBuy = row.side === "buy";
    const words = short(open);
    const width = isBuy ? chip(context, palette.own, palette.ownText, words, 3, y)
      : chip(context, palette.own, palette.ownText, words, sheet.width - 3, y, "right");
    if (ahead === null || ahead === undefined) continue;
    const x = isBuy ? 3 + width + 3 : sheet.width - 3 - width - 3;
    text(context, palette.muted, `${short(Number(ahead))}↑`, x, y + 0.5, isBuy ? "left" : "right");
  }
}

/** The row under the pointer or the keyboard's cursor, and an order being dragged. */
function drawPointer(sheet, columns) {
  const { hover, cursor, drag } = state.ladder;
  const { context } = sheet;
  if (cursor !== null && document.activeElement === sheet.canvas) {
    const y = rowTop(sheet, cursor);
    context.strokeStyle = palette.accent;
    context.lineWidth = 1.5;
    context.strokeRect(0.75, y + 0.75, sheet.width - 1.5, ROW_HEIGHT - 1.5);
  }
  if (hover) {
    const y = rowTop(sheet, hover.price);
    const left = hover.side === "buy" ? 0 : columns.middle;
    fill(context, hover.side === "buy" ? palette.buySoft : palette.sellSoft, left, y, columns.middle, ROW_HEIGHT);
  }
  if (drag?.moved) {
    const y = rowTop(sheet, drag.price) + ROW_HEIGHT / 2;
    context.font = fonts.small;
    const words = `→ ${grid().priceText(drag.price * state.ladder.group)}`;
    fill(context, palette.ownSoft, 0, y - ROW_HEIGHT / 2, sheet.width, ROW_HEIGHT);
    chip(context, palette.own, palette.ownText, words, drag.side === "buy" ? 3 : sheet.width - 3, y, drag.side === "buy" ? "left" : "right");
  }
}

/** At the foot: how much of the ten best levels' quantity stands on each side. */
function drawBalance(sheet) {
  const { context } = sheet;
  const bid = nearLots(state.book.bids);
  const ask = nearLots(state.book.asks);
  const share = bid + ask > 0 ? bid / (bid + ask) : 0.5;
  const y = sheet.height - FOOT_HEIGHT;
  fill(context, palette.panel, 0, y, sheet.width, FOOT_HEIGHT);
  fill(context, palette.buyBar, 0, y + 3, sheet.width * share - 1, FOOT_HEIGHT - 3);
  fill(context, palette.sellBar, sheet.width * share + 1, y + 3, sheet.width * (1 - share) - 1, FOOT_HEIGHT - 3);
  context.font = fonts.small;
  const lot = grid().lot;
  text(context, palette.text, `${Math.round(share * 100)}%  ${short(bid * lot)}`, 6, y + 12);
  text(context, palette.text, `${short(ask * lot)}  ${Math.round((1 - share) * 100)}%`, sheet.width - 6, y + 12, "right");
}

function nearLots(side) {
  let sum = 0;
  for (let row = 0; row < Math.min(10, side.prices.length); row++) sum += side.lotsAt(side.prices[row]);
  return sum;
}
