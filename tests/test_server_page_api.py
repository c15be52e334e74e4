"""What the trading page asks of the API beyond orders and market data; any client may."""

import asyncio

from exchange.engine.participants import SHOCKS_MAX
from exchange.engine.records import TRAINING_MARKET
from exchange.keys import KeysFile
from exchange.server.equity import EquityHistory
from exchange.server.opening import recorded
from exchange.server.run import page_address
from exchange.simulation.presets import new_simulated_markets
from exchange.simulation.step import advance
from server_kit import serving


async def test_an_open_order_tells_what_rests_before_it_at_its_price():
    async with serving() as stage:
        first, second = stage.trader(), stage.trader()
        await first.order("buy", "99.90", "7")
        await first.order("buy", "99.90", "5")
        await second.order("buy", "99.90", "3")
        await second.order("buy", "99.80", "3")

        _, answer = await second.call("GET", "/v1/orders")

        assert [order["quantity_ahead"] for order in answer["orders"]] == ["12", "0"]
        await first.call("DELETE", "/v1/orders")
        _, answer = await second.call("GET", "/v1/orders")
        assert [order["quantity_ahead"] for order in answer["orders"]] == ["0", "0"]


async def test_the_leaderboard_tells_the_spread_earned_and_the_equity_as_it_was():
    async with serving() as stage:
        maker, taker = stage.trader("maker"), stage.trader("taker")
        await maker.order("buy", "99.90", "10")
        await maker.order("sell", "100.10", "10")
        await taker.order("buy", "100.10", "4")  # the mid was 100.00
        stage.exchange.equity = EquityHistory(stage.exchange.venue)
        for _ in range(3):
            stage.exchange.equity.take()

        _, answer = await taker.call("GET", "/v1/leaderboard?points=2", headers={})

        standings = {account["name"]: account for account in answer["accounts"]}
        assert standings["maker"]["spread_earned"] == "0.40"
        assert standings["taker"]["spread_earned"] == "-0.40"
        assert standings["taker"]["equity_history"] == ["0.00", "0.00"]
        status, _ = await taker.call("GET", "/v1/leaderboard?points=601", headers={})
        assert status == 400


async def test_a_trader_chooses_whether_the_leaderboard_shows_the_account():
    async with serving() as stage:
        trader = stage.trader("shy")

        status, account = await trader.call("PUT", "/v1/account", {"visible": False})

        assert (status, account["visible"]) == (200, False)
        _, answer = await trader.call("GET", "/v1/leaderboard", headers={})
        assert answer["accounts"] == []
        status, answer = await trader.call("PUT", "/v1/account", {"visible": "no"})
        assert (status, answer["error"]["field"]) == (400, "visible")


async def test_a_paused_market_moves_by_single_steps():
    async with serving() as stage:
        step = {"advance_steps": 2}
        status, answer = await stage.admin.call("POST", "/v1/admin/clock", step)
        assert (status, answer["error"]["code"]) == (409, "wrong_mode")
        await stage.admin.call("POST", "/v1/admin/clock", {"paused": True})
        before_ns = int(stage.exchange.venue.now_ns[0])

        status, _ = await stage.admin.call("POST", "/v1/admin/clock", step)

        assert status == 200
        assert int(stage.exchange.venue.now_ns[0]) == before_ns + 2 * 250_000_000


async def test_scenarios_that_began_are_told_to_those_who_come_later():
    markets = new_simulated_markets(1, [3], dtype=TRAINING_MARKET)
    async with serving(markets=markets, source=advance) as stage:
        shock = {"symbol": "SIM", "kind": "halt", "magnitude": 1.0, "duration_s": 30.0}
        status, scheduled = await stage.admin.call("POST", "/v1/admin/scenario", shock)
        assert status == 201
        async with asyncio.timeout(10):
            while not (answer := (await stage.admin.call("GET", "/v1/status"))[1])["scenarios"]:
                pass

        assert answer["scenarios"] == [scheduled]


async def test_a_shock_that_the_market_refuses_is_told_why():
    markets = new_simulated_markets(1, [3], dtype=TRAINING_MARKET)
    async with serving(markets=markets, source=advance) as stage:
        shock = {"symbol": "SIM", "kind": "flash_crash", "magnitude": 1.0, "duration_s": 30.0}
        for wrong in ({"magnitude": -1.0}, {"magnitude": 1e-9}, {"duration_s": 1e-12}):
            status, answer = await stage.admin.call("POST", "/v1/admin/scenario", shock | wrong)
            assert (status, answer["error"]["code"]) == (422, "invalid_shock"), wrong
        for _ in range(SHOCKS_MAX):
            assert (await stage.admin.call("POST", "/v1/admin/scenario", shock))[0] == 201
        status, answer = await stage.admin.call("POST", "/v1/admin/scenario", shock)
        assert (status, answer["error"]["code"]) == (422, "timetable_full")


async def test_a_fault_of_ours_is_an_answer_too(monkeypatch, caplog):
    async with serving() as stage:
        monkeypatch.setattr(stage.exchange.venue, "halt", None)
        status, answer = await stage.admin.call("POST", "/v1/admin/halt", {"symbol": "SIM"})
        assert (status, answer["error"]["code"]) == (500, "internal_error")
        assert "POST /v1/admin/halt failed" in caplog.text
        assert (await stage.admin.call("GET", "/v1/status"))[0] == 200


async def test_a_recording_takes_no_shocks(tmp_path):
    path = tmp_path / "messages.csv"
    path.write_text("34200.0,1,11,100,100000,1\n34203.0,3,11,100,100000,1\n")
    own = recorded("SIM", path, "lobster", None, 0, 0)
    async with serving(markets=own.markets, source=own.advance) as stage:
        shock = {"symbol": "SIM", "kind": "halt", "magnitude": 1.0, "duration_s": 30.0}
        status, answer = await stage.admin.call("POST", "/v1/admin/scenario", shock)
        assert (status, answer["error"]["code"]) == (409, "wrong_mode")


async def test_the_printed_address_carries_the_keys_in_its_fragment_only():
    async with serving() as stage:
        keys = [stage.exchange.open_account("demo1", True), stage.exchange.open_admin()]
        file = KeysFile(url=stage.url, ws_url="ws://", accounts=keys)

        before, fragment = page_address(file).split("#")

        assert before == f"{stage.url}/"
        trader, admin = keys
        assert f"key={trader.key}&secret={trader.secret}&admin_key={admin.key}" in fragment
