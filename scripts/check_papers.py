"""Check the shipped market makers against the papers they come from, with the strategies' own code.

Avellaneda and Stoikov (2008), tables for gamma 0.1: their model (mid moves by +-sigma sqrt(dt), a
quote at a distance fills with probability A exp(-k distance) dt) is run with the prices that
`AvellanedaStoikov` and `SymmetricMaker` quote. Gueant, Lehalle and Fernandez-Tapia: the distances
that `Glft` quotes with the figure's parameters. Exits with 1 when one differs by more than its
error.
"""

import argparse
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from math import sqrt
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from strategies.avellaneda_stoikov import AvellanedaStoikov
from strategies.glft import Glft
from strategies.symmetric_mm import SymmetricMaker

PATHS_PUBLISHED = 1_000
Z_MAX = 3.0  # standard errors of the difference

# The paper's model, section 3.3
MID, SIGMA, END, DT, K, A = 100.0, 2.0, 1.0, 0.005, 1.5, 140.0
GAMMA = 0.1
SPREAD = 1.49  # of both strategies, on average
PUBLISHED = {  # profit, its standard deviation, standard deviation of the final position
    "inventory": (65.0, 6.6, 2.9),
    "symmetric": (68.4, 12.7, 8.4),
}
ROUNDING = (0.05, 0.05, 0.05)  # half a unit of the last digit printed

# Depth of the bid and of the ask: sigma 0.4, A 0.9, k 0.3, gamma 0.01, 600 s left
Form = Literal["closed_form", "exact"]
GLFT_PUBLISHED: dict[tuple[Form, int], tuple[float, float]] = {
    ("exact", 0): (3.3245, 3.3245),
    ("exact", 1): (3.4154, 3.2335),
    ("closed_form", 0): (3.3242, 3.3242),
}
GLFT_ERROR = 0.00005

Prices = Callable[[float, int, float], tuple[float, float]]  # mid, position, time left


@dataclass(frozen=True)
class Outcome:
    """Many runs of one strategy: profits and final positions, (n_paths,), and the mean spread."""

    profits: npt.NDArray[np.float64]
    positions: npt.NDArray[np.int64]
    spread: float

    def figures(self) -> tuple[float, float, float]:
        """What the paper's table shows."""
        return (
            float(self.profits.mean()),
            float(self.profits.std(ddof=1)),
            float(self.positions.std(ddof=1)),
        )

    def errors(self, n_paths: int) -> tuple[float, float, float]:
        """Standard errors of the same for n_paths of such paths; fat tails are counted in."""
        return (
            float(self.profits.std()) / sqrt(n_paths),
            _deviation_error(self.profits, n_paths),
            _deviation_error(self.positions, n_paths),
        )


def _deviation_error(values: npt.NDArray[Any], n_paths: int) -> float:
    """Standard error of a standard deviation: var(s^2) = (m4 - m2^2) / n, and ds = ds^2 / 2s."""
    centered = values - values.mean()
    second, fourth = (centered**2).mean(), (centered**4).mean()
    return float(sqrt((fourth - second**2) / n_paths) / (2 * sqrt(second)))


def simulate(prices: Prices, n_paths: int, seed: int) -> Outcome:
    """Run one strategy on n_paths of the paper's model."""
    random = np.random.default_rng(seed)
    mid = np.full(n_paths, MID)
    cash, position = np.zeros(n_paths), np.zeros(n_paths, np.int64)
    n_steps, spread = round(END / DT), 0.0
    for step in range(n_steps):
        below, above = distances(prices, position, END - step * DT)
        spread += float((below + above).mean()) / n_steps
        bought = random.random(n_paths) < A * np.exp(-K * below) * DT
        sold = random.random(n_paths) < A * np.exp(-K * above) * DT
        position += bought.astype(np.int64) - sold
        cash += sold * (mid + above) - bought * (mid - below)
        mid += SIGMA * sqrt(DT) * np.where(random.random(n_paths) < 0.5, 1.0, -1.0)
    return Outcome(cash + position * mid, position, spread)


