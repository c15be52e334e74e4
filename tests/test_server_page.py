"""The trading page in a real browser, against a real server over the loopback."""

import contextlib
import hashlib
import hmac
import json
import re
import zlib
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from browser_kit import PageUser, new_browser, new_user
from exchange.keys import read_keys
from exchange.server.page import WEB
from exchange.server.settings import Settings
from live_exchange import live_exchange
from process_kit import exchange_process, free_port
from server_kit import Stage, serving

pytestmark = pytest.mark.asyncio(loop_scope="module")

MID = 10_000  # ticks: where an empty market opens
BIDS, ASKS, OWN_BUYS, OWN_SELLS = 0.3, 0.7, 0.03, 0.97  # columns of the ladder


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def browser():
    async with new_browser() as running:
        yield running


async def make_market(stage: Stage) -> Any:
    """Another trader quotes 99.98 / 100.02, 20 lots each."""
    maker = stage.trader("maker")
    await maker.order("buy", "99.98", "20")
    await maker.order("sell", "100.02", "20")
    return maker


async def open_trader(user: PageUser, stage: Stage, *, armed: bool = True) -> None:
    await user.open(stage.exchange.open_account("user", True), stage.exchange.open_admin())
    await user.until("onebook.ladder.centre !== null")
    if armed:
        await user.page.keyboard.press("a")


async def test_the_page_is_served_with_its_types_and_a_strict_policy():
    async with serving() as stage:
        for path in ["/", "/web/main.js", "/web/css/theme.css", "/web/favicon.svg"]:
            async with stage.http.get(stage.url + path) as answer:
                assert answer.status == 200, path
                assert answer.headers["Cache-Control"] == "no-cache"
                assert "default-src 'self'" in answer.headers["Content-Security-Policy"]
        assert answer.headers["Content-Type"] == "image/svg+xml"
        for path in ["/web/../page.py", "/web/%2e%2e/page.py", "/web/nothing.js", "/web/css"]:
            async with aiohttp.request("GET", stage.url + path) as answer:
                assert answer.status == 404, path


async def test_the_page_names_no_other_host_and_no_file_is_long():
    for file in WEB.rglob("*.*"):
        text = file.read_text()
        assert "//" not in re.sub(r"http://www.w3.org/2000/svg|(?m:^ *//.*)| // .*|://\$", "", text)
        assert len(text.splitlines()) < 400, file


async def test_the_book_on_the_page_is_the_book_of_the_api(browser):
    async with (
        live_exchange() as live,
        new_user(browser, live.url) as user,
        aiohttp.ClientSession() as http,
    ):
        await user.open()
        await user.until("onebook.n_trades > 3")
        live.exchange.wall_clock.set(None, True)
        async with http.get(f"{live.url}/v1/book?symbol=SIM&levels=0") as answer:
            book = await answer.json()
        await user.until(f"onebook.book.seq >= {book['seq']}")

        shown = await user.see("onebook.book")

        assert (shown["bids"], shown["asks"]) == (book["bids"], book["asks"])
        assert await user.see("onebook.link.gaps") == 0


async def test_an_order_clicked_into_the_ladder_rests_fills_and_moves_position_and_pnl(browser):
    async with serving() as stage, new_user(browser, stage.url) as user:
        maker = await make_market(stage)
        await open_trader(user, stage)
        await user.page.fill("#quantity", "12")

        await user.click_ladder(MID - 1, BIDS)  # buy 12 at 99.99, in front of the maker

        await user.until("onebook.orders.length === 1 && onebook.orders[0].quantity_ahead === '0'")
        await user.until("onebook.book.bids[0].join() === '99.99,12'")
        await user.until("document.querySelector('#n-orders').textContent === '1'")

        await maker.order("sell", "99.99", "5")
        await user.until("onebook.position.position === '5' && onebook.n_fills === 1")
        await maker.order("sell", "99.99", "7")
        await user.until("onebook.orders.length === 0 && onebook.position.position === '12'")
        await user.until("document.querySelector('#position').textContent === '+12'")
        await stage.trader("third").order("buy", "100.02", "1")
        # 12 lots bought at 99.99, the last trade at 100.02
        await user.until("document.querySelector('#pnl').textContent === '+0.36'")
        assert await user.page.text_content("#average") == "99.990"


