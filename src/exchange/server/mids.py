"""The mid just before each trade, worked out from the events between two states of a book.

The participants' turn is one call with many orders in it. A trader's fill shall name the mid before
the order that caused it, so the best prices are walked through the events of that call again.
"""

from collections.abc import Sequence
from typing import Any

from exchange.engine.codes import CancelReason
from exchange.server.orders import BUY, CANCELED, REPLACED, RESTED, TRADED, Event

# An order canceled for one of these reasons had been resting, but for the incoming one of two that
# would have traded with each other.
RESTING_REASONS = frozenset(
    int(reason)
    for reason in (
        CancelReason.USER,
        CancelReason.CANCEL_ALL,
        CancelReason.QUOTE,
        CancelReason.EXPIRED,
        CancelReason.SELF_TRADE,
    )
)
SELF_TRADE = int(CancelReason.SELF_TRADE)
SCAN_ROWS_MAX = 2_000  # a side whose next level is farther away than this counts as empty


class MidsBefore:
    """Best bid + best ask (ticks) before the order of each event; worked out when first asked."""

    def __init__(
        self,
        events: Sequence[Event],
        price_base: int,
        quantities: Any,
        best: tuple[int, int],
        newest_id: int,
    ) -> None:
        """quantities: lots by ladder row after the events; best: bid and ask rows before them.

        newest_id: no order that entered before the events has a higher one.
        """
        self.events = events
        self.newest_id = newest_id
        self.unrested: set[int] = set()
        self.price_base = price_base
        self.quantities = quantities
        self.best_bid, self.best_ask = best
        self.touched: dict[int, int] = {}
        self.mids: list[int] = []

    def __call__(self, row: int) -> int:
        """Of the event in this row; 0 when a side was empty."""
        if not self.mids:
            self._walk()
        return self.mids[row]

    def _walk(self) -> None:
        self.unrested = _canceled_on_entry(self.events, self.newest_id)
        for event in self.events:
            for row, lots in self._changes(event):
                self.touched[row] = self.touched.get(row, int(self.quantities[row])) - lots
        taker = mid = 0
        for event in self.events:
            if event.kind != TRADED or event.order_id != taker:
                mid = self._mid()
            taker = event.order_id
            self.mids.append(mid)
            for row, lots in self._changes(event):
                self.touched[row] += lots
                self._move_best(event, row)

    def _changes(self, event: Event) -> list[tuple[int, int]]:
        """What an event did to the levels: ladder rows and lots."""
        row = event.price - self.price_base
        if event.kind == RESTED:
            return [(row, event.quantity)]
        if event.kind == TRADED:
            return [(row, -event.quantity)]
        if event.kind == CANCELED and event.reason in RESTING_REASONS:
            if event.sequence in self.unrested:
                return []
            return [(row, -event.quantity)]
        if event.kind == REPLACED:
            gone = (event.price_before - self.price_base, -event.quantity_before)
            return [gone, (row, event.quantity)] if event.kept_priority else [gone]
        return []

    def _mid(self) -> int:
        if self.best_bid == 0 or self.best_ask == 0:
            return 0
        return self.best_bid + self.best_ask + 2 * self.price_base

    def _move_best(self, event: Event, row: int) -> None:
        if event.kind == RESTED:
            if event.side == BUY:
                self.best_bid = max(self.best_bid, row)
            elif self.best_ask == 0 or row < self.best_ask:
                self.best_ask = row
        elif self.touched[row] == 0:
            if row == self.best_bid:
                self.best_bid = self._scan(row, -1)
            elif row == self.best_ask:
                self.best_ask = self._scan(row, 1)

    def _scan(self, row: int, step: int) -> int:
        for _ in range(SCAN_ROWS_MAX):
            row += step
            if not 0 < row < len(self.quantities):
                return 0
            if self.touched.get(row, self.quantities[row]) > 0:
                return row
        return 0


def _canceled_on_entry(events: Sequence[Event], newest_id: int) -> set[int]:
    """The sequence numbers of cancels for SELF_TRADE of orders that were just coming in."""
    found: set[int] = set()
    rested: set[int] = set()
    moving: set[int] = set()
    for event in events:
        if event.kind == RESTED:
            rested.add(event.order_id)
            moving.discard(event.order_id)
        elif event.kind == REPLACED and not event.kept_priority:
            moving.add(event.order_id)  # comes in anew under its old id
        elif event.kind == CANCELED and event.reason == SELF_TRADE:
            known = event.order_id <= newest_id or event.order_id in rested
            if not known or event.order_id in moving:
                found.add(event.sequence)
    return found
