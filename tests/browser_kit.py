"""A real browser on the trading page: Chromium driven by Playwright, skipped when absent."""

import asyncio
import json
import shutil
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from exchange.keys import AccountKey

ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PATIENCE_S = 15.0
ROW_HEIGHT = 19  # as in web/draw/ladder.js
FOOT_HEIGHT = 20
KEEP_WORDS = """(() => {
    window.drawn = {};
    const draw = CanvasRenderingContext2D.prototype.fillText;
    CanvasRenderingContext2D.prototype.fillText = function (words, ...where) {
        const kept = (window.drawn[this.canvas.id] ??= []);
        if (kept.push(String(words)) > 600) kept.splice(0, 300);
        return draw.call(this, words, ...where);
    };
})()"""  # what canvases say cannot be read from the document


def find_chromium() -> str:
    """The browser's path; skips the test, with the reason, where there is none."""
    pytest.importorskip("playwright", reason="the Python package playwright is not installed")
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        pytest.skip("chromium is not installed: apt-get install chromium")
    return path


@asynccontextmanager
async def new_browser() -> AsyncIterator[Any]:
    """A running browser without a window."""
    path = find_chromium()
    from playwright.async_api import async_playwright  # noqa: PLC0415  may be absent

    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        yield browser
        await browser.close()


class PageUser:
    """Somebody with the trading page open; `faults` and `requests` are what the browser saw."""

    def __init__(self, page: Any, url: str) -> None:
        self.page, self.url = page, url
        self.faults: list[str] = []
        self.requests: list[str] = []
        page.on("pageerror", lambda error: self.faults.append(str(error)))
        page.on("console", self._note_console)
        page.on("request", lambda request: self.requests.append(request.url))

    def _note_console(self, message: Any) -> None:
        # a refused connection or request is logged by the browser itself, and is no script error
        if message.type == "error" and "Failed to load" not in message.text:
            if "WebSocket connection" not in message.text:
                self.faults.append(message.text)

    async def open(self, trader: AccountKey | None = None, admin: AccountKey | None = None) -> None:
        parts = [f"key={trader.key}&secret={trader.secret}"] if trader else []
        parts += [f"admin_key={admin.key}&admin_secret={admin.secret}"] if admin else []
        await self.page.goto(f"{self.url}/#{'&'.join(parts)}")
        await self.until("onebook.link.status === 'live' && onebook.book !== null")

    async def see(self, expression: str) -> Any:
        return await self.page.evaluate(expression)

    async def until(self, expression: str) -> Any:
        """Wait until an expression is true; the policy of the page forbids the driver's own way."""
        end = time.monotonic() + PATIENCE_S
        while time.monotonic() < end:
            value = await self.see(f"(() => {{ try {{ return {expression} }} catch {{}} }})()")
            if value:
                return value
            await asyncio.sleep(0.03)
        raise AssertionError(f"never true: {expression}; {await self.see('onebook')}")

    async def until_drawn(self, canvas: str, words: str) -> None:
        """Draw the canvases anew until one has these words on it."""
        kept, wanted = f"drawn[{json.dumps(canvas)}]", json.dumps(words)
        await self.see(f"{kept} = []")
        redraw = "import('/web/state/store.js').then(m => m.changed('theme'))"
        await self.until(f"{kept}.some(one => one.includes({wanted})) || void {redraw}")

    async def notice(self, panel: str) -> str:
        """The words shown in a panel's notice, once there are some."""
        selector = f'.notice[data-panel="{panel}"][data-kind]'
        await self.until(f"document.querySelector('{selector}')")
        return str(await self.page.text_content(selector))

    async def ladder_point(self, ticks: int, column: float) -> tuple[float, float]:
        """Where a price stands on the screen; column: 0 at the left edge, 1 at the right."""
        await self.until("onebook.ladder.centre !== null")
        box = await self.page.locator("#ladder").bounding_box()
        rows = int((box["height"] - FOOT_HEIGHT) // ROW_HEIGHT)
        row = await self.see("onebook.ladder.centre") + rows // 2 - ticks
        return box["x"] + box["width"] * column, box["y"] + (row + 0.5) * ROW_HEIGHT

    async def click_ladder(self, ticks: int, column: float) -> None:
        await self.page.mouse.click(*await self.ladder_point(ticks, column))


@asynccontextmanager
async def new_user(browser: Any, url: str, **context: Any) -> AsyncIterator[PageUser]:
    """The page in a fresh browser profile; afterwards no script error and no foreign request."""
    profile = await browser.new_context(**{"viewport": {"width": 1440, "height": 900}, **context})
    await profile.add_init_script(KEEP_WORDS)
    user = PageUser(await profile.new_page(), url)
    try:
        yield user
    finally:
        await profile.close()
    assert user.faults == []
    assert [request for request in user.requests if not request.startswith(f"{url}/")] == []
