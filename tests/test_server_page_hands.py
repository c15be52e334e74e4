"""The page under the hand: queue position, grouping, arm switch, ticket, hotkeys, blotter, board."""

from typing import Any

import pytest
import pytest_asyncio

from browser_kit import PageUser, new_browser, new_user
from server_kit import Stage, serving

pytestmark = pytest.mark.asyncio(loop_scope="module")

MID = 10_000  # ticks: where an empty market opens
BIDS, ASKS = 0.3, 0.7  # columns of the ladder


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def browser():
    async with new_browser() as running:
        yield running


async def open_trader(user: PageUser, stage: Stage, *, armed: bool = True) -> Any:
    """The page with a trader's key, against 20 lots at 99.98 and at 100.02."""
    maker = stage.trader("maker")
    await maker.order("buy", "99.98", "20")
    await maker.order("sell", "100.02", "20")
    await user.open(stage.exchange.open_account("user", True), stage.exchange.open_admin())
    await user.until("onebook.ladder.centre !== null")
    if armed:
        await user.page.keyboard.press("a")
    return maker


async def test_the_ladder_tells_the_queue_before_an_own_order_and_the_average_price(browser):
    async with serving() as stage, new_user(browser, stage.url) as user:
        maker = await open_trader(user, stage)

        await user.click_ladder(MID - 2, BIDS)

        await user.until_drawn("ladder", "20↑")
        await maker.call("DELETE", "/v1/orders")
        await user.until_drawn("ladder", "0↑")
        await maker.order("sell", "99.98", "4")
        await user.until_drawn("ladder", "avg +4")


async def test_the_ladder_groups_prices_and_comes_back_to_the_mid(browser):
    async with serving() as stage, new_user(browser, stage.url) as user:
        maker = await open_trader(user, stage)
        await maker.order("sell", "100.04", "13")
        press = user.page.keyboard.press

        await press("+")
        await press("+")
        await user.until("onebook.ladder.group === 5")
        await user.until_drawn("ladder", "33")  # 20 at 100.02 and 13 at 100.04 in the row 100.05
        assert {"100.05", "99.95"} <= set(await user.see("drawn.ladder"))
        await user.page.select_option("#group", "1")
        await user.until_drawn("ladder", "100.02")

        await user.page.uncheck("#follow")
        box = await user.page.locator("#ladder").bounding_box()
        await user.page.mouse.move(box["x"] + 100, box["y"] + 100)
        await user.page.mouse.wheel(0, 600)
        await user.page.mouse.wheel(0, 600)
        await user.until(f"onebook.ladder.centre < {MID - 2}")
        await press("g")
        await press("Space")
        await user.until(f"onebook.ladder.centre === {MID}")


async def test_a_stranger_is_told_what_to_do_next(browser):
    async with serving() as stage, new_user(browser, stage.url) as user:
        await user.open()
        assert await user.page.text_content("#next") == "To trade, enter an API key"
        await user.page.click("#next-step")
        key = stage.exchange.open_account("user", True)
        await user.page.fill("#trader-key", key.key)
        await user.page.fill("#trader-secret", key.secret)
        await user.page.press("#trader-secret", "Enter")
        await user.until("document.querySelector('#next-step').textContent === 'arm trading'")
        await user.until("document.querySelector('#who').textContent === 'user'")
        await user.page.click("#next-step")
        await user.until("onebook.armed")
        await user.until("document.querySelector('#next').textContent.includes('Every click')")


async def test_disarmed_nothing_trades_but_cancels_do(browser):
    async with serving() as stage, new_user(browser, stage.url) as user:
        await open_trader(user, stage)
        await user.click_ladder(MID - 5, BIDS)
        await user.until("onebook.orders.length === 1")
        await user.page.keyboard.press("a")
        await user.until("!onebook.armed")
        await user.until("document.querySelector('#arm').ariaChecked === 'false'")

        await user.click_ladder(MID - 6, BIDS)
        assert "disarmed" in await user.notice("ladder")
        await user.page.click('[data-side="buy"]')
        assert "disarmed" in await user.notice("ticket")
        await user.page.click("#flatten")
        await user.until(
            "document.querySelector('#ticket-notice').textContent.includes('disarmed')"
        )
        assert await user.see("onebook.orders.length") == 1
        await user.page.click("#cancel-all")
        await user.until("onebook.orders.length === 0")


