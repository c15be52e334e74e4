"""Everything that a client can get wrong: a clear error each, and the book untouched."""

import json
from typing import Any

import aiohttp
import pytest

from exchange.server.settings import Settings
from server_kit import Stage, serving

ORDER = {"symbol": "SIM", "side": "buy", "price": "100.00", "quantity": "1"}

UNREADABLE: list[tuple[Any, str | None]] = [
    (b"", None),
    (b"{", None),
    (b"null", None),
    (b"[]", None),
    (b'"order"', None),
    (b"\xff\xfe\x00", None),
    (b"[" * 30_000, None),
    (b'{"symbol": NaN}', "symbol"),
    (ORDER | {"price": 100.0}, "price"),
    (ORDER | {"price": "1e3"}, "price"),
    (ORDER | {"price": "NaN"}, "price"),
    (ORDER | {"price": "-5"}, "price"),
    (ORDER | {"price": "Infinity"}, "price"),
    (ORDER | {"price": "100.001"}, "price"),
    (ORDER | {"price": " 100.00"}, "price"),
    (ORDER | {"price": "100.00\n"}, "price"),
    (ORDER | {"price": "١٠٠"}, "price"),
    (ORDER | {"price": "1" * 40}, "price"),
    (ORDER | {"price": None}, "price"),
    (ORDER | {"price": {"a": 1}}, "price"),
    (ORDER | {"quantity": 1}, "quantity"),
    (ORDER | {"quantity": "0.5"}, "quantity"),
    (ORDER | {"quantity": "-1"}, "quantity"),
    (ORDER | {"quantity": True}, "quantity"),
    (ORDER | {"side": "BUY"}, "side"),
    (ORDER | {"side": 0}, "side"),
    (ORDER | {"symbol": "sim"}, "symbol"),
    (ORDER | {"symbol": "S" * 17}, "symbol"),
    (ORDER | {"symbol": "../etc"}, "symbol"),
    (ORDER | {"type": "stop"}, "type"),
    (ORDER | {"type": "market"}, "price"),
    (ORDER | {"time_in_force": "day"}, "time_in_force"),
    (ORDER | {"time_in_force": "gtd"}, "expire_ns"),
    (ORDER | {"expire_ns": 5}, "expire_ns"),
    (ORDER | {"time_in_force": "gtd", "expire_ns": 10**30}, "expire_ns"),
    (ORDER | {"time_in_force": "gtd", "expire_ns": "5"}, "expire_ns"),
    (ORDER | {"time_in_force": "gtd", "expire_ns": 5.5}, "expire_ns"),
    (ORDER | {"post_only": 1}, "post_only"),
    (ORDER | {"client_order_id": "a b"}, "client_order_id"),
    (ORDER | {"client_order_id": "x" * 37}, "client_order_id"),
    (ORDER | {"client_order_id": ""}, "client_order_id"),
    (ORDER | {"deadline_ms": -1}, "deadline_ms"),
    (ORDER | {"self_trade_prevention": "none"}, "self_trade_prevention"),
    (ORDER | {"account": 4}, "account"),
    ({"symbol": "SIM", "side": "buy", "price": "100.00"}, "quantity"),
    (b'{"symbol":"SIM","side":"buy","quantity":"1","price":1e400}', "price"),
]

REFUSED: list[tuple[dict[str, Any], int, str]] = [
    (ORDER | {"symbol": "NONE"}, 404, "unknown_symbol"),
    (ORDER | {"price": "999999999999999"}, 422, "price_out_of_range"),
    (ORDER | {"price": "0"}, 422, "price_out_of_range"),
    (ORDER | {"quantity": "0"}, 422, "quantity_out_of_range"),
    (ORDER | {"quantity": "999999999999999"}, 422, "quantity_out_of_range"),
    (ORDER | {"quantity": "501"}, 422, "account_quantity_max"),
    (ORDER | {"quantity": "499", "reduce_only": True}, 422, "reduce_only"),
    (ORDER | {"post_only": True, "time_in_force": "ioc"}, 422, "invalid_options"),
    (ORDER | {"time_in_force": "gtd", "expire_ns": 1}, 422, "invalid_time"),
    (ORDER | {"deadline_ms": 1_000}, 422, "deadline_passed"),
]


