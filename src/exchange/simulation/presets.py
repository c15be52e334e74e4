"""Simulated markets by name: every parameter with its unit, bounds and source, and named changes.

A preset is data: what it changes of the default. `new_simulated_markets` builds and warms up.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from exchange.engine.participants import POISSON_DISTANCE_MAX, FlowKind
from exchange.engine.records import TRAINING_MARKET, Markets, new_markets
from exchange.simulation.step import advance_batch, open_markets

RECIPE = "tuned: spread, fills, signs and returns as docs/MARKET.md shows"
MSFT = "MSFT 2012-06-21: 39 messages a second"
CST = "Cont, Stoikov and Talreja 2010, table 2"


@dataclass(frozen=True)
class Parameter:
    """One number of the model: what it is by default, what it may be, what it means."""

    default: float
    lowest: float
    highest: float
    unit: str
    source: str = RECIPE


PARAMETERS = {
    "step_ns": Parameter(250_000_000, 1_000_000, 60_000_000_000, "ns", "one decision of a maker"),
    "orders_per_step": Parameter(10.0, 0.0, 40.0, "orders", MSFT),
    "calm_share": Parameter(0.2, 0.0, 1.0, "1"),
    "orders_target": Parameter(100.0, 4.0, 200.0, "orders"),
    "limit_weight": Parameter(1.0, 0.0, 100.0, "weight", "the unit of the weights"),
    "cancel_weight": Parameter(0.93, 0.0, 100.0, "weight"),
    "noise_weight": Parameter(0.07, 0.0, 100.0, "weight"),
    "value_weight": Parameter(0.03, 0.0, 100.0, "weight"),
    "momentum_weight": Parameter(0.01, 0.0, 100.0, "weight"),
    "excitation_base": Parameter(0.3, 0.0, 10.0, "1"),
    "excitation_gain": Parameter(0.7, 0.0, 10.0, "1"),
    "excitation_decay": Parameter(0.02, 0.0, 1.0, "1/order"),
    "excitation_max": Parameter(8.0, 0.0, 100.0, "1"),
    "stickiness": Parameter(0.65, 0.0, 1.0, "probability"),
    "value_sd": Parameter(0.22, 0.0, 10.0, "ticks/step^0.5"),
    "jump_probability": Parameter(0.004, 0.0, 1.0, "1/step"),
    "jump_scale": Parameter(3.0, 0.0, 100.0, "ticks"),
    "volatility_steps": Parameter(400.0, 1.0, 1e9, "steps"),
    "volatility_sd": Parameter(0.6, 0.0, 2.0, "1"),
    "estimate_gain": Parameter(0.03, 0.0, 1.0, "1/order"),
    "value_known": Parameter(0.05, 0.0, 1.0, "1"),
    "flow_decay": Parameter(0.01, 0.0, 1.0, "1/order"),
    "flow_impact": Parameter(0.02, -10.0, 10.0, "ticks/trade"),
    "estimate_noise": Parameter(1.0, 0.0, 100.0, "ticks"),
    "half_spread": Parameter(0.85, 0.0, 100.0, "ticks"),
    "half_spread_volatility": Parameter(0.6, 0.0, 100.0, "ticks/(tick/step)"),
    "value_noise": Parameter(1.0, 0.0, 100.0, "ticks"),
    "edge_min": Parameter(0.6, 0.0, 100.0, "ticks"),
    "value_urgency": Parameter(1.0, 0.0, 100.0, "1/tick"),
    "momentum_min": Parameter(0.8, 0.0, 1000.0, "ticks"),
    "volatility_factor": Parameter(1.0, 0.0, 100.0, "1", "for scenarios"),
    "liquidity_factor": Parameter(1.0, 0.0, 2.0, "1", "for scenarios"),
    "noise_factor": Parameter(1.0, 0.0, 100.0, "1", "for scenarios"),
    "informed_factor": Parameter(1.0, 0.0, 100.0, "1", "for scenarios"),
    "market_rate": Parameter(0.94 / 60, 0.0, 1e4, "1/s, per side", CST),
}

# Arrivals a minute at 1 .. 5 ticks from the opposite best price; a power law beyond.
CST_LIMITS = (1.85, 1.51, 1.09, 0.88, 0.77)
CST_LIMIT_SCALE, CST_LIMIT_EXPONENT = 1.92, 0.52
CST_CANCELS = (0.71, 0.81, 0.68, 0.56, 0.47)  # an order a minute; the last one beyond
SECONDS_PER_MINUTE = 60.0

PRESETS: dict[str, dict[str, float]] = {
    "default": {},
    "calm": {"value_sd": 0.11, "jump_scale": 1.5, "volatility_sd": 0.3},
    "volatile": {"value_sd": 0.44, "jump_scale": 6.0},
    "thin": {"orders_target": 50.0},
    "informed": {"value_weight": 0.06},
    "noise": {"value_sd": 0.0, "jump_probability": 0.0, "value_weight": 0.0, "value_known": 0.0},
    "poisson": {"kind": FlowKind.POISSON},
    "empty": {"kind": FlowKind.NONE},
}

VALUE_MARGIN_MAX = 100  # ticks that the hidden value keeps from the ladder's ends
WARM_UP_LEVELS, WARM_UP_LOTS = 39, 2
WARM_UP_STEPS = 40
POISSON_WARM_UP_STEPS = 4_800  # 20 minutes: ten times the life of an order
MARKET_CHOICES = ("open_price", "band_ticks", "maker_fee_ppm", "taker_fee_ppm")


def new_simulated_markets(
    n: int,
    seeds: Sequence[int] | None = None,
    *,
    preset: str = "default",
    dtype: np.dtype[Any] = TRAINING_MARKET,
    **overrides: Any,
) -> Markets:
    """Independent markets, (n,) of `dtype`, with their participants warmed up for some seconds.

    seeds: one a market, 0 .. n-1 unless given. overrides: parameters of the participants (one
    value, or (n,)), and `open_price`, `band_ticks`, `maker_fee_ppm`, `taker_fee_ppm` as for
    `new_markets`. The clock stands where the warm-up ended (at 0 when there are no participants).
    Raises ValueError for an unknown preset or override, for a value out of its bounds, and unless
    there is one seed a market.
    """
    if preset not in PRESETS:
        raise ValueError(f"unknown preset {preset!r}: choose of {', '.join(PRESETS)}")
    if n < 1 or (seeds is not None and len(seeds) != n):
        given = "" if seeds is None else f", given {len(seeds)} seeds"
        raise ValueError(f"{n} markets{given}: at least one market, and one seed for each")
    opening = {name: overrides.pop(name) for name in MARKET_CHOICES if name in overrides}
    check_overrides(overrides, n)
    markets = new_markets(n, seeds, dtype=dtype, **opening)
    set_parameters(markets, {**PRESETS[preset], **overrides})
    start_participants(markets)
    warm_up(markets)
    return markets


def check_overrides(overrides: dict[str, Any], n: int) -> None:
    """Raise ValueError for a parameter that does not exist, or for a value that it cannot have."""
    for name, value in overrides.items():
        if name not in PARAMETERS:
            choices = ", ".join([*PARAMETERS, *MARKET_CHOICES])
            raise ValueError(f"unknown parameter {name!r}: choose of {choices}")
        known = PARAMETERS[name]
        try:
            values = np.broadcast_to(np.asarray(value, np.float64), (n,))
        except (TypeError, ValueError):
            raise ValueError(f"{name} is one number or {n}, not {value!r}") from None
        if not ((values >= known.lowest) & (values <= known.highest)).all():
            bounds = f"{known.lowest:g} .. {known.highest:g}"
            raise ValueError(f"{name} {value} is not within {bounds} {known.unit}")


def set_parameters(markets: Markets, changes: dict[str, Any]) -> None:
    """Write the default parameters and the changes to them into every market."""
    flow = markets["flow"]
    flow["kind"] = FlowKind.CROWD
    for name, parameter in PARAMETERS.items():
        flow[name] = parameter.default
    limits = [*CST_LIMITS]
    for distance in range(len(CST_LIMITS) + 1, POISSON_DISTANCE_MAX + 1):
        limits.append(CST_LIMIT_SCALE * distance**-CST_LIMIT_EXPONENT)
    cancels = [*CST_CANCELS] + [CST_CANCELS[-1]] * (POISSON_DISTANCE_MAX - len(CST_CANCELS))
    flow["limit_rates"] = np.array(limits) / SECONDS_PER_MINUTE
    flow["cancel_rates"] = np.array(cancels) / SECONDS_PER_MINUTE
    for name, value in changes.items():
        flow[name] = value


def start_participants(markets: Markets) -> None:
    """Set the participants' state as if the market had always been at its opening price."""
    flow, opening = markets["flow"], markets["last_price"].astype(np.float64)
    n_levels = markets.dtype["levels"].shape[0]
    for name in ("value", "mid_before", "estimate", "mid_fast", "mid_slow"):
        flow[name] = opening
    below = markets["last_price"] - markets["price_base"]
    above = n_levels - 1 - below
    flow["value_min"] = opening - np.maximum(below - VALUE_MARGIN_MAX, below // 2)
    flow["value_max"] = opening + np.maximum(above - VALUE_MARGIN_MAX, above // 2)
    flow["next_ns"] = flow["step_end_ns"] = markets["now_ns"]


def warm_up(markets: Markets) -> None:
    """Open with a plain book, then let the participants make it theirs. Leaves no events."""
    open_markets(markets, WARM_UP_LEVELS, WARM_UP_LOTS)
    kind = markets["flow"]["kind"]
    steps = np.where(kind == FlowKind.POISSON, POISSON_WARM_UP_STEPS, WARM_UP_STEPS)
    steps[kind == FlowKind.NONE] = 0
    advance_batch(markets, markets["now_ns"] + steps * markets["flow"]["step_ns"])
    markets["n_events"] = 0
