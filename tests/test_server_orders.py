"""The life of an order over REST and the WebSocket, as a stranger's client sees it."""

import asyncio

from exchange.engine.invariants import check_venue
from exchange.engine.records import LIVE_MARKET, new_markets
from server_kit import serving


async def test_an_order_rests_is_filled_and_both_sides_hear_of_it():
    async with serving() as stage:
        maker, taker = stage.trader(), stage.trader()

        rested = await maker.order("buy", "100.00", "5", client_order_id="a-1")
        assert (rested["status"], rested["open_quantity"]) == ("resting", "5")
        taken = await taker.order("sell", "99.00", "2")

        assert (taken["status"], taken["average_price"], taken["price"]) == (
            "filled",
            "100.00",
            "99.00",
        )
        status, order = await maker.call("GET", f"/v1/orders/{rested['order_id']}")
        assert status == 200
        assert (order["status"], order["open_quantity"], order["filled_quantity"]) == (
            "partially_filled",
            "3",
            "2",
        )
        _, fills = await maker.call("GET", "/v1/fills?symbol=SIM")
        (fill,) = fills["fills"]
        assert (fill["role"], fill["price"], fill["quantity"], fill["position_after"]) == (
            "maker",
            "100.00",
            "2",
            "2",
        )
        assert fill["client_order_id"] == "a-1"
        assert (await maker.position())["position"] == "2"
        assert (await taker.position())["position"] == "-2"
        check_venue(stage.exchange.venue.markets)


async def test_replace_keeps_priority_only_when_it_asks_for_less_at_the_same_price():
    async with serving() as stage:
        trader = stage.trader()
        order = await trader.order("sell", "101.00", "10")
        path = f"/v1/orders/{order['order_id']}"

        _, less = await trader.call("PUT", path, {"price": "101.00", "quantity": "4"})
        _, moved = await trader.call("PUT", path, {"price": "102.00", "quantity": "4"})

        assert (less["kept_priority"], less["open_quantity"], less["quantity"]) == (True, "4", "4")
        assert (moved["kept_priority"], moved["price"]) == (False, "102.00")


async def test_cancel_and_cancel_all_leave_no_open_order():
    async with serving(symbols=("SIM", "ALT")) as stage:
        trader = stage.trader()
        first = await trader.order("buy", "99.00", "1")
        await trader.order("buy", "98.00", "1")
        await trader.order("sell", "103.00", "1", symbol="ALT")

        status, canceled = await trader.call("DELETE", f"/v1/orders/{first['order_id']}")
        assert (status, canceled["status"], canceled["cancel_reason"]) == (200, "canceled", "user")
        _, listed = await trader.call("GET", "/v1/orders")
        assert [order["symbol"] for order in listed["orders"]] == ["SIM", "ALT"]
        _, only_alt = await trader.call("GET", "/v1/orders?symbol=ALT")
        assert len(only_alt["orders"]) == 1
        _, all_gone = await trader.call("DELETE", "/v1/orders")

        assert all_gone["n_canceled"] == 2
        _, listed = await trader.call("GET", "/v1/orders")
        assert listed["orders"] == []


async def test_the_same_client_order_id_gives_the_first_answer_again_and_another_body_conflicts():
    async with serving() as stage:
        trader, other = stage.trader(), stage.trader()
        first = await trader.order("buy", "100.00", "5", client_order_id="once")
        await other.order("sell", "100.00", "5")

        again = await trader.order("buy", "100.0", "5", client_order_id="once")
        assert again == first
        body = {"symbol": "SIM", "side": "buy", "price": "100.00", "quantity": "6"}
        status, error = await trader.call("POST", "/v1/orders", body | {"client_order_id": "once"})
        assert (status, error["error"]["code"]) == (409, "client_order_id_reused")
        assert (await trader.position())["position"] == "5"
        await other.order("buy", "99.00", "1", client_order_id="once")  # ids are each account's own


async def test_a_refused_order_does_not_use_up_its_client_order_id():
    async with serving() as stage:
        trader = stage.trader()
        await trader.order("sell", "100.00", "1")
        body = {"symbol": "SIM", "side": "buy", "price": "101.00", "quantity": "1"}
        body |= {"post_only": True, "client_order_id": "x", "self_trade_prevention": "cancel_both"}
        status, error = await trader.call("POST", "/v1/orders", body)
        assert (status, error["error"]["code"]) == (422, "post_only_would_trade")

        await trader.call("DELETE", "/v1/orders")
        status, answer = await trader.call("POST", "/v1/orders", body)
        assert (status, answer["status"]) == (201, "resting")


async def test_market_ioc_fok_and_gtd_orders_end_as_they_should():
    async with serving() as stage:
        maker, taker = stage.trader(), stage.trader()
        await maker.order("sell", "100.00", "3")
        fok = await taker.order("buy", "100.00", "4", time_in_force="fok")
        assert (fok["status"], fok["cancel_reason"]) == ("canceled", "fill_or_kill")
        ioc = await taker.order("buy", "100.00", "2", time_in_force="ioc")
        assert ioc["status"] == "filled"
        market = await taker.order("buy", None, "2", type="market")
        assert (market["status"], market["filled_quantity"], market["cancel_reason"]) == (
            "canceled",
            "1",
            "market_remainder",
        )
        assert market["price"] is None
        _, status = await taker.call("GET", "/v1/status")
        soon = status["symbols"][0]["time_ns"] + 50_000_000
        gtd = await taker.order("buy", "90.00", "2", time_in_force="gtd", expire_ns=soon)
        async with asyncio.timeout(10):
            while True:
                _, order = await taker.call("GET", f"/v1/orders/{gtd['order_id']}")
                if order["status"] == "canceled":
                    break
        assert order["cancel_reason"] == "expired"
        assert order["time_ns"] >= soon


