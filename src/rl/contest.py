"""Strategies against each other on the same seeds: the classes that trade live, episode by episode.

An episode is run by `strategies.backtest`. What the strategy wanted is then stepped once more by the
environment, compiled, in the same market: that gives the reward, and P&L marked to the others' mid.
The two must end with the same account, so each episode also checks one engine against the other.
"""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from exchange.engine.records import FEE_UNITS
from rl.batch import MarketBatch
from rl.config import TaskConfig
from rl.interrupt import spread_over
from rl.step import AGENT
from strategies.backtest import Entrant, run_backtest
from strategies.metrics import equity, spreads
from strategies.registry import new_strategy
from strategies.strategy import Quote, Strategy, View, decision
from strategies.trader import Trader

Floats = npt.NDArray[np.float64]

SEEDS_AT_ONCE = 10  # episodes of one piece of work
CURVE_POINTS = 200  # equal parts of the episode at whose ends equity and position are kept
SOON_S = 1.0  # the first horizon of adverse selection; the second is metrics.REALIZED_AFTER_S

# One value an episode; docs/STRATEGIES.md says what they are. NaN: the episode has none.
FIGURES = (
    "pnl",
    "reward",
    "max_drawdown",
    "captured_spread",
    "realized_spread",
    "adverse_selection_1s",
    "adverse_selection_5s",
    "fill_rate",
    "mean_abs_position",
    "max_abs_position",
    "turnover",
    "volume",
    "n_fills",
    "n_orders",
    "n_refusals",
    "pnl_others_mid",
)


class Disagreement(RuntimeError):
    """The backtest and the environment ended one and the same episode differently: a bug."""


@dataclass(frozen=True)
class Contestant:
    """A strategy by its registered name or file, with parameters as `key=value` words."""

    name: str
    parameters: tuple[str, ...] = ()

    def new(self) -> Strategy:
        """A fresh one; StrategyError when there is none of that name or with these parameters."""
        return new_strategy(self.name, self.parameters)


@dataclass(frozen=True)
class Episodes:
    """What one strategy did, one row a seed."""

    figures: Floats  # (n, n_figures), in the order of FIGURES
    equity: npt.NDArray[np.float32]  # (n, n_points): tick-lots at the mid, from start to end
    position: npt.NDArray[np.float32]  # (n, n_points): lots

    def __getitem__(self, name: str) -> Floats:
        """One figure, (n,)."""
        return self.figures[:, FIGURES.index(name)]


class Recorder:
    """Asks a strategy, keeps what it wanted, and hands it on as late as the task has it."""

    def __init__(self, strategy: Strategy, latency_steps: int) -> None:
        self.strategy = strategy
        self.quotes: list[tuple[int, int, int, int]] = []
        self.takes = False
        self._late = deque([Quote()] * latency_steps)

    def decide(self, view: View) -> Quote:
        quote = decision(self.strategy, view)
        bid, ask = quote.bid_price or 0, quote.ask_price or 0
        self.quotes.append(
            (bid, quote.bid_quantity if bid else 0, ask, quote.ask_quantity if ask else 0)
        )
        self.takes |= quote.take is not None
        self._late.append(quote)
        return self._late.popleft()


def run_episodes(
    contestant: Contestant,
    task: TaskConfig,
    seeds: Sequence[int],
    curve_points: int = CURVE_POINTS,
) -> Episodes:
    """One episode of the task on each seed, in this process."""
    batch = MarketBatch(len(seeds), task, seeds)
    batch.reset()
    markets = batch.markets.copy()
    recorders = [Recorder(contestant.new(), task.latency_steps) for _ in seeds]
    traders = []
    for row, recorder in enumerate(recorders):
        market, entrant = markets[row : row + 1], Entrant(recorder, AGENT)
        traders += run_backtest(
            market,
            [entrant],
            task.episode_steps,
            step_ns=task.step_ns,
            advance=batch.advance_of(row),
        )
    rewards, pnl = _replay(batch, markets, recorders, task)
    figures = [_figures(*of_one) for of_one in zip(traders, rewards, pnl, strict=True)]
    curves = [_curves(trader, curve_points) for trader in traders]
    return Episodes(
        np.array(figures), np.stack([c[0] for c in curves]), np.stack([c[1] for c in curves])
    )