async def test_own_orders_are_moved_by_dragging_and_canceled_by_a_click(browser):
    async with serving() as stage, new_user(browser, stage.url) as user:
        await make_market(stage)
        await open_trader(user, stage)
        await user.click_ladder(MID - 5, BIDS)
        await user.until("onebook.orders.length === 1")

        mouse = user.page.mouse
        await mouse.move(*await user.ladder_point(MID - 5, OWN_BUYS))
        await mouse.down()
        await mouse.move(*await user.ladder_point(MID - 3, OWN_BUYS), steps=4)
        await mouse.up()
        await user.until("onebook.orders[0].price === '99.97'")

        await user.click_ladder(MID - 3, OWN_BUYS)
        await user.until("onebook.orders.length === 0")


async def test_the_whole_page_trades_by_keyboard_alone(browser):
    async with serving() as stage, new_user(browser, stage.url) as user:
        await make_market(stage)
        await open_trader(user, stage)
        press = user.page.keyboard.press

        await press("g")
        for key in ["ArrowDown", "b", "ArrowUp", "ArrowUp", "s"]:
            await press(key)
        await user.until("onebook.orders.length === 2")
        await press("Shift+ArrowUp")  # carries the sell order along
        await user.until("onebook.orders.some(one => one.price === '100.02')")
        await press("Escape")
        await user.until("onebook.orders.length === 0")
        await press("m")
        await press("Tab")
        await user.page.evaluate("document.activeElement.blur()")
        await press("b")  # at the market, 10 lots
        await user.until("onebook.position.position === '10'")
        await press("f")
        await user.until("onebook.position.position === '0'")


async def test_a_refusal_is_shown_where_the_order_was_made(browser):
    async with serving() as stage, new_user(browser, stage.url) as user:
        await make_market(stage)
        await open_trader(user, stage, armed=False)

        await user.click_ladder(MID - 1, BIDS)
        assert "disarmed" in await user.notice("ladder")

        await user.page.click("#arm")
        await user.page.check("#post-only")
        await user.click_ladder(MID + 2, BIDS)
        await user.until(_notice_has("ladder", "post_only_would_trade"))

        await user.page.fill("#price", "99.985")
        await user.page.click('[data-side="buy"]')
        assert "0.01" in await user.notice("ticket")
        await user.page.fill("#price", "99.90")
        await user.page.fill("#quantity", "501")
        await user.page.click('[data-side="buy"]')
        await user.until(_notice_has("ticket", "account_quantity_max"))
        assert "500" in await user.notice("ticket")
        assert await user.see("onebook.orders.length") == 0


def _notice_has(panel: str, words: str) -> str:
    notice = f"document.querySelector('.notice[data-panel=\"{panel}\"]')"
    return f"{notice}.textContent.includes('{words}')"


async def test_the_stress_panel_pauses_steps_and_halts(browser):
    async with serving() as stage, new_user(browser, stage.url) as user:
        await make_market(stage)
        await open_trader(user, stage)

        await user.page.click("#pause")
        await user.until("onebook.market.paused")
        before_ns = int(stage.exchange.venue.now_ns[0])
        await user.page.click("#single-step")
        await user.until("document.querySelector('#pause').textContent === 'Resume'")
        await user.page.keyboard.press(".")
        while int(stage.exchange.venue.now_ns[0]) < before_ns + 2 * stage.exchange.settings.step_ns:
            await user.see("1")
        await user.page.click("#pause")
        await user.until("!onebook.market.paused")
        await user.page.select_option("#speed", "5")
        await user.until("onebook.market.speed === 5")


async def test_keys_leave_the_address_at_once_and_stay_in_the_tab(browser):
    async with serving() as stage, new_user(browser, stage.url) as user:
        await open_trader(user, stage, armed=False)

        assert user.page.url == f"{stage.url}/"
        assert all("ob_" not in request for request in user.requests)
        assert await user.see("localStorage.length") == 0
        assert "ob_" in await user.see("sessionStorage.getItem('onebook.keys')")


