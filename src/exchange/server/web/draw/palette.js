// The theme's colors for canvases, read from the style sheet so that each stands in one place.

import { changed } from "../state/store.js";

const NAMES = [
  "panel", "raised", "line", "grid", "text", "muted", "faint", "buy", "sell", "buy-bar", "sell-bar",
  "buy-soft", "sell-soft", "accent", "accent-text", "own", "own-soft", "own-text", "hover", "mark",
  "heat-0", "heat-1", "heat-2", "heat-3", "heat-4",
];

/** Color by name in camelCase: `palette.buyBar`. */
export const palette = {};
export const fonts = { small: "", normal: "", strong: "" };

export function readPalette() {
  const style = getComputedStyle(document.documentElement);
  for (const name of NAMES) {
    const key = name.replace(/-(.)/g, (_, letter) => letter.toUpperCase());
    palette[key] = style.getPropertyValue(`--${name}`).trim();
  }
  const family = style.getPropertyValue("--mono");
  fonts.small = `10px ${family}`;
  fonts.normal = `11.5px ${family}`;
  fonts.strong = `600 11.5px ${family}`;
  changed("theme");
}
