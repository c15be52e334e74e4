"""Shapes of the crowd's orders as tables of 4,096 entries: a random index is a draw from the shape.

They are constants of the model, compiled into its kernels. Sources: `docs/MARKET.md`.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Table = npt.NDArray[np.uint8]  # bytes, so that all tables together stay in the nearest cache

TABLE_SIZE = 4_096

DISTANCE_MAX = 60  # ticks behind the wished price
NEAR_SHARE, NEAR_P = 0.35, 0.45  # geometric part
FAR_SHIFT, FAR_EXPONENT = 6.0, 2.2  # power-law part

SIZES = (1, 2, 3, 4, 5, 8, 10, 20)  # lots
SIZE_WEIGHTS = (0.5, 0.2, 0.1, 0.05, 0.08, 0.02, 0.04, 0.01)

META_LENGTH_MAX, META_EXPONENT = 80, 1.8  # slices of a meta-order

# How readily a randomly chosen order is canceled, by ticks behind the best price of its side. High
# at the front, which makes the hump of the depth profile one tick behind the best price.
CANCEL_NEAR = (1.0, 0.85, 0.7, 0.6, 0.5, 0.45, 0.4, 0.35, 0.3, 0.3)
CANCEL_MIDDLE, CANCEL_FAR, FAR_FROM = 0.25, 0.6, 41


def table_of(values: Any, weights: Any) -> Table:
    """A table in which each value (0 .. 255) stands in proportion to its weight."""
    cumulative = np.cumsum(np.asarray(weights, np.float64))
    places = (np.arange(TABLE_SIZE) + 0.5) / TABLE_SIZE * cumulative[-1]
    found: Table = np.asarray(values, np.uint8)[np.searchsorted(cumulative, places)]
    return found


def _distances() -> Table:
    ticks = np.arange(DISTANCE_MAX, dtype=np.float64)
    near = NEAR_P * (1 - NEAR_P) ** ticks
    far = (ticks + FAR_SHIFT) ** -FAR_EXPONENT
    return table_of(ticks, NEAR_SHARE * near / near.sum() + (1 - NEAR_SHARE) * far / far.sum())


def _meta_lengths() -> Table:
    lengths = np.arange(1, META_LENGTH_MAX + 1)
    return table_of(lengths, lengths**-META_EXPONENT)


def _cancel_acceptance() -> npt.NDArray[np.int64]:
    acceptance = np.full(FAR_FROM + 1, CANCEL_MIDDLE)
    acceptance[: len(CANCEL_NEAR)] = CANCEL_NEAR
    acceptance[FAR_FROM] = CANCEL_FAR
    of_256: npt.NDArray[np.int64] = np.rint(256 * acceptance).astype(np.int64)
    return of_256


DISTANCES = _distances()
LOTS = table_of(SIZES, SIZE_WEIGHTS)
META_LENGTHS = _meta_lengths()
CANCEL_ACCEPTANCE = _cancel_acceptance()  # of 256, by distance; the last entry for all beyond
