"""What a policy is given to see: numbers by name, in presets, the same live, in backtests and in
training. The kernels are in `observe.py`; docs/ENVIRONMENTS.md tells each number's source.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from exchange.engine.kernel import kernel
from exchange.engine.records import blank_records
from strategies.history import HISTORY, OWN_QUOTE
from strategies.observe import (
    FEATURES,
    INVENTORY,
    N_FEATURES,
    POSITION,
    SCORE,
    choose,
    n_leading,
    observe,
)
from strategies.strategy import View

NAMES = tuple(name for name, _, _ in FEATURES)
DEFAULT = NAMES[: INVENTORY + 1]
PRIVATE = ("inventory", *NAMES[POSITION:SCORE])
PREDICTOR_INPUTS = tuple(name for name in NAMES[:POSITION] if name != "inventory")

PRESETS: dict[str, tuple[str, ...]] = {
    "default": DEFAULT,
    "default+predictor": (*DEFAULT, "score"),
    "extended": NAMES[:SCORE],
    "extended+predictor": NAMES,
    "market": PREDICTOR_INPUTS,
}

Floats = npt.NDArray[np.float64]
Observations = npt.NDArray[np.float32]
NO_PREDICTOR: Floats = np.zeros((0, len(PREDICTOR_INPUTS) + 2))


def feature_names(features: str | Sequence[str]) -> tuple[str, ...]:
    """The names in a preset, or the given names. Raises ValueError for an unknown one."""
    if isinstance(features, str):
        if features not in PRESETS:
            raise ValueError(f"unknown features {features!r}: choose of {', '.join(PRESETS)}")
        return PRESETS[features]
    unknown = [name for name in features if name not in NAMES]
    if unknown:
        raise ValueError(f"unknown feature {unknown[0]!r}: choose of {', '.join(NAMES)}")
    if not features:
        raise ValueError("a policy needs at least one feature")
    return tuple(features)


def feature_columns(features: str | Sequence[str]) -> npt.NDArray[np.int64]:
    """Where each of the chosen features lies in a history's `features`, (n_chosen,)."""
    return np.array([NAMES.index(name) for name in feature_names(features)], np.int64)


def check_predictor(predictor: Floats | None) -> Floats:
    """The predictor's weights as `observe.write_score` takes them; none has no rows.

    Raises ValueError for a wrong shape or a weight that is not finite.
    """
    if predictor is None:
        return NO_PREDICTOR
    weights = np.ascontiguousarray(predictor, np.float64)
    if weights.ndim != 2 or weights.shape[1] != NO_PREDICTOR.shape[1]:
        raise ValueError(
            f"a predictor's weights have {NO_PREDICTOR.shape[1]} columns, "
            f"these are of shape {weights.shape}"
        )
    if not np.isfinite(weights).all():
        raise ValueError("a predictor's weights must be finite")
    return weights


def new_histories(n: int) -> npt.NDArray[Any]:
    """n blank HISTORY records, (n,)."""
    return blank_records(n, HISTORY)


@kernel
def observe_rows(depths, accounts, owns, time_left_s, histories, predictor, columns, out):
    """What n traders observe: (n,) of DEPTH, ACCOUNT, OWN_QUOTE, float64, HISTORY -> out float32
    (n, n_columns), in units of one lot. Row i is what `Features` gives that trader alone, byte for byte.
    """
    raw, n_first = np.empty(N_FEATURES), n_leading(columns)
    for i in range(len(depths)):
        observe(depths[i], accounts[i], owns[i], time_left_s[i], 1, histories[i], predictor, raw)
        choose(raw, columns, n_first, out, i)


@kernel
def observe_one(depth, account, own, time_left_s, unit_lots, history, predictor, raw, columns, out):
    """What one trader observes, into row 0 of `out`."""
    observe(depth, account, own, time_left_s, unit_lots, history, predictor, raw)
    choose(raw, columns, n_leading(columns), out, 0)


class Features:
    """The observations of one live trader, one after the other."""

    def __init__(
        self,
        features: str | Sequence[str] = "default",
        predictor: Floats | None = None,
        unit_lots: int = 1,
    ) -> None:
        """unit_lots: own position and orders are told in units of so many lots."""
        self.names = feature_names(features)
        self.history = new_histories(1)[0]
        self._columns = feature_columns(features)
        self._predictor = check_predictor(predictor)
        self._unit_lots = unit_lots
        self._own = np.zeros(1, OWN_QUOTE)[0]
        self._raw = np.zeros(N_FEATURES)

    def observe(self, view: View) -> Observations:
        """What the policy is given now: float32 (n_features,). Call once a decision, in order."""
        own, bid, ask = self._own, view.own_bid, view.own_ask
        own.bid_price, own.bid_quantity = (bid.price, bid.quantity) if bid else (0, 0)
        own.ask_price, own.ask_quantity = (ask.price, ask.quantity) if ask else (0, 0)
        out = np.empty((1, len(self._columns)), np.float32)
        observe_one(
            view.depth,
            view.account,
            own,
            view.time_left_s,
            self._unit_lots,
            self.history,
            self._predictor,
            self._raw,
            self._columns,
            out,
        )
        observed: Observations = out[0]
        return observed
