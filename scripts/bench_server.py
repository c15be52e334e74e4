#!/usr/bin/env python3
"""Measure the exchange process beside a bare aiohttp server: orders a second, fan-out of the book.

Server and load generator are processes of their own. Each figure is the median of short runs.

    hello_requests_per_s   GET /hello of a bare aiohttp application, 16 connections
    rest_order_ratio       signed REST orders a second over hello_requests_per_s of the same round
    ws_order_ratio         the same for orders over the WebSocket
    fanout_messages_per_s  book messages delivered to 200 readers
    fanout_p99_ms          from publication to arrival, 99th percentile
    stalled_reader_loss    the share of messages that 200 readers lose when one more never reads
"""

import argparse
import asyncio
import contextlib
import json
import statistics
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path

from aiohttp import ClientSession, web

from exchange.keys import AccountKey, KeysFile
from exchange.server.run import new_loop
from exchange_process import Running, ready_process, running_exchange
from load_generator import (
    UPGRADE,
    Client,
    Pinger,
    Reader,
    Signer,
    client_frame,
    whole_frame,
    whole_http,
)

N_CONNECTIONS = 16
N_READERS = 200
CHANGES_PER_S = 1_000  # of the book, each its own message to every reader
BURSTS_PER_S = 250  # the driver's sends
TIMED_SHARE = 10  # one reader of so many times every message
WARM_UP_S = 0.3  # of a run, not counted
SUBSCRIBE = b'{"op":"subscribe","channels":["book"],"symbol":"SIM"}'
FREE = ["--rate-limit", "0", "--position-max", "0", "--open-orders-max", "0"]


