"""What an order must pass before it enters, from docs/RULES.md, for `reference_book.py`.

Every check returns the RejectReason that it finds, 0 when it finds none. `replaced` is the resting
order that the checked one shall take the place of, None for a new one.
"""

from dataclasses import dataclass, field
from typing import Any, NamedTuple

from exchange.engine.codes import Option, Phase, RejectReason, Side, TimeInForce
from exchange.engine.records import FEE_UNITS, LEDGER_MAX, NOTIONAL_MAX, QUANTITY_MAX

BUY, SELL = int(Side.BUY), int(Side.SELL)
NONE = int(RejectReason.NONE)
Book = Any  # a ReferenceBook


class Command(NamedTuple):
    """COMMAND, field by field."""

    time_ns: int
    order_id: int
    expire_ns: int
    price: int
    quantity: int
    ask_price: int
    ask_quantity: int
    instrument: int
    account: int
    kind: int
    side: int
    options: int
    pad: int


@dataclass(slots=True)
class Order:
    """One order; `number` (order id // n_orders) is 0 until it has passed its checks."""

    account: int
    side: int
    price: int
    quantity: int
    options: int
    expire_ns: int
    number: int = 0

    def has(self, option: int) -> bool:
        return self.options & option != 0

    @property
    def time_in_force(self) -> int:
        return self.options & Option.TIME_IN_FORCE

    @property
    def may_rest(self) -> bool:
        return self.time_in_force in (TimeInForce.GTC, TimeInForce.GTD)


@dataclass(slots=True)
class Account:
    """One trader in one market. A limit of 0 is no limit."""

    position: int = 0
    cash: int = 0
    fees: int = 0
    bought: int = 0
    sold: int = 0
    n_fills: int = 0
    position_max: int = 0
    quantity_max: int = 0
    n_open_max: int = 0
    loss_max: int = 0
    quotes: list[int] = field(default_factory=lambda: [0, 0])  # numbers of the quote's two orders
    orders: dict[int, Order] = field(default_factory=dict)  # all that rest, by number

    def open_lots(self, side: int, replaced: Order | None) -> int:
        own = self.orders.values()
        return sum(order.quantity for order in own if order.side == side and order is not replaced)

    def another_reduces(self, replaced: Order | None) -> bool:
        """Whether a reduce-only order rests, other than the one being replaced."""
        own = self.orders.values()
        return any(order.has(Option.REDUCE_ONLY) and order is not replaced for order in own)


def check_order(book: Book, order: Order, replaced: Order | None = None) -> int:
    """The first rule that the order breaks."""
    account = book.accounts[order.account]
    return (
        check_options(book, order)
        or check_price_and_quantity(book, order)
        or check_limits(account, order, replaced)
        or check_reduce_only(account, order, replaced)
        or check_money(book, account, order)
        or check_book(book, order, replaced)
    )


def check_options(book: Book, order: Order) -> int:
    if book.phase == Phase.HALTED:
        return RejectReason.HALTED
    if order.side not in (BUY, SELL):
        return RejectReason.INVALID_SIDE
    if order.options > 127:
        return RejectReason.INVALID_OPTIONS
    if order.has(Option.MARKET) and order.may_rest:
        return RejectReason.INVALID_OPTIONS
    if order.has(Option.POST_ONLY) and not order.may_rest:
        return RejectReason.INVALID_OPTIONS
    if order.time_in_force == TimeInForce.GTD and order.expire_ns <= book.now_ns:
        return RejectReason.INVALID_TIME
    return NONE


def check_price_and_quantity(book: Book, order: Order) -> int:
    if not 1 <= order.quantity <= QUANTITY_MAX:
        return RejectReason.QUANTITY_OUT_OF_RANGE
    if not order.has(Option.MARKET):
        if not book.price_base < order.price <= book.price_top:
            return RejectReason.PRICE_OUT_OF_RANGE
        if book.band_ticks and abs(order.price - book.last_price) > book.band_ticks:
            return RejectReason.PRICE_BAND
    if order.quantity * book.price_top > NOTIONAL_MAX:
        return RejectReason.NOTIONAL_MAX
    return NONE


def check_limits(account: Account, order: Order, replaced: Order | None) -> int:
    if account.quantity_max and order.quantity > account.quantity_max:
        return RejectReason.ACCOUNT_QUANTITY_MAX
    if account.n_open_max and order.may_rest and replaced is None:
        if len(account.orders) >= account.n_open_max:
            return RejectReason.ACCOUNT_OPEN_ORDERS_MAX
    if account.position_max:
        position = account.position if order.side == BUY else -account.position
        if_all_filled = position + account.open_lots(order.side, replaced) + order.quantity
        if if_all_filled > account.position_max:
            return RejectReason.ACCOUNT_POSITION_MAX
    return NONE


def check_reduce_only(account: Account, order: Order, replaced: Order | None) -> int:
    closable = -account.position if order.side == BUY else account.position
    reduce_only = order.has(Option.REDUCE_ONLY)
    if reduce_only and order.quantity > closable:
        return RejectReason.REDUCE_ONLY
    if closable <= 0 or account.open_lots(order.side, replaced) + order.quantity <= closable:
        return NONE
    if (reduce_only and order.may_rest) or account.another_reduces(replaced):
        return RejectReason.REDUCE_ONLY
    return NONE


def check_money(book: Book, account: Account, order: Order) -> int:
    own = [other.accounts[order.account] for other in book.venue]
    loss_limits = [one.loss_max for one in own if one.loss_max]
    if loss_limits and not order.has(Option.REDUCE_ONLY):
        if equity(book.venue, order.account) <= -min(loss_limits):
            return RejectReason.ACCOUNT_LOSS_MAX
    if max(abs(account.cash), abs(account.fees), abs(book.fees_collected)) > LEDGER_MAX:
        return RejectReason.ACCOUNT_LEDGER_MAX
    return NONE


def equity(venue: list[Book], number: int) -> int:
    """What a trader is worth over all markets, in tick-lots."""
    total = 0
    for book in venue:
        account = book.accounts[number]
        total += account.cash + account.position * book.last_price - account.fees // FEE_UNITS
    return total


def check_book(book: Book, order: Order, replaced: Order | None) -> int:
    if order.has(Option.POST_ONLY) and book.best_crossing_queue(order):
        return RejectReason.POST_ONLY_WOULD_TRADE
    if order.may_rest and replaced is None and len(book.orders) == book.n_orders - 1:
        return RejectReason.BOOK_FULL
    return NONE


def check_quote(book: Book, wanted: Command) -> int:
    """Why a quote is refused whole."""
    order = Order(0, BUY, wanted.price, wanted.quantity, wanted.options, wanted.expire_ns)
    if not order.may_rest or order.has(Option.MARKET) or order.has(Option.REDUCE_ONLY):
        return RejectReason.INVALID_OPTIONS
    if order.options > 127:
        return RejectReason.INVALID_OPTIONS
    if order.time_in_force == TimeInForce.GTD and order.expire_ns <= book.now_ns:
        return RejectReason.INVALID_TIME
    if wanted.quantity < 0 or wanted.ask_quantity < 0:
        return RejectReason.QUANTITY_OUT_OF_RANGE
    if wanted.quantity > 0 and wanted.ask_quantity > 0 and wanted.price >= wanted.ask_price:
        return RejectReason.INVALID_QUOTE
    return NONE
