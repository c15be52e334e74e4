"""The book followed event by event, only to know the mid just before each trade's command.

The engine keeps the events of a whole step: what the best prices were in its midst is replayed.
"""

from typing import NamedTuple

from sortedcontainers import SortedDict

from exchange.engine.codes import EventKind
from exchange.engine.resting import Resting

RESTED, TRADED = int(EventKind.RESTED), int(EventKind.TRADED)
CANCELED, REPLACED = int(EventKind.CANCELED), int(EventKind.REPLACED)


class Event(NamedTuple):
    """An EVENT record as plain integers: `Event._make(record)` of `events.tolist()`."""

    sequence: int
    time_ns: int
    order_id: int
    maker_order_id: int
    price: int
    quantity: int
    price_before: int
    quantity_before: int
    account: int
    maker_account: int
    kind: int
    side: int
    reason: int
    kept_priority: int


class BookMirror:
    """Resting orders by id and quantities by price, as of the last event applied.

    resting: RESTING (n,), what rests at the start.
    """

    def __init__(self, resting: Resting) -> None:
        self._orders: dict[int, list[int]] = {}  # id -> [side, price, lots]
        self._levels: tuple[SortedDict[int, int], SortedDict[int, int]] = (
            SortedDict(),
            SortedDict(),
        )
        for order in resting[["order_id", "side", "price", "quantity"]].tolist():
            self._rest(*order)

    def apply(self, event: Event) -> None:
        """Follow one event."""
        kind = event.kind
        if kind == RESTED:
            self._rest(event.order_id, event.side, event.price, event.quantity)
        elif kind == TRADED:
            self._reduce(event.maker_order_id, event.quantity)
        elif kind == CANCELED:
            self._take_out(event.order_id)
        elif kind == REPLACED and event.kept_priority:
            self._reduce(event.order_id, event.quantity_before - event.quantity)
        elif kind == REPLACED:
            self._take_out(event.order_id)  # it rests anew, or trades, by events of its own

    def mid_twice(self) -> int:
        """Best bid + best ask in ticks, 0 while a side is empty."""
        bids, asks = self._levels
        if not bids or not asks:
            return 0
        return int(bids.peekitem(-1)[0] + asks.peekitem(0)[0])

    def _rest(self, order_id: int, side: int, price: int, lots: int) -> None:
        self._orders[order_id] = [side, price, lots]
        level = self._levels[side]
        level[price] = level.get(price, 0) + lots

    def _reduce(self, order_id: int, lots: int) -> None:
        order = self._orders[order_id]
        side, price, _ = order
        order[2] -= lots
        if order[2] == 0:
            del self._orders[order_id]
        level = self._levels[side]
        left = level[price] - lots
        if left:
            level[price] = left
        else:
            del level[price]

    def _take_out(self, order_id: int) -> None:
        if order_id in self._orders:  # an incoming order that ends never rested
            self._reduce(order_id, self._orders[order_id][2])
