"""The classical market makers over arrays: one call quotes for every market of a batch.

They give what `decide` of the strategies' own classes gives (tests hold them together), thousands of
times faster, so that a policy stands beside baselines that were tuned on as many steps as it learned
from.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from exchange.engine.records import PRICE_MAX
from rl.batch import MarketBatch
from rl.config import TaskConfig
from strategies.avellaneda_stoikov import AvellanedaStoikov
from strategies.glft import Glft
from strategies.skew import SkewMaker
from strategies.strategy import ROUNDING_SLACK_TICKS
from strategies.symmetric_mm import SymmetricMaker

Floats = npt.NDArray[np.float64]
Quotes = npt.NDArray[np.int64]  # (n, 4): bid price, bid lots, ask price, ask lots
Quoter = Callable[[MarketBatch], Quotes]
Maker = SymmetricMaker | SkewMaker | AvellanedaStoikov | Glft

BEYOND = 64  # lots beyond a maker's own limit that a table still answers for


def quoter(maker: Maker) -> Quoter:
    """The array form of a strategy. Raises ValueError where it has none."""
    if not isinstance(maker, Maker):
        raise ValueError(f"{type(maker).__name__} has no form over arrays: use strategies.backtest")
    if getattr(maker, "volatility", 1.0) == 0:
        raise ValueError("over arrays the volatility is a number, not a running estimate")
    tables: dict[float, Floats] = {}
    reach = maker.position_max + BEYOND

    def quotes(batch: MarketBatch) -> Quotes:
        n_steps = batch.episodes["n_steps"].astype(np.int64)
        n_left = np.maximum(batch.config.episode_steps - n_steps, 0)
        left_s = n_left * batch.config.step_ns / 1e9
        rows = np.clip(batch.histories["position"], -reach, reach) + reach
        keys, places = np.unique(_horizons(maker, left_s), return_inverse=True)
        for key in keys.tolist():
            if key not in tables:
                tables[key] = _table(maker, reach, key)
        away = np.stack([tables[key] for key in keys.tolist()])[places, rows]
        mid = mids(batch)
        return quote_around(
            batch, mid + away[:, 0], mid + away[:, 1], maker.quantity, maker.position_max
        )

    return quotes


def _horizons(maker: Maker, left_s: Floats) -> Floats:
    """As much of the time left as the maker's prices depend on."""
    if isinstance(maker, AvellanedaStoikov) and maker.horizon == "finite":
        return np.minimum(left_s, maker.time_left_max_s)
    if isinstance(maker, Glft) and maker.form == "exact":
        return np.array([float(f"{left:.2g}") for left in left_s])
    return np.zeros(len(left_s))


def _table(maker: Maker, reach: int, left_s: float) -> Floats:
    """Bid and ask of each position from -reach to reach, ticks from the mid: (2 x reach + 1, 2)."""
    return np.array([_prices(maker, position, left_s) for position in range(-reach, reach + 1)])


def _prices(maker: Maker, position: int, left_s: float) -> tuple[float, float]:
    if isinstance(maker, SymmetricMaker):
        return maker.prices(0.0)
    if isinstance(maker, SkewMaker):
        return maker.prices(0.0, position)
    if isinstance(maker, AvellanedaStoikov):
        return maker.prices(0.0, position, maker.volatility, left_s)
    below, above = maker.depths(position, maker.volatility, left_s)
    return -below, above


def mids(batch: MarketBatch) -> Floats:
    """The mid that a view shows, own quotes included; while a side is empty that of the others."""
    bid, ask = batch.depths["bid_price"][:, 0], batch.depths["ask_price"][:, 0]
    twice = np.where(
        (bid != 0) & (ask != 0), bid.astype(np.int64) + ask, batch.histories["mid_twice"]
    )
    mid: Floats = 0.5 * twice
    return mid


def quote_around(
    batch: MarketBatch, bid: Floats, ask: Floats, quantity: int, position_max: int
) -> Quotes:
    """`strategies.strategy.quote_around` over arrays: prices (n,) in ticks -> quotes (n, 4)."""
    bids = np.floor(np.maximum(bid, 0.0) + ROUNDING_SLACK_TICKS).astype(np.int64)
    asks = np.ceil(np.minimum(ask, PRICE_MAX + 1.0) - ROUNDING_SLACK_TICKS).astype(np.int64)
    others_bid, others_ask = batch.histories["bid_price"], batch.histories["ask_price"]
    bids = np.where(others_ask != 0, np.minimum(bids, others_ask - 1), bids)
    asks = np.where(others_bid != 0, np.maximum(asks, others_bid + 1), asks)
    asks = np.maximum(asks, bids + 1)
    position = batch.histories["position"]
    bid_lots = np.maximum(np.minimum(quantity, position_max - position), 0)
    ask_lots = np.maximum(np.minimum(quantity, position_max + position), 0)
    bid_lots[bids <= 0] = 0
    ask_lots[asks > PRICE_MAX] = 0
    quotes: Quotes = np.stack([bids, bid_lots, asks, ask_lots], axis=1)
    quotes[:, 0] *= bid_lots > 0
    quotes[:, 2] *= ask_lots > 0
    return quotes


def run_episodes(
    config: TaskConfig, seeds: Sequence[int], quotes: Quoter, *, batch_size: int = 256
) -> npt.NDArray[Any]:
    """One episode a seed under a quoter; the EPISODE records as they ended, in the order of seeds."""
    ended = []
    for start in range(0, len(seeds), batch_size):
        some = seeds[start : start + batch_size]
        batch = MarketBatch(len(some), config, some)
        batch.reset()
        for _ in range(config.episode_steps):
            batch.step_quotes(quotes(batch))
        ended.append(batch.episodes)
    return np.concatenate(ended)
