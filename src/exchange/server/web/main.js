// The trading page: builds the panels, takes the user's keys and connects to the exchange.

import { takeKeysFromAddress, storedKeys } from "./link/keys.js";
import { socket } from "./link/session.js";
import { newBlotter } from "./panels/blotter.js";
import { newChart } from "./panels/chart.js";
import { newHotkeys } from "./panels/hotkeys.js";
import { newKeysDialog } from "./panels/keys_dialog.js";
import { newLadder } from "./panels/ladder.js";
import { newLeaderboard } from "./panels/leaderboard.js";
import { newPhoneTabs } from "./panels/phone_tabs.js";
import { newStress } from "./panels/stress.js";
import { newTape } from "./panels/tape.js";
import { newTheme } from "./panels/theme.js";
import { newTicket } from "./panels/ticket.js";
import { newTopbar } from "./panels/topbar.js";
import { changed, state } from "./state/store.js";
import { summary } from "./state/summary.js";

takeKeysFromAddress();
Object.assign(state.who, storedKeys());
const panels = [
  newTheme, newTopbar, newLadder, newChart, newTicket, newBlotter, newLeaderboard, newStress, newTape,
  newKeysDialog, newHotkeys, newPhoneTabs,
];
for (const newPanel of panels) newPanel();
changed("armed", "who", "link");
Object.defineProperty(window, "onebook", { get: summary }); // type `onebook` in the console
socket.connect();
