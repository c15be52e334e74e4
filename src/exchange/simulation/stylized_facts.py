"""How a market behaves, measured: the statistics by which simulated and recorded markets compare.

A TAPE is what an observer of the public feed can write down; `facts` turns it into numbers. Nothing
here touches a market: `record_tape` reads depth and events while the markets advance.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from exchange.engine.codes import EventKind, Side
from exchange.engine.depth import write_depth
from exchange.engine.records import DEPTH, Markets
from exchange.simulation.step import advance

Floats = npt.NDArray[np.float64]

STEP_NS = 250_000_000  # the tape is written this often
STEPS_PER_S = 4
HORIZONS_S = (1, 10, 60)
SIGN_LAGS = (1, 2, 5, 10, 20)
RETURN_LAGS_S = (1, 5, 20)
PROFILE_TICKS = 8  # best price and seven ticks behind it
HILL_SHARE = 0.02  # of the largest |returns|, from which the tail index is read
SIGNAL_HORIZONS = (1, 4, 20, 100)  # steps


@dataclass(frozen=True)
class Tape:
    """One row a market; prices in ticks, quantities in lots, a column every 250 ms."""

    mid: Floats
    spread: Floats
    bid_quantity: Floats  # at the best price
    ask_quantity: Floats
    bid: Floats  # best prices, NaN where a side is empty
    ask: Floats
    volume: Floats  # lots traded since the column before
    signs: list[npt.NDArray[np.int64]]  # of each market order, 1 buys
    profile: Floats  # mean lots at the best price and behind it, (PROFILE_TICKS,)
    n_rested: int  # limit orders that came to rest
    n_filled: int  # of which traded at least once


def record_tape(markets: Markets, n_steps: int) -> Tape:
    """Advance every market by n_steps steps of 250 ms and write down what was public."""
    n = len(markets)
    markets["silent"] = 0
    depth = np.zeros((n_steps + 1, n), DEPTH)
    start_ns, n_before = markets["now_ns"].tolist(), markets["n_entered"].copy()
    rested: list[list[Any]] = [[] for _ in range(n)]
    traded: list[list[Any]] = [[] for _ in range(n)]
    for row in range(n):
        write_depth(markets[row], depth[0, row])
    for step in range(1, n_steps + 1):
        for row in range(n):
            for events in _advance(markets, row, start_ns[row] + step * STEP_NS):
                rested[row].append(int(np.count_nonzero(events["kind"] == EventKind.RESTED)))
                traded[row].append(events[events["kind"] == EventKind.TRADED])
            write_depth(markets[row], depth[step, row])
    trades = [np.concatenate(parts) for parts in traded]
    n_slots = markets["orders"].shape[1]
    n_filled = 0
    for row in range(n):
        makers = np.unique(trades[row]["maker_order_id"]) // n_slots
        n_filled += int(np.count_nonzero(makers > n_before[row]))
    signs = [_signs_of_orders(each) for each in trades]
    return _tape_of(depth.T, signs, sum(map(sum, rested)), n_filled)


def _advance(markets: Markets, row: int, until_ns: int) -> Iterator[Any]:
    """The events of one step, in as many parts as the event buffer needs."""
    arrived = False
    while not arrived:
        advance(markets, row, until_ns)
        yield markets["events"][row, : markets["n_events"][row]]
        arrived = markets["now_ns"][row] >= until_ns


def _signs_of_orders(trades: Any) -> npt.NDArray[np.int64]:
    """1 or -1 for each taker's order, however many trades it made."""
    first = np.ones(len(trades), np.bool_)
    first[1:] = trades["order_id"][1:] != trades["order_id"][:-1]
    return np.where(trades["side"][first] == Side.BUY, 1, -1)


def _tape_of(depth: Any, signs: list[npt.NDArray[np.int64]], n_rested: int, n_filled: int) -> Tape:
    bid = np.where(depth["bid_quantity"][:, :, 0] > 0, depth["bid_price"][:, :, 0], np.nan)
    ask = np.where(depth["ask_quantity"][:, :, 0] > 0, depth["ask_price"][:, :, 0], np.nan)
    traded = (depth["bought"] + depth["sold"]).astype(np.float64)
    return Tape(
        mid=(bid + ask) / 2,
        spread=ask - bid,
        bid_quantity=depth["bid_quantity"][:, :, 0].astype(np.float64),
        ask_quantity=depth["ask_quantity"][:, :, 0].astype(np.float64),
        bid=bid,
        ask=ask,
        volume=np.diff(traded, axis=1),
        signs=signs,
        profile=_profile(depth[:, ::STEPS_PER_S]),
        n_rested=n_rested,
        n_filled=n_filled,
    )


