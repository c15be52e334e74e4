"""What a run leaves behind: its fills and, once a decision, a sample of its money. All integers.

Live and backtest write the same records, so `metrics.py` cannot tell them apart.
"""

from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

ROWS_MAX = 4_000_000  # fills or samples of one run; 4 decisions a second fill it in 11 days

FILL = np.dtype(
    [
        ("time_ns", np.int64),
        ("order_id", np.int64),
        ("price", np.int64),  # ticks
        ("quantity", np.int64),  # lots
        ("is_buy", np.int64),  # 1 the trader bought, 0 it sold
        ("is_maker", np.int64),  # 1 its order rested, 0 it took
        ("fee", np.int64),  # millionths of a tick-lot; negative is a rebate
        ("mid_twice", np.int64),  # best bid + best ask just before the trade's command; 0 unknown
    ]
)

SAMPLE = np.dtype(
    [
        ("time_ns", np.int64),
        ("position", np.int64),  # lots
        ("cash", np.int64),  # tick-lots, before fees
        ("fees", np.int64),  # millionths of a tick-lot, paid so far
        ("mid_twice", np.int64),  # best bid + best ask, the last known while a side is empty
    ]
)


class RecordFull(RuntimeError):
    """A run has filled its record; it ends there, with everything so far intact."""


class Rows:
    """A growing array of one dtype."""

    def __init__(self, dtype: np.dtype[Any]) -> None:
        self._rows = np.zeros(1024, dtype)
        self._n = 0

    def __len__(self) -> int:
        return self._n

    def append(self, row: tuple[int, ...]) -> None:
        """Add one row. Raises RecordFull beyond ROWS_MAX."""
        if self._n == ROWS_MAX:
            raise RecordFull(f"a run keeps at most {ROWS_MAX} fills and as many samples")
        if self._n == len(self._rows):
            self._rows = np.concatenate([self._rows, np.zeros_like(self._rows)])
        self._rows[self._n] = row
        self._n += 1

    def extend(self, rows: Iterable[tuple[int, ...]]) -> None:
        for row in rows:
            self.append(row)

    def array(self) -> npt.NDArray[Any]:
        """The rows so far, (n,); a view, valid until the next append."""
        return self._rows[: self._n]