def all_but_events(stage: Stage) -> tuple[Any, ...]:
    """What a refused command leaves as it was: everything but its event's number and the clock."""
    (market,) = stage.exchange.venue.markets
    names = [n for n in market.dtype.names if n not in ("now_ns", "sequence", "events", "n_events")]
    return tuple(market[name].tobytes() for name in names)


async def test_unreadable_and_refused_orders_name_their_fault_and_leave_the_market_untouched():
    async with serving() as stage:
        trader, other = stage.trader(), stage.trader()
        await other.order("buy", "99.00", "3")
        before = all_but_events(stage)

        for body, field in UNREADABLE:
            status, answer = await trader.call("POST", "/v1/orders", body)
            assert status == 400, (body, answer)
            assert answer["error"]["code"] == "unreadable"
            assert answer["error"]["field"] == field, (body, answer)
            assert answer["error"]["message"]
        for body, expected, code in REFUSED:
            status, answer = await trader.call("POST", "/v1/orders", body)
            assert (status, answer["error"]["code"]) == (expected, code), body

        assert all_but_events(stage) == before


WORDS: list[tuple[dict[str, Any], str]] = [
    *((ORDER | {"quantity": text}, "quantity must be a decimal") for text in ("-5", "1e3")),
    (ORDER | {"quantity": "9" * 28}, "up to 15 digits"),
    (ORDER | {"quantity": "9" * 29}, "quantity has more than 28 characters"),
    (ORDER | {"quantity": 5}, "quantity must be a string, in quotes"),
    (ORDER | {"side": "BUY"}, "side must be 'buy' or 'sell'"),
    (ORDER | {"post_only": 1}, "post_only must be true or false"),
    (ORDER | {"deadline_ms": "5"}, "deadline_ms must be a whole number"),
    (ORDER | {"{account}": 4}, "{account} is not a field of this request"),
    ({"symbol": "SIM", "side": "buy", "price": "100.00"}, "quantity is missing"),
]


async def test_what_is_wrong_with_a_field_is_told_in_words_for_people():
    async with serving() as stage:
        trader = stage.trader()
        for body, words in WORDS:
            _, answer = await trader.call("POST", "/v1/orders", body)
            assert words in answer["error"]["message"]
            assert "pattern" not in answer["error"]["message"]


async def test_refusals_by_a_limit_name_the_limit():
    async with serving(Settings(position_max=10, n_open_max=2)) as stage:
        trader = stage.trader()
        body = ORDER | {"quantity": "11"}
        _, answer = await trader.call("POST", "/v1/orders", body)
        assert (answer["error"]["code"], answer["error"]["limit"]) == ("account_position_max", "10")
        await trader.order("buy", "99.00", "1")
        await trader.order("buy", "98.00", "1")
        _, answer = await trader.call("POST", "/v1/orders", ORDER)
        assert (answer["error"]["code"], answer["error"]["limit"]) == (
            "account_open_orders_max",
            "2",
        )
        _, answer = await trader.call("POST", "/v1/orders", ORDER | {"price": "90000.00"})
        assert answer["error"]["limit"] == "0.01 .. 655.35"


async def test_other_peoples_orders_and_absurd_ids_are_unknown():
    async with serving() as stage:
        owner, thief = stage.trader(), stage.trader()
        order = await owner.order("buy", "99.00", "3")
        before = all_but_events(stage)
        for order_id in (order["order_id"], 0, 1, 10**15):
            for method, body in (
                ("DELETE", None),
                ("PUT", {"price": "98.00", "quantity": "1"}),
                ("GET", None),
            ):
                status, answer = await thief.call(method, f"/v1/orders/{order_id}", body)
                assert (status, answer["error"]["code"]) == (404, "unknown_order")
        for text in ("-1", "abc", "1.5", "9" * 30, "%00"):
            status, answer = await thief.call("DELETE", f"/v1/orders/{text}")
            assert status == 400, text
        assert all_but_events(stage) == before