def _profile(depth: Any) -> Floats:
    """Mean lots at 0, 1, 2 ... ticks behind the best price, both sides together."""
    lots = np.zeros(PROFILE_TICKS)
    for side in ("bid", "ask"):
        price, quantity = depth[f"{side}_price"], depth[f"{side}_quantity"]
        behind = np.abs(price - price[:, :, :1])
        for ticks in range(PROFILE_TICKS):
            lots[ticks] += quantity[behind == ticks].sum()
    profile: Floats = lots / (2 * depth.size)
    return profile


def facts(tape: Tape) -> dict[str, float]:
    """Every statistic by name; NaN or missing where the tape does not hold it."""
    found = {
        **spread_facts(tape.spread[np.isfinite(tape.spread)]),
        **{f"depth_{k}": float(lots) for k, lots in enumerate(tape.profile)},
        "fill_fraction": tape.n_filled / tape.n_rested if tape.n_rested else float("nan"),
        "market_orders_per_s": _market_orders_per_s(tape),
    }
    for lag in SIGN_LAGS:
        found[f"sign_autocorrelation_{lag}"] = _mean_autocorrelation(list(tape.signs), lag)
    found.update(return_facts(tape.mid))
    found.update(signal_facts(tape))
    return found


def spread_facts(spread: Floats) -> dict[str, float]:
    """Mean, largest and shares of the known spreads, in ticks."""
    if not len(spread):
        return {}
    shares = {f"spread_le_{k}": float(np.mean(spread <= k)) for k in (1, 2, 3, 4)}
    return {"spread_mean": float(np.mean(spread)), **shares, "spread_max": float(np.max(spread))}


def _market_orders_per_s(tape: Tape) -> float:
    seconds = tape.volume.size / STEPS_PER_S
    return sum(len(signs) for signs in tape.signs) / seconds if seconds else float("nan")


def return_facts(mid: Floats) -> dict[str, float]:
    """Size, tails and memory of the returns of mid (n_markets, n_steps), in ticks."""
    found = {}
    for horizon in HORIZONS_S:
        change = np.diff(mid[:, :: horizon * STEPS_PER_S], axis=1)
        found[f"return_sd_{horizon}s"] = float(np.nanstd(change))
        found[f"excess_kurtosis_{horizon}s"] = excess_kurtosis(change)
    each_s = np.diff(mid[:, ::STEPS_PER_S], axis=1)
    for lag in RETURN_LAGS_S:
        found[f"return_autocorrelation_{lag}s"] = _mean_autocorrelation(list(each_s), lag)
    for lag in RETURN_LAGS_S:
        found[f"abs_return_autocorrelation_{lag}s"] = _mean_autocorrelation(
            list(np.abs(each_s)), lag
        )
    found["tail_index"] = tail_index(np.diff(mid[:, :: 10 * STEPS_PER_S], axis=1))
    return found


def excess_kurtosis(values: Floats) -> float:
    """Fourth moment over the squared variance, less the 3 of a normal distribution."""
    centered = values[np.isfinite(values)] - np.nanmean(values)
    variance = np.mean(centered**2)
    return float(np.mean(centered**4) / variance**2 - 3) if variance > 0 else float("nan")


def autocorrelation(values: Any, lag: int) -> float:
    """Of one series, NaN when it is too short or never changes."""
    series = np.asarray(values, np.float64)
    if len(series) <= lag + 1:
        return float("nan")
    centered = series - np.nanmean(series)
    variance = np.nanmean(centered**2)
    return float(np.nanmean(centered[lag:] * centered[:-lag]) / variance) if variance else np.nan


def _mean_autocorrelation(rows: list[Any], lag: int) -> float:
    found = np.array([autocorrelation(row, lag) for row in rows])
    return float(np.nanmean(found)) if np.isfinite(found).any() else float("nan")


def tail_index(values: Floats) -> float:
    """Hill's estimator over the largest |values|: P(|x| > y) falls as y to minus this power."""
    sizes = np.sort(np.abs(values[np.isfinite(values)]))[::-1]
    n_tail = max(int(len(sizes) * HILL_SHARE), 10)
    if len(sizes) <= n_tail or sizes[n_tail] <= 0:
        return float("nan")
    return float(1 / np.mean(np.log(sizes[:n_tail] / sizes[n_tail])))


