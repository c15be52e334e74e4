"""Does a live run lie where backtests of the same strategy lie?

A live run is one draw; the backtests, on other seeds and of the same length, are the distribution it
is drawn from if live and backtest agree. The verdict is about one figure alone, the mean P&L a
minute, so that there are no many chances to be wrong; all others stand beside it to explain it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from exchange.engine.records import FEE_UNITS
from rl.contest import Episodes
from strategies.backtest import STEP_NS
from strategies.live_record import LiveRecord
from strategies.metrics import equity
from strategies.trader import Trader

Floats = npt.NDArray[np.float64]
Json = dict[str, Any]

POINTS_PER_MINUTE = 20  # of the curves: one each 3 s
MINUTE_NS = 60_000_000_000
STEP_MS = STEP_NS / 1e6  # between two decisions of a backtest
PACE_SLACK = 0.2  # a live run whose median is further from that is another experiment
CENTRAL = (2.5, 97.5)  # percentiles: the central 95%
PER_MINUTE = {"orders_per_minute": "n_orders", "fills_per_minute": "n_fills",
              "refusals_per_minute": "n_refusals", "lots_per_minute": "volume"}  # fmt: skip
AS_THEY_ARE = (
    *("fill_rate", "captured_spread", "realized_spread"),
    *("mean_abs_position", "max_abs_position", "max_drawdown"),
)


@dataclass(frozen=True)
class Curves:
    """Equity (tick-lots, from 0) and position (lots) of a run, (POINTS_PER_MINUTE x minutes + 1,)."""

    equity: Floats
    position: Floats


def live_curves(trader: Trader, minutes: int) -> Curves:
    """Of a live run: at each time that of the last sample not later. It must be long enough."""
    samples = trader.samples.array()
    times = samples["time_ns"]
    wanted = times[0] + np.arange(minutes * POINTS_PER_MINUTE + 1) * (
        MINUTE_NS // POINTS_PER_MINUTE
    )
    assert times[-1] >= wanted[-1], "the run ended before its last minute"
    rows = np.searchsorted(times, wanted, side="right") - 1
    return Curves(equity(samples)[rows] / FEE_UNITS, samples["position"][rows].astype(np.float64))


def minute_pnl(curves: npt.NDArray[Any]) -> Floats:
    """P&L of each minute, (..., minutes), of equity (..., POINTS_PER_MINUTE x minutes + 1)."""
    found: Floats = np.diff(curves[..., ::POINTS_PER_MINUTE].astype(np.float64), axis=-1)
    return found


def compare_live(record: LiveRecord, backtest: Episodes, minutes: int) -> Json:
    """All figures of both and the verdict, as plain data; money in tick-lots.

    backtest: episodes of the same length, with POINTS_PER_MINUTE points a minute.
    """
    live_minutes = minute_pnl(live_curves(record.trader, minutes).equity)
    minutes_there = minute_pnl(backtest.equity)
    live = {"pnl_per_minute": float(live_minutes.mean()), **_live_figures(record.trader, minutes)}
    there = {"pnl_per_minute": minutes_there.mean(axis=1), **_figures(backtest, minutes)}
    figures = {name: _place(live[name], values) for name, values in there.items()}
    low, high = (figures["pnl_per_minute"][end] for end in ("low", "high"))
    single = _place(None, minutes_there.ravel())
    within = [single["low"] <= pnl <= single["high"] for pnl in live_minutes]
    how = _how_it_ran(record)
    return {
        "same_pace": abs(how["between_decisions_ms"]["p50"] / STEP_MS - 1) <= PACE_SLACK,
        "within": bool(low <= live["pnl_per_minute"] <= high),
        "figures": figures,
        "minutes": [
            {"pnl": float(pnl), "percentile": percentile(pnl, minutes_there.ravel())}
            for pnl in live_minutes
        ],
        "minute": {**single, "n_within": int(sum(within))},
        "live": how,
    }


def _live_figures(trader: Trader, minutes: int) -> dict[str, float | None]:
    """The figures of the table of a live run of so many minutes."""
    known = {
        **trader.metrics().as_dict(),
        "n_orders": trader.n_orders,
        "n_refusals": sum(trader.refusals.values()),
    }
    rates = {name: known[of] / minutes for name, of in PER_MINUTE.items()}
    return {**rates, **{name: known[name] for name in AS_THEY_ARE}}


def _figures(episodes: Episodes, minutes: int) -> dict[str, Floats]:
    rates = {name: episodes[of] / minutes for name, of in PER_MINUTE.items()}
    return {**rates, **{name: episodes[name] for name in AS_THEY_ARE}}


def _place(live: float | None, values: Floats) -> Json:
    """Where one value lies among many; what nobody knows is None."""
    values = values[np.isfinite(values)]
    if not len(values):
        return dict.fromkeys(("live", "mean", "sd", "low", "high", "percentile"))
    low, high = np.percentile(values, CENTRAL)
    return {
        "live": live,
        "mean": float(values.mean()),
        "sd": float(values.std(ddof=1)),
        "low": float(low),
        "high": float(high),
        "percentile": None if live is None else percentile(live, values),
    }


def percentile(value: float, values: Floats) -> float:
    """The share of values below it, equal ones counting half, in percent."""
    return float(100 * (np.mean(values < value) + np.mean(values == value) / 2))


def _how_it_ran(record: LiveRecord) -> Json:
    """Pace and trouble of the live run: what no backtest has."""
    times = record.trader.samples.array()["time_ns"]
    gaps = np.diff(times[:-1]) / 1e6  # the last sample is the look at the end, no decision
    between: Mapping[str, float] = {
        f"p{p}": round(float(np.percentile(gaps, p)), 3) for p in (50, 99)
    }
    return {
        "decisions": len(times) - 1,
        "between_decisions_ms": dict(between),
        "decide_ms": record.decide_ms,
        "answer_ms": record.answer_ms,
        "view_age_ms": record.age_ms,
        "refusals": dict(record.trader.refusals),
        "errors": record.errors,
    }
