"""How well a run went: the same figures from the same arrays, live and in a backtest.

Money is exact (integers: millionths of a tick-lot, mids doubled) until the last division. Figures
are in ticks, lots and tick-lots; `in_money` scales them for an instrument. None: not enough data.
"""

from collections import deque
from dataclasses import asdict, dataclass, replace
from math import sqrt
from typing import Any

import numpy as np
import numpy.typing as npt

from exchange.engine.records import FEE_UNITS
from exchange.instrument import Instrument

Array = npt.NDArray[Any]
NS = 1_000_000_000
HALF_UNITS = FEE_UNITS // 2  # a doubled mid times a lot, in millionths of a tick-lot
TRADING_YEAR_S = 252 * 6.5 * 3600  # seconds of trading in a year of a stock exchange
SHARPE_INTERVAL_S = 1.0
SHARPE_CHANGES_MIN = 10  # fewer equity changes give no Sharpe ratio
REALIZED_AFTER_S = 5.0  # the mid this long after a fill says what the fill was worth


@dataclass(frozen=True, slots=True)
class Metrics:
    """One run in figures. Money is tick-lots unless `in_money` has scaled it."""

    pnl: float  # change of equity at the mid, after fees: realized + unrealized - fees
    realized: float  # by closing lots, first in first out, before fees
    unrealized: float  # of the lots held at the end, at the last mid
    fees: float  # paid; negative: rebates earned
    position: int  # lots at the end
    n_fills: int
    volume: int  # lots traded
    turnover: float  # money traded: price x quantity of all fills
    fill_rate: float | None  # lots filled of each lot ordered
    captured_spread: (
        float | None
    )  # a lot, against the mid just before it (half an effective spread)
    realized_spread: float | None  # a lot, against the mid REALIZED_AFTER_S later
    adverse_selection: float | None  # captured - realized: what the mid moved against the fill
    sharpe: float | None  # annualized: see `sharpe_ratio`
    sharpe_interval: float | None  # the same per interval, not annualized
    max_drawdown: float  # largest fall of equity below its earlier peak
    mean_abs_position: float  # lots, weighted by time
    max_abs_position: int  # lots
    duration_s: float  # market time

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def measure(fills: Array, samples: Array, lots_ordered: int) -> Metrics:
    """All figures of one run.

    fills: FILL (n,) in order. samples: SAMPLE (m,) in order, m >= 1: the first is where the run
    starts from, its position valued at its mid. lots_ordered: of all orders that were accepted.
    """
    money = equity(samples)
    realized, unrealized = realized_and_unrealized(fills, samples)
    captured, worth, adverse = spreads(fills, samples, REALIZED_AFTER_S)
    interval = sharpe_ratio(samples, SHARPE_INTERVAL_S)
    volume = int(fills["quantity"].sum())
    return Metrics(
        pnl=int(money[-1]) / FEE_UNITS,
        realized=realized / 2,
        unrealized=unrealized / 2,
        fees=int(samples["fees"][-1] - samples["fees"][0]) / FEE_UNITS,
        position=int(samples["position"][-1]),
        n_fills=len(fills),
        volume=volume,
        turnover=float(sum((fills["price"] * fills["quantity"]).tolist())),
        fill_rate=volume / lots_ordered if lots_ordered else None,
        captured_spread=captured,
        realized_spread=worth,
        adverse_selection=adverse,
        sharpe=None if interval is None else interval * sqrt(TRADING_YEAR_S / SHARPE_INTERVAL_S),
        sharpe_interval=interval,
        max_drawdown=max_drawdown(money) / FEE_UNITS,
        mean_abs_position=mean_abs_position(fills, samples),
        max_abs_position=int(np.abs(_positions(fills, samples)).max()),
        duration_s=int(samples["time_ns"][-1] - samples["time_ns"][0]) / NS,
    )


def in_money(metrics: Metrics, instrument: Instrument) -> Metrics:
    """The same with tick-lots turned into money, ticks into price; lots stay lots."""
    tick = float(instrument.tick_size)
    money = tick * float(instrument.lot_size)
    figures = metrics.as_dict()
    amounts = ("pnl", "realized", "unrealized", "fees", "turnover", "max_drawdown")
    prices = ("captured_spread", "realized_spread", "adverse_selection")
    scaled = {name: figures[name] * money for name in amounts}
    scaled |= {name: None if figures[name] is None else figures[name] * tick for name in prices}
    return replace(metrics, **scaled)


def equity(samples: Array) -> npt.NDArray[np.int64]:
    """Cash + position at the mid - fees, less the same at the start.

    Returns (m,) in millionths of a tick-lot.
    """
    before_fees = 2 * samples["cash"] + samples["position"] * samples["mid_twice"]
    fees = samples["fees"] - samples["fees"][0]
    # the start is taken off before the finer unit: a large stock of money would leave int64 there
    total: npt.NDArray[np.int64] = (before_fees - before_fees[0]) * HALF_UNITS - fees
    return total