def _replay(
    batch: MarketBatch, markets: Any, recorders: Sequence[Recorder], task: TaskConfig
) -> tuple[Floats, Floats]:
    """Reward and P&L at the others' mid, (n,) each; NaN for who takes, which no action does."""
    quotes = np.array([recorder.quotes for recorder in recorders], np.float64)
    for step in range(task.episode_steps):
        batch.step_quotes(quotes[:, step])
    quoting = ~np.array([recorder.takes for recorder in recorders])
    for name in ("position", "cash", "fees"):
        there, here = markets["accounts"][name][:, AGENT], batch.markets["accounts"][name][:, AGENT]
        if not np.array_equal(there[quoting], here[quoting]):
            raise Disagreement(f"{name} {there[quoting]} in the backtest, {here[quoting]} in rl")
    rewards = batch.episodes["reward"] / task.reward_scale
    return np.where(quoting, rewards, np.nan), np.where(quoting, batch.episodes["equity"], np.nan)


def _figures(trader: Trader, reward: float, pnl_others_mid: float) -> list[float]:
    """One row of `Episodes.figures`."""
    metrics = trader.metrics()
    soon = spreads(trader.fills.array(), trader.samples.array(), SOON_S)[2]
    known = {
        **metrics.as_dict(),
        "reward": reward,
        "adverse_selection_1s": soon,
        "adverse_selection_5s": metrics.adverse_selection,
        "n_orders": trader.n_orders,
        "n_refusals": sum(trader.refusals.values()),
        "pnl_others_mid": pnl_others_mid,
    }
    return [np.nan if known[name] is None else float(known[name]) for name in FIGURES]


def _curves(
    trader: Trader, n_parts: int
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Equity and position over time, at most n_parts + 1 points, both ends among them."""
    samples = trader.samples.array()
    points = np.linspace(0, len(samples) - 1, min(len(samples), n_parts + 1)).astype(np.int64)
    money = equity(samples)[points] / FEE_UNITS
    return money.astype(np.float32), samples["position"][points].astype(np.float32)


def run_contest(
    contestants: Sequence[Contestant],
    task: TaskConfig,
    seeds: Sequence[int],
    *,
    n_processes: int = 1,
    curve_points: int = CURVE_POINTS,
    progress: Callable[[int], None] = lambda n_episodes: None,
) -> list[Episodes]:
    """Every contestant on every seed; the same bytes whatever the number of processes.

    curve_points: equal parts of the episode at whose ends equity and position are kept.
    progress: called with the number of episodes, each time some are done.
    """
    work = [
        (contestant, task, list(seeds[first : first + SEEDS_AT_ONCE]), curve_points)
        for contestant in contestants
        for first in range(0, len(seeds), SEEDS_AT_ONCE)
    ]
    done: list[Episodes | None] = [None] * len(work)
    for place, episodes in _run_pieces(work, n_processes):
        done[place] = episodes
        progress(len(episodes.figures))
    pieces = [episodes for episodes in done if episodes is not None]
    per_contestant = len(work) // len(contestants)
    return [
        _joined(pieces[first : first + per_contestant])
        for first in range(0, len(pieces), per_contestant)
    ]


def _run_pieces(work: Sequence[Any], n_processes: int) -> Iterator[tuple[int, Episodes]]:
    """(place, result) of each piece of work, in order."""
    with spread_over(min(n_processes, len(work))) as spread:
        yield from enumerate(spread(_run_piece, work))


def _run_piece(piece: tuple[Contestant, TaskConfig, Sequence[int], int]) -> Episodes:
    return run_episodes(*piece)


def _joined(pieces: Sequence[Episodes]) -> Episodes:
    return Episodes(
        np.concatenate([piece.figures for piece in pieces]),
        np.concatenate([piece.equity for piece in pieces]),
        np.concatenate([piece.position for piece in pieces]),
    )
