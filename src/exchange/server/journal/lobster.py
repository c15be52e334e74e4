"""A session as LOBSTER files, so that it can be the market of a backtest, an environment, a replay.

https://lobsterdata.com/info/DataStructure.php. The orders that rest at the beginning are written as
entered then. Sizes are lots; an order that loses its place is deleted and entered under a new number.
"""

import csv
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from sortedcontainers import SortedDict

from exchange.engine.codes import EventKind, Side
from exchange.engine.resting import resting_orders
from exchange.instrument import Instrument
from exchange.server.orders import Event

ENTERED, REDUCED, DELETED, EXECUTED = 1, 2, 3, 4  # LOBSTER's types
PRICE_UNIT = 10_000  # of a price of 1.0
NOTHING = 9_999_999_999  # the price of a level that is not there
N_LEVELS = 10  # a side, of the orderbook file
BUY = int(Side.BUY)


class LobsterFiles:
    """One market's `message` and `orderbook` files; the files are closed by the stack."""

    def __init__(self, folder: Path, own: Instrument, market: Any, stack: ExitStack) -> None:
        """market: its record when the session begins. Raises ValueError for a tick below 0.0001."""
        unit = own.tick_size * PRICE_UNIT
        if unit != int(unit):
            raise ValueError(
                f"LOBSTER's prices cannot show the tick {own.tick_size} of {own.symbol}"
            )
        self._unit = int(unit)
        self.paths = [folder / f"{own.symbol}_{what}.csv" for what in ("message", "orderbook")]
        folder.mkdir(parents=True, exist_ok=True)
        self._messages, self._books = (
            csv.writer(stack.enter_context(path.open("w", newline=""))) for path in self.paths
        )
        self._orders: dict[int, list[int]] = {}  # engine's number -> LOBSTER's, side, price, lots
        self._sides: tuple[Any, Any] = (SortedDict(), SortedDict())  # price -> lots
        self.n_rows = 0
        for order in resting_orders(market)[["order_id", "side", "price", "quantity"]].tolist():
            self._enter(int(market["now_ns"]), *order)

    def hear(self, events: Sequence[Event]) -> None:
        """Write what these events did to the book."""
        for event in events:
            kind, time_ns = event.kind, event.time_ns
            if kind == EventKind.RESTED:
                self._enter(time_ns, event.order_id, event.side, event.price, event.quantity)
            elif kind == EventKind.TRADED:
                self._take(time_ns, EXECUTED, event.maker_order_id, event.quantity)
            elif kind == EventKind.CANCELED and event.order_id in self._orders:
                self._take(time_ns, DELETED, event.order_id, event.quantity)
            elif kind == EventKind.REPLACED and event.kept_priority:
                gone = event.quantity_before - event.quantity
                if gone > 0:
                    self._take(time_ns, REDUCED, event.order_id, gone)
            elif kind == EventKind.REPLACED:
                self._take(time_ns, DELETED, event.order_id, event.quantity_before)

    def _enter(self, time_ns: int, order_id: int, side: int, price: int, lots: int) -> None:
        number = self.n_rows + 1  # new at every entry
        self._orders[order_id] = [number, side, price, lots]
        self._write(time_ns, ENTERED, number, side, price, lots)

    def _take(self, time_ns: int, what: int, order_id: int, lots: int) -> None:
        order = self._orders[order_id]
        number, side, price, _ = order
        order[3] -= lots
        if order[3] == 0:
            del self._orders[order_id]
        self._write(time_ns, what, number, side, price, -lots)

    def _write(
        self, time_ns: int, what: int, number: int, side: int, price: int, change: int
    ) -> None:
        levels = self._sides[side]
        levels[price] = levels.get(price, 0) + change
        if levels[price] == 0:
            del levels[price]
        direction = 1 if side == BUY else -1
        time_s = f"{time_ns // 10**9}.{time_ns % 10**9:09d}"
        shown = price * self._unit
        self._messages.writerow((time_s, what, number, abs(change), shown, direction))
        self._books.writerow(self._book())
        self.n_rows += 1

    def _book(self) -> list[int]:
        """Ask, size, bid, size of each level from the best."""
        bids, asks = self._sides[BUY], self._sides[1 - BUY]
        row = []
        for level in range(N_LEVELS):
            for side, place, nothing in ((asks, level, NOTHING), (bids, -1 - level, -NOTHING)):
                if level < len(side):
                    price, lots = side.peekitem(place)
                    row += [price * self._unit, lots]
                else:
                    row += [nothing, 0]
        return row
