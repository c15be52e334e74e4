"""A recording as the market of many episodes: where each begins, and what every row of a batch keeps.

All rows share the messages. An episode begins at one of at most N_STARTS_MAX moments of its part of
the recording, with the orders that rested there in their places; its seed chooses which.
"""

import heapq
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from exchange.engine.accounts import set_default_limits
from exchange.engine.records import COMMAND, LIVE_MARKET, TRAINING_MARKET, Markets, new_markets
from exchange.engine.resting import resting_orders
from exchange.simulation.recorded.apply import COUNTS, RECORDED_ACCOUNT, Orders
from exchange.simulation.recorded.flow import RecordedFlow, advance_flow, new_recorded_markets
from exchange.simulation.recorded.messages import MessageKind, RecordingError, new_messages
from rl.config import ConfigError, TaskConfig
from rl.step import AGENT
from rl.step_recorded import RowOrders
from strategies.backtest import Advance

Array = npt.NDArray[Any]
N_STARTS_MAX = 256
START_GRID_NS = 1_000_000_000  # starts lie at least this far apart
FIRST_START_NS = 1_000_000_000  # after a file's beginning: a book that was empty has filled by then
ORDERS_MAX = TRAINING_MARKET["orders"].shape[0] * 3 // 4  # resting at a start of a small market
OUTSIDE_MAX = 0.01  # share of the orders that a small market's ladder may refuse


@dataclass(frozen=True)
class Start:
    """A moment at which an episode may begin."""

    time_ns: int
    place: int  # of the first message after it
    open_price: int  # ticks, the middle of the ladder
    opening: Array  # ADDs, oldest first at each price


@dataclass(frozen=True)
class Recorded:
    """One part of a recording, ready for episodes of one length."""

    messages: Array  # orders are numbered 1 .. n_numbers; a number is used again when it is free
    n_numbers: int
    starts: list[Start]
    dtype: np.dtype[Any]  # TRAINING_MARKET where that holds the recording, else LIVE_MARKET


def read_recorded(config: TaskConfig) -> Recorded:
    """The part of the recording that a task names. ConfigError when it cannot be used."""
    path = Path(config.market)
    stamp = path.stat().st_mtime_ns, path.stat().st_size
    duration_ns = config.episode_steps * config.step_ns
    first, last = config.market_bounds
    options = (config.market_format, config.market_orderbook or None)
    return _read(path.absolute(), stamp, options, (first, last), duration_ns)


@lru_cache(maxsize=4)
def _read(
    path: Path,
    stamp: tuple[int, int],  # a file that has changed is read again
    options: tuple[str, str | None],
    bounds: tuple[float, float],
    duration_ns: int,
) -> Recorded:
    try:
        flow = RecordedFlow.open(path, *options)
    except RecordingError as error:
        raise ConfigError(str(error)) from error
    times = _start_times(flow, bounds, duration_ns)
    numbers, messages, n_numbers = renumber(flow.opening, flow.messages)
    starts = _starts(flow, times, numbers)
    dtype = TRAINING_MARKET if _is_small(starts, messages, duration_ns) else LIVE_MARKET
    return Recorded(messages, n_numbers, starts, dtype)


