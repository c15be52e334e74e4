"""What became of every trader's orders: a summary of each and the fills, read from the events.

The simulated crowd's orders are not kept. Integers throughout: ticks, lots, tick-lots.
"""

from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from struct import Struct
from typing import NamedTuple

from exchange.engine.codes import N_PARTICIPANTS, CancelReason, EventKind, Side
from exchange.engine.records import EVENT
from exchange.messages.answers import Status

ENDED_MAX = 10_000  # ended orders remembered per account
FILLS_MAX = 10_000  # fills remembered per account

RESTED, TRADED = int(EventKind.RESTED), int(EventKind.TRADED)
CANCELED, REPLACED = int(EventKind.CANCELED), int(EventKind.REPLACED)
new_tuple = (
    tuple.__new__
)  # of a NamedTuple's fields: half a microsecond less than calling its class
ORDER_CHANGES = frozenset((RESTED, CANCELED, REPLACED))
BUY = int(Side.BUY)
CANCEL_REASONS = {int(reason): reason.name.lower() for reason in CancelReason}


class Event(NamedTuple):
    """One EVENT of the engine as plain integers; fields as in `engine.records.EVENT`."""

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


_STRUCT = Struct("<qqqqiiiihhBBBB")
assert _STRUCT.size == EVENT.itemsize
assert EVENT.names == Event._fields


def read_events(records: memoryview, n: int) -> list[Event]:
    """The first n EVENT records in these bytes; twice as quick as reading the array."""
    if n == 1:
        return [new_tuple(Event, _STRUCT.unpack_from(records))]
    return [new_tuple(Event, fields) for fields in _STRUCT.iter_unpack(records[: n * _STRUCT.size])]


# Entered orders compare by what they ask of the engine: instrument, side, price, quantity, options,
# expire_ns.
Wanted = tuple[int, int, int, int, int, int]


class FirstAnswer(NamedTuple):
    """The fields of an order that events change, as they were when its enter was answered."""

    open_quantity: int
    time_ns: int
    filled_quantity: int
    notional: int
    ended: bool
    cancel_reason: str | None


@dataclass(slots=True)
class Order:
    """One order of a trader; price is None for a market order."""

    order_id: int  # the wire's: see `wire_id`
    instrument: int
    account: int
    side: int
    price: int | None
    quantity: int
    open_quantity: int
    time_ns: int
    options: int  # a TimeInForce with Option bits
    filled_quantity: int = 0
    notional: int = 0  # tick-lots of all fills
    ended: bool = False
    cancel_reason: str | None = None
    kept_priority: bool | None = None
    client_order_id: str | None = None
    wanted: Wanted | None = None
    first: "FirstAnswer | None" = None

    def keep_first(self) -> None:
        """Remember how the order stands, for the answer to the same request sent again."""
        fields = (
            self.open_quantity,
            self.time_ns,
            self.filled_quantity,
            self.notional,
            self.ended,
            self.cancel_reason,
        )
        self.first = new_tuple(FirstAnswer, fields)

    def as_first_answered(self) -> "Order":
        """The order as it stood when its enter was answered."""
        assert self.first is not None
        assert self.wanted is not None
        _, _, price, quantity, _, _ = self.wanted
        return replace(
            self,
            price=None if self.price is None else price,
            quantity=quantity,
            kept_priority=None,
            **self.first._asdict(),
        )

    @property
    def status(self) -> Status:
        """One of the wire's four words."""
        if self.ended:
            return "canceled" if self.filled_quantity < self.quantity else "filled"
        return "partially_filled" if self.filled_quantity else "resting"


MidBefore = Callable[[int], int]  # best bid + best ask before the command of the event in this row


class Fill(NamedTuple):
    """One trade as its owner sees it; mid_twice: best bid + best ask before it, 0 if one lacks."""

    fill_id: int
    order_id: int
    client_order_id: str | None
    instrument: int
    side: int
    price: int
    quantity: int
    maker: bool
    fee: int  # millionths of a tick-lot
    mid_twice: int
    position_after: int
    cash_after: int
    time_ns: int