def realized_and_unrealized(fills: Array, samples: Array) -> tuple[int, int]:
    """P&L of closed lots and of held lots, before fees, in half tick-lots (so both are whole).

    First in, first out; the position at the start counts as bought, or sold, at the first mid.
    """
    held: deque[tuple[int, int]] = deque()  # (signed lots, doubled price), oldest first
    if samples["position"][0] != 0:
        held.append((int(samples["position"][0]), int(samples["mid_twice"][0])))
    realized = 0
    for price, quantity, is_buy in fills[["price", "quantity", "is_buy"]].tolist():
        realized += _close_or_hold(held, quantity if is_buy else -quantity, 2 * price)
    mark = int(samples["mid_twice"][-1])
    return realized, sum(lots * (mark - price) for lots, price in held)


def _close_or_hold(held: deque[tuple[int, int]], lots: int, price: int) -> int:
    """Set a trade off against the oldest opposite lots, hold the rest; returns what it realized."""
    realized = 0
    while lots != 0 and held and (held[0][0] > 0) != (lots > 0):
        old_lots, old_price = held[0]
        closed = min(abs(lots), abs(old_lots))
        sign = 1 if old_lots > 0 else -1
        realized += sign * closed * (price - old_price)
        lots += sign * closed
        if closed == abs(old_lots):
            held.popleft()
        else:
            held[0] = (old_lots - sign * closed, old_price)
    if lots != 0:
        held.append((lots, price))
    return realized


def spreads(
    fills: Array, samples: Array, after_s: float
) -> tuple[float | None, float | None, float | None]:
    """Captured spread, realized spread, adverse selection: ticks a lot, weighted by quantity.

    A bought lot captures mid - price, a sold one price - mid; takers' come out negative. The mid
    after a fill is that of the last sample not later than `after_s` behind it; fills too near the
    end have none and are left out of the last two figures. (Half of the literature's 2 q (p - m).)
    """
    known = fills[fills["mid_twice"] > 0]
    captured = _edge(known, known["mid_twice"])
    later_ns = known["time_ns"] + round(after_s * NS)
    seen = later_ns <= samples["time_ns"][-1]
    row = np.searchsorted(samples["time_ns"], later_ns[seen], side="right") - 1
    judged = known[seen]
    worth = _edge(judged, samples["mid_twice"][np.maximum(row, 0)])
    if worth is None:
        return captured, None, None
    before = _edge(judged, judged["mid_twice"])
    return captured, worth, None if before is None else before - worth


def _edge(fills: Array, mid_twice: Array) -> float | None:
    """Mean edge of a lot over a doubled mid, in ticks."""
    lots = int(fills["quantity"].sum())
    if lots == 0:
        return None
    better = (mid_twice - 2 * fills["price"]) * np.where(fills["is_buy"] == 1, 1, -1)
    return int((better * fills["quantity"]).sum()) / lots / 2


def sharpe_ratio(samples: Array, interval_s: float) -> float | None:
    """Mean over standard deviation (n - 1) of the equity changes between times `interval_s` apart.

    Equity at a time is that of the last sample not later; times count from the first sample, and an
    unfinished interval is left out. Zero interest. Times sqrt(TRADING_YEAR_S / interval_s) it is
    annualized, which supposes independent changes.
    """
    times = samples["time_ns"]
    n = int((times[-1] - times[0]) // round(interval_s * NS))
    if n < SHARPE_CHANGES_MIN:
        return None
    grid = times[0] + np.arange(n + 1) * round(interval_s * NS)
    changes = np.diff(equity(samples)[np.searchsorted(times, grid, side="right") - 1])
    deviation = float(np.std(changes, ddof=1))
    return float(np.mean(changes)) / deviation if deviation > 0 else None


def max_drawdown(money: npt.NDArray[np.int64]) -> int:
    """The largest fall of equity below its earlier peak, in the units given."""
    return int((np.maximum.accumulate(money) - money).max())


def mean_abs_position(fills: Array, samples: Array) -> float:
    """|position| weighted by how long it was held, from the first to the last sample, lots."""
    start, end = int(samples["time_ns"][0]), int(samples["time_ns"][-1])
    if end == start:
        return float(abs(int(samples["position"][0])))
    held = _positions(fills, samples)
    times = np.concatenate([[start], np.clip(fills["time_ns"], start, end), [end]])
    return int((np.abs(held) * np.diff(times)).sum()) / (end - start)


def _positions(fills: Array, samples: Array) -> Array:
    """Lots held at the start and after each fill, (n_fills + 1,)."""
    signed = np.where(fills["is_buy"] == 1, fills["quantity"], -fills["quantity"])
    held: Array = int(samples["position"][0]) + np.concatenate([[0], np.cumsum(signed)])
    return held