def _start_times(flow: RecordedFlow, bounds: tuple[float, float], duration_ns: int) -> Array:
    first = max(int(bounds[0] * flow.end_ns), FIRST_START_NS)
    last = int(bounds[1] * flow.end_ns) - duration_ns
    if last < first:
        part_s = (bounds[1] - bounds[0]) * flow.end_ns / 1e9
        raise ConfigError(
            f"{flow.name}: its part {bounds[0]:g} .. {bounds[1]:g} has {part_s:.0f} s, an episode "
            f"{duration_ns / 1e9:.0f} s: shorten it (episode_steps) or change market_split"
        )
    n = min((last - first) // START_GRID_NS + 1, N_STARTS_MAX)
    return np.linspace(first, last, int(n)).astype(np.int64)


def renumber(opening: Array, messages: Array) -> tuple[Array, Array, int]:
    """Give orders numbers that are used again once nothing refers to them any more.

    So a row keeps room for the orders of one moment, not of the whole recording. Returns (numbers
    int32 (n messages,), the number of each message's order; messages with them; how many).
    """
    orders = messages["order"].tolist()
    last_row = {order: row for row, order in enumerate(orders) if order}
    number_of: dict[int, int] = {}
    free: list[int] = []
    n_numbers = 0
    for order in opening["order"].tolist():
        if order in last_row:
            n_numbers += 1
            number_of[order] = n_numbers
    numbers = np.zeros(len(orders), np.int32)
    for row, order in enumerate(orders):
        if not order:
            continue
        if order not in number_of:
            n_numbers += not free
            number_of[order] = heapq.heappop(free) if free else n_numbers
        numbers[row] = number_of[order]
        if last_row[order] == row:
            heapq.heappush(free, number_of.pop(order))
    renumbered = messages.copy()
    renumbered["order"] = numbers
    return numbers, renumbered, n_numbers


def _starts(flow: RecordedFlow, times: Array, numbers: Array) -> list[Start]:
    """The undisturbed market at each of these times."""
    markets = new_recorded_markets(flow)
    orders = flow.messages["order"]
    last_row = np.full(flow.n_orders + 1, -1, np.int64)
    last_row[orders] = np.arange(len(orders))  # the last of equal indexes stays
    starts = []
    for time_ns in times.tolist():
        while markets[0]["now_ns"] < time_ns:
            flow.advance(markets, 0, time_ns)
        place = flow.place
        opening = _resting(markets, flow.orders_at)
        rows = last_row[opening["order"]]
        opening["order"] = np.where(rows >= place, numbers[rows], 0)  # 0: nothing will name it
        starts.append(Start(time_ns, place, _middle(markets), opening))
    return starts


def _resting(markets: Markets, orders_at: Array) -> Array:
    """ADDs of the recorded orders in the book, in the order of their queues."""
    resting = resting_orders(markets[0])
    opening = new_messages(len(resting))
    opening["kind"] = MessageKind.ADD
    opening["order"] = orders_at[resting["slot"]]
    for field in ("price", "quantity", "side"):
        opening[field] = resting[field]
    assert (resting["account"] == RECORDED_ACCOUNT).all()
    return opening


def _middle(markets: Markets) -> int:
    bid, ask, base = (int(markets[0][name]) for name in ("best_bid", "best_ask", "price_base"))
    if bid == 0 or ask == 0:
        return int(markets[0]["last_price"])
    return (bid + ask) // 2 + base


def _is_small(starts: list[Start], messages: Array, duration_ns: int) -> bool:
    """Whether markets as for training hold nearly all orders of every episode."""
    half = TRAINING_MARKET["levels"].shape[0] // 2
    times, prices = messages["time_ns"], messages["price"]
    for start in starts:
        if len(start.opening) > ORDERS_MAX:
            return False
        end = np.searchsorted(times, start.time_ns + duration_ns, side="right")
        named = prices[start.place : end]
        named = named[named > 0]
        outside = np.abs(named - start.open_price) >= half
        if len(named) and outside.mean() > OUTSIDE_MAX:
            return False
    return True


class RecordedRows:
    """What n rows of a batch keep of a recording."""

    def __init__(self, n: int, config: TaskConfig) -> None:
        self.recorded = read_recorded(config)
        self.dtype = self.recorded.dtype
        self.messages = self.recorded.messages
        self._fees = {
            "maker_fee_ppm": config.maker_fee_ppm,
            "taker_fee_ppm": config.taker_fee_ppm,
        }
        self.orders = RowOrders(
            engine_ids=np.zeros((n, self.recorded.n_numbers + 1), np.int64),
            orders_at=np.zeros((n, self.dtype["orders"].shape[0]), np.int32),
            counts=np.zeros((n, 1), COUNTS),
            commands=np.zeros((n, 1), COMMAND),
            places=np.zeros(n, np.int64),
        )

    def begin(self, row: int, markets: Markets, seed: int) -> Array:
        """A blank market in `row`, its clock at the start that `seed` chooses; its opening book."""
        random = np.random.default_rng(np.random.SeedSequence([seed, 2]))
        start = self.recorded.starts[int(random.integers(len(self.recorded.starts)))]
        markets[row] = new_markets(
            1, [seed], dtype=self.dtype, open_price=start.open_price, **self._fees
        )[0]
        set_default_limits(markets[row : row + 1], AGENT)
        markets["now_ns"][row] = start.time_ns
        for part in self.orders:
            part[row] = np.zeros((), part.dtype)
        self.orders.places[row] = start.place
        return start.opening

    def advance_of(self, row: int) -> Advance:
        """What moves a copy of this row's market on from here, with a state of its own."""
        ids, orders_at, counts, commands, places = self.orders
        own = Orders(*(part[row].copy() for part in (ids, orders_at, counts, commands)))
        place, messages = places[row : row + 1].copy(), self.messages

        def advance(markets: Markets, instrument: int, until_ns: int) -> int:
            return int(advance_flow(markets, instrument, messages, own, place, until_ns))

        return advance
