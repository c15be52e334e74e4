"""A market's state as bytes: the whole record without the events of the last command.

Those are an output, and how an advance of the clock is cut into calls decides which of them are left
in the buffer. All the rest is the same however a session is cut.
"""

import zlib
from collections.abc import Sequence
from hashlib import blake2b
from typing import Any

import numpy as np
import numpy.typing as npt

from exchange.engine.records import (
    LIVE_MARKET,
    TRAINING_MARKET,
    Markets,
    field_offset,
    market_dtype,
)

STAMP_BYTES = 8
DIGEST_BYTES = 32
COMPRESSION = 1  # a ladder is mostly zeros: higher levels gain little and take longer


def states(markets: Markets) -> list[bytes]:
    """A copy of each market's state."""
    end, n_events = field_offset(markets, "events"), field_offset(markets, "n_events")
    copies = [row[:end].copy() for row in _rows(markets)]
    for copy in copies:
        copy[n_events : n_events + 8] = 0
    return [copy.tobytes() for copy in copies]


class Fingerprint:
    """A short digest of all that has happened in a venue: cheap enough to be taken at each commit.

    It covers every event of every market so far, and clocks, random states and totals as they stand.
    Events are counted market by market, as time in one market does not wait for another.
    """

    def __init__(self, markets: Markets) -> None:
        self.markets = markets
        self._rows, self._end = _rows(markets), field_offset(markets, "n_events")
        self._events = [_rows(own) for own in markets["events"]]
        self._sums = [0] * len(markets)

    def hear(self, instrument: int, events: Sequence[object]) -> None:
        """Take in the events of one command, which still stand in the market's buffer."""
        raw = self._events[instrument][: len(events)].tobytes()
        self._sums[instrument] = zlib.crc32(raw, self._sums[instrument])

    def stamp(self) -> bytes:
        """The digest as of now."""
        sums = repr(self._sums).encode()
        return blake2b(
            self._rows[:, : self._end].tobytes() + sums, digest_size=STAMP_BYTES
        ).digest()


def digest(parts: Sequence[bytes]) -> bytes:
    """The digest of the states of all markets."""
    whole = blake2b(digest_size=DIGEST_BYTES)
    for part in parts:
        whole.update(part)
    return whole.digest()


def compress(parts: Sequence[bytes]) -> bytes:
    """The states of all markets in one blob."""
    return zlib.compress(b"".join(parts), COMPRESSION)


def restore(blob: bytes, n: int, sizes: Sequence[int]) -> Markets:
    """Markets in the state of a blob; sizes: levels, orders and accounts of a market.

    Raises ValueError or zlib.error when the blob is not of n such markets.
    """
    markets = np.zeros(n, _known_dtype(market_dtype(*sizes)))
    rows = _rows(markets)
    end = field_offset(markets, "events")
    rows[:, :end] = np.frombuffer(zlib.decompress(blob), np.uint8).reshape(n, end)
    return markets


def _known_dtype(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """The very dtype that other markets of this size have.

    Every call of a compiled function looks up its arguments' dtypes: one that is only equal is compared
    field by field each time, which takes ten microseconds.
    """
    return next((own for own in (LIVE_MARKET, TRAINING_MARKET) if own == dtype), dtype)


def sizes_of(markets: Markets) -> list[int]:
    """Levels, orders and accounts of one of the markets: what their dtype is made from."""
    return [markets.dtype[name].shape[0] for name in ("levels", "orders", "accounts")]


def differing_fields(ours: Markets, theirs: Markets) -> list[str]:
    """The fields in which two venues' markets differ, as market row and field name."""
    names = [name for name in ours.dtype.names or () if name not in ("events", "n_events")]
    return [
        f"market {row} {name}"
        for row in range(len(ours))
        for name in names
        if ours[name][row].tobytes() != theirs[name][row].tobytes()
    ]


def _rows(markets: Markets) -> npt.NDArray[np.uint8]:
    return np.asarray(markets).view(np.uint8).reshape(len(markets), -1)
