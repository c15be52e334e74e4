#!/usr/bin/env python3
"""Measure what the trading page costs the browser: main thread busy, heap growing or not.

The feed is synthetic, so that its rate is exact: 20 book changes and 60 trades a second by
default, spoken as docs/PROTOCOL.md says. Busy time is the sum of the main thread's tasks in the
browser's own trace; the heap is read after a forced garbage collection.
"""

import argparse
import asyncio
import json
import random
import statistics
import time
import zlib
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from aiohttp import WSMsgType, web

WEB = Path(__file__).parents[1] / "src" / "exchange" / "server" / "web"
CHROMIUM = "/usr/bin/chromium"
CHROMIUM_ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
MID = 10_000  # ticks of 0.01
DEPTH = 80  # levels a side
HEAP_SAMPLES = 12
NS = 1_000_000_000


class SyntheticMarket:
    """A book that changes and trades that happen; nothing matches, only the rates count."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.started_ns = time.time_ns()
        self.mid = float(MID)
        self.bids: dict[int, int] = {}
        self.asks: dict[int, int] = {}
        self.seq = self.n_trades = self.volume = 0
        self.last = MID
        self.candle: dict[str, Any] = {}
        self.refill()

    @property
    def now_ns(self) -> int:
        return 3600 * NS + time.time_ns() - self.started_ns

    def refill(self) -> None:
        """Move the mid, refresh some levels; both sides keep DEPTH levels and never cross."""
        self.mid += self.random.gauss(0, 0.7)
        best_bid = int(self.mid)
        wanted_bids = range(best_bid - DEPTH + 1, best_bid + 1)
        wanted_asks = range(best_bid + 1, best_bid + DEPTH + 1)
        for side, wanted in ((self.bids, wanted_bids), (self.asks, wanted_asks)):
            for price in [p for p in side if p not in wanted]:
                del side[price]
            for price in wanted:
                if price not in side or self.random.random() < 0.06:
                    side[price] = self.random.randint(1, 60) + 4 * abs(price - best_bid)

    def change(self) -> dict[str, Any]:
        """The next book change: every level that differs from the last message."""
        before_bids, before_asks = dict(self.bids), dict(self.asks)
        self.refill()
        prev_seq, self.seq = self.seq, self.seq + 1
        return {
            "channel": "book",
            "type": "change",
            "prev_seq": prev_seq,
            "bids": _difference(before_bids, self.bids),
            "asks": _difference(before_asks, self.asks),
            **self.common(),
        }

    def snapshot(self) -> dict[str, Any]:
        return {
            "channel": "book",
            "type": "snapshot",
            "bids": _levels(self.bids, True),
            "asks": _levels(self.asks, False),
            **self.common(),
        }

    def common(self) -> dict[str, Any]:
        return {
            "symbol": "SIM",
            "epoch": 1,
            "seq": self.seq,
            "time_ns": self.now_ns,
            "bought": str(self.volume),
            "sold": str(self.volume),
            "last_price": _price(self.last),
            "checksum": self.checksum(),
        }

    def checksum(self) -> int:
        rows = zip(_levels(self.bids, True)[:10], _levels(self.asks, False)[:10], strict=True)
        return zlib.crc32("|".join(f"{b[0]}:{b[1]}:{a[0]}:{a[1]}" for b, a in rows).encode())

    def trade(self) -> dict[str, Any]:
        side = self.random.choice(("buy", "sell"))
        self.last = min(self.asks) if side == "buy" else max(self.bids)
        quantity = self.random.randint(1, 40)
        self.n_trades += 1
        self.volume += quantity
        self.grow_candle(quantity)
        return {
            "channel": "trades",
            "type": "trade",
            "symbol": "SIM",
            "trade_id": self.n_trades,
            "seq": self.seq,
            "time_ns": self.now_ns,
            "price": _price(self.last),
            "quantity": str(quantity),
            "taker_side": side,
        }

    def grow_candle(self, quantity: int) -> None:
        open_ns = self.now_ns // NS * NS
        if self.candle.get("open_ns") != open_ns:
            self.candle = dict.fromkeys(("open", "high", "low"), self.last)
            self.candle |= {"open_ns": open_ns, "volume": 0}
        self.candle["high"] = max(self.candle["high"], self.last)
        self.candle["low"] = min(self.candle["low"], self.last)
        self.candle["volume"] += quantity

    def candle_message(self) -> dict[str, Any]:
        return {
            "channel": "candles",
            "type": "candle",
            "symbol": "SIM",
            "interval_s": 1,
            "open_time_ns": self.candle["open_ns"],
            "open": _price(self.candle["open"]),
            "high": _price(self.candle["high"]),
            "low": _price(self.candle["low"]),
            "close": _price(self.last),
            "volume": str(self.candle["volume"]),
            "n_trades": 1,
            "closed": False,
        }

    def leaderboard(self) -> list[dict[str, Any]]:
        names = ("symmetric", "skew", "avellaneda_stoikov", "glft", "momentum", "taker")
        return [
            {
                "name": name,
                "position": str(self.random.randint(-50, 50)),
                "pnl": f"{self.random.gauss(0, 40):.2f}",
                "fees": "0",
                "n_fills": self.n_trades,
                "volume": str(self.volume),
            }
            for name in names
        ]


def _price(ticks: int) -> str:
    return f"{ticks / 100:.2f}"


def _levels(side: dict[int, int], bids: bool) -> list[list[str]]:
    return [[_price(price), str(side[price])] for price in sorted(side, reverse=bids)]


def _difference(before: dict[int, int], after: dict[int, int]) -> list[list[str]]:
    gone = [[_price(price), "0"] for price in before if price not in after]
    new = [[_price(p), str(q)] for p, q in after.items() if before.get(p) != q]
    return gone + new


async def speak(socket: web.WebSocketResponse, market: SyntheticMarket, rates: Any) -> None:
    """Send changes, trades, candles and heartbeats at their rates until the reader goes."""
    period_s = 1 / rates.changes
    per_change = rates.trades / rates.changes
    due, owed, n = time.perf_counter(), 0.0, 0
    while not socket.closed:
        owed += per_change
        while owed >= 1:
            await socket.send_json(market.trade())
            owed -= 1
        await socket.send_json(market.change())
        if market.candle:
            await socket.send_json(market.candle_message())
        if n % int(rates.changes) == 0:
            heartbeat = {"wall_ms": time.time_ns() // 1_000_000, "time_ns": market.now_ns}
            await socket.send_json({"channel": "heartbeat", "type": "heartbeat", **heartbeat})
        n += 1
        due += period_s
        await asyncio.sleep(max(0.0, due - time.perf_counter()))


def new_exchange(market: SyntheticMarket, rates: Any) -> web.Application:
    """The routes that the page asks for."""
    zero_account = {"name": "bench", "visible": True, "equity": "0.00", "positions": []}
    instrument = {"symbol": "SIM", "tick_size": "0.01", "lot_size": "1"}
    status: dict[str, Any] = {"epoch": 1, "mode": "wall", "speed": 1, "paused": False}
    status["wall_ms"] = time.time_ns() // 1_000_000
    status["symbols"] = [{"symbol": "SIM", "phase": "open", "time_ns": 0, "seq": 0}]
    answers: dict[str, Any] = {
        "/v1/instruments": lambda: {"instruments": [instrument]},
        "/v1/status": lambda: status,
        "/v1/trades": lambda: {"trades": []},
        "/v1/candles": lambda: {"candles": []},
        "/v1/orders": lambda: {"orders": []},
        "/v1/fills": lambda: {"fills": []},
        "/v1/account": lambda: zero_account,
        "/v1/leaderboard": lambda: {"accounts": market.leaderboard()},
    }

    async def answer(request: web.Request) -> web.Response:
        return web.json_response(answers[request.path]())

    async def index(_request: web.Request) -> web.FileResponse:
        return web.FileResponse(WEB / "index.html")

    async def talk(request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        feed = None
        async for frame in socket:
            if frame.type != WSMsgType.TEXT:
                break
            asked = json.loads(frame.data)
            await socket.send_json(
                {"re": asked.get("id"), "op": asked["op"], "result": {"role": "trader"}}
            )
            if asked["op"] == "subscribe" and "book" in asked["channels"]:
                await socket.send_json(market.snapshot())
                feed = feed or asyncio.create_task(speak(socket, market, rates))
        if feed:
            feed.cancel()
        return socket

    app = web.Application()
    app.router.add_get("/", index)
    app.router.add_get("/v1/ws", talk)
    for path in answers:
        app.router.add_get(path, answer)
    app.router.add_static("/web", WEB)
    return app


@asynccontextmanager
async def running(app: web.Application) -> Any:
    """Serve on a free port of the loopback; yields the address."""
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/"
    finally:
        await runner.cleanup()


async def busy_share(browser: Any, page: Any, seconds: float) -> float:
    """The share of `seconds` in which the page's main thread ran tasks."""
    tracing = await browser.new_browser_cdp_session()
    events: list[dict[str, Any]] = []
    complete = asyncio.Event()
    tracing.on("Tracing.dataCollected", lambda data: events.extend(data["value"]))
    tracing.on("Tracing.tracingComplete", lambda _data: complete.set())
    categories = "__metadata,devtools.timeline,disabled-by-default-devtools.timeline"
    await tracing.send("Tracing.start", {"categories": categories, "transferMode": "ReportEvents"})
    started = time.perf_counter()
    await page.wait_for_timeout(seconds * 1000)
    lasted = time.perf_counter() - started
    await tracing.send("Tracing.end")
    await complete.wait()
    return _task_seconds(events) / lasted