async def test_signatures_must_be_right_fresh_and_new():
    async with serving() as stage:
        trader = stage.trader()
        body = json.dumps(ORDER).encode()

        async def call(sent: bytes = body, **change: str) -> tuple[int, str]:
            headers = trader.headers("POST", "/v1/orders", body) | change
            status, answer = await trader.call("POST", "/v1/orders", sent, headers)
            return status, answer["error"]["code"]

        before = all_but_events(stage)
        assert await call(sent=body + b" ") == (401, "bad_signature")
        assert await call(**{"X-SIGNATURE": "00"}) == (401, "bad_signature")
        assert await call(**{"X-SIGNATURE": "zz"}) == (401, "bad_signature")
        assert await call(**{"X-API-KEY": "nobody"}) == (401, "unauthenticated")
        for stamp in ("1000", "99999999999999", "", "now", "1" * 500, "1e12", "-5"):
            headers = {"X-API-KEY": trader.key, "X-TIMESTAMP": stamp}
            headers["X-SIGNATURE"] = trader.sign(stamp, "POST", "/v1/orders", body)
            status, answer = await trader.call("POST", "/v1/orders", body, headers)
            assert (status, answer["error"]["code"]) == (401, "stale_timestamp"), stamp
        status, answer = await trader.call("POST", "/v1/orders", body, {"X-API-KEY": trader.key})
        assert (status, answer["error"]["code"]) == (401, "unauthenticated")
        assert all_but_events(stage) == before

        headers = trader.headers("POST", "/v1/orders", body)
        assert (await trader.call("POST", "/v1/orders", body, headers))[0] == 201
        once = all_but_events(stage)
        status, answer = await trader.call("POST", "/v1/orders", body, headers)
        assert (status, answer["error"]["code"]) == (401, "replayed")
        assert all_but_events(stage) == once


async def test_roles_are_kept_apart():
    async with serving() as stage:
        trader = stage.trader()
        status, answer = await trader.call("POST", "/v1/admin/halt", {"symbol": "SIM"})
        assert (status, answer["error"]["code"]) == (403, "forbidden")
        status, answer = await stage.admin.call("POST", "/v1/orders", ORDER)
        assert (status, answer["error"]["code"]) == (403, "forbidden")


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("/v1/book?symbol=SIM&levels=-1", "levels"),
        ("/v1/book?symbol=SIM&levels=1e3", "levels"),
        ("/v1/book?symbol=SIM&levels=99999999999999999999", "levels"),
        ("/v1/book", "symbol"),
        ("/v1/book?symbol=SIM&depth=5", "depth"),
        ("/v1/book?symbol=SIM&symbol=SIM", None),
        ("/v1/trades?symbol=SIM&limit=0", "limit"),
        ("/v1/trades?symbol=SIM&limit=100000", "limit"),
        ("/v1/candles?symbol=SIM&interval_s=7", "interval_s"),
        ("/v1/status?x=1", None),
    ],
)
async def test_absurd_queries_are_refused(path: str, field: str | None):
    async with serving() as stage, stage.http.get(stage.url + path) as response:
        answer = await response.json()
        assert (response.status, answer["error"]["field"]) == (400, field)


async def test_unknown_paths_methods_and_large_bodies_get_errors_of_the_same_form():
    async with serving() as stage:
        trader = stage.trader()
        for method, path, status in (
            ("GET", "/v1/nothing", 404),
            ("PATCH", "/v1/orders", 405),
            ("GET", "/v1/book?symbol=NONE", 404),
        ):
            async with stage.http.request(method, stage.url + path) as response:
                answer = await response.json()
                assert response.status == status
                assert set(answer["error"]) == {"code", "message", "field", "retryable", "limit"}
        status, answer = await trader.call("POST", "/v1/orders", b" " * 70_000)
        assert (status, answer["error"]["limit"]) == (413, "65536")