def distances(
    prices: Prices, position: npt.NDArray[np.int64], time_left: float
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Of bid and ask from the mid for each path; a strategy is asked once for each position."""
    held, row = np.unique(position, return_inverse=True)
    quotes = np.array([prices(0.0, int(q), time_left) for q in held])
    return -quotes[row, 0], quotes[row, 1]


def paper_strategies() -> dict[str, Prices]:
    """The shipped classes with the paper's parameters."""
    inventory = AvellanedaStoikov(
        risk_aversion=GAMMA, fill_decay=K, volatility=SIGMA, time_left_max_s=END
    )
    symmetric = SymmetricMaker(half_spread=SPREAD / 2)
    return {
        "inventory": lambda mid, q, time_left: inventory.prices(mid, q, SIGMA, time_left),
        "symmetric": lambda mid, _q, _time_left: symmetric.prices(mid),
    }


def check_avellaneda_stoikov(n_paths: int, seed: int) -> dict[str, Any]:
    """Each figure of the table with ours and their difference in standard errors."""
    report = {}
    for name, prices in paper_strategies().items():
        outcome = simulate(prices, n_paths, seed)
        own, theirs = outcome.errors(n_paths), outcome.errors(PATHS_PUBLISHED)
        rows = zip(outcome.figures(), PUBLISHED[name], own, theirs, ROUNDING, strict=True)
        scores = [
            (ours - published) / sqrt(error**2 + their_error**2 + rounding**2)
            for ours, published, error, their_error, rounding in rows
        ]
        report[name] = {
            "figures": [round(figure, 3) for figure in outcome.figures()],
            "published": PUBLISHED[name],
            "standard_errors_apart": [round(score, 2) for score in scores],
            "spread": round(outcome.spread, 4),
        }
    return report


def check_glft() -> dict[str, Any]:
    """The depths at positions 0 and 1, ours and the paper's."""
    report = {}
    for (form, position), published in GLFT_PUBLISHED.items():
        maker = Glft(0.01, 0.3, 0.9, 0.4, form, quantity=1, position_max=30)
        report[f"{form} at {position}"] = {
            "figures": [round(depth, 6) for depth in maker.depths(position, 0.4, 600.0)],
            "published": published,
        }
    return report


def all_agree(report: dict[str, Any]) -> bool:
    """Whether every figure is within its error."""
    scores = [
        score
        for rows in report["avellaneda_stoikov"].values()
        for score in (*rows["standard_errors_apart"], (rows["spread"] - SPREAD) / 0.005 * Z_MAX)
    ]
    misses = [
        abs(ours - theirs)
        for rows in report["glft"].values()
        for ours, theirs in zip(rows["figures"], rows["published"], strict=True)
    ]
    return bool(max(map(abs, scores)) <= Z_MAX and max(misses) <= GLFT_ERROR)


def check_papers(n_paths: int, seed: int) -> dict[str, Any]:
    """Both checks; `agree` says whether all is within its error."""
    report: dict[str, Any] = {
        "n_paths": n_paths,
        "seed": seed,
        "avellaneda_stoikov": check_avellaneda_stoikov(n_paths, seed),
        "glft": check_glft(),
    }
    report["agree"] = all_agree(report)
    return report


def main() -> int:
    """Print what came out; 0 when all agree."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--paths", type=int, default=20_000, help="default 20,000")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    arguments = parser.parse_args()
    if arguments.paths < 100:
        parser.error("--paths must be 100 or more")
    report = check_papers(arguments.paths, arguments.seed)
    if arguments.json:
        print(json.dumps(report))
        return 0 if report["agree"] else 1
    for paper in ("avellaneda_stoikov", "glft"):
        for name, rows in report[paper].items():
            print(f"{paper}, {name}:")
            for label, values in rows.items():
                print(f"  {label:<22} {values}")
    print("all within their errors" if report["agree"] else "DIFFERS")
    return 0 if report["agree"] else 1


if __name__ == "__main__":
    sys.exit(main())
