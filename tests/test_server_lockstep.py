"""Lockstep, timers and connections that end: time is the server's, and nobody is forgotten."""

import asyncio
from typing import Any

import pytest

from exchange.engine.invariants import check_venue
from exchange.server.settings import Settings
from exchange.simulation.step import advance
from server_kit import RawClient, RawSocket, serving
from test_server_feed import crowd

LOCKSTEP = Settings(lockstep=True, lockstep_clients=2)


async def strategy(socket: RawSocket, n_steps: int, offset: int, hurry: bool) -> list[Any]:
    """Quotes around the mid it sees, step by step; returns what it heard of itself."""
    await socket.ask("subscribe", channels=["orders", "fills", "account"])
    await socket.send("subscribe", channels=["book", "trades"], symbol="SIM")
    step = await socket.on("step")
    while step["step"] < n_steps:
        book = socket.on_channel("book")[-1]
        price = round(float(book["last_price"]) * 100) + step["step"] % 3
        if not hurry:
            await asyncio.sleep(0)
        quote = {
            "bid_price": f"{(price - offset) / 100:.2f}",
            "bid_quantity": "3",
            "ask_price": f"{(price + offset) / 100:.2f}",
            "ask_quantity": "3",
        }
        await socket.send("quote", symbol="SIM", **quote)
        if step["step"] % 4 == offset:
            await socket.send(
                "enter", symbol="SIM", side="buy", type="market", quantity=str(offset)
            )
        await socket.send("done", symbol="SIM")
        step = await socket.on("step")
    return socket.heard[1:]  # the login's reply names the epoch


async def session(swap: bool) -> tuple[bytes, list[Any], list[Any]]:
    async with serving(LOCKSTEP, markets=crowd(), source=advance) as stage:
        first, second = stage.trader(), stage.trader()
        async with first.socket(lockstep=True) as a, second.socket(lockstep=True) as b:
            runs = [strategy(a, 25, 1, swap), strategy(b, 25, 2, not swap)]
            if swap:
                heard_b, heard_a = await asyncio.gather(*reversed(runs))
            else:
                heard_a, heard_b = await asyncio.gather(*runs)
            check_venue(stage.exchange.venue.markets)
            return stage.market_bytes(), without_epoch(heard_a), without_epoch(heard_b)


def without_epoch(heard: list[Any]) -> list[Any]:
    return [{key: value for key, value in m.items() if key != "epoch"} for m in heard]


async def test_the_same_seed_and_the_same_answers_give_the_same_market_and_the_same_messages():
    bytes_one, heard_one, other_one = await session(swap=False)
    bytes_two, heard_two, other_two = await session(swap=True)

    assert bytes_one == bytes_two
    assert heard_one == heard_two
    assert other_one == other_two
    assert any(m.get("channel") == "fills" for m in heard_one + other_one)


async def test_a_step_ends_when_all_have_answered_and_brings_exactly_one_change():
    settings = Settings(lockstep=True)
    async with serving(settings) as stage:
        trader = stage.trader()
        async with trader.socket(lockstep=True) as socket:
            await socket.send("subscribe", channels=["book"], symbol="SIM")
            step = await socket.on("step")
            assert step["step"] == 0
            for number in range(1, 6):
                order = await socket.send(
                    "enter", symbol="SIM", side="buy", price=f"9{number}.00", quantity="1"
                )
                await socket.send("done", symbol="SIM")
                n_before = len(socket.heard)
                step = await socket.on("step")
                assert (step["step"], step["time_ns"]) == (number, number * settings.step_ns)
                replies = [m for m in socket.heard[n_before:] if "re" in m]
                assert [m["op"] for m in replies] == ["enter", "done"]
                assert replies[0]["re"] == order
                changes = [m for m in socket.heard[n_before:] if m.get("channel") == "book"]
                assert [change["bids"] for change in changes] == [[[f"9{number}.00", "1"]]]
            _, status = await trader.call("GET", "/v1/status")
            assert (status["mode"], status["step"]) == ("lockstep", 5)


async def test_steps_and_their_commands_have_no_limit_by_the_second():
    """A limit by the wall clock would stop a quick strategy, and make its session irreproducible."""
    n_steps = 600  # more than the 200 requests a second that a connection may otherwise make
    async with serving(Settings(lockstep=True, rate_per_s=10.0)) as stage:
        trader = stage.trader()
        async with trader.socket(lockstep=True) as socket:
            await socket.send("subscribe", channels=["book"], symbol="SIM")
            for number in range(n_steps):
                await socket.on("step", step=number)
                await socket.send("cancel_all")
                await socket.send("done")
            await socket.on("step", step=n_steps)
            assert not [message for message in socket.heard if "error" in message]


async def test_the_messages_of_a_step_do_not_wait_for_the_tick():
    """As soon as the last strategy has answered everything is written, without another tick."""
    async with serving(LOCKSTEP) as stage:
        first, second = stage.trader(), stage.trader()
        async with first.socket(lockstep=True) as a, second.socket(lockstep=True) as b:
            for socket in (a, b):
                await socket.send("subscribe", channels=["book"], symbol="SIM")
                await socket.on("step")
            stage.exchange.tick = lambda: None
            for number in range(1, 4):
                for socket in (a, b):
                    await socket.send("done")
                for socket in (a, b):
                    assert (await socket.on("step"))["step"] == number


