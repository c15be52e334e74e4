// The ladder's hands: clicks, drags and keys on it become orders, cancels and replaces.

import { byId, make, setText } from "./dom.js";
import { notice, tell } from "./notice.js";
import { say } from "./spoken.js";
import { ladderOrder, setTicketPrice } from "./ticket.js";
import { cancelOrder, enterOrder, needArmed, replaceOrder } from "./trade.js";
import { newCanvas } from "../draw/canvas.js";
import { addSurface } from "../draw/frame.js";
import { centre, drawLadder, ladderColumns, ownRows, priceAt } from "../draw/ladder.js";
import { changed, grid, state } from "../state/store.js";
import { short } from "../state/units.js";

const GROUPS = [1, 2, 5, 10, 25, 50, 100];
const DRAG_PX = 5;
let sheet = null;

export function newLadder() {
  sheet = newCanvas(byId("ladder"), () => redraw());
  const redraw = addSurface(
    ["book", "orders", "account", "fills", "ladder", "symbol", "theme", "armed"], 45, () => drawLadder(sheet),
  );
  addSurface(["book", "symbol"], 1000, drawTable);
  addSurface(["instruments", "symbol"], 0, drawGroups);
  listen(byId("ladder"));
  byId("recentre").addEventListener("click", recentre);
  byId("follow").addEventListener("change", (event) => {
    state.ladder.follow = event.target.checked;
    changed("ladder");
  });
  byId("group").addEventListener("change", (event) => setGroup(Number(event.target.value)));
}

function listen(canvas) {
  canvas.addEventListener("pointerdown", pressed);
  canvas.addEventListener("pointermove", moved);
  canvas.addEventListener("pointerup", released);
  canvas.addEventListener("pointercancel", () => endDrag());
  canvas.addEventListener("pointerleave", () => setHover(null));
  canvas.addEventListener("wheel", scrolled, { passive: false });
  canvas.addEventListener("keydown", keyed);
  canvas.addEventListener("focus", () => (changed("ladder")));
  canvas.addEventListener("blur", () => (changed("ladder")));
}

export function recentre() {
  centre();
  changed("ladder");
}

/** Put `group` ticks in a row, around the same price as before. */
export function setGroup(group) {
  const { ladder } = state;
  if (ladder.centre !== null) ladder.centre = Math.round((ladder.centre * ladder.group) / group);
  if (ladder.cursor !== null) ladder.cursor = Math.round((ladder.cursor * ladder.group) / group);
  ladder.group = group;
  byId("group").value = String(group);
  changed("ladder");
}

export function nextGroup(by) {
  const row = GROUPS.indexOf(state.ladder.group) + by;
  if (GROUPS[row]) setGroup(GROUPS[row]);
}

function drawGroups() {
  if (!grid()) return;
  const options = GROUPS.map((n) => make("option", { value: String(n), textContent: grid().priceText(n) }));
  byId("group").replaceChildren(...options);
  byId("group").value = String(state.ladder.group);
}

/** What lies under the pointer: {price (group), side, part: "own" | "side" | "price", orders}. */
function targetAt(event) {
  if (state.ladder.centre === null) return null;
  const box = sheet.canvas.getBoundingClientRect();
  const x = event.clientX - box.left;
  const columns = ladderColumns(sheet.width);
  const price = priceAt(sheet, event.clientY - box.top);
  const side = x < columns.middle ? "buy" : "sell";
  const orders = ownRows().get(`${side}:${price}`)?.orders ?? [];
  const inOwn = x < columns.own || x > columns.askRight;
  const inPrice = x > columns.priceLeft && x < columns.priceRight;
  return { price, side, part: inPrice ? "price" : inOwn && orders.length ? "own" : "side", orders };
}

function priceText(group) {
  return grid().priceText(group * state.ladder.group);
}

function pressed(event) {
  const target = targetAt(event);
  if (!target || event.button !== 0) return;
  sheet.canvas.focus({ preventScroll: true });
  sheet.canvas.setPointerCapture(event.pointerId);
  state.ladder.drag = { ...target, from: target.price, y: event.clientY, moved: false };
}

function moved(event) {
  const { drag } = state.ladder;
  const target = targetAt(event);
  if (!target) return;
  if (!drag) return setHover(target.part === "price" || event.pointerType === "touch" ? null : target);
  if (Math.abs(event.clientY - drag.y) > DRAG_PX) drag.moved = true;
  if (drag.part === "own" && drag.moved) {
    drag.price = target.price;
    changed("ladder");
  }
}

function setHover(target) {
  const old = state.ladder.hover;
  if (old?.price === target?.price && old?.side === target?.side) return;
  state.ladder.hover = target;
  changed("ladder");
}

