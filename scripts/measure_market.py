"""What is the simulated market like? Its statistics, beside those of real recordings.

    python scripts/measure_market.py --preset default --seeds 60 --steps 5000
    python scripts/measure_market.py --set value_sd=0.4 --set stickiness=0
    python scripts/measure_market.py --impact         what a large order does to the price
    python scripts/measure_market.py --poisson        the table of Cont, Stoikov and Talreja
    python scripts/measure_market.py --parameters     every parameter with its unit and source

The recordings are read from `../shared/data` where it exists: AMZN (level 1, a day) and MSFT
(messages without a book, an hour: returns from trade prices less half a tick in the trade's
direction).
"""

import argparse
import gzip
import json
import sys
from dataclasses import asdict, astuple
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.table import Table

from exchange.simulation.cont_stoikov_talreja import TABLE_3, measure_table_3
from exchange.simulation.impact import STEPS_AFTER, measure_impact
from exchange.simulation.presets import PARAMETERS, PRESETS, check_overrides, new_simulated_markets
from exchange.simulation.stylized_facts import STEPS_PER_S, Tape, facts, record_tape

DATA = Path(__file__).parents[2] / "shared" / "data"
AMZN = "lobster_AMZN_20120621_fullday_{}_1.csv.gz"
MSFT = "lobster_MSFT_20120621_0930-1030_message_50.csv.gz"
TICK = 100  # LOBSTER counts in hundredths of a cent
ADDED, EXECUTED = 1, 4
IMPACT_LOTS = (8, 16, 32, 64, 128)
IMPACT_MARKETS = 800

Floats = npt.NDArray[np.float64]


def read_rows(path: Path) -> Floats:
    with gzip.open(path, "rt") as lines:
        return np.loadtxt(lines, delimiter=",")


def sampled(times: Floats, values: Floats) -> Floats:
    """The value in force every 250 ms from the first row on, as one row of a tape."""
    grid = np.arange(times[0], times[-1], 1 / STEPS_PER_S)
    return values[np.searchsorted(times, grid, side="right") - 1][None, :]


def market_orders(messages: Floats) -> tuple[Floats, npt.NDArray[np.int64]]:
    """Rows of visible executions, and the sign of each market order (rows of one time and side)."""
    rows = messages[messages[:, 1] == EXECUTED]
    first = np.ones(len(rows), np.bool_)
    first[1:] = (np.diff(rows[:, 0]) != 0) | (np.diff(rows[:, 5]) != 0)
    return rows, np.where(rows[first, 5] > 0, -1, 1)  # the resting order's side, turned


def lots_traded(messages: Floats, executions: Floats) -> Floats:
    grid = np.arange(messages[0, 0], messages[-1, 0], 1 / STEPS_PER_S)
    places = np.searchsorted(executions[:, 0], grid, side="right")
    total = np.concatenate([[0.0], np.cumsum(executions[:, 3])])
    return np.diff(total[places])[None, :]


def amzn_tape(folder: Path) -> Tape:
    """A day of best prices, in ticks."""
    messages, book = (read_rows(folder / AMZN.format(kind)) for kind in ("message", "orderbook"))
    executions, signs = market_orders(messages)
    ask, ask_lots, bid, bid_lots = (sampled(messages[:, 0], column) for column in book.T)
    ask, bid = ask / TICK, bid / TICK
    return Tape(
        mid=(bid + ask) / 2,
        spread=ask - bid,
        bid_quantity=bid_lots,
        ask_quantity=ask_lots,
        bid=bid,
        ask=ask,
        volume=lots_traded(messages, executions),
        signs=[signs],
        profile=np.full(0, np.nan),
        n_rested=0,
        n_filled=0,
    )


def msft_tape(folder: Path) -> Tape:
    """An hour without a book: prices from trades, spread and depth unknown."""
    messages = read_rows(folder / MSFT)
    executions, signs = market_orders(messages)
    mids = executions[:, 4] / TICK + 0.5 * np.sign(executions[:, 5])
    mid = sampled(executions[:, 0], mids)
    added = np.unique(messages[messages[:, 1] == ADDED, 2])
    unknown = np.full_like(mid, np.nan)
    return Tape(
        mid=mid,
        spread=unknown,
        bid_quantity=unknown,
        ask_quantity=unknown,
        bid=unknown,
        ask=unknown,
        volume=lots_traded(executions, executions),
        signs=[signs],
        profile=np.full(0, np.nan),
        n_rested=len(added),
        n_filled=len(np.intersect1d(added, executions[:, 2])),
    )


def recorded_facts(folder: Path) -> dict[str, dict[str, float]]:
    """Facts of the recordings that are there."""
    found = {}
    if (folder / AMZN.format("orderbook")).exists():
        found["AMZN day"] = facts(amzn_tape(folder))
    if (folder / MSFT).exists():
        found["MSFT hour"] = facts(msft_tape(folder))
    return found


def print_facts(console: Console, columns: dict[str, dict[str, float]]) -> None:
    table = Table(
        "statistic", *columns, title="Stylized facts (prices in ticks, quantities in lots)"
    )
    for name in max(columns.values(), key=len):
        table.add_row(name, *(_number(found.get(name)) for found in columns.values()))
    console.print(table)


