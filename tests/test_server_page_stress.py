"""Every button of the stress panel, in a real browser against a real market.

Each is seen in what the API answers, and by its mark on the chart.
"""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from browser_kit import PageUser, new_browser, new_user
from exchange.server.settings import Settings
from live_exchange import LiveExchange, live_exchange

pytestmark = pytest.mark.asyncio(loop_scope="module")
SPEED = 20.0
BOOK_LOTS_MIN = 120  # of a calm market's book; about 250 rest in it
LASTS_S = 20


@dataclass
class Scene:
    """A market under an administrator's page, seen from outside through `api`."""

    live: LiveExchange
    user: PageUser
    http: aiohttp.ClientSession

    async def api(self, path: str) -> Any:
        async with self.http.get(self.live.url + path) as answer:
            assert answer.status == 200
            return await answer.json()

    async def symbol(self) -> Any:
        return (await self.api("/v1/status"))["symbols"][0]

    async def candles(self, since_ns: int, until_ns: int = 2**62) -> list[Any]:
        """One-second candles that lie within a span of market time."""
        found = (await self.api("/v1/candles?symbol=SIM&interval_s=1&limit=1000"))["candles"]
        return [one for one in found if since_ns <= one["open_time_ns"] < until_ns]

    async def low_and_high(self, since_ns: int, until_ns: int = 2**62) -> tuple[float, float]:
        while not (candles := await self.candles(since_ns, until_ns)):
            await asyncio.sleep(0.05)  # seconds without a trade have no candle
        lows, highs = ([float(one[name]) for one in candles] for name in ("low", "high"))
        return min(lows), max(highs)

    async def mid(self) -> float:
        book = await self.api("/v1/book?symbol=SIM&levels=1")
        return (float(book["bids"][0][0]) + float(book["asks"][0][0])) / 2

    async def resting(self) -> int:
        book = await self.api("/v1/book?symbol=SIM&levels=0")
        return sum(int(quantity) for side in ("bids", "asks") for _, quantity in book[side])

    async def wait_until_ns(self, time_ns: int) -> None:
        await self.user.until(f"onebook.market.timeNs >= {time_ns}")

    async def press(self, button: str, kind: str, magnitude: float, lasts_s: int = LASTS_S) -> Any:
        """Set both sliders, press a button; the scenario as page and API tell it once it began."""
        for slider, value in (("magnitude", abs(magnitude)), ("lasts", lasts_s)):
            await self.user.page.locator(f"#{slider}").fill(str(value))
        n_before = len((await self.api("/v1/status"))["scenarios"])
        await self.user.page.click(f"#stress-panel button:text-is('{button}')")
        await self.user.until(f"onebook.scenarios.length === {n_before + 1}")
        began = (await self.api("/v1/status"))["scenarios"][-1]
        assert (began["kind"], began["magnitude"]) == (kind, magnitude)
        assert began["end_ns"] - began["begin_ns"] == lasts_s * 1_000_000_000
        shown = await self.user.see("onebook.scenarios.at(-1)")
        assert {name: shown[name] for name in began} == began
        return began


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def scene() -> AsyncIterator[Scene]:
    async with (
        live_exchange(Settings(speed=SPEED)) as live,
        new_browser() as browser,
        new_user(browser, live.url) as user,
        aiohttp.ClientSession() as http,
    ):
        await user.open(live.accounts[0], live.exchange.open_admin())
        scene = Scene(live, user, http)
        await scene.wait_until_ns(45_000_000_000)
        yield scene


async def test_a_volatility_spike_widens_the_range_of_prices(scene: Scene) -> None:
    now_ns = await scene.user.see("onebook.market.timeNs")
    low, high = await scene.low_and_high(now_ns - 40 * 1_000_000_000)
    spike = await scene.press("Volatility", "volatility_spike", 5, lasts_s=40)
    await scene.user.until_drawn("chart", "Volatility spike ×5")
    await scene.wait_until_ns(spike["end_ns"])
    wild_low, wild_high = await scene.low_and_high(spike["begin_ns"])
    assert wild_high - wild_low > 1.2 * (high - low)  # ten times in the middle of 200 seeds
    await scene.wait_until_ns(spike["end_ns"] + 20_000_000_000)