async def test_a_wrong_key_is_told_and_the_market_still_shown(browser):
    async with serving() as stage, new_user(browser, stage.url) as user:
        await make_market(stage)
        key = stage.exchange.open_account("user", True)
        await user.open(key.model_copy(update={"secret": "wrong"}))

        assert "bad_signature" in await user.notice("keys")
        await user.until("onebook.book.bids.length === 1")


async def test_a_missed_change_is_noticed_and_made_good(browser):
    async with live_exchange() as live, new_user(browser, live.url) as user:
        await user.open()
        await user.see("import('/web/state/store.js').then(m => { m.state.book.seq -= 1 })")
        await user.until("onebook.link.gaps === 1")
        seq = await user.see("onebook.book.seq")
        await user.until(f"onebook.book.seq > {seq + 20}")
        assert await user.see("onebook.link.gaps") == 1


async def test_the_page_logs_in_again_after_the_exchange_was_killed_and_started_anew(
    browser, tmp_path
):
    keys_file, port = tmp_path / "keys.json", free_port()
    url = f"http://127.0.0.1:{port}"
    async with contextlib.AsyncExitStack() as stack:
        async with exchange_process(port, keys_file, "--accounts", "1"):
            user = await stack.enter_async_context(new_user(browser, url))
            keys = read_keys(keys_file)
            await user.open(keys.named("demo1"), keys.named("admin"))
            await user.page.keyboard.press("a")
            await user.page.fill("#price", "50.00")
            await user.page.click('[data-side="buy"]')
            await user.until("onebook.orders.length === 1")
            epoch = await user.see("onebook.market.epoch")
        await user.until("!document.querySelector('#reconnecting').hidden")

        async with exchange_process(port, keys_file, "--accounts", "1", "--seed", "2"):
            await user.until(f"onebook.market.epoch > {epoch} && onebook.link.status === 'live'")
            await user.until("onebook.book.epoch === onebook.market.epoch && onebook.n_trades > 0")
            await user.until("document.querySelector('#who').textContent === 'demo1'")
            assert await user.see("onebook.link.reconnects") == 1
            assert await user.see("document.querySelector('#reconnecting').hidden")
            assert await user.see("onebook.orders.length") == 0  # those of the market that is gone
            await user.page.click('[data-side="buy"]')
            await user.until("onebook.orders.length === 1")
            await user.page.click("#pause")  # the administrator's key is good as well
            await user.until("onebook.market.paused")


async def test_signatures_and_checksums_are_those_of_the_standard_library(browser):
    async with serving() as stage, new_user(browser, stage.url) as user:
        await user.open()
        for text in ["", "abc", "x" * 55, "y" * 64, "ü" * 200]:
            for secret in ["k", "s" * 65]:
                expected = hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest()
                arguments = f"{json.dumps(secret)}, {json.dumps(text)}"
                native = f"import('/web/link/sign.js').then(m => m.sign({arguments}))"
                encoder = "new TextEncoder()"
                inputs = (
                    f"{encoder}.encode({json.dumps(secret)}), {encoder}.encode({json.dumps(text)})"
                )
                own = (
                    f"import('/web/link/sha256.js').then(m => Array.from(m.hmacSha256({inputs}),"
                    "b => b.toString(16).padStart(2, '0')).join(''))"
                )
                assert await user.see(native) == expected
                assert await user.see(own) == expected
        text = "100.01:5:100.02:7|99.99:1::"
        crc = f"import('/web/state/crc32.js').then(m => m.crc32({json.dumps(text)}))"
        assert await user.see(crc) == zlib.crc32(text.encode())


async def test_everything_has_a_label_and_fits_a_phone(browser):
    phone = {"viewport": {"width": 390, "height": 844}, "has_touch": True}
    async with serving() as stage, new_user(browser, stage.url, **phone) as user:
        await user.open()
        unnamed = """[...document.querySelectorAll(
            'input, select, button, canvas:not([aria-hidden])')]
            .filter(e => !(e.labels?.length || e.ariaLabel || e.title || e.textContent.trim()))
            .map(e => e.outerHTML)"""
        assert await user.see(unnamed) == []
        for tab in ["market", "trade", "orders", "board", "stress"]:
            await user.page.click(f'#phone-tabs [data-tab="{tab}"]')
            assert await user.see("document.documentElement.scrollWidth <= innerWidth"), tab
            assert await user.see("document.documentElement.scrollHeight <= innerHeight"), tab