def _task_seconds(events: list[dict[str, Any]]) -> float:
    """Seconds of tasks on the busiest renderer main thread of the trace."""
    named = [e for e in events if e["name"] == "thread_name"]
    mains = {(e["pid"], e["tid"]) for e in named if e["args"].get("name") == "CrRendererMain"}
    seconds = dict.fromkeys(mains, 0.0)
    for event in events:
        thread = (event["pid"], event["tid"])
        if event["name"] == "RunTask" and thread in seconds:
            seconds[thread] += event.get("dur", 0) / 1e6
    return max(seconds.values(), default=0.0)


async def heap_bytes(session: Any) -> int:
    """The page's heap after a garbage collection."""
    await session.send("HeapProfiler.collectGarbage")
    return int((await session.send("Runtime.getHeapUsage"))["usedSize"])


async def watch_heap(page: Any, minutes: float) -> list[int]:
    """The heap at even intervals over some minutes."""
    session = await page.context.new_cdp_session(page)
    heap = [await heap_bytes(session)]
    for _ in range(HEAP_SAMPLES):
        await page.wait_for_timeout(minutes * 60_000 / HEAP_SAMPLES)
        heap.append(await heap_bytes(session))
    return heap


async def measure(arguments: Any) -> dict[str, Any]:
    """Run the page against the synthetic feed and measure it."""
    from playwright.async_api import async_playwright  # noqa: PLC0415 - only this script needs it

    market = SyntheticMarket(arguments.seed)
    async with running(new_exchange(market, arguments)) as url, async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=arguments.chromium, args=CHROMIUM_ARGUMENTS
        )
        page = await browser.new_page(viewport={"width": 1440, "height": 900})
        faults: list[str] = []
        page.on("pageerror", lambda error: faults.append(str(error)))
        await page.goto(url + "#key=bench&secret=bench")
        await page.wait_for_function("window.onebook?.n_trades > 60")
        shares = {}
        for view in ("candles", "heatmap", "depth"):
            await page.click(f'[data-view="{view}"]')
            await page.wait_for_timeout(1000)
            shares[view] = round(await busy_share(browser, page, arguments.seconds), 3)
        await page.click('[data-view="candles"]')
        heap = await watch_heap(page, arguments.minutes)
        link = await page.evaluate("window.onebook.link")
        version = browser.version
        await browser.close()
    third = max(1, len(heap) // 3)
    return {
        "book_changes_per_s": arguments.changes,
        "trades_per_s": arguments.trades,
        "main_thread_busy": shares,
        "heap_minutes": arguments.minutes,
        "heap_first_mb": round(statistics.median(heap[1 : 1 + third]) / 1e6, 2),
        "heap_last_mb": round(statistics.median(heap[-third:]) / 1e6, 2),
        "heap_mb": [round(size / 1e6, 2) for size in heap],
        "gaps": link["gaps"],
        "errors": faults,
        "browser": version,
    }


def main() -> None:
    """Parse the arguments, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--changes", type=float, default=20, help="book changes a second")
    parser.add_argument("--trades", type=float, default=60, help="trades a second")
    parser.add_argument("--seconds", type=float, default=10, help="traced, for each view")
    parser.add_argument("--minutes", type=float, default=2, help="that the heap is watched")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--chromium", default=CHROMIUM)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    result = asyncio.run(measure(arguments))
    if arguments.json:
        print(json.dumps(result))
    else:
        for name, value in result.items():
            print(f"{name:22} {value}")
    if result["errors"]:
        raise SystemExit("the page had script errors")


if __name__ == "__main__":
    main()
