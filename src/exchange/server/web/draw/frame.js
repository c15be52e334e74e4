// The page's one requestAnimationFrame loop. A surface names the topics it shows and how often it is
// worth drawing; the loop draws it when one of them has changed, and sleeps when nothing has.

import { onChange } from "../state/store.js";

const surfaces = [];
let asked = false;

/**
 * Draw `surface.draw()` after a change of one of `topics`, at most every `everyMs`.
 * Answers a function that marks it dirty by hand (size or pointer changes), drawn in the next frame.
 */
export function addSurface(topics, everyMs, draw) {
  const surface = { topics: new Set(topics), everyMs, draw, dirty: true, urgent: true, drawnMs: -Infinity };
  surfaces.push(surface);
  ask();
  return () => {
    surface.dirty = surface.urgent = true;
    ask();
  };
}

onChange((topic) => {
  let any = false;
  for (const surface of surfaces) {
    if (!surface.topics.has(topic)) continue;
    any = surface.dirty = true;
    if (topic === "theme" || topic === "symbol") surface.urgent = true;
  }
  if (any) ask();
});

function ask() {
  if (asked) return;
  asked = true;
  requestAnimationFrame(frame);
}

function frame(nowMs) {
  asked = false;
  let waiting = false;
  for (const surface of surfaces) {
    if (!surface.dirty) continue;
    if (!surface.urgent && nowMs - surface.drawnMs < surface.everyMs - 4) {
      waiting = true;
      continue;
    }
    surface.dirty = surface.urgent = false;
    surface.drawnMs = nowMs;
    surface.draw();
  }
  if (waiting) ask();
}
