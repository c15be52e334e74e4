"""One live run of a given length of market time, kept whole, to be compared with backtests."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from math import inf
from typing import Any

from strategies.client import ExchangeClient
from strategies.live import LiveRun
from strategies.report import latency_ms
from strategies.strategy import Quote, Strategy, View, decision
from strategies.trader import Trader

LOOK_S = 0.05  # how often the market's clock is looked at
BEYOND_S = 1.0  # market time traded after the end, so that the end itself is within the run
Percentiles = dict[str, float | None]  # p50, p99


@dataclass(frozen=True)
class LiveRecord:
    """What a live run leaves behind, and how quick it was (milliseconds)."""

    trader: Trader
    step_ns: int  # least market time between decisions
    decide_ms: Percentiles  # the strategy alone
    answer_ms: Percentiles  # from sending a command to its answer
    age_ms: Percentiles  # market time from what was seen to the command's effect; 0 in a backtest
    errors: list[str]  # what went wrong and was mended


class Timed:
    """Asks a strategy and notes how long it took."""

    def __init__(self, strategy: Strategy) -> None:
        self.strategy = strategy
        self.times_ns: list[int] = []

    def decide(self, view: View) -> Quote:
        start_ns = time.perf_counter_ns()
        quote = decision(self.strategy, view)
        self.times_ns.append(time.perf_counter_ns() - start_ns)
        return quote


async def record_live(
    client: ExchangeClient,
    symbol: str,
    strategy: Strategy,
    market_s: float,
    tell: Callable[[float], Any] = lambda market_s: None,
) -> LiveRecord:
    """Trade for some market time at the exchange's own speed, deciding at most once a step.

    tell: called now and then with the market seconds traded. All orders are canceled at the end.
    Raises ExchangeError when the exchange is lost for good.
    """
    desk = await client.open(symbol)
    speed = float((await client.rest.request("GET", "/v1/status"))["speed"])
    timed = Timed(strategy)
    run = LiveRun(client, desk, timed)
    run.trader.end_ns = int(desk.depth["time_ns"]) + round(market_s * 1e9)
    watching = asyncio.create_task(_stop_in_time(run, market_s, tell))
    try:
        await run.run(inf, desk.step_ns / 1e9 / speed, speed)
    finally:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
    await run.finish()
    return LiveRecord(
        run.trader,
        desk.step_ns,
        decide_ms=latency_ms(timed.times_ns),
        answer_ms=latency_ms(list(client.latencies_ns)),
        age_ms=latency_ms(list(run.ages_ns)),
        errors=list(client.errors),
    )


async def _stop_in_time(run: LiveRun, market_s: float, tell: Callable[[float], Any]) -> None:
    """End the run by the market's clock: under load it is behind this computer's."""
    start_ns = int(run.desk.depth["time_ns"])
    traded_s = 0.0
    while traded_s < market_s + BEYOND_S:
        await asyncio.sleep(LOOK_S)
        traded_s = (int(run.desk.depth["time_ns"]) - start_ns) / 1e9
        tell(min(traded_s, market_s))
    run.stop()
