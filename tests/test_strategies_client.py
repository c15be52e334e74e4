"""ExchangeClient against a real exchange, through a proxy that loses and garbles messages."""

import asyncio
import logging
from collections.abc import Callable
from typing import Any

import pytest

from exchange.server.settings import Settings
from live_exchange import live_exchange
from strategies import client as client_module
from strategies.client import ExchangeClient
from strategies.desk import Desk
from strategies.errors import (
    NotAuthorized,
    Refused,
    TooSlow,
    UnknownSymbol,
    Unreachable,
    Unreadable,
)
from strategies.strategy import Resting
from tampering_proxy import tampering_proxy

QUICK = Settings(speed=20.0, publish_ns=5_000_000)


async def until(client: ExchangeClient, desk: Desk, condition: Callable[[], bool]) -> None:
    """Wait for a condition on what the client knows; the test's own time limit is the limit."""
    while not condition():
        await client.wait(desk, 0.05)


def order(side: str, price: str, quantity: str, **more: Any) -> dict[str, Any]:
    fields = {"op": "enter", "symbol": "SIM", "side": side, "price": price, "quantity": quantity}
    return {**fields, **more}


def quote(bid: str, ask: str, quantity: str) -> dict[str, Any]:
    return {
        "op": "quote",
        "symbol": "SIM",
        "bid_price": bid,
        "bid_quantity": quantity,
        "ask_price": ask,
        "ask_quantity": quantity,
    }


async def test_commands_are_answered_and_the_blotter_follows_them() -> None:
    async with live_exchange(preset="empty") as live, live.client() as client:
        desk = await client.open("SIM")
        await client.send(quote("99.90", "100.10", "5"))
        assert desk.blotter.own_bid == Resting(9990, 5)
        assert desk.blotter.own_ask == Resting(10010, 5)
        entered = await client.send(order("buy", "99.80", "7"))
        await until(client, desk, lambda: desk.book.best_bids() == [(9990, 5), (9980, 7)])
        account = desk.blotter.write_account()
        assert (account.buy_open, account.sell_open, account.n_open) == (12, 5, 3)
        await client.send({"op": "cancel", "order_id": entered["order_id"]})
        await until(client, desk, lambda: len(desk.blotter.orders) == 2)
        assert await client.cancel_all(desk) == 2
        await until(client, desk, lambda: not desk.blotter.orders and not desk.book.bids)
        assert desk.blotter.own_bid is None
        assert len(client.latencies_ns) == 3


async def test_a_refusal_is_raised_with_its_code_and_limit() -> None:
    settings = Settings(quantity_max=10)
    async with live_exchange(settings, preset="empty") as live, live.client() as client:
        await client.open("SIM")
        with pytest.raises(Refused, match="account_quantity_max") as refused:
            await client.send(order("buy", "99.80", "11"))
        assert (refused.value.code, refused.value.limit) == ("account_quantity_max", "10")


async def test_wrong_keys_and_symbols_and_absent_servers_say_so() -> None:
    async with live_exchange(preset="empty") as live:
        async with live.client() as client:
            with pytest.raises(UnknownSymbol, match="XYZ; there are SIM"):
                await client.open("XYZ")
        wrong = ExchangeClient(live.url, live.accounts[0].key, "wrong")
        async with wrong as client:
            with pytest.raises(NotAuthorized, match="signature"):
                await client.open("SIM")
        url = live.url
    async with ExchangeClient(url, "key", "secret") as client:
        with pytest.raises(Unreachable, match="no answer from"):
            await client.open("SIM")