async def test_cancel_all_and_flatten_leave_neither_orders_nor_position(browser):
    async with serving() as stage, new_user(browser, stage.url) as user:
        await open_trader(user, stage)
        for ticks in (3, 4, 5):
            await user.click_ladder(MID - ticks, BIDS)
        await user.until("onebook.orders.length === 3")
        await user.page.click("#cancel-all-2")
        assert "3 orders" in await user.notice("blotter")
        await user.until("onebook.orders.length === 0")

        await user.click_ladder(MID + 2, BIDS)  # takes 10 lots
        await user.click_ladder(MID - 4, BIDS)
        await user.until("onebook.position.position === '10' && onebook.orders.length === 1")
        await user.page.click("#flatten")
        await user.until("onebook.position.position === '0' && onebook.orders.length === 0")


async def test_the_ticket_sends_what_it_says(browser):
    async with serving() as stage, new_user(browser, stage.url) as user:
        await open_trader(user, stage)
        page = user.page
        await page.click('[data-side="buy"]')  # no price: the best one, as the button says
        await user.until(
            "onebook.position.position === '10' && onebook.fills[0].price === '100.02'"
        )
        await page.click("#flatten")
        await user.until("onebook.position.position === '0'")
        await page.fill("#price", "99.99")

        await page.select_option("#time-in-force", "ioc")
        await page.click('[data-side="buy"]')
        await user.until("document.querySelector('#ticket-notice').textContent.includes('nothing')")
        await page.select_option("#time-in-force", "gtd")
        await page.fill("#expire", "1")
        await page.click('[data-side="buy"]')
        await user.until("onebook.orders.length === 1")
        await user.until("onebook.orders.length === 0")  # a second of market time later
        await page.select_option("#time-in-force", "gtc")
        await page.check("#reduce-only")
        await page.click('[data-side="buy"]')
        await user.until("document.querySelector('#ticket-notice').dataset.kind === 'error'")
        assert "reduce_only" in await user.notice("ticket")
        await page.uncheck("#reduce-only")
        await page.select_option("#time-in-force", "fok")
        await page.fill("#quantity", "31")
        await page.click('[data-price="ask"]')
        await page.click('[data-side="buy"]')
        await user.until("document.querySelector('#ticket-notice').textContent.includes('nothing')")
        assert (await user.see("onebook.position"))["position"] == "0"


async def test_the_blotter_tells_orders_with_their_terms_and_fills_with_their_roles(browser):
    async with serving() as stage, new_user(browser, stage.url) as user:
        maker = await open_trader(user, stage)
        await user.page.check("#post-only")
        await user.click_ladder(MID - 1, BIDS)
        await user.until("onebook.orders.length === 1")
        queue = "document.querySelector('#orders tbody tr td:nth-child(6)')"
        await user.until(
            f"{queue}.innerText === '0'"
        )  # the queue is asked for, once the order rests
        told = (await user.see("onebook.orders"))[0]
        row = user.page.locator("#orders tbody tr")
        cells = await row.locator("td").all_inner_texts()
        assert cells[:6] == ["SIM", "buy", "99.99", "10", "10", "0"]
        expected = told.get("time_in_force", "–").upper() + " post" * told.get("post_only", False)
        assert cells[6] == expected

        await maker.order("sell", "99.99", "4")
        await user.page.click("#tab-fills")
        await user.until("document.querySelector('#fills tbody tr')")
        cells = await user.page.locator("#fills tbody tr td").all_inner_texts()
        assert cells[1:6] == ["SIM", "buy", "99.99", "4", "maker"]
        spoken = "document.querySelector('#spoken').textContent"  # for a screen reader
        await user.until(f"{spoken} === 'Bought 4 at 99.99, position 4'")
        await user.page.click("#tab-orders")
        await row.get_by_role("button", name="Cancel buy").click()
        await user.until("onebook.orders.length === 0")


