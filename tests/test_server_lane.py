"""The short way in for REST beside aiohttp's, spoken to byte by byte over real sockets."""

import asyncio
import contextlib
import json
import re
from collections.abc import AsyncIterator

import pytest

from exchange.server.lane import MORE, read_request
from exchange.server.rest import Request
from server_kit import RawClient, Stage, serving

ORDER = {"symbol": "SIM", "side": "buy", "price": "100.00", "quantity": "1"}
# Times and numbers of orders, and with their digits the length, which reading the answer has checked.
VARIES = re.compile(
    rb'(?<=Date: )[^\r]+|(?<=Length: )\d+|(?<=_id":)\d+|(?<=_ns":)\d+|(?<=_ms":)\d+|\d+(?= ms of)'
)


def order(trader: RawClient, *, more: str = "", **fields: str) -> bytes:
    """A signed order; more: further lines of its head."""
    body = json.dumps(ORDER | fields).encode()
    return request(trader, "POST", "/v1/orders", body, more)


def request(trader: RawClient, method: str, path: str, body: bytes = b"", more: str = "") -> bytes:
    signed = trader.headers(method, path, body)
    lines = [f"{method} {path} HTTP/1.1", "Host: x"]
    lines += [f"{name}: {value}" for name, value in signed.items()]
    if body:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join(lines).encode() + f"\r\n{more}\r\n".encode() + body