async def test_secrets_are_never_shown(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with live_exchange(preset="empty") as live, live.client() as client:
        await client.open("SIM")
        secret = live.accounts[0].secret
        shown = repr(client) + repr(client.rest) + caplog.text
        assert secret not in shown


@pytest.mark.parametrize("problem", ["lost", "garbled"])
async def test_a_lost_or_garbled_change_is_noticed_and_mended(problem: str) -> None:
    async with live_exchange(QUICK) as live, tampering_proxy(live.url) as proxy:
        broken = 0

        def tamper(message: dict[str, Any]) -> dict[str, Any] | None:
            nonlocal broken
            is_change = message.get("type") == "change" and message["bids"]
            if not is_change or broken or message["bids"][0][1] == "0":
                return message
            broken += 1
            if problem == "lost":
                return None
            price, quantity = message["bids"][0]
            message["bids"][0] = [price, str(int(quantity) + 1)]
            return message

        async with live.client(url=proxy.url) as client:
            desk = await client.open("SIM")
            proxy.tamper = tamper
            await until(client, desk, lambda: client.n_errors == 1)
            assert client.errors[0].startswith("FeedGap" if problem == "lost" else "ChecksumWrong")
            await until(client, desk, lambda: desk.book.ready)
            seq = desk.book.seq
            await until(client, desk, lambda: desk.book.ready and desk.book.seq > seq + 20)
            assert client.n_errors == 1


async def test_a_feed_that_stays_broken_ends_the_client() -> None:
    async with live_exchange(QUICK) as live, tampering_proxy(live.url) as proxy:

        def tamper(message: dict[str, Any]) -> dict[str, Any]:
            if message.get("channel") == "book":
                message["checksum"] = 1
            return message

        proxy.tamper = tamper
        async with live.client(url=proxy.url) as client:
            with pytest.raises(Unreadable, match="cannot be rebuilt"):
                await client.open("SIM")


async def test_after_a_lost_connection_orders_and_fills_are_known_again() -> None:
    async with (
        live_exchange(preset="empty") as live,
        tampering_proxy(live.url) as proxy,
        live.client(0, proxy.url) as maker,
        live.client(1) as taker,
    ):
        desk = await maker.open("SIM")
        await taker.open("SIM")
        await maker.send(quote("99.90", "100.10", "5"))
        await taker.send(order("buy", "100.10", "1", time_in_force="ioc"))
        await until(maker, desk, lambda: desk.blotter.account.position == -1)

        await proxy.cut()
        await until(maker, desk, lambda: not maker.connected(desk))
        with pytest.raises(Unreachable):
            await maker.send(quote("99.91", "100.09", "5"))
        await taker.send(order("buy", "100.10", "2", time_in_force="ioc"))
        await taker.send(order("sell", "99.90", "5", time_in_force="ioc"))
        proxy.open_to_sockets = True
        await until(maker, desk, lambda: maker.connected(desk))

        fills = desk.blotter.take_fills()
        assert [fill[2:6] for fill in fills] == [
            (10010, 1, 0, 1),
            (10010, 2, 0, 1),
            (9990, 5, 1, 1),
        ]
        assert desk.blotter.own_bid is None
        assert desk.blotter.own_ask == Resting(10010, 2)
        assert desk.blotter.account.position == 2
        await until(maker, desk, lambda: desk.book.best_asks() == [(10010, 2)])
        await maker.send(quote("99.91", "100.10", "2"))
        assert desk.blotter.own_bid == Resting(9991, 2)
        assert proxy.n_sockets == 2
        assert maker.errors[0].startswith("Unreachable")


async def test_cancel_on_disconnect_leaves_nothing_in_the_market() -> None:
    async with live_exchange(preset="empty") as live:
        async with live.client(cancel_on_disconnect=True) as client:
            await client.open("SIM")
            await client.send(quote("99.90", "100.10", "5"))
        async with live.client(1) as other:
            desk = await other.open("SIM")
            await until(other, desk, lambda: not desk.book.bids and not desk.book.asks)


async def test_a_client_starts_from_the_position_it_already_has() -> None:
    async with live_exchange(preset="empty") as live:
        async with live.client(0) as first, live.client(1) as other:
            desk = await first.open("SIM")
            await other.open("SIM")
            await first.send(order("sell", "100.10", "5"))
            await other.send(order("buy", "100.10", "3", time_in_force="ioc"))
            await until(first, desk, lambda: desk.blotter.account.position == -3)
        async with live.client(0) as again:
            desk = await again.open("SIM")
            engine = live.exchange.venue.markets[0].accounts[live.accounts[0].account]
            account = desk.blotter.write_account()
            for name in ("position", "cash", "fees", "sold", "n_fills", "sell_open", "n_open"):
                assert account[name] == engine[name], name
            assert desk.blotter.take_fills() == []
            await again.cancel_all(desk)


async def test_an_unanswered_command_times_out_and_the_connection_is_renewed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with (
        live_exchange(preset="empty") as live,
        tampering_proxy(live.url) as proxy,
        live.client(url=proxy.url) as client,
    ):
        desk = await client.open("SIM")
        proxy.tamper = lambda message: None if message.get("op") == "quote" else message
        monkeypatch.setattr(client_module, "REPLY_TIMEOUT_S", 0.2)
        with pytest.raises(Unreachable, match=r"no answer within 0\.2 s"):
            await client.send(quote("99.90", "100.10", "5"))
        monkeypatch.undo()
        await until(client, desk, lambda: proxy.n_sockets == 2 and client.connected(desk))
        # its answer was lost, but not the quote
        assert desk.blotter.own_bid == Resting(9990, 5)
        assert desk.blotter.own_ask == Resting(10010, 5)


async def test_commands_without_an_answer_are_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_module, "PENDING_MAX", 3)
    settings = Settings(lockstep=True)
    async with live_exchange(settings) as live, live.client(lockstep=True) as client:
        await client.open("SIM")
        for _ in range(3):
            await client.post(quote("99.90", "100.10", "5"))
        with pytest.raises(TooSlow, match="3 commands"):
            await client.post(quote("99.90", "100.10", "5"))


