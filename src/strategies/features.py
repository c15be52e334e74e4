"""What a policy is given to see: numbers by name, in presets, the same live, in backtests and in
training. The kernels are in `observe.py`; docs/ENVIRONMENTS.md tells each number's source.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from exchange.engine.kernel import kernel
from exchange.engine.records import ACCOUNT, DEPTH, blank_records
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
def observe_rows(
    depths, accounts, owns, time_left_s, unit_lots, histories, predictor, columns, out
):
    """What n traders observe: (n,) of DEPTH, ACCOUNT, OWN_QUOTE, float64, HISTORY -> out float32
    (n, n_columns). Row i is what that trader alone would observe, byte for byte.
    """
    raw, n_first = np.empty(N_FEATURES), n_leading(columns)
    for i in range(len(depths)):
        depth, own, left = depths[i], owns[i], time_left_s[i]
        observe(depth, accounts[i], own, left, unit_lots, histories[i], predictor, raw)
        choose(raw, columns, n_first, out, i)


class Features:
    """The observations of one live trader, one after the other: a batch of one row.

    A record takes numba two microseconds to accept, an array of one a fifth of that.
    """

    def __init__(
        self,
        features: str | Sequence[str] = "default",
        predictor: Floats | None = None,
        unit_lots: int = 1,
    ) -> None:
        """unit_lots: own position and orders are told in units of so many lots."""
        self.names = feature_names(features)
        self.histories = new_histories(1)
        self._columns = feature_columns(features)
        self._predictor = check_predictor(predictor)
        self._unit_lots = unit_lots
        self._depths = np.zeros(1, DEPTH)
        self._accounts = np.zeros(1, ACCOUNT)
        self._owns = np.zeros(1, OWN_QUOTE)
        self._time_left_s = np.zeros(1)

    def observe(self, view: View) -> Observations:
        """What the policy is given now: float32 (n_features,). Call once a decision, in order."""
        bid, ask = view.own_bid, view.own_ask
        self._depths[0], self._accounts[0] = view.depth, view.account
        self._owns[0] = (
            *((bid.price, bid.quantity) if bid else (0, 0)),
            *((ask.price, ask.quantity) if ask else (0, 0)),
        )
        self._time_left_s[0] = view.time_left_s
        out = np.empty((1, len(self._columns)), np.float32)
        observe_rows(
            self._depths,
            self._accounts,
            self._owns,
            self._time_left_s,
            self._unit_lots,
            self.histories,
            self._predictor,
            self._columns,
            out,
        )
        observed: Observations = out[0]
        return observed
