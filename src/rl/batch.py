"""Many market-making episodes at once, as arrays: the core that every environment is a face of.

`reset` and `step` are apart and nothing resets by itself, since each learning library wants that
done in its own way. Row i comes out as that market alone would, byte for byte.
"""

from collections.abc import Callable, Sequence
from math import isfinite
from typing import Any

import numba
import numpy as np
import numpy.typing as npt

from exchange.engine.accounts import set_default_limits
from exchange.engine.kernel import entry_point
from exchange.engine.participants import FlowKind
from exchange.engine.records import (
    TRAINING_MARKET,
    Markets,
    blank_records,
    field_offset,
    new_markets,
)
from exchange.simulation.presets import (
    POISSON_WARM_UP_STEPS,
    PRESETS,
    WARM_UP_LEVELS,
    WARM_UP_LOTS,
    WARM_UP_STEPS,
    set_parameters,
    start_participants,
)
from exchange.simulation.step import advance, fill_book
from rl.config import OPENING, ConfigError, TaskConfig, predictor_weights
from rl.recorded import RecordedRows
from rl.seeds import episode_seed
from rl.step import AGENT, EPISODE, TASK, begin_rows, blank_rows, step_rows, step_rows_parallel
from rl.step_recorded import begin_recorded_row, step_recorded_rows
from strategies.actions import WIDTHS, ActionKind, action_kind
from strategies.backtest import Advance
from strategies.features import (
    Observations,
    feature_columns,
    feature_names,
    new_histories,
)

Rows = npt.NDArray[np.bool_]
Step = tuple[Observations, npt.NDArray[np.float32], Rows]
EPISODE_FIELDS = EPISODE.names or ()
WORD = np.dtype(np.uint64)
BYTES_MAX = 2**33  # of all markets of a batch


