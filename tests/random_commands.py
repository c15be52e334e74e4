"""Random streams of commands: near the market, so that books stay filled, and at times absurd.

All of them come from the generator that is handed in, and from the markets as they stand.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from exchange.engine.codes import CommandKind, Option, TimeInForce
from exchange.engine.records import (
    COMMAND,
    MAKER_FEE_PPM_MAX,
    NOTIONAL_MAX,
    PRICE_MAX,
    Markets,
    new_markets,
)
from exchange.engine.resting import resting_orders

Commands = npt.NDArray[Any]
Rng = np.random.Generator
INT64 = np.iinfo(np.int64)
INT32 = np.iinfo(np.int32)
# ladders from 0, where level quantities can reach their limit, to the dearest price there is
OPEN_PRICES = (20, 400, 400, 10_000, 10_000, 10_000, 2**24, PRICE_MAX - 1_024)
ABSURD_64 = np.array([INT64.min, -1, 0, 1, INT64.max])
ABSURD_32 = np.array([INT32.min, -1, 0, 1, 2**20, INT32.max])
ABSURD_PRICES = np.array([INT32.min, -1, 0, 1, 1_022, 1_023, 1_024, INT32.max])
ABSURD_QUANTITIES = np.array(
    [INT32.min, -1, 0, 97_751_710, 97_751_711, 100_000_000, 100_000_001, INT32.max]
)


@dataclass(frozen=True)
class Weather:
    """How one stretch of commands shall be: drawn anew for each, to reach all corners in turn."""

    kinds: npt.NDArray[np.float64]  # probability of each CommandKind, NONE first
    spread: float  # ticks around the last price at which orders are aimed
    quantity_max: int
    limited: float  # share of SET_LIMITS commands which set limits rather than lift them
    absurd: float  # share of absurd values in each field


def random_markets(rng: Rng, n: int) -> Markets:
    """Fresh training markets; prices, bands and fees by chance, ladders from 0 among them."""
    markets = new_markets(n, open_price=int(rng.choice(OPEN_PRICES)))
    markets["band_ticks"] = rng.choice([0, 0, 5, 40], n)
    markets["maker_fee_ppm"] = rng.integers(-MAKER_FEE_PPM_MAX, MAKER_FEE_PPM_MAX + 1, n)
    markets["taker_fee_ppm"] = rng.integers(MAKER_FEE_PPM_MAX, 3_000, n)
    return markets


def random_weather(rng: Rng, markets: Markets) -> Weather:
    largest = NOTIONAL_MAX // int(markets["price_base"].max() + markets["levels"].shape[1] - 1)
    # at low prices the largest orders, gathered at few prices, bring levels to their limit
    heavy = not markets["price_base"].any() and rng.random() < 0.5
    weights = np.zeros(10)
    weights[CommandKind.NONE] = 0.0005
    weights[CommandKind.ENTER] = rng.uniform(0.4, 0.7)
    weights[CommandKind.CANCEL] = 0.02 if heavy else rng.choice([0.02, 0.1, 0.2])
    weights[CommandKind.REPLACE] = rng.uniform(0.02, 0.15)
    weights[CommandKind.QUOTE] = rng.uniform(0.0, 0.15)
    weights[CommandKind.CANCEL_ALL] = rng.choice([0.0001, 0.0001, 0.01])
    weights[CommandKind.ADVANCE] = 0.05
    weights[CommandKind.HALT] = 0.0005
    weights[CommandKind.RESUME] = 0.01
    weights[CommandKind.SET_LIMITS] = rng.choice([0.001, 0.02])
    return Weather(
        kinds=weights / weights.sum(),
        spread=0.5 if heavy else float(rng.choice([1.5, 4.0, 20.0])),
        quantity_max=largest if heavy else min(int(rng.choice([3, 30, 3_000])), largest),
        limited=float(rng.choice([0.0, 0.2, 0.6])),
        absurd=float(rng.choice([0.0, 0.002, 0.02])),
    )


def random_commands(rng: Rng, markets: Markets, n: int, weather: Weather) -> Commands:
    """Draw commands, (n,) of COMMAND, for markets as they stand now."""
    commands = np.zeros(n, COMMAND)
    commands["kind"] = rng.choice(10, n, p=weather.kinds)
    commands["instrument"] = rng.integers(len(markets), size=n)
    commands["account"] = rng.integers(len(markets[0].accounts), size=n)
    commands["side"] = rng.integers(2, size=n)
    commands["options"] = _options(rng, n)
    _aim(rng, commands, markets, weather)
    _set_times(rng, commands, markets)
    _choose_orders(rng, commands, markets)
    _set_limits(rng, commands, weather)
    _make_absurd(rng, commands, weather)
    return commands


def _options(rng: Rng, n: int) -> npt.NDArray[Any]:
    time_in_force = rng.choice(
        [TimeInForce.GTC, TimeInForce.IOC, TimeInForce.FOK, TimeInForce.GTD],
        n,
        p=[0.65, 0.1, 0.05, 0.2],
    )
    takes = (time_in_force == TimeInForce.IOC) | (time_in_force == TimeInForce.FOK)
    options: npt.NDArray[Any] = (
        time_in_force | rng.integers(4, size=n) << 5
    )  # every self-trade prevention
    options[takes & (rng.random(n) < 0.4)] |= Option.MARKET
    options[~takes & (rng.random(n) < 0.15)] |= Option.POST_ONLY
    options[rng.random(n) < 0.08] |= Option.REDUCE_ONLY
    return options


def _aim(rng: Rng, commands: Commands, markets: Markets, weather: Weather) -> None:
    """Prices near the last one, drawn a little to the middle of the ladder, and quantities."""
    n = len(commands)
    middle = markets["price_base"] + markets["levels"].shape[1] // 2
    center = (0.95 * markets["last_price"] + 0.05 * middle)[commands["instrument"]]
    away = rng.exponential(weather.spread, n) - 0.3 * weather.spread
    away_2 = rng.exponential(weather.spread, n) - 0.1 * weather.spread
    quotes = commands["kind"] == CommandKind.QUOTE
    buys = quotes | (commands["side"] == 0)
    commands["price"] = np.rint(center + np.where(buys, -away, away))
    commands["ask_price"] = np.rint(center + away_2)
    commands["quantity"] = rng.integers(1, weather.quantity_max + 1, n)
    commands["ask_quantity"] = rng.integers(1, weather.quantity_max + 1, n)
    commands["quantity"][quotes & (rng.random(n) < 0.1)] = 0
    commands["ask_quantity"][quotes & (rng.random(n) < 0.1)] = 0


def _set_times(rng: Rng, commands: Commands, markets: Markets) -> None:
    n = len(commands)
    now = markets["now_ns"][commands["instrument"]]
    commands["time_ns"] = now + np.cumsum(rng.integers(0, 20, n))
    commands["expire_ns"] = now + rng.integers(0, 40 * n + 100, n)


def _choose_orders(rng: Rng, commands: Commands, markets: Markets) -> None:
    """Point cancels and replaces at resting orders, mostly their account's own."""
    kinds = commands["kind"]
    named = (kinds == CommandKind.CANCEL) | (kinds == CommandKind.REPLACE)
    for instrument, market in enumerate(markets):
        live = resting_orders(market)
        rows = np.flatnonzero(named & (commands["instrument"] == instrument))
        if not len(live) or not len(rows):
            continue
        orders = rng.choice(live, len(rows))
        commands["order_id"][rows] = orders["order_id"]
        own = rng.random(len(rows)) < 0.97
        commands["account"][rows[own]] = orders["account"][own]
        same_price = rng.random(len(rows)) < 0.5
        commands["price"][rows[same_price]] = orders["price"][same_price]
        near = rng.random(len(rows)) < 0.5
        changed = orders["quantity"] + rng.integers(-2, 2, len(rows))
        commands["quantity"][rows[near]] = changed[near]


