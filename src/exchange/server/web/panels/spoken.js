// Words for screen readers: what has just happened, in a live region nobody sees.

import { byId } from "./dom.js";

let timer = 0;

/** Have `words` read aloud; what follows within a moment replaces it. */
export function say(words) {
  clearTimeout(timer);
  timer = setTimeout(() => (byId("spoken").textContent = words), 60);
}