class MarketBatch:
    """n market-making episodes. The arrays it returns are its own: the next call overwrites them.

    seeds: one a row, 0 .. n-1 unless given; the market of a row's first episode is that of
    `new_simulated_markets(1, [seed])`, those of its later ones follow from its seed and their
    number. predictor: weights as `strategies.observe.write_score` takes them, those
    of the task unless given. n_threads: of numba's.
    stagger: end the first episodes early, one row after the other, so that not all rows start anew
    in the same step.
    """

    def __init__(
        self,
        n: int,
        config: TaskConfig | None = None,
        seeds: Sequence[int] | None = None,
        *,
        predictor: npt.NDArray[np.float64] | None = None,
        n_threads: int = 1,
        stagger: bool = False,
    ) -> None:
        if n < 1:
            raise ValueError(f"a batch needs at least one market, not {n}")
        if n_threads < 1:
            raise ValueError(f"n_threads is at least 1, not {n_threads}")
        self.config = config or TaskConfig()
        self.n = n
        self.n_threads = min(n_threads, numba.config.NUMBA_NUM_THREADS)
        self.feature_names = feature_names(self.config.features)
        self.stagger = stagger

        self._recorded = RecordedRows(n, self.config) if self.config.is_recorded else None
        dtype = TRAINING_MARKET if self._recorded is None else self._recorded.dtype
        if n * dtype.itemsize > BYTES_MAX:
            raise ConfigError(
                f"{n:,} markets of {dtype.itemsize:,} bytes: a batch has at most {BYTES_MAX:,}"
            )
        self.seeds = _check_seeds(range(n) if seeds is None else seeds, n)
        self.n_episodes = np.zeros(n, np.int64)  # begun so far, a row
        self._all_begun = False  # known, so that a step need not look at every row
        self._backwards = False  # the order in which a step goes through the rows
        self._step_rows: Callable[..., Any] | None = None  # compiled for these arrays
        self.markets = blank_records(n, dtype)
        self.histories = new_histories(n)
        self.episodes = blank_records(n, EPISODE)
        self.observations = np.zeros((n, len(self.feature_names)), np.float32)
        self.rewards = np.zeros(n, np.float32)
        self.ended = np.zeros(n, np.bool_)

        self._see_words()
        self._task = _task_record(self.config)
        self._width = WIDTHS[action_kind(self.config.action)]
        self._columns = feature_columns(self.config.features)
        self._predictor = predictor_weights(
            self.config.predictor if predictor is None else predictor
        )
        self._all = np.ones(n, np.bool_)
        if self._recorded is None:
            self._keep_opening()

    def _see_words(self) -> None:
        """Records are cleared by their words: numpy would go through their fields one by one."""
        self._history_words = _words(self.histories)
        self._episode_words = _words(self.episodes)
        # of silent markets no event is ever written: that part stays blank
        n_words = field_offset(self.markets, "events") // WORD.itemsize
        self._market_words = _words(self.markets)[:, :n_words]

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_step_rows": None}  # compiled code is not copied

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._see_words()  # those that came along are no longer the records' own

    def _keep_opening(self) -> None:
        """What every simulated episode begins with, before its seed."""
        n_words = self._market_words.shape[1]
        self._template = _words(_opened_market(self.config))[0, :n_words]
        self._warm_up_steps = _warm_up_steps(self.config)

    def reset(self, mask: Rows | None = None, seeds: Sequence[int] | None = None) -> Observations:
        """Begin the next episode in the rows of `mask`, (n,); without one, in all.

        seeds: new ones for those rows; their count of episodes starts anew. Returns the
        observations of all rows, float32 (n, n_features). Raises ValueError for a mask that is not
        bool (n,).
        """
        rows = self._rows(mask)
        if seeds is not None:
            self.seeds[rows] = _check_seeds(seeds, int(np.count_nonzero(rows)))
            self.n_episodes[rows] = 0
            self._all_begun = False
        self._begin(rows)
        return self.observations

    def _rows(self, mask: Rows | None) -> Rows:
        """The rows that are meant. A mask that is none would be read beyond its end."""
        if mask is None:
            return self._all
        rows = np.ascontiguousarray(mask)
        if rows.dtype != np.bool_ or rows.shape != (self.n,):
            raise ValueError(f"a mask is bool ({self.n},), this one {rows.dtype} {rows.shape}")
        return rows

    def _begin(self, rows: Rows) -> None:
        if self._recorded is None:
            self._begin_simulated(rows)
        else:
            self._begin_recorded(self._recorded, rows)
        if not self._all_begun:
            if self.stagger:
                self._stagger(rows & (self.n_episodes == 1))
            self._all_begun = bool(self.n_episodes.all())

    def _begin_recorded(self, recorded: RecordedRows, rows: Rows) -> None:
        self._history_words[rows] = 0
        self._episode_words[rows] = 0
        for row in rows.nonzero()[0].tolist():
            begin_recorded_row(
                self.markets,
                row,
                self._task,
                self._columns,
                self._predictor,
                recorded.begin(row, self.markets, self._next_seed(row)),
                recorded.orders,
                self.histories,
                self.episodes,
                self.observations,
                self.ended,
                self.n_episodes,
            )

    def _next_seed(self, row: int) -> int:
        """Of the episode that begins in a row now."""
        return int(episode_seed(self.seeds[row], self.n_episodes[row]))

    def _begin_simulated(self, rows: Rows) -> None:
        blank_rows(
            rows,
            self.seeds,
            self.n_episodes,
            self._template,
            self._market_words,
            self._history_words,
            self._episode_words,
            self.markets,
        )
        if self.config.ranges:
            self._draw_parameters(rows)
        begin_rows(
            self.markets,
            rows,
            self._task,
            self._columns,
            self._predictor,
            self._warm_up_steps,
            self.histories,
            self.episodes,
            self.observations,
            self.ended,
            self.n_episodes,
        )

    def _draw_parameters(self, rows: Rows) -> None:
        """Each parameter in `ranges`, for the episodes that begin: a function of their seeds alone."""
        bounds = np.array(list(self.config.ranges.values()), np.float64)
        for row in rows.nonzero()[0].tolist():
            random = np.random.default_rng(np.random.SeedSequence([self._next_seed(row), 1]))
            drawn = random.uniform(bounds[:, 0], bounds[:, 1])
            for name, value in zip(self.config.ranges, drawn, strict=True):
                self.markets["flow"][name][row] = value

    def _stagger(self, rows: Rows) -> None:
        length = self.config.episode_steps
        self.episodes["n_steps_max"][rows] = length - rows.nonzero()[0] * length // self.n

    def step(self, actions: npt.ArrayLike, mask: Rows | None = None) -> Step:
        """Take one action a row, (n, 3); rows not in `mask` stay as they are.

        Returns (observations (n, n_features), rewards (n,), ended (n,)). A row that has ended must
        be reset before it steps on. Raises RuntimeError for one that has not been reset at all, and
        ValueError for actions that are not finite numbers of that shape and for a mask that is not
        bool (n,).
        """
        return self._step(self._task, self._width, actions, mask)

    def step_quotes(self, quotes: npt.ArrayLike, mask: Rows | None = None) -> Step:
        """The same with quotes, (n, 4): bid price, bid lots, ask price, ask lots; 0 is no order."""
        task = self._task.copy()
        task["action_kind"] = int(ActionKind.QUOTE)
        return self._step(task, WIDTHS[ActionKind.QUOTE], quotes, mask)

    def _step(
        self, task: npt.NDArray[Any], width: int, actions: npt.ArrayLike, mask: Rows | None
    ) -> Step:
        numbers = np.ascontiguousarray(actions, np.float64)
        if numbers.shape != (self.n, width):
            raise ValueError(f"actions are ({self.n}, {width}), these {numbers.shape}")
        if not isfinite(np.vdot(numbers, numbers)):  # twice as quick as asking each one
            raise ValueError("actions are finite numbers (below 1e150); these hold others")
        rows = self._rows(mask)
        if not self._all_begun and not self.n_episodes[rows].all():
            raise RuntimeError("reset a batch before its first step")
        arrays = (
            self.markets,
            task,
            self._columns,
            self._predictor,
            numbers,
            rows,
            self.histories,
            self.episodes,
            self.observations,
            self.rewards,
            self.ended,
        )
        if self._recorded is not None:
            step_recorded_rows(*arrays, self._recorded.messages, self._recorded.orders)
        elif self.n_threads == 1:
            self._backwards = not self._backwards
            if self._step_rows is None:
                types = tuple(map(numba.typeof, (*arrays, self._backwards)))
                self._step_rows = entry_point(step_rows, types)
            self._step_rows(*arrays, self._backwards)
        else:
            self._step_parallel(arrays)
        return self.observations, self.rewards, self.ended

    def _step_parallel(self, arrays: tuple[Any, ...]) -> None:
        before = numba.get_num_threads()
        numba.set_num_threads(self.n_threads)
        try:
            step_rows_parallel(*arrays)
        finally:
            numba.set_num_threads(before)

    def advance_of(self, row: int) -> Advance:
        """What moves a copy of a row's market on from here, for `strategies.backtest`."""
        return advance if self._recorded is None else self._recorded.advance_of(row)

    @property
    def depths(self) -> npt.NDArray[Any]:
        """What each trader sees of its market now: (n,) of DEPTH."""
        depths: npt.NDArray[Any] = self.histories["depth"]
        return depths

    @property
    def pnl(self) -> npt.NDArray[np.float64]:
        """Equity of each row's episode so far, tick-lots after fees, at the mark: (n,)."""
        equity: npt.NDArray[np.float64] = self.episodes["equity"].copy()
        return equity

    def summary(self, row: int) -> dict[str, float]:
        """How a row's episode went, for reports: money in tick-lots, positions in lots."""
        episode = dict(zip(EPISODE_FIELDS, self.episodes[row].item(), strict=True))
        n_steps, ordered = max(episode["n_steps"], 1), episode["lots_ordered"]
        pnl, capital = episode["equity"], self._capital(row)
        account = self.markets["accounts"][row, AGENT]
        lots_filled = int(account["bought"] + account["sold"])
        return {
            "pnl": pnl,
            "pnl_pct": 100 * pnl / capital,
            "final_worth": capital + pnl,
            "reward": episode["reward"],
            "n_steps": episode["n_steps"],
            "max_drawdown": episode["drawdown_max"],
            "spread_captured": episode["spread_captured"],
            "mean_abs_position": episode["positions"] / n_steps,
            "max_abs_position": episode["position_max"],
            "position": int(account["position"]),
            "n_fills": int(account["n_fills"]),
            "lots_filled": lots_filled,
            "fill_rate": lots_filled / ordered if ordered else 0.0,
            "seed": int(episode_seed(self.seeds[row], self.n_episodes[row] - 1)),
        }

    def _capital(self, row: int) -> float:
        """What the largest position cost at the first mid: what P&L is a share of, tick-lots."""
        return max(0.5 * float(self.histories["reference_twice"][row]), 1.0) * (
            self.config.position_max * self.config.unit_lots
        )


