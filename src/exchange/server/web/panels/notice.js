// Refusals and confirmations, shown in the panel where the order was made.

const DONE_SHOWN_MS = 4000;
const REFUSAL_SHOWN_MS = 20000;
const timers = new Map();

/** Show `words` in a panel's notice; `kind`: "error" or "done". */
export function notice(panel, words, kind = "error") {
  const output = document.querySelector(`.notice[data-panel="${panel}"]`);
  clearTimeout(timers.get(panel));
  output.textContent = words;
  output.dataset.kind = kind;
  const shownMs = kind === "done" ? DONE_SHOWN_MS : REFUSAL_SHOWN_MS;
  timers.set(panel, setTimeout(() => clearNotice(panel), shownMs));
}

export function clearNotice(panel) {
  const output = document.querySelector(`.notice[data-panel="${panel}"]`);
  output.textContent = "";
  delete output.dataset.kind;
}

/** Run an action of a panel; its refusal is shown there. True if it went through. */
export async function tell(panel, action) {
  try {
    const words = await action();
    if (words) notice(panel, words, "done");
    else clearNotice(panel);
    return true;
  } catch (error) {
    if (error.code === undefined) throw error;
    notice(panel, String(error));
    return false;
  }
}
