// The trading commands of the page. Each answers words for the user, or throws an ExchangeError.
// What opens a position needs the arm switch; what takes orders away does not.

import { ExchangeError } from "../link/rest.js";
import { socket } from "../link/session.js";
import { changed, grid, ownPosition, state } from "../state/store.js";

/** Turn the switch that lets a click or key trade. */
export function arm(on) {
  state.armed = on;
  changed("armed");
}

function needLogin() {
  if (!state.who.loggedIn) {
    throw new ExchangeError({ code: "no_key", message: "Enter an API key first: press K" });
  }
}

/** Throws unless a trader is logged in and has armed trading. */
export function needArmed() {
  needLogin();
  if (!state.armed) {
    throw new ExchangeError({ code: "disarmed", message: "Trading is disarmed: press A to arm it" });
  }
}

/** Enter an order as the ticket describes it; `order` holds the fields of the protocol. */
export async function enterOrder(order) {
  needArmed();
  const result = await socket.request("enter", { symbol: state.symbol, ...order });
  return wordsFor(result);
}

function wordsFor(order) {
  const side = order.side === "buy" ? "Buy" : "Sell";
  const filled = Number(order.filled_quantity);
  if (filled === 0) return order.status === "canceled" ? `${side} ${order.quantity}: nothing filled` : null;
  return `${side}: filled ${order.filled_quantity} of ${order.quantity} at ${order.average_price}`;
}

export async function cancelOrder(orderId) {
  needLogin();
  await socket.request("cancel", { order_id: orderId });
  return null;
}

/** Move an open order to another price; its open quantity stays. */
export async function replaceOrder(order, price) {
  needArmed();
  const result = await socket.request("replace", {
    order_id: order.order_id, price, quantity: order.open_quantity,
  });
  return result.kept_priority ? null : `Moved to ${price}, at the end of its queue`;
}

export async function cancelAll() {
  needLogin();
  const result = await socket.request("cancel_all", { symbol: state.symbol });
  return `Canceled ${result.n_canceled ?? "all"} orders in ${state.symbol}`;
}

/** Cancel everything, then trade the position away at the market. */
export async function flatten() {
  needArmed();
  await cancelAll();
  const held = Number(ownPosition()?.position ?? 0);
  if (held === 0) return "The position is already flat";
  return enterOrder({
    side: held > 0 ? "sell" : "buy", type: "market", reduce_only: true,
    quantity: grid().quantityText(Math.abs(grid().lots(held))),
  });
}