async def test_without_strategies_the_administrator_takes_the_steps():
    async with serving(Settings(lockstep=True), markets=crowd(), source=advance) as stage:
        trader = stage.trader()
        _, before = await trader.call("GET", "/v1/status")
        await trader.order("buy", "1.00", "1")  # applied at once: the market stands still
        status, after = await stage.admin.call("POST", "/v1/admin/clock", {"advance_steps": 4})
        assert (status, after["step"]) == (200, 4)
        passed = after["symbols"][0]["time_ns"] - before["symbols"][0]["time_ns"]
        assert passed == 4 * Settings().step_ns
        async with trader.socket(lockstep=True) as socket:
            await socket.send("subscribe", channels=["book"], symbol="SIM")
            await socket.on("step")
            status, error = await stage.admin.call("POST", "/v1/admin/clock", {"advance_steps": 1})
            assert (status, error["error"]["code"]) == (409, "lockstep_busy")
        status, error = await stage.admin.call("POST", "/v1/admin/clock", {"speed": 2.0})
        assert (status, error["error"]["code"]) == (409, "wrong_mode")


async def test_a_strategy_that_leaves_does_not_hold_up_the_others():
    async with serving(LOCKSTEP) as stage:
        first, second = stage.trader(), stage.trader()
        async with first.socket(lockstep=True) as stays:
            await stays.send("subscribe", channels=["book"], symbol="SIM")
            await stays.on("step")
            async with second.socket(lockstep=True, cancel_on_disconnect=True) as leaves:
                await leaves.send("subscribe", channels=["book"], symbol="SIM")
                await leaves.on("step")
                await leaves.send("enter", symbol="SIM", side="buy", price="99.00", quantity="1")
                await leaves.send("done")
                await stays.send("done")
                assert (await stays.on("step"))["step"] == 1
                await stays.send("done")
            assert (await stays.on("step"))["step"] == 2
        _, orders = await second.call("GET", "/v1/orders")
        assert orders["orders"] == []


async def no_open_orders(client: RawClient) -> None:
    async with asyncio.timeout(10):
        while (await client.call("GET", "/v1/orders"))[1]["orders"]:
            pass


async def test_orders_go_with_the_connection_only_when_it_was_asked_for():
    async with serving() as stage:
        leaving, staying = stage.trader(), stage.trader()
        await staying.order("buy", "98.00", "1")
        async with leaving.socket(cancel_on_disconnect=True) as socket:
            await socket.ask("enter", symbol="SIM", side="buy", price="99.00", quantity="1")
        async with staying.socket() as socket:
            await socket.ask("ping")
        await no_open_orders(leaving)
        _, kept = await staying.call("GET", "/v1/orders")
        assert len(kept["orders"]) == 1


async def test_a_dead_man_timer_cancels_when_nobody_calls_and_not_when_disarmed():
    async with serving() as stage:
        trader, other = stage.trader(), stage.trader()
        for client, timeout_ms in ((trader, 60), (other, 60), (other, 0)):
            status, answer = await client.call("POST", "/v1/dead_man", {"timeout_ms": timeout_ms})
            assert (status, answer) == (200, {"timeout_ms": timeout_ms})
            if timeout_ms:
                await client.order("buy", "99.00", "1")
        await no_open_orders(trader)
        _, kept = await other.call("GET", "/v1/orders")
        assert len(kept["orders"]) == 1


async def test_new_accounts_are_bounded_named_once_and_limited():
    async with serving() as stage:
        body = {"name": "carol", "visible": False}
        status, carol = await stage.admin.call("POST", "/v1/admin/accounts", body)
        assert (status, carol["role"]) == (201, "trader")
        status, error = await stage.admin.call("POST", "/v1/admin/accounts", body)
        assert (status, error["error"]["code"]) == (409, "name_taken")
        limits = {"account": carol["account"], "symbol": "SIM", "position_max": "5"}
        status, answer = await stage.admin.call("POST", "/v1/admin/limits", limits)
        assert (status, answer["limits"]["position_max"]) == (200, "5")
        assert answer["limits"]["n_open_max"] == Settings().n_open_max
        status, error = await stage.admin.call(
            "POST", "/v1/admin/limits", limits | {"account": 200}
        )
        assert (status, error["error"]["code"]) == (404, "unknown_account")
        _, board = await stage.admin.call("GET", "/v1/leaderboard")
        assert board["accounts"] == []
        n_left = 256 - 5
        for number in range(n_left):
            stage.trader(f"many{number}")
        status, error = await stage.admin.call("POST", "/v1/admin/accounts", {"name": "last"})
        assert (status, error["error"]["code"]) == (422, "accounts_max")


async def test_shutdown_tells_status_readers_then_closes_with_1001():
    async with serving() as stage:
        trader = stage.trader()
        async with trader.socket() as socket:
            await socket.ask("subscribe", channels=["status"])
            stopping = asyncio.create_task(stage.server.stop())
            assert await socket.to_the_end() == 1001
            assert socket.heard[-1] == {"channel": "status", "type": "shutdown"}
            await stopping
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", stage.port)