def signal_facts(tape: Tape) -> dict[str, float]:
    """How volume, the book and order flow go together with price changes."""
    ten_s = 10 * STEPS_PER_S
    flow = order_flow_imbalance(tape)
    change = np.diff(tape.mid, axis=1)
    n = change.shape[1] // ten_s * ten_s
    sums = [x[:, :n].reshape(-1, ten_s).sum(axis=1) for x in (tape.volume, flow, change)]
    lots = tape.bid_quantity + tape.ask_quantity
    imbalance = (tape.bid_quantity - tape.ask_quantity) / np.maximum(lots, 1)
    next_s = tape.mid[:, STEPS_PER_S:] - tape.mid[:, :-STEPS_PER_S]
    found = {
        "volume_volatility_correlation": correlation(sums[0], np.abs(sums[2])),
        "imbalance_next_return_correlation": correlation(imbalance[:, :-STEPS_PER_S], next_s),
        "ofi_return_r2_10s": correlation(sums[1], sums[2]) ** 2,
        "ofi_next_return_correlation_10s": _lead_correlation(flow, change, ten_s),
    }
    for horizon in SIGNAL_HORIZONS:
        found[f"predictable_r2_{horizon}"] = predictability(tape, imbalance, flow, horizon)
    return found


def order_flow_imbalance(tape: Tape) -> Floats:
    """Lots added to the best bid less those added to the best ask, column by column.

    Cont, Kukanov and Stoikov, "The price impact of order book events" (2014), from snapshots.
    """
    bid, ask = tape.bid, tape.ask
    bid_lots, ask_lots = tape.bid_quantity, tape.ask_quantity
    bought = (bid[:, 1:] >= bid[:, :-1]) * bid_lots[:, 1:]
    bought -= (bid[:, 1:] <= bid[:, :-1]) * bid_lots[:, :-1]
    sold = (ask[:, 1:] <= ask[:, :-1]) * ask_lots[:, 1:]
    sold -= (ask[:, 1:] >= ask[:, :-1]) * ask_lots[:, :-1]
    return np.asarray(bought - sold, np.float64)


def _lead_correlation(flow: Floats, change: Floats, width: int) -> float:
    n = change.shape[1] // width
    if n < 3:
        return float("nan")
    flows = flow[:, : n * width].reshape(len(flow), n, width).sum(axis=2)
    changes = change[:, : n * width].reshape(len(change), n, width).sum(axis=2)
    return correlation(flows[:, :-1], changes[:, 1:])


def correlation(a: Floats, b: Floats) -> float:
    """Of two arrays of one shape, over the places where both are finite."""
    both = np.isfinite(a) & np.isfinite(b)
    x, y = a[both], b[both]
    if len(x) < 3 or x.std() == 0 or y.std() == 0:
        return float("nan")
    return float(np.corrcoef(x, y)[0, 1])


def predictability(tape: Tape, imbalance: Floats, flow: Floats, horizon: int) -> float:
    """Share of the variance of the mid's next change that a linear reader of the feed foresees.

    Fitted on the first half of every market, judged on the second. Features: imbalance at the best
    prices, order flow and mid changes, each of the last two as a fast and a slow average.
    """
    change = np.diff(tape.mid, axis=1)
    features = [imbalance[:, 1:]]
    for source in (flow, change):
        features += [_average(source, gain) for gain in (0.4, 0.07)]
    n = change.shape[1] - horizon
    if n < 40:
        return float("nan")
    x = np.stack([feature[:, :n] for feature in features], axis=2)
    y = tape.mid[:, 1 + horizon :] - tape.mid[:, 1 : 1 + n]
    return _out_of_sample_r2(x, y, n // 2)


def _out_of_sample_r2(x: Floats, y: Floats, half: int) -> float:
    def rows(part: slice) -> tuple[Floats, Floats]:
        a, b = x[:, part].reshape(-1, x.shape[2]), y[:, part].ravel()
        sound = np.isfinite(b) & np.isfinite(a).all(axis=1)
        return np.column_stack([a[sound], np.ones(sound.sum())]), b[sound]

    (a, b), (c, d) = rows(slice(None, half)), rows(slice(half, None))
    if len(b) < 2 * x.shape[2] or len(d) < 2:
        return float("nan")
    weights = np.linalg.lstsq(a, b, rcond=None)[0]
    variance = np.mean((d - d.mean()) ** 2)
    return float(1 - np.mean((d - c @ weights) ** 2) / variance) if variance > 0 else float("nan")


def _average(source: Floats, gain: float) -> Floats:
    """Exponential average along each row."""
    out = np.zeros_like(source)
    state = np.zeros(len(source))
    for column in range(source.shape[1]):
        state = state + gain * (np.nan_to_num(source[:, column]) - state)
        out[:, column] = state
    return out
