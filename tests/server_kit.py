"""A real server on a real port for the tests, and a raw client with none of this project's code.

The client signs, sends and reads by itself, from docs/PROTOCOL.md: what it understands, a
stranger's client does too.
"""

import asyncio
import contextlib
import hashlib
import hmac
import json
import time
import zlib
from collections.abc import AsyncIterator, Callable
from typing import Any

import aiohttp

from exchange.engine.records import LIVE_MARKET, new_markets
from exchange.instrument import Instrument
from exchange.keys import AccountKey
from exchange.server.app import Server
from exchange.server.service import Exchange
from exchange.server.settings import Settings
from exchange.server.venue import Venue

Json = dict[str, Any]


class Stage:
    """A running server, its exchange (to look behind the scenes) and a way to open clients."""

    def __init__(self, server: Server, exchange: Exchange, port: int) -> None:
        self.server, self.exchange, self.port = server, exchange, port
        self.url = f"http://127.0.0.1:{port}"
        self.http = aiohttp.ClientSession()
        self.admin = RawClient(self, exchange.open_admin())
        self.cleanup: list[asyncio.StreamWriter] = []
        self._n_accounts = 0

    def trader(self, name: str = "") -> "RawClient":
        self._n_accounts += 1
        return RawClient(self, self.exchange.open_account(name or f"t{self._n_accounts}", True))

    def market_bytes(self) -> bytes:
        return self.exchange.venue.markets.tobytes()


@contextlib.asynccontextmanager
async def serving(
    settings: Settings | None = None,
    *,
    symbols: tuple[str, ...] = ("SIM",),
    markets: Any = None,
    source: Any = None,
) -> AsyncIterator[Stage]:
    """An exchange without participants, unless `markets` and `source` bring some."""
    if markets is None:
        markets = new_markets(len(symbols), dtype=LIVE_MARKET)
    venue = Venue(markets, [Instrument(symbol) for symbol in symbols], source)
    exchange = Exchange(venue, settings or Settings())
    server = Server(exchange)
    port = await server.start("127.0.0.1", 0)
    stage = Stage(server, exchange, port)
    try:
        yield stage
    finally:
        await stage.http.close()
        for writer in stage.cleanup:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()
        await server.stop()
        if server.failed is not None:
            raise server.failed


