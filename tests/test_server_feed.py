"""The public channels: a book rebuilt without a gap, and readers that cannot hurt others."""

import asyncio
import json
from functools import lru_cache
from typing import Any

import pytest

from exchange.engine.invariants import check_venue
from exchange.engine.records import LIVE_MARKET
from exchange.server import connection as connection_module
from exchange.server.settings import Settings
from exchange.simulation.presets import new_simulated_markets
from exchange.simulation.step import advance
from server_kit import RawBook, Stage, serving

FAST = Settings(speed=20.0, publish_ns=5_000_000)


@lru_cache
def _crowd() -> Any:
    return new_simulated_markets(1, seeds=[5], preset="default", dtype=LIVE_MARKET)


def crowd() -> Any:
    """A warmed-up market with participants; built once, handed out as copies."""
    return _crowd().copy()


async def test_snapshot_and_changes_rebuild_exactly_the_book_that_rest_shows():
    async with serving(FAST, markets=crowd(), source=advance) as stage:
        trader = stage.trader()
        async with trader.socket() as socket:
            await socket.ask("subscribe", channels=["book", "trades"], symbol="SIM")
            book = RawBook(await socket.on("book"))
            n_changes = 0
            while n_changes < 150:
                change = await socket.on("book")
                book.apply(change)
                n_changes += 1
                if n_changes % 10 == 0:
                    await trader.order("buy", change["asks"][0][0] if change["asks"] else "1", "1")
            await stage.admin.call("POST", "/v1/admin/clock", {"paused": True})
            _, shown = await trader.call("GET", "/v1/book?symbol=SIM&levels=0")
            while book.seq < shown["seq"]:
                book.apply(await socket.on("book"))
            assert book.seq == shown["seq"]
            assert book.levels("bids") == shown["bids"]
            assert book.levels("asks") == shown["asks"]
            trades = socket.on_channel("trades")
            ids = [trade["trade_id"] for trade in trades]
            assert ids == list(range(ids[0], ids[0] + len(ids)))
            last = socket.on_channel("book")[-1]
            assert last["last_price"] == trades[-1]["price"]
            check_venue(stage.exchange.venue.markets)


async def test_a_change_lost_on_the_way_shows_as_a_gap_and_a_new_subscription_heals_it():
    async with serving(FAST, markets=crowd(), source=advance) as stage:
        trader = stage.trader()
        async with trader.socket() as socket:
            await socket.ask("subscribe", channels=["book"], symbol="SIM")
            book = RawBook(await socket.on("book"))
            await socket.on("book", type="change")  # lost
            with pytest.raises(AssertionError, match="a gap"):
                book.apply(await socket.on("book", type="change"))
            await socket.ask("subscribe", channels=["book"], symbol="SIM")
            book = RawBook(await socket.on("book", type="snapshot"))
            for _ in range(5):
                book.apply(await socket.on("book"))


async def test_ticker_candles_and_heartbeat_agree_with_the_book():
    async with serving(FAST, markets=crowd(), source=advance) as stage:
        trader = stage.trader()
        async with trader.socket(login=False) as socket:
            await socket.ask(
                "subscribe", channels=["book", "ticker", "candles", "heartbeat"], symbol="SIM"
            )
            book = RawBook(await socket.on("book"))
            heartbeat = None
            while heartbeat is None or not socket.on_channel("candles"):
                message = await socket.read()
                if message["channel"] == "book":
                    book.apply(message)
                elif message["channel"] == "ticker":
                    assert message["seq"] == book.seq
                    assert message["bid_price"] == book.levels("bids")[0][0]
                    assert message["ask_quantity"] == book.levels("asks")[0][1]
                elif message["channel"] == "heartbeat":
                    heartbeat = message
                    assert heartbeat["seq"] == {"SIM": book.seq}
            async with asyncio.timeout(20):
                closed = await socket.on("candles", interval_s=1, closed=True)
            assert float(closed["low"]) <= float(closed["open"]) <= float(closed["high"])
            _, candles = await trader.call("GET", "/v1/candles?symbol=SIM&limit=1000")
            assert closed in candles["candles"]


async def test_fills_of_resting_orders_name_the_mid_just_before_the_crowds_order():
    async with serving(FAST, markets=crowd(), source=advance) as stage:
        trader = stage.trader()
        async with trader.socket() as socket:
            await socket.ask("subscribe", channels=["fills"])
            _, book = await trader.call("GET", "/v1/book?symbol=SIM&levels=1")
            bid, ask = book["bids"][0][0], book["asks"][0][0]
            quote = {"bid_price": bid, "bid_quantity": "40", "ask_price": ask, "ask_quantity": "40"}
            await socket.ask("quote", symbol="SIM", **quote)
            for _ in range(5):
                fill = await socket.on("fills")
                distance = float(fill["price"]) - float(fill["mid"])
                # a maker's buy is below the mid of its moment, a maker's sell above it
                if fill["role"] == "maker":
                    assert distance < 0 if fill["side"] == "buy" else distance > 0