class Talk:
    """One connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def say(self, *pieces: bytes) -> None:
        """Send in pieces that arrive one by one."""
        for piece in pieces:
            self.writer.write(piece)
            await self.writer.drain()
            for _ in range(10):  # so that they do not arrive as one
                await asyncio.sleep(0)

    async def hear(self) -> tuple[int, bytes]:
        """One answer: its status and all its bytes."""
        async with asyncio.timeout(10):
            head = await self.reader.readuntil(b"\r\n\r\n")
            length = re.search(rb"Content-Length: (\d+)", head)
            body = await self.reader.readexactly(int(length[1])) if length else b""
            return int(head.split()[1]), head + body


@contextlib.asynccontextmanager
async def talking(stage: Stage) -> AsyncIterator[Talk]:
    reader, writer = await asyncio.open_connection("127.0.0.1", stage.port)
    try:
        yield Talk(reader, writer)
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


def n_by_aiohttp(stage: Stage) -> int:
    """How many requests did not go the short way."""
    server = stage.server._runner.server
    assert server is not None
    return server.requests_count


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", "/v1/orders", json.dumps(ORDER).encode(), 201),
        ("POST", "/v1/orders", b'{"symbol":"NONE","side":"buy","quantity":"1","price":"1"}', 404),
        ("POST", "/v1/orders", b'{"symbol":"SIM","side":"buy","quantity":"0","price":"1.00"}', 422),
        ("POST", "/v1/orders", b"{", 400),
        ("POST", "/v1/admin/halt", b'{"symbol":"SIM"}', 403),
        ("DELETE", "/v1/orders/12345", b"", 404),
        ("DELETE", "/v1/orders", b"", 200),
        ("GET", "/v1/orders", b"", 200),
        ("GET", "/v1/book", b"", 400),
        ("GET", "/v1/status", b"", 200),
    ],
)
async def test_both_ways_in_give_the_same_bytes(method, path, body, status):
    async with serving() as stage, talking(stage) as talk:
        trader = stage.trader()
        await talk.say(request(trader, method, path, body))
        short = await talk.hear()
        assert n_by_aiohttp(stage) == 0
        await talk.say(request(trader, method, path, body, "Connection: keep-alive\r\n"))
        long = await talk.hear()
        assert n_by_aiohttp(stage) == 1
        assert short[0] == long[0] == status
        assert VARIES.sub(b"?", short[1]) == VARIES.sub(b"?", long[1])


async def test_a_request_may_arrive_in_any_two_pieces():
    async with serving() as stage:
        trader = stage.trader()
        length = len(order(trader))
        for cut in (1, 5, 20, 60, length - 90, length - 70, length - 20, length - 1):
            whole = order(trader)
            async with talking(stage) as talk:
                await talk.say(whole[:cut], whole[cut:])
                assert (await talk.hear())[0] == 201, cut
        assert len((await trader.call("GET", "/v1/orders"))[1]["orders"]) == 8


async def test_requests_without_a_pause_are_answered_in_their_order():
    async with serving() as stage, talking(stage) as talk:
        trader = stage.trader()
        await talk.say(order(trader, client_order_id="first"))
        hello = b"GET /hello HTTP/1.1\r\nHost: x\r\n\r\n"
        burst = [order(trader, client_order_id=name) for name in ("second", "third", "fourth")]
        await talk.say(hello + burst[0] + burst[1] + hello, burst[2])
        heard = [(await talk.hear())[1] for _ in range(6)]
        words = [b"first", b"onebook", b"second", b"third", b"onebook", b"fourth"]
        assert [word in answer for word, answer in zip(words, heard, strict=True)] == [True] * 6


async def test_a_connection_goes_back_to_the_short_way_after_a_whole_request_to_aiohttp():
    async with serving() as stage, talking(stage) as talk:
        trader = stage.trader()
        for plain in (order(trader), b"GET /hello HTTP/1.1\r\nHost: x\r\n\r\n", order(trader)):
            await talk.say(plain)
            assert (await talk.hear())[0] in (200, 201)
        assert n_by_aiohttp(stage) == 1


@pytest.mark.parametrize(
    ("length", "status"),
    [
        ("-1", 400),
        ("+5", 400),
        ("5x", 400),
        ("", 400),
        ("1\r\nContent-Length: 1", 400),
        ("1" * 30, 400),
        ("70000", 413),
    ],
)
async def test_a_length_that_is_none_is_refused_and_the_market_untouched(length, status):
    async with serving() as stage, talking(stage) as talk:
        trader = stage.trader()
        whole = order(trader)
        said = re.search(rb"Content-Length: (\d+)", whole)
        assert said is not None
        await talk.say(whole.replace(said[0], f"Content-Length: {length}".encode()))
        if status == 413:
            await talk.say(b" " * 70_000)
        assert (await talk.hear())[0] == status
        assert stage.exchange.venue.log.accounts[trader.account].open == {}


async def test_chunked_bodies_and_large_ones_go_the_long_way():
    async with serving() as stage:
        trader = stage.trader()
        body = json.dumps(ORDER).encode()
        head = request(trader, "POST", "/v1/orders", body)[: -len(body)]
        head = re.sub(rb"Content-Length: \d+", b"Transfer-Encoding: chunked", head)
        async with talking(stage) as talk:
            await talk.say(head, b"%x\r\n" % len(body) + body, b"\r\n0\r\n\r\n")
            assert (await talk.hear())[0] == 201
        async with talking(stage) as talk:
            spacious = body + b" " * (64 * 1024 - len(body))
            whole = request(trader, "POST", "/v1/orders", spacious)
            await talk.say(whole[:30_000], whole[30_000:])
            assert (await talk.hear())[0] == 201
        assert n_by_aiohttp(stage) == 1
        async with talking(stage) as talk:
            await talk.say(request(trader, "POST", "/v1/orders", spacious + b" "))
            assert (await talk.hear())[0] == 413


async def test_a_request_that_never_ends_leaves_the_market_untouched():
    async with serving() as stage:
        trader = stage.trader()
        before = stage.exchange.venue.log.accounts[trader.account].open.copy()
        async with talking(stage) as talk:
            await talk.say(order(trader)[:-1])
        async with talking(stage) as talk:  # the same with an end of what is sent
            await talk.say(order(trader)[:-1])
            talk.writer.write_eof()
            assert await asyncio.wait_for(talk.reader.read(), 10) == b""
        assert stage.exchange.venue.log.accounts[trader.account].open == before


async def test_a_reader_that_stalls_makes_no_answers_pile_up():
    async with serving() as stage, talking(stage) as talk:
        talk.writer.transport.pause_reading()
        ask = b"GET /v1/instruments HTTP/1.1\r\nHost: x\r\n\r\n"
        with contextlib.suppress(TimeoutError):  # raised once the server has stopped reading
            while True:
                talk.writer.write(ask * 100)
                await asyncio.wait_for(talk.writer.drain(), 0.3)
        server = stage.server._runner.server
        assert server is not None
        waiting = [t.get_write_buffer_size() for t in server._connections.values()]
        assert max(waiting) < 200_000
        talk.writer.transport.abort()


PLAIN = b"POST /v1/orders HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}"


def test_only_whole_plain_requests_are_read():
    assert read_request(PLAIN) == Request(
        "POST", "/v1/orders", {"host": "x", "content-length": "2"}, b"{}"
    )
    assert read_request(PLAIN[:-1]) is MORE
    for old, new in (
        (b"HTTP/1.1", b"HTTP/1.0"),
        (b"Host: x", b"Host: x\r\nHost: x"),
        (b"Host: x", b"Host : x"),
        (b"Host: x", b"Host: x\r\n folded"),
        (b"Host: x", b"Host: x\nX: y"),
        (b"Host: x", b"Host: \x00"),
        (b"Host: x", b"Host: x\r\nExpect: 100-continue"),
        (b"Host: x", b"Host: x\r\nUPGRADE: websocket"),
        (b"Host: x", b"Host: x\r\nX: " + b"y" * 9_000),
        (b"Host: x\r\n", b""),
        (b"/v1/orders", b"/v1/orders?symbol=SIM"),
        (b"/v1/orders", b"/v1/or ders"),
        (b"POST", b"post"),
        (b"Content-Length: 2", b"Content-Length: 1"),
        (b"Content-Length: 2", b"Content-Length: 2\r\ncontent-length: 2"),
        (b"Content-Length: 2\r\n", b""),
        (b"\r\n\r\n", b"\r\n"),
    ):
        assert read_request(PLAIN.replace(old, new)) is None, new