class AccountLog:
    """One account's orders and fills."""

    def __init__(self, n_instruments: int) -> None:
        self.open: dict[int, Order] = {}  # by order id, the oldest first
        self.ended: OrderedDict[int, Order] = OrderedDict()  # the first to end first
        self.by_client_id: dict[str, Order] = {}
        self.fills: deque[Fill] = deque(maxlen=FILLS_MAX)
        self.n_fills = 0
        self.positions = [0] * n_instruments
        self.cash = 0
        self.spread_twice = 0  # tick-lots, doubled, that fills earned against the mid before them

    def find(self, order_id: int) -> Order | None:
        """An order that is open or ended not long ago."""
        return self.open.get(order_id) or self.ended.get(order_id)

    def add(self, order: Order) -> None:
        """An order that has just entered."""
        self.open[order.order_id] = order
        if order.client_order_id is not None:
            self.by_client_id[order.client_order_id] = order

    def end(self, order: Order) -> None:
        """The order has left the market; the oldest ended one is forgotten when there are many."""
        order.ended = True
        order.open_quantity = 0
        self.open.pop(order.order_id, None)
        self.ended[order.order_id] = order
        if len(self.ended) > ENDED_MAX:
            _, forgotten = self.ended.popitem(last=False)
            if forgotten.client_order_id is not None:
                self.by_client_id.pop(forgotten.client_order_id, None)

    def fills_after(self, fill_id: int, instrument: int | None, limit: int) -> list[Fill]:
        """At most `limit` fills with a higher fill_id, oldest first."""
        wanted = (
            fill
            for fill in self.fills
            if fill.fill_id > fill_id and instrument in (None, fill.instrument)
        )
        return list(islice(wanted, limit))


class OrderLog:
    """All traders' orders and fills, kept by reading the events of every command."""

    def __init__(self, n_instruments: int, fees_ppm: Sequence[tuple[int, int]]) -> None:
        self.fees_ppm = fees_ppm  # (maker, taker) of each instrument
        self.n_instruments = n_instruments
        self.accounts: dict[int, AccountLog] = {}
        self.on_order: Callable[[str, Order], None] | None = None
        self.on_fill: Callable[[int, Fill], None] | None = None

    def open_account(self, account: int) -> AccountLog:
        """Begin to keep an account's orders."""
        return self.accounts.setdefault(account, AccountLog(self.n_instruments))

    def wire_id(self, instrument: int, order_id: int) -> int:
        """The engine numbers each market's orders by itself; on the wire an id is the venue's."""
        return order_id * self.n_instruments + instrument

    def read(self, instrument: int, events: Sequence[Event], mid_twice: MidBefore) -> None:
        """Take in the events of one command; mid_twice(row): before the event's command."""
        for row, event in enumerate(events):
            kind = event.kind
            if kind == TRADED:
                if event.maker_account >= N_PARTICIPANTS:
                    self._fill(instrument, event, True, mid_twice(row))
                if event.account >= N_PARTICIPANTS:
                    self._fill(instrument, event, False, mid_twice(row))
            elif kind in ORDER_CHANGES and event.account >= N_PARTICIPANTS:
                self._change(instrument, event)

    def _change(self, instrument: int, event: Event) -> None:
        log = self.accounts[event.account]
        order = log.open[self.wire_id(instrument, event.order_id)]
        order.time_ns = event.time_ns
        if event.kind == RESTED:
            order.open_quantity = event.quantity
            self._tell("rested", order)
        elif event.kind == CANCELED:
            order.cancel_reason = CANCEL_REASONS[event.reason]
            log.end(order)
            self._tell("canceled", order)
        else:
            order.price = event.price
            order.quantity = order.filled_quantity + event.quantity
            order.open_quantity = event.quantity
            order.kept_priority = bool(event.kept_priority)
            self._tell("replaced", order)

    def _fill(self, instrument: int, event: Event, maker: bool, mid_twice: int) -> None:
        if maker:
            account, order_id, side = event.maker_account, event.maker_order_id, 1 - event.side
        else:
            account, order_id, side = event.account, event.order_id, event.side
        order_id = order_id * self.n_instruments + instrument
        log = self.accounts[account]
        order = log.open[order_id]
        price, traded = event.price, event.quantity
        notional = price * traded
        order.open_quantity -= traded
        order.filled_quantity += traded
        order.notional += notional
        order.time_ns = event.time_ns
        sign = 1 if side == BUY else -1
        log.positions[instrument] += sign * traded
        log.cash -= sign * notional
        log.n_fills += 1
        if mid_twice:
            log.spread_twice += sign * (mid_twice - 2 * price) * traded
        fields = (
            log.n_fills,
            order_id,
            order.client_order_id,
            instrument,
            side,
            price,
            traded,
            maker,
            notional * self.fees_ppm[instrument][0 if maker else 1],
            mid_twice,
            log.positions[instrument],
            log.cash,
            event.time_ns,
        )
        fill = new_tuple(Fill, fields)
        log.fills.append(fill)
        if order.open_quantity == 0:
            log.end(order)
        if self.on_fill is not None:
            self.on_fill(account, fill)
        self._tell("traded", order)

    def _tell(self, what: str, order: Order) -> None:
        if self.on_order is not None:
            self.on_order(what, order)
