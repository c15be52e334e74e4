"""What a large order does to the price: the same markets with it and without it, side by side."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from exchange.engine.codes import N_PARTICIPANTS, Option, TimeInForce
from exchange.engine.door import Door
from exchange.engine.records import Markets
from exchange.simulation.orders import BUY, SELL
from exchange.simulation.presets import new_simulated_markets
from exchange.simulation.step import advance_batch

SLICE_LOTS, SLICE_STEPS = 2, 2  # two lots every second step
STEPS_AFTER = 60
TRADER = N_PARTICIPANTS
MARKET_ORDER = int(Option.MARKET) | int(TimeInForce.IOC)


@dataclass(frozen=True)
class Impact:
    """Mid move in the order's direction, in ticks, less the move without it; standard errors."""

    lots: int
    at_the_end: float
    at_the_end_error: float
    later: float  # STEPS_AFTER steps after its end
    later_error: float


def measure_impact(lots: int, n_markets: int, seed: int, preset: str, **overrides: Any) -> Impact:
    """Work an order of `lots` in slices, buying in every other market and selling in the rest."""
    seeds = range(seed, seed + n_markets)
    markets = new_simulated_markets(n_markets, seeds, preset=preset, **overrides)
    control = markets.copy()
    sides = np.where(np.arange(n_markets) % 2 == 0, BUY, SELL)
    signs = np.where(sides == BUY, 1.0, -1.0)
    doors = [Door(markets[row : row + 1]) for row in range(n_markets)]
    for _ in range(lots // SLICE_LOTS):
        for door, side in zip(doors, sides.tolist(), strict=True):
            door.enter(0, TRADER, side, 0, SLICE_LOTS, MARKET_ORDER, 0)
        _wait(markets, control, SLICE_STEPS)
    end = signs * (_mids(markets) - _mids(control))
    _wait(markets, control, STEPS_AFTER)
    later = signs * (_mids(markets) - _mids(control))
    return Impact(lots, float(end.mean()), _error(end), float(later.mean()), _error(later))


def _wait(markets: Markets, control: Markets, n_steps: int) -> None:
    for each in (markets, control):
        advance_batch(each, each["now_ns"] + n_steps * each["flow"]["step_ns"])


def _mids(markets: Markets) -> npt.NDArray[np.float64]:
    mids: npt.NDArray[np.float64] = (markets["best_bid"] + markets["best_ask"]) / 2
    return mids


def _error(values: npt.NDArray[np.float64]) -> float:
    return float(values.std() / len(values) ** 0.5)