async def test_a_refused_end_of_a_step_ends_the_client_as_no_step_would_follow() -> None:
    async with live_exchange(QUICK) as live, live.client(0) as client:
        desk = await client.open("SIM")
        await client.done(desk)  # this exchange runs at wall speed
        with pytest.raises(Refused, match="lockstep"):
            await until(client, desk, lambda: False)


async def test_a_client_without_a_key_sees_the_market() -> None:
    async with live_exchange(QUICK) as live, ExchangeClient(live.url) as client:
        desk = await client.open("SIM")
        seq = desk.book.seq
        await until(client, desk, lambda: desk.book.seq > seq)
        with pytest.raises(NotAuthorized):
            await client.send(quote("99.90", "100.10", "5"))


async def test_two_symbols_are_two_desks() -> None:
    symbols = ("SIM", "ALT")
    async with live_exchange(symbols=symbols, preset="empty") as live, live.client() as client:
        sim, alt = await client.open("SIM"), await client.open("ALT")
        await client.send(quote("99.90", "100.10", "5"))
        await client.send({**quote("99.80", "100.20", "4"), "symbol": "ALT"})
        await until(client, alt, lambda: alt.book.best_asks() == [(10020, 4)])
        assert sim.blotter.own_bid == Resting(9990, 5)
        assert alt.blotter.own_bid == Resting(9980, 4)
        assert alt.blotter.account.position_max == sim.blotter.account.position_max == 1000


async def test_a_closed_client_leaves_no_task_behind() -> None:
    async with live_exchange(preset="empty") as live:
        before = asyncio.all_tasks()
        async with live.client() as client:
            await client.open("SIM")
        own = {task for task in asyncio.all_tasks() - before if "client" in repr(task.get_coro())}
        assert own == set()


async def test_a_mistake_of_the_program_ends_the_client_and_leaves_nobody_waiting() -> None:
    class Broken(ExchangeClient):
        def _take_reply(self, message: dict[str, Any]) -> None:
            raise AssertionError("a mistake")

    async with live_exchange(QUICK) as live:
        key = live.accounts[0]
        async with Broken(live.url, key.key, key.secret) as client:
            with pytest.raises(AssertionError, match="a mistake"):
                await client.open("SIM")
