// On a phone one group of panels is shown at a time.

export function newPhoneTabs() {
  const tabs = document.getElementById("phone-tabs");
  tabs.addEventListener("click", (event) => {
    const { tab } = event.target.dataset;
    if (!tab) return;
    document.body.dataset.tab = tab;
    for (const button of tabs.children) {
      button.setAttribute("aria-pressed", String(button === event.target));
    }
  });
}
