// The order ticket and the arm switch.

import { arrowsMoveIn, byId, choose, make, setText } from "./dom.js";
import { tell } from "./notice.js";
import { say } from "./spoken.js";
import { openKeys } from "./keys_dialog.js";
import { arm, cancelAll, enterOrder, flatten, needArmed } from "./trade.js";
import { addSurface } from "../draw/frame.js";
import { grid, state } from "../state/store.js";
import { ExchangeError } from "../link/rest.js";

const QUANTITIES = [1, 10, 50, 100]; // lots
let type = "limit";
let shownFor = null; // the symbol that quantity and price were filled in for

export function newTicket() {
  byId("types").addEventListener("click", (event) => event.target.dataset.type && setType(event.target.dataset.type));
  arrowsMoveIn(byId("types"));
  byId("arm").addEventListener("click", () => arm(!state.armed));
  byId("ticket").addEventListener("submit", (event) => event.preventDefault());
  byId("ticket").addEventListener("click", clicked);
  byId("time-in-force").addEventListener("change", showExpiry);
  byId("cancel-all").addEventListener("click", cancelEverything);
  byId("flatten").addEventListener("click", flattenNow);
  byId("next-step").addEventListener("click", () => (state.who.loggedIn ? arm(true) : openKeys()));
  addSurface(["armed", "who", "link"], 0, drawArm);
  addSurface(["book", "symbol", "ticket"], 150, drawSides);
  addSurface(["instruments", "symbol"], 0, drawPresets);
  for (const id of ["price", "quantity"]) byId(id).addEventListener("keydown", stepped);
}

function clicked(event) {
  const { side, price, step, by, lots } = event.target.closest("button")?.dataset ?? {};
  if (side) submit(side);
  if (price) fillPrice(price);
  if (step) stepField(step, Number(by));
  if (lots) byId("quantity").value = grid().quantityText(Number(lots));
}

function stepped(event) {
  const by = { ArrowUp: 1, ArrowDown: -1 }[event.key];
  if (!by) return;
  event.preventDefault();
  stepField(event.target.id, by * (event.shiftKey ? 10 : 1));
}

function stepField(field, by) {
  const input = byId(field);
  if (!grid()) return;
  if (field === "price") {
    const from = input.value === "" ? state.book?.mid() ?? 0 : grid().ticks(input.value);
    input.value = grid().priceText(Math.max(1, Math.round(from) + by));
  } else {
    input.value = grid().quantityText(Math.max(1, (grid().lots(input.value) || 0) + by));
  }
}

export function setType(wanted) {
  type = wanted;
  choose(byId("types"), byId("types").querySelector(`[data-type="${type}"]`));
  const market = type === "market";
  for (const element of [byId("price"), byId("post-only"), ...byId("price-presets").children]) element.disabled = market;
  for (const button of document.querySelectorAll('[data-step="price"]')) button.disabled = market;
  const select = byId("time-in-force");
  for (const option of select.options) option.disabled = market && !["ioc", "fok"].includes(option.value);
  select.value = market ? "ioc" : "gtc";
  showExpiry();
  drawSides();
}

function showExpiry() {
  byId("expire-field").hidden = byId("time-in-force").value !== "gtd";
}

/** Put a price into the ticket. */
export function setTicketPrice(price) {
  if (type === "market") setType("limit");
  byId("price").value = price;
  say(`ticket price ${price}`);
}

function fillPrice(which) {
  const { book } = state;
  const ticks = { bid: book?.bids.best(), ask: book?.asks.best(), mid: book?.mid() }[which];
  if (ticks !== null && ticks !== undefined) setTicketPrice(grid().priceText(Math.round(ticks)));
}

/** What the ticket's fields say, as fields of the protocol, without price and type. */
function common(side) {
  const order = { side, quantity: decimal("quantity") };
  const timeInForce = byId("time-in-force").value;
  order.time_in_force = timeInForce;
  if (timeInForce === "gtd") order.expire_ns = state.market.timeNs + Math.round(Number(byId("expire").value) * 1e9);
  if (byId("reduce-only").checked) order.reduce_only = true;
  return order;
}

/** A decimal as the user wrote it, commas and spaces forgiven; the exchange judges the rest. */
function decimal(field) {
  const text = byId(field).value.trim().replace(/[,\s]/g, "");
  if (text === "") throw new ExchangeError({ code: "missing", message: `Fill in the ${field}`, field });
  return text;
}

/** The order of a click in the ladder: always a limit order, the rest as the ticket says. */
export function ladderOrder(side, price) {
  const order = { ...common(side), type: "limit", price };
  if (type === "market") order.time_in_force = "gtc";
  if (type === "limit" && byId("post-only").checked) order.post_only = true;
  return order;
}

function ticketOrder(side) {
  const order = { ...common(side), type };
  if (type === "limit") order.price = limitPrice(side);
  if (type === "limit" && byId("post-only").checked) order.post_only = true;
  return order;
}

/** Send the ticket as a buy or a sell. */
export async function submit(side) {
  const went = await tell("ticket", async () => {
    needArmed(); // before anything that is wrong with the order
    const words = await enterOrder(ticketOrder(side));
    return words ?? `${side === "buy" ? "Buy" : "Sell"} order is resting`;
  });
  for (const id of ["price", "quantity"]) byId(id).removeAttribute("aria-invalid");
  if (went) say(byId("ticket-notice").textContent);
}

export function cancelEverything() {
  return tell("ticket", cancelAll);
}

export function flattenNow() {
  return tell("ticket", flatten);
}

function drawArm() {
  document.body.toggleAttribute("data-armed", state.armed);
  byId("arm").setAttribute("aria-checked", String(state.armed));
  setText(byId("arm-words"), state.armed ? "Armed" : "Disarmed");
  drawNext();
}

/** What is still missing before a click trades. */
function drawNext() {
  const [words, step] = !state.who.loggedIn ? ["To trade,", "enter an API key"]
    : !state.armed ? ["Clicks trade nothing yet:", "arm trading"]
      : ["Every click in the ladder is an order.", ""];
  setText(byId("next-words"), words);
  setText(byId("next-step"), step);
  byId("next-step").hidden = !step;
}

function drawSides() {
  if (!grid() || !state.book) return;
  const limit = type === "limit" ? byId("price").value : "";
  for (const side of ["buy", "sell"]) setText(byId(`${side}-at`), limit || bestPrice(side) || "–");
}

/** The best price on the other side of the book, or "". */
function bestPrice(side) {
  const best = (side === "buy" ? state.book?.asks : state.book?.bids)?.best() ?? null;
  return best === null ? "" : grid().priceText(best);
}

/** The price of a limit order; with an empty field the best one, which stands on the button. */
function limitPrice(side) {
  return byId("price").value.trim() === "" && bestPrice(side) || decimal("price");
}

/** Another symbol starts with an empty ticket; a new connection leaves what was typed. */
function drawPresets() {
  if (!grid() || state.symbol === shownFor) return;
  shownFor = state.symbol;
  byId("quantities").replaceChildren(...QUANTITIES.map((lots) => {
    const button = make("button", { type: "button", textContent: grid().quantityText(lots) });
    button.dataset.lots = String(lots);
    return button;
  }));
  byId("quantity").value = grid().quantityText(QUANTITIES[1]);
  byId("price").value = "";
}
