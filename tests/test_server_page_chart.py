"""The chart under the hand: zoom, pan, crosshair, views, and what is marked on it."""

import aiohttp
import pytest
import pytest_asyncio

from browser_kit import PageUser, new_browser, new_user
from exchange.server.settings import Settings
from live_exchange import live_exchange
from server_kit import serving

pytestmark = pytest.mark.asyncio(loop_scope="module")

N_COLORED = """(id, name) => {
    const canvas = document.getElementById(id);
    const hex = getComputedStyle(document.documentElement).getPropertyValue(name).trim();
    const wanted = [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));
    const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
    let n = 0;
    for (let i = 0; i < data.length; i += 4) n += wanted.every((value, k) => data[i + k] === value);
    return n;
}"""


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def browser():
    async with new_browser() as running:
        yield running


async def n_colored(user: PageUser, canvas: str, color: str) -> int:
    """Pixels of exactly one of the theme's colors."""
    return int(await user.see(f"({N_COLORED})('{canvas}', '{color}')"))


async def chart_box(user: PageUser) -> dict[str, float]:
    return dict(await user.page.locator("#chart").bounding_box())


async def test_the_wheel_zooms_a_drag_pans_and_a_double_click_follows_again(browser):
    async with (
        live_exchange(Settings(speed=20.0)) as live,
        new_user(browser, live.url) as user,
    ):
        await user.open()
        await user.until("onebook.n_candles > 60 && onebook.chart.nsPerPx > 0")
        chart, mouse = await chart_box(user), user.page.mouse
        x, y = chart["x"] + chart["width"] / 2, chart["y"] + chart["height"] / 2
        first = await user.see("onebook.chart.nsPerPx")

        await mouse.move(x, y)
        await mouse.wheel(0, -100)
        await user.until(f"onebook.chart.nsPerPx < {first}")
        await user.page.click("#zoom-out")
        await user.page.click("#zoom-out")
        await user.until(f"onebook.chart.nsPerPx > {first}")

        assert await user.see("onebook.chart.endNs") is None
        await mouse.move(x, y)
        await mouse.down()
        await mouse.move(x + 200, y + 40, steps=5)
        await mouse.up()
        end_ns = await user.see("onebook.chart.endNs")
        span_ns = 200 * await user.see("onebook.chart.nsPerPx")
        assert end_ns == pytest.approx(await user.see("onebook.market.timeNs"), abs=1.5 * span_ns)
        assert await user.see("onebook.chart.pricePan") > 0
        await mouse.dblclick(x, y)
        await user.until("onebook.chart.endNs === null && onebook.chart.pricePan === 0")

        await mouse.move(chart["x"] + chart["width"] - 20, y)  # the price axis stretches prices
        await mouse.down()
        await mouse.move(chart["x"] + chart["width"] - 20, y + 60, steps=3)
        await mouse.up()
        await user.until("onebook.chart.priceZoom > 1")


async def test_the_chart_is_moved_by_keys_alone(browser):
    async with live_exchange(Settings(speed=20.0)) as live, new_user(browser, live.url) as user:
        await user.open()
        await user.until("onebook.n_candles > 60 && onebook.chart.nsPerPx > 0")
        press = user.page.keyboard.press
        await press("c")
        for key, happened in [
            ("ArrowUp", "onebook.chart.nsPerPx < 1e9 / 8"),
            ("ArrowLeft", "onebook.chart.endNs !== null"),
            ("PageUp", "onebook.chart.priceZoom > 1"),
            ("End", "onebook.chart.endNs === null && onebook.chart.priceZoom === 1"),
            ("]", "onebook.chart.intervalS === 5"),
            ("]", "onebook.chart.intervalS === 15"),
            ("[", "onebook.chart.intervalS === 5"),
            ("2", "onebook.chart.view === 'heatmap'"),
            ("3", "onebook.chart.view === 'depth'"),
            ("1", "onebook.chart.view === 'candles'"),
        ]:
            await press(key)
            await user.until(happened)