function endDrag() {
  const { drag } = state.ladder;
  state.ladder.drag = null;
  changed("ladder");
  return drag;
}

/** A press without a move is a click; an own order that was moved is replaced. */
function released() {
  const drag = endDrag();
  if (!drag) return;
  if (drag.part === "own") return drag.moved ? move(drag.orders, drag.price) : cancel(drag.orders);
  if (drag.moved) return;
  state.ladder.cursor = drag.price;
  if (drag.part === "price") return setTicketPrice(priceText(drag.price));
  place(drag.side, drag.price);
}

function place(side, group) {
  const price = priceText(group);
  return tell("ladder", async () => {
    needArmed();
    const words = await enterOrder(ladderOrder(side, price));
    say(`${side} at ${price} entered`);
    return words;
  });
}

function cancel(orders) {
  return tell("ladder", async () => {
    for (const order of orders) await cancelOrder(order.order_id);
    say(`${orders.length} canceled`);
  });
}

function move(orders, group) {
  const price = priceText(group);
  if (orders.every((order) => grid().ticks(order.price) === grid().ticks(price))) return;
  return tell("ladder", async () => {
    let words = null;
    for (const order of orders) words = await replaceOrder(order, price);
    return words;
  });
}

function scrolled(event) {
  event.preventDefault();
  if (state.ladder.centre === null) return;
  state.ladder.centre -= Math.sign(event.deltaY) * (event.shiftKey ? 10 : 2);
  state.ladder.hover = targetAt(event);
  changed("ladder");
}

const KEYS = {
  ArrowUp: (event) => step(1, event.shiftKey),
  ArrowDown: (event) => step(-1, event.shiftKey),
  PageUp: () => step(10, false),
  PageDown: () => step(-10, false),
  b: () => placeAtCursor("buy"),
  s: () => placeAtCursor("sell"),
  Delete: () => cancelAtCursor(),
  Backspace: () => cancelAtCursor(),
  Enter: () => setTicketPrice(priceText(state.ladder.cursor)),
};

function keyed(event) {
  const act = KEYS[event.key.length === 1 ? event.key.toLowerCase() : event.key];
  if (!act || event.ctrlKey || event.metaKey || event.altKey || state.ladder.centre === null) return;
  event.preventDefault();
  event.stopPropagation();
  state.ladder.cursor ??= state.ladder.centre;
  act(event);
}

function step(by, carry) {
  const { ladder } = state;
  const carried = carry ? ordersAt(ladder.cursor) : [];
  ladder.cursor += by;
  const away = Math.abs(ladder.cursor - ladder.centre);
  if (away > sheet.height / 19 / 2 - 2) ladder.centre = ladder.cursor;
  changed("ladder");
  if (carried.length) move(carried, ladder.cursor);
  say(describe(ladder.cursor));
}

function ordersAt(group) {
  const rows = ownRows();
  return ["buy", "sell"].flatMap((side) => rows.get(`${side}:${group}`)?.orders ?? []);
}

function placeAtCursor(side) {
  place(side, state.ladder.cursor);
}

function cancelAtCursor() {
  const orders = ordersAt(state.ladder.cursor);
  if (orders.length) cancel(orders);
  else notice("ladder", `No own order at ${priceText(state.ladder.cursor)}`);
}

/** A row in words, for a screen reader. */
function describe(group) {
  const ticks = group * state.ladder.group;
  const parts = [priceText(group)];
  const bid = state.book.bids.lotsAt(ticks);
  const ask = state.book.asks.lotsAt(ticks);
  if (bid) parts.push(`bid ${short(bid * grid().lot)}`);
  if (ask) parts.push(`ask ${short(ask * grid().lot)}`);
  for (const order of ordersAt(group)) {
    const ahead = order.quantity_ahead === undefined ? "" : `, ${order.quantity_ahead} ahead`;
    parts.push(`own ${order.side} ${order.open_quantity}${ahead}`);
  }
  return parts.join(", ");
}

/** The best five levels as a table, for readers who cannot see the canvas. */
function drawTable() {
  if (!state.book || !grid()) return;
  const body = byId("ladder-table").tBodies[0];
  while (body.rows.length < 5) body.append(make("tr", {}, ...[0, 1, 2, 3].map(() => make("td"))));
  const { bids, asks } = state.book;
  [...body.rows].forEach((row, i) => {
    const bid = bids.levels.get(bids.prices[i]);
    const ask = asks.levels.get(asks.prices[i]);
    const cells = [bid?.quantity, bid?.price, ask?.price, ask?.quantity];
    cells.forEach((words, column) => setText(row.cells[column], words ?? ""));
  });
}