async def stalled(stage: Stage, trader: Any, channels: list[str]) -> asyncio.StreamReader:
    """A reader that subscribes and then takes nothing more; what it is sent can be read later."""
    reader, writer = await asyncio.open_connection("127.0.0.1", stage.port, limit=2**14)
    request = (
        "GET /v1/ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    )
    text = json.dumps({"op": "subscribe", "channels": channels, "symbol": "SIM"}).encode()
    masked = bytes((0x81, 0x80 | len(text), 0, 0, 0, 0)) + text
    writer.write(request.encode() + masked)
    await reader.readuntil(b"\r\n\r\n")
    stage.cleanup.append(writer)
    return reader


async def last_frames(reader: asyncio.StreamReader) -> list[bytes]:
    """Everything a stalled reader finds when it reads on, as frame payloads."""
    payloads = []
    while True:
        try:
            first, length = await reader.readexactly(2)
            if length == 126:
                length = int.from_bytes(await reader.readexactly(2), "big")
            elif length == 127:
                length = int.from_bytes(await reader.readexactly(8), "big")
            payload = await reader.readexactly(length)
        except (asyncio.IncompleteReadError, ConnectionError):
            return payloads
        payloads.append(payload)
        if first == 0x88:
            return payloads


async def test_a_reader_that_stalls_is_cut_off_while_another_hears_everything(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(connection_module, "SOFT_BYTES", 20_000)
    monkeypatch.setattr(connection_module, "HARD_BYTES", 60_000)
    monkeypatch.setattr(connection_module, "SOCKET_BUFFER_BYTES", 4_096)
    async with serving(Settings(publish_ns=0)) as stage:
        trader = stage.trader()
        lazy = await stalled(stage, trader, ["book", "trades"])
        buyer = stage.trader()
        async with trader.socket() as good, trader.socket() as one, buyer.socket() as other:
            await good.ask("subscribe", channels=["book", "trades"], symbol="SIM")
            book = RawBook(await good.on("book"))
            order = {"symbol": "SIM", "price": "100.00", "quantity": "1"}
            async with asyncio.timeout(60):
                sells, buys = one, other
                while not any(c.closing for c in stage.exchange.feed.connections):
                    sold = await sells.ask("enter", side="sell", **order)
                    bought = await buys.ask("enter", side="buy", **order)
                    assert sold["result"]["status"] == "resting"
                    assert bought["result"]["status"] == "filled"
                    sells, buys = buys, sells  # else a position limit ends it
                    while book.seq < int(stage.exchange.venue.sequence[0]):
                        message = await good.read()
                        if message["channel"] == "book":
                            book.apply(message)  # a change, never a snapshot: nothing is lost
        payloads = await last_frames(lazy)
        assert payloads[-1] == (4008).to_bytes(2, "big") + b"too slow"


async def test_a_slow_reader_of_the_book_is_given_a_fresh_snapshot_when_it_reads_on(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(connection_module, "SOFT_BYTES", 20_000)
    monkeypatch.setattr(connection_module, "SOCKET_BUFFER_BYTES", 4_096)
    async with serving(Settings(publish_ns=0)) as stage:
        trader = stage.trader()
        lazy = await stalled(stage, trader, ["book"])
        async with trader.socket() as busy:
            slow = next(iter(stage.exchange.feed.connections))
            price = 0
            async with asyncio.timeout(60):
                while not slow.stale:
                    price = price % 100 + 1
                    await busy.ask("quote", symbol="SIM", bid_price=f"{price}", bid_quantity="1")
            texts: list[dict[str, Any]] = []
            snapshots = 0
            async with asyncio.timeout(20):
                while snapshots < 2:
                    _first, length = await lazy.readexactly(2)
                    if length == 126:
                        length = int.from_bytes(await lazy.readexactly(2), "big")
                    texts.append(json.loads(await lazy.readexactly(length)))
                    snapshots += texts[-1].get("type") == "snapshot"
            assert texts[-1]["bids"] == [[f"{price}.00", "1"]]
            RawBook(texts[-1])
            assert not slow.closing


async def test_status_tells_of_halts_and_of_the_clock():
    async with serving() as stage:
        trader = stage.trader()
        async with trader.socket() as socket:
            await socket.ask("subscribe", channels=["status"])
            await stage.admin.call("POST", "/v1/admin/halt", {"symbol": "SIM"})
            assert (await socket.on("status"))["phase"] == "halted"
            await stage.admin.call("POST", "/v1/admin/resume", {"symbol": "SIM"})
            assert (await socket.on("status"))["phase"] == "open"
            await stage.admin.call("POST", "/v1/admin/clock", {"speed": 3.5})
            assert (await socket.on("status"))["speed"] == 3.5
            await stage.admin.call("POST", "/v1/admin/clock", {"paused": True})
            _, first = await trader.call("GET", "/v1/status")
            _, second = await trader.call("GET", "/v1/status")
            assert first["symbols"] == second["symbols"]
            assert first["paused"] is True


async def test_an_unsubscribed_channel_is_silent():
    async with serving(FAST, markets=crowd(), source=advance) as stage:
        trader = stage.trader()
        async with trader.socket(login=False) as socket:
            await socket.ask("subscribe", channels=["book", "trades"], symbol="SIM")
            await socket.on("book", type="change")
            await socket.ask("unsubscribe", channels=["book"], symbol="SIM")
            n_before = len(socket.on_channel("book"))
            await socket.on("trades")
            await socket.on("trades")
            assert len(socket.on_channel("book")) == n_before