async def test_a_flash_crash_takes_the_price_down_and_a_rally_up(scene: Scene) -> None:
    before = await scene.mid()
    crash = await scene.press("Flash crash", "flash_crash", 1.5)
    await scene.user.until_drawn("chart", "Flash crash ×1.5")
    await scene.wait_until_ns(crash["end_ns"])
    assert (await scene.low_and_high(crash["begin_ns"]))[0] < before - 0.15

    await scene.wait_until_ns(crash["end_ns"] + 30_000_000_000)  # the price comes back
    before = await scene.mid()
    rally = await scene.press("Rally", "rally", 1.5)
    await scene.user.until_drawn("chart", "Rally ×1.5")
    await scene.wait_until_ns(rally["end_ns"])
    assert (await scene.low_and_high(rally["begin_ns"]))[1] > before + 0.15
    await scene.wait_until_ns(rally["end_ns"] + 30_000_000_000)


async def test_a_liquidity_drought_empties_the_book(scene: Scene) -> None:
    while (before := await scene.resting()) < BOOK_LOTS_MIN:  # it recovers from the test before
        await asyncio.sleep(0.05)
    drought = await scene.press("Drought", "liquidity_drought", 5, lasts_s=60)
    least = before
    while (await scene.symbol())["time_ns"] < drought["end_ns"]:
        least = min(least, await scene.resting())
    assert least < 0.7 * before
    await scene.user.until_drawn("chart", "Liquidity drought ×5")
    await scene.wait_until_ns(drought["end_ns"] + 10_000_000_000)


@pytest.mark.parametrize(("button", "magnitude"), [("News ▲", 3), ("News ▼", -3)])
async def test_news_moves_the_price_for_good_and_in_its_direction(
    scene: Scene, button: str, magnitude: float
) -> None:
    before = await scene.mid()
    news = await scene.press(button, "news_jump", magnitude)
    await scene.user.until_drawn("chart", f"News jump ×{magnitude}".replace("-", "−"))
    await scene.wait_until_ns(news["end_ns"] + 10_000_000_000)
    moved = (await scene.mid() - before) * (1 if magnitude > 0 else -1)
    assert moved > 0.2


async def test_a_halt_closes_the_market_until_it_is_reopened(scene: Scene) -> None:
    await scene.press("Halt", "halt", 1, 120)
    await scene.user.until_drawn("chart", "Halt ×1")
    assert (await scene.symbol())["phase"] == "halted"
    await scene.user.until("document.querySelector('#phase').textContent === 'halted'")
    await scene.user.page.keyboard.press("a")
    await scene.user.page.click('[data-price="bid"]')
    await scene.user.page.click('[data-side="buy"]')
    assert "halted" in await scene.user.notice("ticket")

    await scene.user.page.click("#halt:text-is('Reopen')")
    await scene.user.until("onebook.market.phase === 'open'")
    assert (await scene.symbol())["phase"] == "open"


async def test_time_stands_still_steps_and_runs_as_fast_as_chosen(scene: Scene) -> None:
    user = scene.user
    await user.page.click("#pause:text-is('Pause')")
    await user.until("onebook.market.paused")
    paused_ns = (await scene.symbol())["time_ns"]
    await user.page.click("#single-step")
    await user.until(f"onebook.market.timeNs > {paused_ns}")
    assert (await scene.symbol())["time_ns"] == paused_ns + scene.live.exchange.settings.step_ns

    await user.page.select_option("#speed", "50")
    await user.until("onebook.market.speed === 50")
    assert (await scene.api("/v1/status"))["speed"] == 50
    assert (await scene.symbol())["time_ns"] == paused_ns + scene.live.exchange.settings.step_ns
    await user.page.click("#pause:text-is('Resume')")
    await user.until("!onebook.market.paused")
    status = await scene.api("/v1/status")
    later = await scene.api("/v1/status")
    await scene.wait_until_ns(status["symbols"][0]["time_ns"] + 20_000_000_000)
    end = await scene.api("/v1/status")
    passed_ms = (end["symbols"][0]["time_ns"] - later["symbols"][0]["time_ns"]) / 1e6
    assert 25 < passed_ms / (end["wall_ms"] - later["wall_ms"]) < 100


async def test_a_refusal_is_shown_in_the_stress_panel(scene: Scene) -> None:
    user = scene.user
    await user.page.click("#single-step")
    assert "pause the clock first" in await user.notice("stress")
