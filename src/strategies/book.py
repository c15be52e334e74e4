"""The book rebuilt from the feed: what the engine's DEPTH shows, and a word when it cannot be."""

from typing import Any
from zlib import crc32

import numpy as np
from sortedcontainers import SortedDict

from exchange.engine.records import DEPTH, N_DEPTH
from exchange.instrument import Instrument
from strategies.errors import ChecksumWrong, FeedGap, Unreadable

LEVELS_MAX = 200_000  # a side; no honest feed has as many


class ClientBook:
    """Levels by price for both sides, from a snapshot and the numbered changes after it.

    `ready` is False before the first snapshot and after a broken change, until the next snapshot.
    """

    def __init__(self, instrument: Instrument) -> None:
        self.instrument = instrument
        self.bids: SortedDict[int, int] = SortedDict()  # price in ticks -> lots
        self.asks: SortedDict[int, int] = SortedDict()
        self.ready = False
        self.epoch: Any = None
        self.seq = 0
        self.time_ns = 0
        self.bought = self.sold = self.last_price = 0

    def apply(self, message: dict[str, Any]) -> None:
        """Apply one message of the book channel.

        Raises FeedGap or ChecksumWrong when the book cannot be trusted after it (it is not `ready`
        then), Unreadable for a message that breaks the protocol. A change while not ready is
        passed over: a snapshot is on its way.
        """
        is_snapshot = message.get("type") == "snapshot"
        if not is_snapshot and not self.ready:
            return
        try:
            if is_snapshot:
                self.bids.clear()
                self.asks.clear()
                self.epoch = message["epoch"]
            else:
                self._check_follows(message)
            self.ready = False  # until the whole message has gone well
            self._apply_levels(message)
        except (KeyError, TypeError, ValueError) as error:
            raise Unreadable(f"book message of {self.instrument.symbol}: {error!r}") from error
        if self.checksum() != message["checksum"]:
            raise ChecksumWrong(f"{self.instrument.symbol}: book differs at seq {self.seq}")
        self.ready = True

    def _check_follows(self, message: dict[str, Any]) -> None:
        if message["epoch"] != self.epoch:
            self.ready = False
            raise FeedGap(f"{self.instrument.symbol}: the server has started anew")
        if message["prev_seq"] != self.seq:
            self.ready = False
            raise FeedGap(
                f"{self.instrument.symbol}: change after seq {message['prev_seq']}, "
                f"but the last one was {self.seq}"
            )

    def _apply_levels(self, message: dict[str, Any]) -> None:
        instrument = self.instrument
        for side, key in ((self.bids, "bids"), (self.asks, "asks")):
            for price, quantity in message[key]:
                lots = instrument.lots(quantity)
                if lots:
                    side[instrument.ticks(price)] = lots
                else:
                    side.pop(instrument.ticks(price), None)
            if len(side) > LEVELS_MAX:
                raise ValueError(f"more than {LEVELS_MAX} levels")
        self.seq = int(message["seq"])
        self.time_ns = int(message["time_ns"])
        self.bought = instrument.lots(message["bought"])
        self.sold = instrument.lots(message["sold"])
        self.last_price = instrument.ticks(message["last_price"])

    def best_bids(self, n: int = N_DEPTH) -> list[tuple[int, int]]:
        """The best n bids as (ticks, lots), best first."""
        prices = self.bids.keys()
        return [(price, self.bids[price]) for price in prices[: -n - 1 : -1]]

    def best_asks(self, n: int = N_DEPTH) -> list[tuple[int, int]]:
        """The best n asks as (ticks, lots), best first."""
        prices = self.asks.keys()
        return [(price, self.asks[price]) for price in prices[:n]]

    def checksum(self) -> int:
        """CRC-32 of the ten best levels, as docs/PROTOCOL.md states it."""
        bids = self._texts(self.best_bids())
        asks = self._texts(self.best_asks())
        rows = max(len(bids), len(asks))
        empty = ":"
        bids += [empty] * (rows - len(bids))
        asks += [empty] * (rows - len(asks))
        text = "|".join(f"{bid}:{ask}" for bid, ask in zip(bids, asks, strict=True))
        return crc32(text.encode())

    def _texts(self, levels: list[tuple[int, int]]) -> list[str]:
        price_text, quantity_text = self.instrument.price_text, self.instrument.quantity_text
        return [f"{price_text(price)}:{quantity_text(lots)}" for price, lots in levels]

    def write_depth(self, depth: Any) -> None:
        """Write the same DEPTH record that the engine writes from its own book."""
        depth.time_ns = self.time_ns
        depth.bought = self.bought
        depth.sold = self.sold
        depth.last_price = self.last_price
        _write_side(depth.bid_price, depth.bid_quantity, self.best_bids())
        _write_side(depth.ask_price, depth.ask_quantity, self.best_asks())


def _write_side(prices: Any, quantities: Any, levels: list[tuple[int, int]]) -> None:
    prices[:] = 0
    quantities[:] = 0
    for row, (price, lots) in enumerate(levels):
        prices[row] = price
        quantities[row] = lots


def new_depth() -> Any:
    """One blank DEPTH record."""
    return np.zeros(1, DEPTH)[0]
