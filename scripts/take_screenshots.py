#!/usr/bin/env python3
"""Take the README's pictures of the trading page again, from a seeded market with strategies on it.

Starts an exchange on a free port and strategies as its clients, trades a little by hand through the
page, causes a flash crash where the exchange offers one, and writes docs/images/page-*.png. Needs
Chromium and the Python package playwright.
"""

import argparse
import asyncio
import contextlib
import json
import sys
import tempfile
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

from bench_page import CHROMIUM, CHROMIUM_ARGUMENTS
from exchange.keys import AccountKey, read_keys
from run_demo import open_accounts

SCRIPTS = Path(__file__).parent
IMAGES = SCRIPTS.parent / "docs" / "images"
STRATEGIES = ["symmetric", "skew", "avellaneda_stoikov", "glft", "momentum", "taker"]
DESK = {"width": 1440, "height": 900}
WIDE = {"width": 1920, "height": 1080}
PHONE = {"width": 390, "height": 844}
BY_HAND = [("buy", -3), ("buy", -6), ("sell", 4), ("sell", 7)]  # side, ticks from the mid
STARTING_S = 10
PATIENCE_MS = 20_000


@asynccontextmanager
async def running(script: str, *arguments: str) -> AsyncIterator[Process]:
    """One of the project's scripts as a process, ended when no longer needed."""
    command = [sys.executable, str(SCRIPTS / script), *arguments]
    process = await asyncio.create_subprocess_exec(*command, stdout=PIPE)
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        await process.wait()


async def start_market(stack: AsyncExitStack, choices: Any, keys_file: Path) -> str:
    """The exchange and its strategies; returns the address."""
    arguments = ["--port", "0", "--seed", str(choices.seed), "--speed", str(choices.speed)]
    arguments += ["--accounts", "1", "--keys-file", str(keys_file), "--json-ready"]
    exchange = await stack.enter_async_context(running("run_interface.py", *arguments))
    assert exchange.stdout is not None
    line = await exchange.stdout.readline()
    if not line:
        raise SystemExit("the exchange ended while starting; its message is above")
    url = str(json.loads(line)["url"])
    await open_accounts(url, keys_file, STRATEGIES)
    strategies = []
    for name in STRATEGIES:
        trade = ["--strategy", name, "--account", name, "--keys-file", str(keys_file)]
        strategy = running("run_strategy.py", *trade, "--url", url, "--json")
        strategies.append(await stack.enter_async_context(strategy))
    await asyncio.sleep(STARTING_S)
    if any(strategy.returncode is not None for strategy in strategies):
        raise SystemExit("a strategy ended while starting; its message is above")
    return url


async def until(page: Any, expression: str) -> None:
    """Wait until an expression is true on the page."""
    for _ in range(PATIENCE_MS // 50):
        if await page.evaluate(f"(() => {{ try {{ return {expression} }} catch {{}} }})()"):
            return
        await page.wait_for_timeout(50)
    raise SystemExit(f"the page never came to: {expression}")


@asynccontextmanager
async def page_open(
    browser: Any, url: str, keys: tuple[AccountKey, AccountKey], size: Any, scheme: str
) -> AsyncIterator[Any]:
    """The page with both keys, following the market."""
    trader, admin = keys
    ratio = 2 if size is PHONE else 1
    profile = await browser.new_context(
        viewport=size, color_scheme=scheme, device_scale_factor=ratio, has_touch=size is PHONE
    )
    page = await profile.new_page()
    fragment = f"key={trader.key}&secret={trader.secret}"
    await page.goto(f"{url}/#{fragment}&admin_key={admin.key}&admin_secret={admin.secret}")
    await until(page, "onebook.link.status === 'live' && onebook.n_trades > 0")
    yield page
    await profile.close()


async def trade_by_hand(page: Any) -> None:
    """Arm, buy at the market, leave orders on both sides."""
    await page.keyboard.press("a")
    await page.keyboard.press("m")
    await page.keyboard.press("b")
    await until(page, "onebook.n_fills > 0")
    await page.keyboard.press("l")
    for side, ticks in BY_HAND:
        await page.click('[data-price="mid"]')
        for _ in range(abs(ticks)):
            await page.click(f'[data-step="price"][data-by="{1 if ticks > 0 else -1}"]')
        await page.click(f'[data-side="{side}"]')
    await page.evaluate("document.activeElement.blur()")


async def take(page: Any, name: str) -> None:
    """Write a picture once the page has drawn."""
    await page.mouse.move(0, 0)
    await page.wait_for_timeout(1500)
    IMAGES.mkdir(parents=True, exist_ok=True)
    await page.screenshot(path=IMAGES / f"page-{name}.png")
    print(IMAGES / f"page-{name}.png")


async def take_all(
    browser: Any, url: str, keys: tuple[AccountKey, AccountKey], watch: float
) -> None:
    """All pictures, one market."""
    async with page_open(browser, url, keys, DESK, "dark") as page:
        await page.wait_for_timeout(watch * 1000)
        await trade_by_hand(page)
        await page.wait_for_timeout(1500)
        await take(page, "dark")
        await page.keyboard.press("2")
        await take(page, "heatmap")
        await page.keyboard.press("1")
        await page.click('[data-kind="flash_crash"]')
        await page.wait_for_timeout(1500)
        await take(page, "crash")
    async with page_open(browser, url, keys, WIDE, "light") as page:
        await page.wait_for_timeout(watch * 250)
        await take(page, "light")
    async with page_open(browser, url, keys, PHONE, "dark") as page:
        await take(page, "phone")


async def main() -> None:
    """Parse, run the market, take the pictures."""
    from playwright.async_api import async_playwright  # noqa: PLC0415 - only the pictures need it

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--speed", type=float, default=5.0, help="of market time")
    parser.add_argument(
        "--watch", type=float, default=25.0, help="seconds before the first picture"
    )
    parser.add_argument("--chromium", default=CHROMIUM)
    choices = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        keys_file = Path(folder) / "keys.json"
        async with AsyncExitStack() as stack, async_playwright() as playwright:
            url = await start_market(stack, choices, keys_file)
            keys = read_keys(keys_file)
            browser = await playwright.chromium.launch(
                executable_path=choices.chromium, args=CHROMIUM_ARGUMENTS
            )
            await take_all(browser, url, (keys.named("demo1"), keys.named("admin")), choices.watch)
            await browser.close()


if __name__ == "__main__":
    asyncio.run(main())