async def test_a_quote_is_replaced_on_both_sides_and_each_side_answers_for_itself():
    async with serving() as stage:
        maker, other = stage.trader(), stage.trader()
        quote = {"symbol": "SIM", "bid_price": "99.00", "bid_quantity": "5"}
        quote |= {"ask_price": "101.00", "ask_quantity": "5", "post_only": True}
        status, first = await maker.call("POST", "/v1/quotes", quote)
        assert status == 200
        assert (first["bid"]["status"], first["ask"]["status"]) == ("resting", "resting")

        await other.order("sell", "100.00", "1")
        _, second = await maker.call("POST", "/v1/quotes", quote | {"bid_price": "100.00"})
        assert second["bid"] is None
        assert second["bid_error"]["code"] == "post_only_would_trade"
        assert second["bid_error"]["field"] == "bid_price"
        assert second["ask"]["order_id"] == first["ask"]["order_id"]
        status, error = await maker.call("POST", "/v1/quotes", quote | {"bid_price": "102.00"})
        assert (status, error["error"]["code"]) == (422, "invalid_quote")
        _, empty = await maker.call("POST", "/v1/quotes", {"symbol": "SIM"})
        assert (empty["bid"], empty["ask"]) == (None, None)
        _, listed = await maker.call("GET", "/v1/orders")
        assert listed["orders"] == []


async def test_a_batch_gives_each_command_its_own_result():
    async with serving() as stage:
        trader = stage.trader()
        enter = {"op": "enter", "symbol": "SIM", "side": "buy", "quantity": "1"}
        commands = [
            enter | {"price": "99.00"},
            enter | {"price": "99.001"},
            enter | {"price": "98.00", "symbol": "NONE"},
            {"op": "cancel", "order_id": 1},
            {"op": "quote", "symbol": "SIM", "ask_price": "105.00", "ask_quantity": "2"},
            {"op": "cancel_all"},
        ]
        status, answer = await trader.call("POST", "/v1/batch", {"commands": commands})

        assert status == 200
        results = answer["results"]
        assert results[0]["status"] == "resting"
        assert [result["error"]["code"] for result in results[1:4]] == [
            "unreadable",
            "unknown_symbol",
            "unknown_order",
        ]
        assert results[4]["ask"]["status"] == "resting"
        assert results[5]["n_canceled"] == 2
        too_many = {"commands": [{"op": "cancel_all"}] * 21}
        status, error = await trader.call("POST", "/v1/batch", too_many)
        assert (status, error["error"]["field"]) == (400, "commands")


async def test_orders_over_the_socket_are_answered_first_and_reported_after():
    async with serving() as stage:
        maker, taker = stage.trader(), stage.trader()
        async with maker.socket() as own, taker.socket() as other:
            await own.ask("subscribe", channels=["orders", "fills", "account"])
            reply = await own.ask("enter", symbol="SIM", side="buy", price="100.00", quantity="5")
            assert (reply["op"], reply["result"]["status"]) == ("enter", "resting")
            report = await own.on("orders")
            assert (report["event"], report["order_id"]) == (
                "rested",
                reply["result"]["order_id"],
            )
            sold = await other.ask("enter", symbol="SIM", side="sell", price="100.00", quantity="2")
            assert sold["result"]["status"] == "filled"
            fill = await own.on("fills")
            assert (fill["role"], fill["quantity"], fill["fee"]) == ("maker", "2", "0.00")
            assert (await own.on("orders", event="traded"))["status"] == "partially_filled"
            account = await own.on("account", type="account")
            while account["positions"][0]["position"] != "2":
                account = await own.on("account")
            assert account["cash"] == "-200.00"
            order_id = reply["result"]["order_id"]
            moved = await own.ask("replace", order_id=order_id, price="99.00", quantity="1")
            assert moved["result"]["kept_priority"] is False
            gone = await own.ask("cancel", order_id=order_id)
            assert gone["result"]["status"] == "canceled"
            again = await own.ask("cancel", order_id=order_id)
            assert again["error"]["code"] == "unknown_order"


async def test_fees_and_mids_in_the_fills_are_exact():
    markets = new_markets(1, dtype=LIVE_MARKET, maker_fee_ppm=-20, taker_fee_ppm=75)
    async with serving(markets=markets) as stage:
        maker, taker = stage.trader(), stage.trader()
        await maker.order("buy", "99.99", "1")
        await maker.order("sell", "100.00", "1")
        await maker.order("sell", "100.02", "1")
        await taker.order("buy", "100.02", "2")
        _, fills = await taker.call("GET", "/v1/fills")
        assert [fill["mid"] for fill in fills["fills"]] == ["99.995", "99.995"]
        assert fills["fills"][0]["fee"] == "0.00750000"
        _, after = await taker.call("GET", "/v1/fills?after=1")
        assert [fill["fill_id"] for fill in after["fills"]] == [2]
        _, account = await maker.call("GET", "/v1/account")
        assert account["fees"] == "-0.00400040"
        _, board = await stage.admin.call("GET", "/v1/leaderboard")
        assert [row["name"] for row in board["accounts"]] == ["t2", "t1"]
        assert (board["accounts"][0]["pnl"], board["accounts"][0]["volume"]) == ("0.00499850", "2")