# Of what a selector finds: what its panel, or the bar of figures, or the window cuts.
CUT = """[...document.querySelectorAll('%s')].filter(element => {
    const own = element.getBoundingClientRect();
    const box = element.parentElement.closest('.figures, .panel').getBoundingClientRect();
    const bottom = Math.min(box.bottom, innerHeight), right = Math.min(box.right, innerWidth);
    return own.width === 0 || own.bottom > bottom || own.right > right;
}).map(element => element.id)"""


@pytest.mark.parametrize("size", [(1366, 650), (1366, 768), (1400, 900), (1920, 1080), (390, 844)])
async def test_no_window_cuts_what_a_trader_needs(browser, size: tuple[int, int]):
    view = {"viewport": {"width": size[0], "height": size[1]}}
    async with serving() as stage, new_user(browser, stage.url, **view) as user:
        maker = await make_market(stage)
        await open_trader(user, stage)
        if size[0] < 760:
            await user.page.click('#phone-tabs [data-tab="trade"]')
        await maker.order("sell", "100.02", "380")
        await maker.order("sell", "150.00", "1")
        await user.page.fill("#quantity", "400")
        await user.page.click('[data-side="buy"]')
        await user.until("onebook.position.position === '400'")
        await stage.trader("third").order("buy", "150.00", "1")
        await user.until("document.querySelector('#pnl').textContent === '+19992.00'")
        await user.page.fill("#price", "99.00")
        await user.page.click('[data-side="buy"]')
        await user.until("onebook.orders.length === 1")
        await user.page.select_option("#time-in-force", "gtd")
        await user.page.fill("#quantity", "-5")
        await user.page.click('[data-side="buy"]')
        await user.until(_notice_has("ticket", "quantity must be a decimal"))

        needed = "#pnl, #position, #arm, .sides button, #cancel-all, #flatten, #ticket-notice"
        assert await user.see(CUT % needed) == []
        if size[0] < 760:
            await user.page.click('#phone-tabs [data-tab="orders"]')
        region = "document.querySelector('#orders-region')"
        assert await user.see(f"{region}.scrollWidth <= {region}.clientWidth"), "a column is cut"


async def test_an_order_is_made_and_canceled_with_a_finger_on_a_phone(browser):
    phone = {"viewport": {"width": 390, "height": 844}, "has_touch": True}
    async with serving() as stage, new_user(browser, stage.url, **phone) as user:
        await make_market(stage)
        await user.open(stage.exchange.open_account("user", True))
        await user.page.tap('#phone-tabs [data-tab="trade"]')
        await user.page.tap("#arm")
        await user.page.tap('[data-price="bid"]')
        await user.page.tap('[data-side="buy"]')
        await user.until("onebook.orders.length === 1")
        await user.page.tap('#phone-tabs [data-tab="orders"]')
        button = user.page.locator("#orders tbody button")
        box = await button.bounding_box()
        assert box["x"] + box["width"] <= 390
        await button.tap()
        await user.until("onebook.orders.length === 0")


async def test_a_flash_crash_moves_the_chart_and_is_marked_on_it(browser):
    async with live_exchange(Settings(speed=10.0)) as live, new_user(browser, live.url) as user:
        await user.open(live.accounts[0], live.exchange.open_admin())
        await user.until("onebook.n_candles > 5")
        low = await user.see("Math.min(...onebook.candles.slice(-20).map(candle => candle.low))")

        await user.page.locator("#magnitude").fill("3")
        await user.page.click('[data-kind="flash_crash"]')

        await user.until("onebook.scenarios.some(one => one.kind === 'flash_crash')")
        await user.until(f"onebook.candles.at(-1).low < {low} - 15")
        assert (await user.see("onebook.scenarios[0]"))["magnitude"] == 3