class RawClient:
    """One account's REST calls and WebSockets."""

    _last_ms = 0

    def __init__(self, stage: Stage, key: AccountKey) -> None:
        self.stage = stage
        self.account, self.key, self.secret = key.account, key.key, key.secret

    def timestamp(self) -> str:
        """Unix milliseconds, never the same twice."""
        RawClient._last_ms = max(RawClient._last_ms + 1, time.time_ns() // 1_000_000)
        return str(RawClient._last_ms)

    def sign(self, timestamp: str, method: str, path: str, body: bytes = b"") -> str:
        message = timestamp.encode() + method.encode() + path.encode() + body
        return hmac.new(self.secret.encode(), message, hashlib.sha256).hexdigest()

    def headers(self, method: str, path: str, body: bytes = b"") -> dict[str, str]:
        timestamp = self.timestamp()
        return {
            "X-API-KEY": self.key,
            "X-TIMESTAMP": timestamp,
            "X-SIGNATURE": self.sign(timestamp, method, path, body),
        }

    async def call(
        self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None
    ) -> tuple[int, Json]:
        """One signed request; body: bytes as they are, anything else as JSON."""
        raw = (
            b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        )
        headers = self.headers(method, path, raw) if headers is None else headers
        async with self.stage.http.request(
            method, self.stage.url + path, data=raw or None, headers=headers
        ) as response:
            return response.status, json.loads(await response.read())

    async def order(self, side: str, price: str | None, quantity: str, **more: Any) -> Json:
        """Enter an order that must be accepted."""
        body = {"symbol": "SIM", "side": side, "price": price, "quantity": quantity, **more}
        status, answer = await self.call("POST", "/v1/orders", body)
        assert status == 201, answer
        return answer

    async def position(self) -> Json:
        _, account = await self.call("GET", "/v1/account")
        return account["positions"][0]

    @contextlib.asynccontextmanager
    async def socket(self, *, login: bool = True, **choices: Any) -> AsyncIterator["RawSocket"]:
        async with self.stage.http.ws_connect(self.stage.url + "/v1/ws", autoping=True) as raw:
            socket = RawSocket(raw)
            if login:
                timestamp = self.timestamp()
                signature = self.sign(timestamp, "GET", "/v1/ws")
                reply = await socket.ask(
                    "login", key=self.key, timestamp=timestamp, signature=signature, **choices
                )
                assert "result" in reply, reply
            yield socket


class RawSocket:
    """A WebSocket; every message that is read is kept in `heard`."""

    def __init__(self, raw: aiohttp.ClientWebSocketResponse) -> None:
        self.raw = raw
        self.heard: list[Json] = []
        self._next_id = 0

    async def send(self, op: str, **fields: Any) -> int:
        self._next_id += 1
        await self.raw.send_str(json.dumps({"op": op, "id": self._next_id, **fields}))
        return self._next_id

    async def ask(self, op: str, **fields: Any) -> Json:
        """Send a request and read on until its reply."""
        number = await self.send(op, **fields)
        return await self.until(lambda message: message.get("re") == number)

    async def read(self) -> Json:
        message = await self.raw.receive(timeout=20)
        if message.type is not aiohttp.WSMsgType.TEXT:
            raise ConnectionError(f"{message.type!r} {message.data!r} {message.extra!r}")
        decoded: Json = json.loads(message.data)
        self.heard.append(decoded)
        return decoded

    async def until(self, wanted: Callable[[Json], bool]) -> Json:
        async with asyncio.timeout(20):
            while True:
                message = await self.read()
                if wanted(message):
                    return message

    async def to_the_end(self) -> int | None:
        """Read on until the server closes; returns its close code."""
        with contextlib.suppress(ConnectionError):
            while True:
                await self.read()
        return self.raw.close_code

    async def on(self, channel: str, **fields: Any) -> Json:
        """Read on until a message of a channel that has these fields."""
        return await self.until(
            lambda m: m.get("channel") == channel and all(m.get(k) == v for k, v in fields.items())
        )

    def on_channel(self, channel: str) -> list[Json]:
        return [message for message in self.heard if message.get("channel") == channel]


class RawBook:
    """The book rebuilt from the feed, in decimal strings, as docs/PROTOCOL.md says."""

    def __init__(self, snapshot: Json) -> None:
        assert snapshot["type"] == "snapshot"
        self.epoch, self.seq = snapshot["epoch"], snapshot["seq"]
        self.sides: dict[str, dict[str, str]] = {
            "bids": dict(snapshot["bids"]),
            "asks": dict(snapshot["asks"]),
        }
        self.check(snapshot)

    def apply(self, change: Json) -> None:
        assert (change["type"], change["epoch"]) == ("change", self.epoch)
        assert change["prev_seq"] == self.seq, "a gap"
        self.seq = change["seq"]
        for name, levels in self.sides.items():
            for price, quantity in change[name]:
                levels.pop(price, None)
                if quantity != "0":
                    levels[price] = quantity
        self.check(change)

    def levels(self, name: str) -> list[list[str]]:
        rows = sorted(self.sides[name].items(), key=lambda row: float(row[0]))
        return [list(row) for row in (reversed(rows) if name == "bids" else rows)]

    def check(self, message: Json) -> None:
        bids, asks = self.levels("bids")[:10], self.levels("asks")[:10]
        rows = []
        for row in range(max(len(bids), len(asks))):
            bid = bids[row] if row < len(bids) else ["", ""]
            ask = asks[row] if row < len(asks) else ["", ""]
            rows.append(":".join(bid + ask))
        assert zlib.crc32("|".join(rows).encode()) == message["checksum"]