async def test_the_keys_of_the_list_do_what_it_says(browser):
    async with serving() as stage, new_user(browser, stage.url) as user:
        await open_trader(user, stage, armed=False)
        press = user.page.keyboard.press
        active = "document.activeElement.id"
        chosen = "document.querySelector('#types [aria-checked=\"true\"]').dataset.type"
        for key, happened in [
            ("m", f"{chosen} === 'market'"),
            ("l", f"{chosen} === 'limit'"),
            ("q", f"{active} === 'quantity'"),
            ("Escape", f"{active} !== 'quantity'"),
            ("p", f"{active} === 'price'"),
            ("Escape", f"{active} !== 'price'"),
            ("g", f"{active} === 'ladder'"),
            ("c", f"{active} === 'chart'"),
            ("k", "document.querySelector('#keys-dialog').open"),
            ("Escape", "!document.querySelector('#keys-dialog').open"),
            ("?", "document.querySelector('#help-dialog').open"),
            ("Escape", "!document.querySelector('#help-dialog').open"),
            ("a", "onebook.armed"),
        ]:
            await press(key)
            await user.until(happened)
        theme = await user.see("document.documentElement.dataset.theme")
        await press("t")
        await user.until(f"document.documentElement.dataset.theme !== '{theme}'")
        await press("?")
        await user.page.uncheck("#hotkeys-on")
        await press("Escape")
        await press("a")
        await press("Shift+Tab")
        assert await user.see("onebook.armed") is True


async def test_the_leaderboard_shows_those_who_choose_to_be_seen(browser):
    async with serving() as stage, new_user(browser, stage.url) as user:
        skew = stage.trader("skew")
        await skew.order("sell", "100.01", "5")
        await skew.order("buy", "99.99", "5")
        await open_trader(user, stage)
        await user.page.keyboard.press("m")
        await user.page.keyboard.press("b")
        await user.until("onebook.position.position === '10'")
        board = (
            "[...document.querySelectorAll('#board tbody tr')].map(row => row.cells[1].textContent)"
        )
        await user.until(f"['skew', 'maker', 'user'].every(name => {board}.includes(name))")
        assert len(await user.see(board)) == 3
        user_row, skew_row = (
            f"[...document.querySelectorAll('#board tbody tr')]"
            f".find(row => row.cells[1].textContent === '{name}').innerText.split('\\t')"
            for name in ("user", "skew")
        )
        await user.until(f"{user_row}[3] === '+10' && {user_row}[4] === '2'")
        await user.until(f"{skew_row}[5] === '+0.05'")  # 5 lots a tick above the mid
        await user.until(
            "document.querySelector('#board canvas').getContext('2d')"
            ".getImageData(0, 0, 60, 20).data.some(value => value > 0)"
        )
        assert "Equity of" in await user.page.get_attribute("#board canvas >> nth=0", "aria-label")

        await user.page.uncheck("#seen")
        await user.until(f"!{board}.includes('user')")
        await user.page.check("#seen")
        await user.until(f"{board}.includes('user')")


async def test_the_link_tells_latency_gaps_and_reconnects(browser):
    async with serving() as stage, new_user(browser, stage.url) as user:
        await open_trader(user, stage)
        words = "document.querySelector('#link-numbers').textContent"
        await user.until(f"/^[0-9.]+ ms · 0 gaps · 0 reconnects$/.test({words})")
        assert (
            await user.see("import('/web/link/session.js').then(m => m.socket.socket.close())")
            is None
        )
        await user.until(f"{words}.includes('1 reconnects') && onebook.link.status === 'live'")
        await user.until("document.querySelector('#who').textContent === 'user'")
