// The few things every panel does with the document.

export const byId = (id) => document.getElementById(id);

/** A new element with properties and children. */
export function make(tag, properties = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}

/** Set text only where it differs: writing the same text would still cost a layout. */
export function setText(element, text) {
  if (element.firstChild?.nodeValue !== text) element.textContent = text;
}

export function setClass(element, name) {
  if (element.className !== name) element.className = name;
}

/** Mark one button of a group as the chosen one. */
export function choose(group, chosen, attribute = "aria-checked") {
  for (const button of group.querySelectorAll("button")) {
    const on = button === chosen;
    button.setAttribute(attribute, String(on));
    button.tabIndex = on ? 0 : -1;
  }
}

/** In a group of buttons the arrow keys move on to the next one, as in every radio group. */
export function arrowsMoveIn(group) {
  group.addEventListener("keydown", (event) => {
    const by = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (!by) return;
    const buttons = [...group.querySelectorAll("button")];
    const next = buttons.at((buttons.indexOf(event.target) + by) % buttons.length);
    next.focus();
    next.click();
    event.preventDefault();
  });
}