async def test_the_crosshair_tells_the_candle_the_price_and_the_time_below_it(browser):
    async with (
        live_exchange(Settings(speed=20.0)) as live,
        new_user(browser, live.url) as user,
        aiohttp.ClientSession() as http,
    ):
        await user.open()
        await user.until("onebook.n_candles > 60 && onebook.chart.nsPerPx > 0")
        live.exchange.wall_clock.set(None, True)
        async with http.get(f"{live.url}/v1/candles?symbol=SIM&interval_s=1") as answer:
            candles = {one["open_time_ns"]: one for one in (await answer.json())["candles"]}
        await user.until(f"onebook.candles.at(-1).timeNs === {max(candles)}")
        frame = (
            "import('/web/draw/chart_frame.js').then(m => m.chartFrame({width: %s, height: %s}))"
        )
        chart = await chart_box(user)
        scales = await user.see(
            frame % (chart["width"], chart["height"])
            + ".then(f => ({x: f.time.at(f.candles.at(-5).timeNs + 5e8), ns: f.candles.at(-5).timeNs,"
            + " low: f.price.value(200)}))"
        )

        await user.page.mouse.move(chart["x"] + scales["x"], chart["y"] + 200)

        candle = candles[scales["ns"]]
        for name in ("open", "high", "low", "close"):
            await user.until_drawn("crosshair", candle[name])
        words = await user.see("drawn.crosshair")
        assert f"{round(scales['low']) / 100:.2f}" in words
        assert any(one.startswith("00:0") and "." in one for one in words)  # the time, in tenths


async def test_own_fills_orders_and_the_average_price_are_marked(browser):
    async with serving() as stage, new_user(browser, stage.url) as user:
        maker = stage.trader("maker")
        await maker.order("sell", "100.02", "20")
        await maker.order("buy", "99.98", "20")
        await user.open(stage.exchange.open_account("user", True))
        await user.page.keyboard.press("a")
        await user.page.fill("#price", "99.97")
        assert await n_colored(user, "chart", "--own") == 0

        await user.page.click('[data-side="buy"]')
        await user.until_drawn("chart", "buy 10")  # the line of an own order
        assert "99.97" in await user.see("drawn.chart")
        assert await n_colored(user, "chart", "--own") == 0

        await user.page.keyboard.press("Escape")
        await user.page.evaluate("document.activeElement.blur()")
        await user.page.keyboard.press("m")
        await user.page.keyboard.press("b")
        await user.until("onebook.position.position === '10'")
        await user.until_drawn("chart", "+10 avg")
        await user.page.keyboard.press("s")
        await user.until("onebook.position.position === '0' && onebook.fills.length === 2")
        await user.until_drawn("chart", "100.0")
        # flat again: no line of an average, two triangles
        assert 20 < await n_colored(user, "chart", "--own") < 200


async def test_the_heatmap_and_the_depth_curve_show_the_book(browser):
    async with serving() as stage, new_user(browser, stage.url) as user:
        maker = stage.trader("maker")
        for ticks in range(1, 6):
            await maker.order("sell", f"100.0{ticks}", "20")
            await maker.order("buy", f"99.9{ticks}", "20")
        await user.open()
        await user.page.keyboard.press("3")
        await user.until_drawn("chart", "100.0")
        chart = await chart_box(user)
        empty = await n_colored(user, "chart", "--panel") / (chart["width"] * chart["height"])
        assert 0.2 < empty < 0.8  # the rest lies below the two curves
        await user.page.mouse.move(chart["x"] + chart["width"] * 0.9, chart["y"] + 200)
        await user.until_drawn("chart", "100")  # all that is offered up to the pointer

        await user.page.keyboard.press("2")
        await maker.order("buy", "99.90", "1")
        await user.until_drawn("chart", "100.0")
        assert await n_colored(user, "chart", "--heat-4") > 50