async def test_an_account_that_calls_too_often_is_told_when_to_come_back():
    async with serving(Settings(rate_per_s=5)) as stage:
        trader = stage.trader()
        body = json.dumps(ORDER).encode()
        statuses = []
        for _ in range(20):
            headers = trader.headers("POST", "/v1/orders", body)
            url = stage.url + "/v1/orders"
            async with stage.http.post(url, data=body, headers=headers) as response:
                statuses.append(response.status)
                if response.status == 429:
                    assert int(response.headers["Retry-After"]) >= 1
                    assert (await response.json())["error"]["retryable"] is True
        assert statuses[:5] == [201] * 5
        assert 429 in statuses


async def test_socket_messages_that_cannot_be_read_are_answered_then_cut_off():
    async with serving() as stage:
        trader = stage.trader()
        async with trader.socket() as socket:
            before = all_but_events(stage)
            for text in ("", "{", "[]", "5", '{"op":"fly"}', '{"id":1}', "[" * 5_000):
                await socket.raw.send_str(text)
                reply = await socket.read()
                assert reply["error"]["code"] == "unreadable", text
            reply = await socket.ask("enter", symbol="SIM", side="buy", price="1e3", quantity="1")
            assert (reply["error"]["field"], reply["op"]) == ("price", "enter")
            reply = await socket.ask("enter", **ORDER, surprise=1)
            assert reply["error"]["field"] == "surprise"
            await socket.raw.send_bytes(b"{}")
            assert (await socket.read())["error"]["code"] == "unreadable"
            reply = await socket.ask("subscribe", channels=["book"])
            assert reply["error"]["field"] == "symbol"
            reply = await socket.ask("subscribe", channels=["gossip"], symbol="SIM")
            assert reply["error"]["field"] == "channels.0"
            assert all_but_events(stage) == before
            for _ in range(21):
                await socket.raw.send_str("?")
            assert await socket.to_the_end() == 4000


async def test_a_socket_without_login_hears_public_news_only_and_a_wrong_login_is_the_end():
    async with serving() as stage:
        trader = stage.trader()
        async with trader.socket(login=False) as socket:
            assert "result" in await socket.ask("subscribe", channels=["book"], symbol="SIM")
            for channel in ("orders", "fills", "account"):
                reply = await socket.ask("subscribe", channels=[channel])
                assert reply["error"]["code"] == "unauthenticated"
            reply = await socket.ask("enter", **ORDER)
            assert reply["error"]["code"] == "unauthenticated"
            stamp = trader.timestamp()
            reply = await socket.ask("login", key=trader.key, timestamp=stamp, signature="00")
            assert reply["error"]["code"] == "bad_signature"
            assert await socket.to_the_end() == 4001


async def test_a_message_that_is_too_long_ends_its_connection_only():
    async with serving() as stage:
        trader = stage.trader()
        async with trader.socket() as noisy, trader.socket() as quiet:
            await noisy.raw.send_str('{"op":"ping","x":"' + "y" * 70_000 + '"}')
            assert (await noisy.raw.receive(timeout=10)).type in (
                aiohttp.WSMsgType.CLOSE,
                aiohttp.WSMsgType.ERROR,
            )
            assert "result" in await quiet.ask("ping")


async def test_a_halted_market_refuses_orders_and_takes_cancels():
    async with serving() as stage:
        trader = stage.trader()
        order = await trader.order("buy", "99.00", "1")
        status, _ = await stage.admin.call("POST", "/v1/admin/halt", {"symbol": "SIM"})
        assert status == 200
        status, answer = await trader.call("POST", "/v1/orders", ORDER)
        assert (status, answer["error"]["code"], answer["error"]["retryable"]) == (
            503,
            "halted",
            True,
        )
        assert (await trader.call("DELETE", f"/v1/orders/{order['order_id']}"))[0] == 200
        await stage.admin.call("POST", "/v1/admin/resume", {"symbol": "SIM"})
        assert (await trader.call("POST", "/v1/orders", ORDER))[0] == 201
