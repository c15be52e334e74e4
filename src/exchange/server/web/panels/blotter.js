// Own orders and fills as tables.

import { arrowsMoveIn, byId, choose, make, setText } from "./dom.js";
import { tell } from "./notice.js";
import { say } from "./spoken.js";
import { cancelAll, cancelOrder } from "./trade.js";
import { addSurface } from "../draw/frame.js";
import { state } from "../state/store.js";
import { clockText } from "../state/units.js";

const ROWS_MAX = 150;
const SAID_NS_MAX = 5e9;
let saidFill = null; // fill_id

export function newBlotter() {
  const tabs = document.querySelector("#blotter-panel .choice");
  tabs.addEventListener("click", (event) => {
    const tab = event.target.closest("[data-blotter]");
    if (tab) showTab(tabs, tab);
  });
  arrowsMoveIn(tabs);
  byId("cancel-all-2").addEventListener("click", () => tell("blotter", cancelAll));
  byId("orders").addEventListener("click", (event) => {
    const orderId = event.target.dataset.order;
    if (orderId) tell("blotter", () => cancelOrder(Number(orderId)));
  });
  addSurface(["orders", "symbol", "who"], 150, drawOrders);
  addSurface(["fills", "symbol", "who"], 250, drawFills);
}

function showTab(tabs, tab) {
  choose(tabs, tab, "aria-selected");
  for (const name of ["orders", "fills"]) byId(`${name}-region`).hidden = tab.dataset.blotter !== name;
}

function drawOrders() {
  const orders = [...state.orders.values()].sort((one, other) => other.order_id - one.order_id);
  setText(byId("n-orders"), orders.length ? String(orders.length) : "");
  byId("orders-empty").hidden = orders.length > 0;
  setText(byId("orders-empty"), state.who.loggedIn ? "No open orders." : "Enter an API key [K] to trade.");
  drawRows(byId("orders").tBodies[0], orders.slice(0, ROWS_MAX), (order) => order.order_id, newOrderRow, (row, order) => {
    setCells(row, [
      order.symbol, order.side, order.price ?? "market", order.open_quantity, order.quantity,
      order.quantity_ahead ?? "–", terms(order), clockText(order.time_ns),
    ]);
    row.cells[1].className = order.side;
  });
}

/** Time in force and what else the order insists on; a dash where the exchange does not tell. */
function terms(order) {
  const also = [order.post_only && "post", order.reduce_only && "reduce"].filter(Boolean);
  return [order.time_in_force?.toUpperCase() ?? "–", ...also].join(" ");
}

function newOrderRow(order) {
  const row = newRow(["", "", "n", "n", "n", "n", "", "n"]);
  const button = make("button", { type: "button", textContent: "✕", title: "Cancel this order" });
  button.dataset.order = String(order.order_id);
  button.setAttribute("aria-label", `Cancel ${order.side} ${order.open_quantity} at ${order.price}`);
  row.append(make("td", {}, button));
  return row;
}

function drawFills() {
  setText(byId("n-fills"), state.fills.length ? String(state.fills.length) : "");
  byId("fills-empty").hidden = state.fills.length > 0;
  const newest = state.fills.slice(-ROWS_MAX).reverse();
  sayFill(newest[0]);
  drawRows(byId("fills").tBodies[0], newest, (fill) => fill.fill_id, () => newRow(["n", "", "", "n", "n", "", "n", "n"]), (row, fill) => {
    if (row.cells[0].firstChild) return; // a fill never changes
    setCells(row, [
      clockText(fill.time_ns, 1), fill.symbol, fill.side, fill.price, fill.quantity, fill.role,
      String(Number(Number(fill.fee).toFixed(4))), fill.position_after,
    ]);
    row.cells[2].className = fill.side;
  });
}

/** Read a fill aloud as it comes; those of a login's history stay silent. */
function sayFill(fill) {
  if (!fill || fill.fill_id === saidFill) return;
  saidFill = fill.fill_id;
  if (state.market.timeNs - fill.time_ns > SAID_NS_MAX) return;
  say(`${fill.side === "buy" ? "Bought" : "Sold"} ${fill.quantity} at ${fill.price}, position ${fill.position_after}`);
}

function newRow(classes) {
  return make("tr", {}, ...classes.map((className) => make("td", { className })));
}

function setCells(row, words) {
  words.forEach((text, column) => setText(row.cells[column], text));
}

/** Make a table's rows those of `items`, in order, keeping the rows that are already there. */
export function drawRows(body, items, keyOf, newOne, write) {
  const old = new Map([...body.rows].map((row) => [row.dataset.key, row]));
  items.forEach((item, place) => {
    const key = String(keyOf(item));
    let row = old.get(key);
    old.delete(key);
    if (!row) {
      row = newOne(item);
      row.dataset.key = key;
    }
    if (body.rows[place] !== row) body.insertBefore(row, body.rows[place] ?? null);
    write(row, item, place);
  });
  for (const row of old.values()) row.remove();
}
