// The dialog in which the user types API keys.

import { byId } from "./dom.js";
import { clearNotice, notice } from "./notice.js";
import { arm } from "./trade.js";
import { onChange, state } from "../state/store.js";
import { storedKeys, storeKeys } from "../link/keys.js";
import { logInAgain } from "../link/session.js";

const ROLES = ["trader", "admin"];

export function newKeysDialog() {
  byId("open-keys").addEventListener("click", openKeys);
  byId("use-keys").addEventListener("click", use);
  byId("forget-keys").addEventListener("click", forget);
  byId("keys-dialog").addEventListener("keydown", (event) => {
    if (event.key === "Enter" && event.target.tagName === "INPUT") {
      event.preventDefault();
      use();
    }
  });
  onChange((topic) => topic === "who" && state.who.error && openKeys());
}

export function openKeys() {
  const keys = storedKeys();
  for (const role of ROLES) {
    byId(`${role}-key`).value = keys[role]?.key ?? "";
    byId(`${role}-secret`).value = keys[role]?.secret ?? "";
  }
  if (state.who.error) notice("keys", state.who.error);
  else clearNotice("keys");
  if (!byId("keys-dialog").open) byId("keys-dialog").showModal();
}

function use() {
  const keys = Object.fromEntries(ROLES.map((role) => [role, typed(role)]));
  storeKeys(keys);
  byId("keys-dialog").close();
  logInAgain(keys);
}

function typed(role) {
  const key = byId(`${role}-key`).value.trim();
  return key ? { key, secret: byId(`${role}-secret`).value.trim() } : null;
}

function forget() {
  arm(false);
  storeKeys({ trader: null, admin: null });
  byId("keys-dialog").close();
  logInAgain({ trader: null, admin: null });
}
