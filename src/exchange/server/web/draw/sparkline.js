// A line of an account's equity, as small as a word.

import { palette } from "./palette.js";

/** Draw `values`, oldest first, on a small canvas; green above where it began, red below. */
export function drawSparkline(canvas, values) {
  const ratio = window.devicePixelRatio || 1;
  const width = canvas.clientWidth;
  const height = canvas.clientHeight;
  if (width === 0) return;
  if (canvas.width !== Math.round(width * ratio)) {
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
  }
  const context = canvas.getContext("2d");
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, height);
  if (values.length < 2) return;
  trace(context, values, width, height);
}

function trace(context, values, width, height) {
  const low = Math.min(...values);
  const span = Math.max(...values) - low || 1;
  const x = (i) => (i / (values.length - 1)) * (width - 2) + 1;
  const y = (value) => height - 2 - ((value - low) / span) * (height - 4);
  const up = values.at(-1) >= values[0];
  context.beginPath();
  values.forEach((value, i) => context.lineTo(x(i), y(value)));
  context.strokeStyle = up ? palette.buy : palette.sell;
  context.lineWidth = 1.25;
  context.stroke();
  context.lineTo(width - 1, height);
  context.lineTo(1, height);
  context.fillStyle = up ? palette.buySoft : palette.sellSoft;
  context.fill();
}
