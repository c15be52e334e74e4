// The user's API keys: typed in, or taken from the address's fragment, which browsers send to nobody.
// They live in sessionStorage, so closing the tab forgets them.

const STORED_AS = "onebook.keys";
const NAMES = { trader: ["key", "secret"], admin: ["admin_key", "admin_secret"] };

/** Take keys out of `#key=..&secret=..&admin_key=..&admin_secret=..` and remove it at once. */
export function takeKeysFromAddress() {
  if (location.hash.length < 2) return;
  const fragment = new URLSearchParams(location.hash.slice(1));
  const keys = storedKeys();
  let found = false;
  for (const [role, [key, secret]] of Object.entries(NAMES)) {
    if (!fragment.has(key)) continue;
    keys[role] = { key: fragment.get(key), secret: fragment.get(secret) ?? "" };
    found = true;
  }
  if (!found) return;
  history.replaceState(null, "", location.pathname + location.search);
  storeKeys(keys);
}

/** {trader: {key, secret} | null, admin: ... | null} as kept for this tab. */
export function storedKeys() {
  try {
    return { trader: null, admin: null, ...JSON.parse(sessionStorage.getItem(STORED_AS) ?? "{}") };
  } catch {
    return { trader: null, admin: null }; // storage is turned off or was changed by hand
  }
}

export function storeKeys(keys) {
  try {
    sessionStorage.setItem(STORED_AS, JSON.stringify(keys));
  } catch {
    // without storage the keys last until the page is closed or reloaded
  }
}