def _check_seeds(seeds: Sequence[int], n: int) -> npt.NDArray[np.int64]:
    if len(seeds) != n:
        raise ValueError(f"{n} rows need as many seeds, not {len(seeds)}")
    if not all(isinstance(seed, (int, np.integer)) and 0 <= seed < 2**62 for seed in seeds):
        raise ValueError("seeds are whole numbers within 0 .. 2**62 - 1")
    return np.array([int(seed) for seed in seeds], np.int64)


def _task_record(config: TaskConfig) -> npt.NDArray[Any]:
    task = np.zeros(1, TASK)
    task["action_kind"] = int(action_kind(config.action))
    for name in (
        "step_ns",
        "episode_steps",
        "latency_steps",
        "position_max",
        "unit_lots",
        "skew",
        "reward_scale",
        "equity_clip",
        "pnl_target",
    ):
        task[name] = getattr(config, name)
    task["weights"] = config.reward_weights
    return task


def _words(records: npt.NDArray[Any]) -> npt.NDArray[np.uint64]:
    """The same memory, (n, words of a record)."""
    return records.view(WORD).reshape(len(records), -1)


def _opened_market(config: TaskConfig) -> Markets:
    """One market that waits for its seed and its warm-up, its book filled as at every opening."""
    overrides = dict(config.overrides)
    opening: dict[str, Any] = {
        name: int(overrides.pop(name)) for name in OPENING if name in overrides
    }
    markets = new_markets(
        1,
        [0],
        maker_fee_ppm=config.maker_fee_ppm,
        taker_fee_ppm=config.taker_fee_ppm,
        **opening,
    )
    set_parameters(markets, {**PRESETS[config.market], **overrides})
    start_participants(markets)
    set_default_limits(markets, AGENT)
    markets["silent"] = 1  # accounts and depth tell an episode all
    fill_book(markets[0], WARM_UP_LEVELS, WARM_UP_LOTS)
    return markets


def _warm_up_steps(config: TaskConfig) -> int:
    kind = FlowKind(int(PRESETS[config.market].get("kind", FlowKind.CROWD)))
    return {FlowKind.NONE: 0, FlowKind.POISSON: POISSON_WARM_UP_STEPS}.get(kind, WARM_UP_STEPS)