def main() -> int:
    """Run all measurements and print them."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--runs", type=int, default=5, help="of each (default %(default)s)")
    parser.add_argument("--seconds", type=float, default=1.5, help="a run (default %(default)s)")
    parser.add_argument("--orders", action="store_true", help="orders only, without the fan-out")
    parser.add_argument("--bare", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    with asyncio.Runner(loop_factory=new_loop) as runner:
        if arguments.bare:
            runner.run(serve_hello())
            return 0
        figures = runner.run(measure(arguments.runs, arguments.seconds, arguments.orders))
    if arguments.json:
        print(json.dumps(figures))
    else:
        for name, figure in figures.items():
            print(f"{name:<24}{figure:>14,.3f}")
    return 0


async def measure(n_runs: int, seconds: float, orders_only: bool) -> dict[str, float]:
    """The figures, by name."""
    figures = await measure_orders(n_runs, seconds)
    return figures if orders_only else figures | await measure_fanout(n_runs, seconds)


async def measure_orders(n_runs: int, seconds: float) -> dict[str, float]:
    """Orders beside the bare server, round by round."""
    figures: dict[str, float] = {}
    with bare_server() as hello_url, exchange() as server:
        hello, rest, socket = [], [], []
        for _ in range(n_runs):
            hello.append(await hellos_per_s(hello_url, seconds))
            rest.append(await rest_orders_per_s(server.keys, seconds))
            socket.append(await socket_orders_per_s(server.keys, seconds))
        figures["hello_requests_per_s"] = statistics.median(hello)
        figures["rest_orders_per_s"] = statistics.median(rest)
        figures["ws_orders_per_s"] = statistics.median(socket)
        figures["rest_order_ratio"] = median_ratio(rest, hello)
        figures["ws_order_ratio"] = median_ratio(socket, hello)
    return figures


async def measure_fanout(n_runs: int, seconds: float) -> dict[str, float]:
    """200 readers of the book, alone and beside a stalled one."""
    figures: dict[str, float] = {}
    with exchange("--publish-ms", "0") as server:
        alone = [await fanout(server.keys, seconds, n_stalled=0) for _ in range(n_runs)]
        beside = [await fanout(server.keys, seconds, n_stalled=1) for _ in range(n_runs)]
    figures["fanout_messages_per_s"] = statistics.median(rate for rate, _ in alone)
    figures["fanout_p99_ms"] = statistics.median(p99_ms for _, p99_ms in alone)
    figures["stalled_reader_loss"] = 1 - statistics.median(
        rate for rate, _ in beside
    ) / statistics.median(rate for rate, _ in alone)
    return figures


def median_ratio(figures: list[float], base: list[float]) -> float:
    """Of figures over base, run by run."""
    return statistics.median(one / other for one, other in zip(figures, base, strict=True))


# --- servers --------------------------------------------------------------------------------------


async def serve_hello() -> None:
    """A bare aiohttp application, to compare with."""

    async def hello(_request: web.Request) -> web.Response:
        return web.Response(text='{"hello":"aiohttp"}', content_type="application/json")

    app = web.Application()
    app.router.add_get("/hello", hello)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    print(json.dumps({"url": f"http://127.0.0.1:{port}"}), flush=True)
    await asyncio.Event().wait()


@contextlib.contextmanager
def bare_server() -> Iterator[str]:
    """The bare application in a process of its own; its address."""
    with ready_process(str(Path(__file__)), "--bare") as ready:
        yield ready["url"]


def exchange(*arguments: str) -> AbstractContextManager[Running]:
    """An exchange in a process of its own, with an account a connection and no limits on orders."""
    return running_exchange("--accounts", str(N_CONNECTIONS), *FREE, *arguments)


# --- orders ---------------------------------------------------------------------------------------


def hello_request() -> bytes:
    """What every connection asks the bare application."""
    return b"GET /hello HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"


def order_body(number: int, price: str) -> bytes:
    """Half of the connections buy, half sell, at one price: most orders trade."""
    side = "buy" if number % 2 else "sell"
    return (
        f'{{"symbol":"SIM","side":"{side}","price":"{price}","quantity":"1",'
        f'"client_order_id":"b{time.monotonic_ns()}"}}'
    ).encode()


async def hellos_per_s(url: str, seconds: float) -> float:
    """Requests a second to the bare application."""
    pingers = [Pinger(hello_request, whole_http) for _ in range(N_CONNECTIONS)]
    for pinger in pingers:
        await connect(pinger, url)
    return await run_pingers(pingers, seconds)


async def rest_orders_per_s(keys: KeysFile, seconds: float) -> float:
    """Signed orders a second by REST."""
    price = await last_price(keys)

    def request(number: int, signer: Signer) -> bytes:
        body = order_body(number, price)
        stamp, signature = signer.sign(b"POST/v1/orders" + body)
        head = (
            f"POST /v1/orders HTTP/1.1\r\nHost: 127.0.0.1\r\nX-API-KEY: {signer.key}\r\n"
            f"X-TIMESTAMP: {stamp}\r\nX-SIGNATURE: {signature}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        return head.encode() + body

    pingers = []
    for number, key in enumerate(traders(keys)):
        pingers.append(Pinger(partial(request, number, Signer(key)), whole_http))
        await connect(pingers[-1], keys.url)
    per_s = await run_pingers(pingers, seconds)
    await cancel_all(keys)
    return per_s


async def socket_orders_per_s(keys: KeysFile, seconds: float) -> float:
    """Orders a second over WebSockets that have logged in."""
    price = await last_price(keys)

    def request(number: int) -> bytes:
        return client_frame(b'{"op":"enter","id":1,' + order_body(number, price)[1:])

    pingers = []
    for number, key in enumerate(traders(keys)):
        pingers.append(Pinger(partial(request, number), whole_frame))
        await connect(pingers[-1], keys.url)
        await log_in(pingers[-1], key)
    per_s = await run_pingers(pingers, seconds)
    await cancel_all(keys)
    return per_s


async def run_pingers(pingers: list[Pinger], seconds: float) -> float:
    """Answers a second over all connections."""
    for pinger in pingers:
        pinger.go()
    await asyncio.sleep(WARM_UP_S)
    before, start = sum(pinger.count for pinger in pingers), time.perf_counter()
    await asyncio.sleep(seconds)
    done = sum(pinger.count for pinger in pingers) - before
    per_s = done / (time.perf_counter() - start)
    close(pingers)
    return per_s


async def connect(client: Client, url: str) -> None:
    """Open a connection for a client."""
    host, port = url.split("//")[1].rsplit(":", 1)
    await asyncio.get_running_loop().create_connection(lambda: client, host, int(port))


async def log_in(client: Client, key: AccountKey) -> None:
    """From HTTP to a WebSocket that may trade."""
    await client.handshake(UPGRADE, b"\r\n\r\n")
    stamp, signature = Signer(key).sign(b"GET/v1/ws")
    login = {"op": "login", "key": key.key, "timestamp": stamp, "signature": signature}
    await client.handshake(client_frame(json.dumps(login).encode()), b'"result"')


def close(clients: Sequence[Client]) -> None:
    """Hang up."""
    for client in clients:
        assert client.transport is not None
        client.transport.abort()


async def last_price(keys: KeysFile) -> str:
    """Where the market is: orders of the benchmark meet each other there."""
    path = f"{keys.url}/v1/book?symbol=SIM&levels=1"
    async with ClientSession() as http, http.get(path) as answer:
        return str((await answer.json())["last_price"])


async def cancel_all(keys: KeysFile) -> None:
    """Leave no order of the benchmark behind."""
    async with ClientSession() as http:
        for key in traders(keys):
            stamp, signature = Signer(key).sign(b"DELETE/v1/orders")
            headers = {"X-API-KEY": key.key, "X-TIMESTAMP": stamp, "X-SIGNATURE": signature}
            async with http.delete(f"{keys.url}/v1/orders", headers=headers) as answer:
                assert answer.status == 200, await answer.text()


def traders(keys: KeysFile) -> list[AccountKey]:
    """The trader accounts."""
    return [key for key in keys.accounts if key.role == "trader"]


# --- fan-out --------------------------------------------------------------------------------------


async def fanout(keys: KeysFile, seconds: float, n_stalled: int) -> tuple[float, float]:
    """Book messages a second to N_READERS readers, and the 99th percentile of their delay in ms.

    The stalled ones subscribe as well and then read nothing.
    """
    delays: list[int] = []
    readers = [Reader(delays if n % TIMED_SHARE == 0 else None) for n in range(N_READERS)]
    stalled = [Reader(None) for _ in range(n_stalled)]
    for reader in readers + stalled:
        await connect(reader, keys.url)
        await reader.handshake(UPGRADE, b"\r\n\r\n")
        await reader.handshake(client_frame(SUBSCRIBE), b"}")
        reader.reading = True
    for reader in stalled:
        assert reader.transport is not None
        reader.transport.pause_reading()
    offset_ns = await market_offset_ns(keys)
    driver = asyncio.create_task(drive(keys))
    await asyncio.sleep(WARM_UP_S)
    delays.clear()
    before, start = sum(reader.count for reader in readers), time.perf_counter()
    await asyncio.sleep(seconds)
    done = sum(reader.count for reader in readers) - before
    per_s = done / (time.perf_counter() - start)
    driver.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await driver
    close(readers + stalled)
    delays.sort()
    return per_s, (delays[len(delays) * 99 // 100] - offset_ns) / 1e6


async def market_offset_ns(keys: KeysFile) -> int:
    """The machine's monotonic clock less the market's time, by the quickest of some answers."""
    best: tuple[int, int] | None = None
    async with ClientSession() as http:
        for _ in range(50):
            sent_ns = time.monotonic_ns()
            async with http.get(f"{keys.url}/v1/status") as answer:
                status = await answer.json()
            trip_ns = time.monotonic_ns() - sent_ns
            offset_ns = sent_ns + trip_ns // 2 - status["symbols"][0]["time_ns"]
            best = min(best or (trip_ns, offset_ns), (trip_ns, offset_ns))
    assert best is not None
    return best[1]


async def drive(keys: KeysFile) -> None:
    """Change the book CHANGES_PER_S times a second, in small bursts, far from the last price."""
    client = Reader(None)
    await connect(client, keys.url)
    await log_in(client, traders(keys)[0])
    client.reading = True
    start, sent = time.perf_counter(), 0
    try:
        while True:
            wanted = int((time.perf_counter() - start) * CHANGES_PER_S)
            quotes = [
                client_frame(
                    b'{"op":"quote","symbol":"SIM","bid_price":"%d.00","bid_quantity":"%d"}'
                    % (1 + n % 50, 1 + n % 9)
                )
                for n in range(sent, wanted)
            ]
            if quotes:
                client.write(b"".join(quotes))
            sent = wanted
            await asyncio.sleep(1 / BURSTS_PER_S)
    finally:
        close([client])


if __name__ == "__main__":
    sys.exit(main())
