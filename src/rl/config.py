"""Everything that defines a task: market, observation, action, reward. Saved beside every policy."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from exchange.engine.records import MAKER_FEE_PPM_MAX, TAKER_FEE_PPM_MAX
from exchange.simulation.presets import PRESETS as MARKETS
from exchange.simulation.presets import check_overrides
from exchange.simulation.recorded.read import FORMATS
from rl.rewards import GUIDE, PRIVILEGED, TERMINAL, TERMS
from strategies.actions import KINDS, UNIT_LOTS_MAX, ActionKind
from strategies.features import check_predictor, feature_names

STEPS_MAX = 10_000_000  # in one episode
LATENCY_STEPS_MAX = 8
POSITION_MAX = 1_000_000  # lots
PARTS = ("train", "validation", "test", "all")  # of a recording
OPENING = ("open_price", "band_ticks")  # overrides that are not the participants': ticks
# a policy's; quotes are for baselines over arrays: `MarketBatch.step_quotes`
ACTIONS = tuple(name for name, kind in KINDS.items() if kind != ActionKind.QUOTE)


class ConfigError(ValueError):
    """A task that does not exist or cannot be."""


@dataclass(frozen=True)
class TaskConfig:
    """One market-making task. Prices are ticks, quantities lots, money tick-lots."""

    # the market
    market: str = "default"  # a preset of exchange.simulation, or the file of a recording
    market_format: str = "lobster"  # of the file
    market_orderbook: str = ""  # the venue's own book, where it is a file of its own
    market_split: tuple[float, float] = (0.6, 0.8)  # of its time: to train, to validate, to test
    market_part: str = "train"  # of PARTS
    overrides: Mapping[str, float] = field(default_factory=dict)  # its parameters, changed
    ranges: Mapping[str, Sequence[float]] = field(default_factory=dict)  # drawn anew each episode
    maker_fee_ppm: int = 0  # millionths of the notional; negative is a rebate
    taker_fee_ppm: int = 0
    # the decisions
    step_ns: int = 250_000_000  # market time from one to the next
    episode_steps: int = 1_000
    latency_steps: int = 0  # how many steps later a quote reaches the market
    # what is seen
    features: str | tuple[str, ...] = "default"  # a preset of strategies.features, or names
    predictor: Sequence[Sequence[float]] = ()  # weights behind the feature `score`
    # what is done
    action: str = "multi_discrete"  # of ACTIONS
    unit_lots: int = 1  # what the trader sees of itself and may do counts units of so many lots
    skew: float = 0.3  # ticks a unit: how far a reservation price leans by itself
    position_max: int = 50  # units: quotes are cut so that they cannot carry the position beyond it
    # what it is worth
    reward: Mapping[str, float] = field(default_factory=lambda: dict(GUIDE))
    reward_scale: float = 1.0
    equity_clip: float = 12.0  # tick-lots, of equity_change_clipped and pnl_variance
    pnl_target: float = 0.03  # tick-lots a step, of pnl_variance

    def __post_init__(self) -> None:
        if not isinstance(self.features, str):
            object.__setattr__(self, "features", tuple(self.features))
        ranges = {name: tuple(bounds) for name, bounds in self.ranges.items()}
        object.__setattr__(self, "ranges", ranges)
        weights = predictor_weights(self.predictor)
        object.__setattr__(self, "predictor", tuple(map(tuple, weights.tolist())))
        self._check_market()
        self._check_features()
        self._check_numbers()
        self._check_reward()

    @property
    def is_recorded(self) -> bool:
        """Whether the market is a recording."""
        return self.market not in MARKETS

    @property
    def market_bounds(self) -> tuple[float, float]:
        """Where the part of the recording lies, 0 .. 1 of its time."""
        first, second = self.market_split
        bounds = {"train": (0.0, first), "validation": (first, second), "test": (second, 1.0)}
        return bounds.get(self.market_part, (0.0, 1.0))

    def on(self, part: str) -> "TaskConfig":
        """The same task on another part of its recording; simulated markets differ by seed alone."""
        return self.change(market_part=part) if self.is_recorded else self

    def _check_recording(self) -> None:
        if not Path(self.market).is_file():
            known = ", ".join(MARKETS)
            raise ConfigError(f"unknown market {self.market!r}: no file, and none of {known}")
        if self.market_format not in FORMATS:
            raise ConfigError(f"market_format {self.market_format!r}: choose of {FORMATS}")
        if self.overrides or self.ranges:
            raise ConfigError("a recording has no parameters to override or to range over")

    def _check_part(self) -> None:
        if self.market_part not in PARTS:
            raise ConfigError(f"market_part {self.market_part!r}: choose of {', '.join(PARTS)}")
        split = tuple(self.market_split)
        if len(split) != 2 or not 0 < split[0] <= split[1] <= 1:
            raise ConfigError(f"market_split {list(split)} is not [first, second] within 0 .. 1")
        object.__setattr__(self, "market_split", split)

    def _check_market(self) -> None:
        self._check_part()
        if self.is_recorded:
            self._check_recording()
        try:
            parameters = {k: v for k, v in self.overrides.items() if k not in OPENING}
            check_overrides(parameters, 1)
            for name, bounds in self.ranges.items():
                if len(bounds) != 2 or bounds[0] > bounds[1]:
                    raise ValueError(f"range of {name}: {list(bounds)} is not [lowest, highest]")
                check_overrides({name: bounds[0]}, 1)
                check_overrides({name: bounds[1]}, 1)
        except ValueError as error:
            raise ConfigError(str(error)) from error
        for name in ("maker_fee_ppm", "taker_fee_ppm"):
            most = MAKER_FEE_PPM_MAX if name == "maker_fee_ppm" else TAKER_FEE_PPM_MAX
            self._check_within(name, -most, most)

    def _check_features(self) -> None:
        try:
            names = feature_names(self.features)
        except ValueError as error:
            raise ConfigError(str(error)) from error
        twice = [name for name in dict.fromkeys(names) if names.count(name) > 1]
        if twice:
            raise ConfigError(f"feature {twice[0]!r} is given twice")

    def _check_numbers(self) -> None:
        self._check_within("step_ns", 1_000_000, 60_000_000_000)
        self._check_within("episode_steps", 1, STEPS_MAX)
        self._check_within("latency_steps", 0, LATENCY_STEPS_MAX)
        self._check_within("unit_lots", 1, UNIT_LOTS_MAX)
        self._check_within("position_max", 1, POSITION_MAX)
        self._check_within("skew", 0.0, 1_000.0)
        self._check_within("reward_scale", 1e-9, 1e9)
        self._check_within("equity_clip", 1e-9, 1e9)
        self._check_within("pnl_target", -1e9, 1e9)
        if self.action not in ACTIONS:
            raise ConfigError(f"unknown action {self.action!r}: choose of {', '.join(ACTIONS)}")

    def _check_within(self, name: str, lowest: float, highest: float) -> None:
        value = getattr(self, name)
        whole = isinstance(value, int | float if isinstance(lowest, float) else int)
        if isinstance(value, bool) or not whole or not lowest <= value <= highest:
            kind = "a number" if isinstance(lowest, float) else "a whole number"
            raise ConfigError(f"{name} {value!r} is not {kind} within {lowest:g} .. {highest:g}")

    def _check_reward(self) -> None:
        for name, weight in self.reward.items():
            if name not in TERMS:
                raise ConfigError(f"unknown reward term {name!r}: choose of {', '.join(TERMS)}")
            if not np.isfinite(weight):
                raise ConfigError(f"weight {weight} of {name} is not finite")
        if not any(self.reward.values()):
            raise ConfigError("a reward without any weight but 0 pays nothing: give one of a term")
        ends = [name for name in TERMINAL if self.reward.get(name)]
        if ends and "time_left" not in feature_names(self.features):
            raise ConfigError(f"{ends[0]} needs the feature time_left: use features 'extended'")
        no_value = self.is_recorded or self.market in ("poisson", "empty")
        if no_value and any(self.reward.get(x) for x in PRIVILEGED):
            raise ConfigError(f"the market {self.market!r} has no hidden value to reward")

    @property
    def reward_weights(self) -> npt.NDArray[np.float64]:
        """One weight a term, in the order of TERMS."""
        return np.array([float(self.reward.get(name, 0.0)) for name in TERMS])

    def change(self, **changes: Any) -> "TaskConfig":
        """The same task with some fields changed. ConfigError for an unknown field."""
        self._check_fields(changes)
        try:
            return replace(self, **changes)
        except (TypeError, AttributeError) as error:
            raise ConfigError(f"a setting has the wrong type: {error}") from error

    @classmethod
    def _check_fields(cls, values: Mapping[str, Any]) -> None:
        known = [entry.name for entry in fields(cls)]
        for name in values:
            if name not in known:
                raise ConfigError(f"unknown setting {name!r}: choose of {', '.join(known)}")

    def as_dict(self) -> dict[str, Any]:
        """Plain numbers, strings, lists and dicts."""
        values: dict[str, Any] = json.loads(self.to_json())
        return values

    def to_json(self) -> str:
        """Everything, as a JSON object."""
        values = {entry.name: getattr(self, entry.name) for entry in fields(self)}
        return json.dumps(values, indent=2)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "TaskConfig":
        """The reverse of `as_dict`; what is not given has its default. ConfigError when wrong."""
        cls._check_fields(values)
        try:
            return cls(**values)
        except (TypeError, AttributeError) as error:
            raise ConfigError(f"a setting has the wrong type: {error}") from error

    @classmethod
    def from_json(cls, text: str) -> "TaskConfig":
        """The reverse of `to_json`."""
        try:
            values = json.loads(text)
        except ValueError as error:
            raise ConfigError(f"not JSON: {error}") from error
        if not isinstance(values, dict):
            raise ConfigError("a task is a JSON object")
        return cls.from_dict(values)

    @classmethod
    def read(cls, path: str | Path) -> "TaskConfig":
        """A task from a JSON file."""
        return cls.from_json(Path(path).read_text(encoding="utf-8"))


def predictor_weights(predictor: Any) -> npt.NDArray[np.float64]:
    """Rows of weights as `strategies.observe.write_score` takes them; none has no rows. ConfigError."""
    try:
        return check_predictor(np.array(predictor, np.float64) if len(predictor) else None)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"predictor: {error}") from error
