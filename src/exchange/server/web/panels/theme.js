// Dark or light: as the system prefers, until the user chooses.

import { readPalette } from "../draw/palette.js";

const STORED_AS = "onebook.theme";
const prefersLight = matchMedia("(prefers-color-scheme: light)");

export function newTheme() {
  apply();
  prefersLight.addEventListener("change", apply);
  document.getElementById("toggle-theme").addEventListener("click", toggleTheme);
}

export function toggleTheme() {
  const next = document.documentElement.dataset.theme === "dark" ? "light" : "dark";
  try {
    localStorage.setItem(STORED_AS, next);
  } catch {
    // without storage the choice lasts until the page is reloaded
  }
  apply(next);
}

function chosen() {
  try {
    return localStorage.getItem(STORED_AS);
  } catch {
    return null;
  }
}

function apply(theme) {
  const preferred = prefersLight.matches ? "light" : "dark";
  document.documentElement.dataset.theme = typeof theme === "string" ? theme : chosen() ?? preferred;
  readPalette();
}