def _number(value: float | None) -> str:
    return "" if value is None or not np.isfinite(value) else f"{value:.3g}"


def finite(found: dict[str, float]) -> dict[str, float | None]:
    """JSON knows no NaN."""
    return {name: value if np.isfinite(value) else None for name, value in found.items()}


def measure_poisson(console: Console, n_paths: int, seed: int, as_json: bool) -> None:
    found = measure_table_3(n_paths, seed)
    worst = max(abs(found[key].probability - paper) for key, paper in TABLE_3.items())
    if as_json:
        rows = [
            {
                "bid": key[0],
                "ask": key[1],
                "paper": paper,
                "measured": found[key].probability,
                "standard_error": found[key].standard_error,
                "paths": found[key].n_paths,
            }
            for key, paper in TABLE_3.items()
        ]
        print(json.dumps({"table_3": rows, "largest_difference": worst}))
        return
    title = f"P(mid goes up next), {n_paths:,} paths each; largest difference {worst:.4f}"
    table = Table("lots bid", "lots asked", "paper", "measured", "standard error", title=title)
    for key, paper in TABLE_3.items():
        up = found[key]
        table.add_row(
            *map(str, key), f"{paper:.3f}", f"{up.probability:.4f}", f"{up.standard_error:.4f}"
        )
    console.print(table)


def print_impact(console: Console, chosen: argparse.Namespace) -> None:
    """Impact of orders of several sizes, less what the same markets do without them."""
    found = [
        measure_impact(lots, IMPACT_MARKETS, chosen.seed, chosen.preset, **chosen.overrides)
        for lots in IMPACT_LOTS
    ]
    if chosen.json:
        print(json.dumps({"impact": [asdict(impact) for impact in found]}))
        return
    title = f"Mid move in ticks, {IMPACT_MARKETS} markets each"
    table = Table("lots", "at its end", "+-", f"{STEPS_AFTER} steps later", "+-", title=title)
    for impact in found:
        table.add_row(str(impact.lots), *(f"{value:.2f}" for value in astuple(impact)[1:]))
    console.print(table)


def print_parameters(console: Console, preset: str) -> None:
    changes: dict[str, Any] = PRESETS[preset]
    table = Table("parameter", "value", "unit", "source", title=f"preset {preset}")
    for name, parameter in PARAMETERS.items():
        value = changes.get(name, parameter.default)
        table.add_row(name, f"{value:.6g}", parameter.unit, parameter.source)
    console.print(table)


def parameter_and_value(text: str) -> tuple[str, float]:
    name, _, value = text.partition("=")
    return name, float(value)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--preset", default="default", choices=[*PRESETS])
    parser.add_argument("--set", action="append", default=[], metavar="PARAMETER=VALUE")
    parser.add_argument("--seeds", type=int, default=60, help="markets to average over (1 .. 1000)")
    parser.add_argument("--seed", type=int, default=0, help="the first seed")
    parser.add_argument("--steps", type=int, default=5_000, help="of 250 ms (240 .. 100000)")
    parser.add_argument("--poisson", action="store_true", help="measure the Poisson table instead")
    parser.add_argument("--impact", action="store_true", help="measure large orders instead")
    parser.add_argument("--paths", type=int, default=400_000, help="for each entry of that table")
    parser.add_argument("--parameters", action="store_true", help="print the preset's parameters")
    parser.add_argument("--data", type=Path, default=DATA, help="folder of the recordings")
    parser.add_argument("--json", action="store_true")
    chosen = parser.parse_args()
    if not (1 <= chosen.seeds <= 1_000 and 240 <= chosen.steps <= 100_000):
        parser.error("--seeds is 1 .. 1000, --steps 240 .. 100000")
    try:
        chosen.overrides = dict(map(parameter_and_value, chosen.set))
        check_overrides(chosen.overrides, 1)
    except ValueError as error:
        parser.error(str(error))
    if not (1 <= chosen.paths <= 10**8 and chosen.seed >= 0):
        parser.error("--paths is 1 .. 100000000, --seed not negative")
    return chosen


def main() -> int:
    chosen = arguments()
    console = Console()
    if chosen.parameters:
        print_parameters(console, chosen.preset)
    elif chosen.poisson:
        measure_poisson(console, chosen.paths, chosen.seed, chosen.json)
    elif chosen.preset == "empty":
        print("nobody trades in the empty market: there is nothing to measure", file=sys.stderr)
        return 2
    else:
        if chosen.impact:
            print_impact(console, chosen)
            return 0
        seeds = range(chosen.seed, chosen.seed + chosen.seeds)
        markets = new_simulated_markets(
            chosen.seeds, seeds, preset=chosen.preset, **chosen.overrides
        )
        name = " ".join([chosen.preset, *chosen.set])
        columns = {name: facts(record_tape(markets, chosen.steps))}
        columns.update(recorded_facts(chosen.data))
        if chosen.json:
            print(json.dumps({name: finite(found) for name, found in columns.items()}))
        else:
            print_facts(console, columns)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
