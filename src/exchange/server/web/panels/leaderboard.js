// The leaderboard: every account that chose to be seen, the best result first.

import { drawRows } from "./blotter.js";
import { byId, make, setText } from "./dom.js";
import { tell } from "./notice.js";
import { addSurface } from "../draw/frame.js";
import { drawSparkline } from "../draw/sparkline.js";
import { call } from "../link/rest.js";
import { changed, state } from "../state/store.js";
import { short, signed } from "../state/units.js";

const ASK_EVERY_MS = 1000;
const POINTS_MAX = 300; // of equity, one a second

export function newLeaderboard() {
  setInterval(ask, ASK_EVERY_MS);
  addSurface(["leaderboard", "theme"], 500, draw);
  addSurface(["account", "who"], 500, drawSeen);
  byId("seen").addEventListener("change", setSeen);
}

async function ask() {
  if (document.hidden || state.link.status !== "live") return;
  try {
    const fresh = state.equity.size === 0; // the exchange's own history once, then the page's
    const { accounts } = await call("GET", fresh ? `/v1/leaderboard?points=${POINTS_MAX}` : "/v1/leaderboard");
    state.leaderboard = accounts.sort((one, other) => Number(other.pnl) - Number(one.pnl));
    for (const account of accounts) noteEquity(account);
    changed("leaderboard");
  } catch {
    // the link's own state tells that the exchange is away
  }
}

function noteEquity(account) {
  const points = state.equity.get(account.name) ?? account.equity_history?.map(Number) ?? [];
  points.push(Number(account.pnl));
  if (points.length > POINTS_MAX) points.shift();
  state.equity.set(account.name, points);
}

function draw() {
  byId("board-empty").hidden = state.leaderboard.length > 0;
  drawRows(byId("board").tBodies[0], state.leaderboard, (account) => account.name, newRow, writeRow);
}

function newRow() {
  const cells = ["n", "name", "n", "n", "n", "n", ""].map((className) => make("td", { className }));
  cells[6].append(make("canvas", { role: "img" }));
  return make("tr", {}, ...cells);
}

function writeRow(row, account, place) {
  const pnl = Number(account.pnl);
  const earned = account.spread_earned;
  const words = [
    String(place + 1), account.name, signed(pnl), signed(Number(account.position), 0),
    short(account.n_fills), earned === undefined || earned === null ? "–" : signed(Number(earned)),
  ];
  words.forEach((text, column) => setText(row.cells[column], text));
  row.cells[1].title = account.name;
  row.cells[2].className = `n ${pnl > 0 ? "buy" : pnl < 0 ? "sell" : ""}`;
  row.className = account.name === state.account?.name && state.who.loggedIn ? "me" : "";
  const canvas = row.cells[6].firstChild;
  canvas.setAttribute("aria-label", `Equity of ${account.name}, now ${signed(pnl)}`);
  drawSparkline(canvas, state.equity.get(account.name) ?? []);
}

function drawSeen() {
  byId("seen").disabled = !state.who.loggedIn || !state.account;
  byId("seen").checked = state.account?.visible ?? false;
}

/** Choose whether the own account is shown to everybody. */
function setSeen(event) {
  const visible = event.target.checked;
  return tell("board", async () => {
    const keys = state.who.trader;
    try {
      await call("PUT", "/v1/account", { body: { visible }, keys });
      state.account.visible = visible;
    } finally {
      changed("account");
    }
  });
}
