// A canvas that is sharp on every screen and follows its element's size.

/** Canvas 2D context with its size in CSS pixels: {canvas, context, width, height}. */
export function newCanvas(canvas, onResize, { transparent = false } = {}) {
  const sheet = { canvas, context: canvas.getContext("2d", { alpha: transparent }), width: 0, height: 0 };
  const fit = () => {
    const { width, height } = canvas.getBoundingClientRect();
    const ratio = window.devicePixelRatio || 1;
    canvas.width = Math.max(1, Math.round(width * ratio));
    canvas.height = Math.max(1, Math.round(height * ratio));
    sheet.width = width;
    sheet.height = height;
    sheet.context.setTransform(ratio, 0, 0, ratio, 0, 0);
    onResize();
  };
  new ResizeObserver(fit).observe(canvas);
  return sheet;
}

/** True while the sheet has an area to draw on (its panel may be hidden). */
export function visible(sheet) {
  return sheet.width > 1 && sheet.height > 1;
}

export function fill(context, color, x, y, width, height) {
  context.fillStyle = color;
  context.fillRect(x, y, width, height);
}

/** A line on whole pixels, horizontal or vertical. */
export function line(context, color, x0, y0, x1, y1, dash = null) {
  context.strokeStyle = color;
  context.lineWidth = 1;
  if (dash) context.setLineDash(dash);
  context.beginPath();
  context.moveTo(Math.round(x0) + 0.5, Math.round(y0) + 0.5);
  context.lineTo(Math.round(x1) + 0.5, Math.round(y1) + 0.5);
  context.stroke();
  if (dash) context.setLineDash([]);
}

export function text(context, color, words, x, y, align = "left") {
  context.fillStyle = color;
  context.textAlign = align;
  context.fillText(words, x, y);
}

/** Text on a filled rounded box whose left (or right) edge is at `x`, centred on `y`. */
export function chip(context, color, inkColor, words, x, y, align = "left") {
  const width = context.measureText(words).width + 10;
  const left = align === "right" ? x - width : x;
  context.fillStyle = color;
  context.beginPath();
  context.roundRect(left, y - 8, width, 16, 3);
  context.fill();
  text(context, inkColor, words, left + 5, y + 0.5);
  return width;
}