def _set_limits(rng: Rng, commands: Commands, weather: Weather) -> None:
    rows = np.flatnonzero(commands["kind"] == CommandKind.SET_LIMITS)
    n = len(rows)
    limited = rng.random(n) < weather.limited
    some = weather.quantity_max
    for name, values in (
        ("expire_ns", [0, 0, some, 20 * some, 200 * some]),  # position_max
        ("order_id", [0, 0, 0, 0, 1, 10_000 * some]),  # loss_max
        ("quantity", [0, 0, some // 2, some]),  # quantity_max
        ("ask_quantity", [0, 0, 0, 3, 30]),  # n_open_max
    ):
        commands[name][rows] = np.where(limited, rng.choice(values, n), 0)


def _make_absurd(rng: Rng, commands: Commands, weather: Weather) -> None:
    """Overwrite a few values in each field with what no careful client would send."""
    n = len(commands)
    if weather.absurd == 0.0:
        return
    for name, values in (
        ("time_ns", ABSURD_64[:4]),  # the last moment of all would end the story
        ("expire_ns", ABSURD_64),
        ("price", ABSURD_PRICES),
        ("ask_price", ABSURD_PRICES),
        ("quantity", ABSURD_QUANTITIES),
        ("ask_quantity", ABSURD_QUANTITIES),
        ("instrument", np.array([-32_768, -1, 100, 32_767])),
        ("account", np.array([-32_768, -1, 8, 32_767])),
        ("kind", np.array([0, 10, 255])),
        ("side", np.array([2, 255])),
        ("options", np.arange(256)),
    ):
        rows = np.flatnonzero(rng.random(n) < weather.absurd)
        commands[name][rows] = rng.choice(values, len(rows))
    rows = np.flatnonzero(rng.random(n) < 5 * weather.absurd)
    commands["order_id"][rows] = _absurd_ids(rng, commands["order_id"][rows])


def _absurd_ids(rng: Rng, order_ids: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Nothing, extremes, a right number with a wrong slot, the number before in the same slot."""
    absurd = rng.choice(ABSURD_64, len(order_ids))
    choice = rng.integers(3, size=len(order_ids))
    return np.choose(choice, [absurd, order_ids ^ 1, np.maximum(order_ids - 512, 0)])
