"""The judge of the engine: docs/RULES.md in plain Python, one book an instrument.

Prices lie in a SortedDict, the queue at a price is an OrderedDict from order number to order, and
what an account has open is counted anew whenever a rule asks. Slow and obvious on purpose. Events
are plain tuples in the field order of EVENT, with order numbers (id // n_orders) in place of ids.
"""

from collections import OrderedDict
from collections.abc import Iterator
from typing import Any

from sortedcontainers import SortedDict

from exchange.engine.codes import (
    CancelReason,
    CommandKind,
    EventKind,
    Option,
    Phase,
    RejectReason,
    TimeInForce,
)
from exchange.engine.records import LEVEL_QUANTITY_MAX, N_DEPTH, Markets
from reference_checks import BUY, SELL, Account, Command, Order, check_order, check_quote

Event = tuple[int, ...]


class ReferenceVenue:
    """The books of one venue, whose accounts are shared."""

    def __init__(self, markets: Markets) -> None:
        """Start as fresh `markets` do, with their prices, fees and bands."""
        self.books: list[ReferenceBook] = []
        self.books.extend(ReferenceBook(market, self.books) for market in markets)

    def apply(self, fields: tuple[int, ...]) -> tuple[int, list[Event]]:
        """Obey one COMMAND as a tuple. Returns its result, an order as its number, and events."""
        command = Command._make(fields)
        if not 0 <= command.instrument < len(self.books):
            return -RejectReason.UNKNOWN_INSTRUMENT, []
        book = self.books[command.instrument]
        book.events = []
        return book.obey(command), book.events


class ReferenceBook:
    """One market."""

    def __init__(self, market: Any, venue: "list[ReferenceBook]") -> None:
        self.venue = venue  # the books of all its markets, this one too
        self.n_orders = len(market.orders)
        self.price_base = int(market.price_base)
        self.price_top = self.price_base + len(market.levels) - 1
        self.last_price = int(market.last_price)
        self.band_ticks = int(market.band_ticks)
        self.maker_fee_ppm = int(market.maker_fee_ppm)
        self.taker_fee_ppm = int(market.taker_fee_ppm)
        self.now_ns = self.sequence = self.n_entered = 0
        self.bought = self.sold = self.fees_collected = self.n_trades = 0
        self.phase = Phase.OPEN
        self.accounts = [Account() for _ in market.accounts]
        self.sides = (SortedDict(), SortedDict())  # price -> queue, bids and asks
        self.orders: dict[int, Order] = {}  # all that rest, by number
        self.ids: dict[int, int] = {}  # number -> id, as told: the id's other part is opaque
        self.events: list[Event] = []

    # --- commands -----------------------------------------------------------------------------

    def obey(self, c: Command) -> int:
        if c.kind == CommandKind.ADVANCE:
            return self.advance(c.time_ns)
        if c.kind in (CommandKind.HALT, CommandKind.RESUME):
            return self.change_phase(c.kind)
        if not CommandKind.ENTER <= c.kind <= CommandKind.SET_LIMITS:
            return self.reject(RejectReason.UNKNOWN_COMMAND, c.account)
        if not 0 <= c.account < len(self.accounts):
            return self.reject_account(c)
        if c.kind == CommandKind.ENTER:
            return self.enter(c.account, c.side, c.price, c.quantity, c.options, c.expire_ns)
        if c.kind == CommandKind.CANCEL:
            return self.cancel(c.account, c.order_id)
        if c.kind == CommandKind.REPLACE:
            return self.replace(c.account, c.order_id, c.price, c.quantity)
        if c.kind == CommandKind.QUOTE:
            return self.quote(c)
        if c.kind == CommandKind.CANCEL_ALL:
            return self.cancel_all(c.account)
        return self.set_limits(c)

    def enter(
        self, account: int, side: int, price: int, quantity: int, options: int, expire_ns: int
    ) -> int:
        order = Order(account, side, price, quantity, options, expire_ns)
        reason = check_order(self, order)
        if reason:
            return self.reject(reason, account, side, 0, price, quantity)
        self.n_entered += 1
        order.number = self.n_entered
        if options & Option.MARKET:
            order.price = self.market_limit(side)
        if order.time_in_force == TimeInForce.FOK and self.tradable_lots(order) < quantity:
            self.emit_canceled(order, CancelReason.FILL_OR_KILL)
        else:
            self.trade_and_rest(order)
        return order.number

    def cancel(self, account: int, order_id: int) -> int:
        order = self.own_order(account, order_id)
        if order is None:
            return self.reject(RejectReason.UNKNOWN_ORDER, account, 0, order_id, 0, 0)
        self.remove(order, CancelReason.USER)
        return order.number

    def replace(self, account: int, order_id: int, price: int, quantity: int) -> int:
        old = self.own_order(account, order_id)
        if old is None:
            return self.reject(RejectReason.UNKNOWN_ORDER, account, 0, order_id, price, quantity)
        if price == old.price and 1 <= quantity <= old.quantity:
            self.emit_replaced(old, price, quantity, kept_priority=1)
            old.quantity = quantity
            return old.number
        new = Order(account, old.side, price, quantity, old.options, old.expire_ns)
        reason = check_order(self, new, replaced=old)
        if reason:
            return self.reject(reason, account, old.side, order_id, price, quantity)
        self.emit_replaced(old, price, quantity, kept_priority=0)
        self.unlink(old)
        new.number = old.number
        self.trade_and_rest(new)
        return new.number

    def quote(self, c: Command) -> int:
        wanted = ((c.price, c.quantity), (c.ask_price, c.ask_quantity))
        reason = check_quote(self, c)
        if reason:
            return self.reject(reason, c.account, BUY, 0, c.price, c.quantity)
        kept = [self.keep_or_cancel_quote(c.account, side, *wanted[side]) for side in (BUY, SELL)]
        for side in (BUY, SELL):
            price, quantity = wanted[side]
            if kept[side] or quantity == 0:
                continue
            number = self.enter(c.account, side, price, quantity, c.options, c.expire_ns)
            self.accounts[c.account].quotes[side] = max(number, 0)
        return 0

    def keep_or_cancel_quote(self, account: int, side: int, price: int, quantity: int) -> bool:
        """Whether the quote's resting order on this side stays; otherwise none is left."""
        old = self.orders.get(self.accounts[account].quotes[side])
        if old is None:
            return False
        if old.price != price or quantity == 0:
            self.remove(old, CancelReason.QUOTE)
            return False
        if old.quantity > quantity:
            self.emit_replaced(old, price, quantity, kept_priority=1)
            old.quantity = quantity
        return True

    def cancel_all(self, account: int) -> int:
        own = self.accounts[account].orders
        for order in [order for order in self.in_cancel_order() if order.number in own]:
            self.remove(order, CancelReason.CANCEL_ALL)
        return 0

    def advance(self, time_ns: int) -> int:
        if time_ns < self.now_ns:
            return self.reject(RejectReason.INVALID_TIME, 0)
        self.now_ns = time_ns
        for order in [order for order in self.in_cancel_order() if self.is_due(order)]:
            self.remove(order, CancelReason.EXPIRED)
        return 0

    def change_phase(self, kind: int) -> int:
        phase = Phase.HALTED if kind == CommandKind.HALT else Phase.OPEN
        if phase != self.phase:
            self.phase = phase
            self.emit(EventKind.HALTED if phase == Phase.HALTED else EventKind.RESUMED)
        return 0

    def set_limits(self, c: Command) -> int:
        if min(c.expire_ns, c.order_id, c.quantity, c.ask_quantity) < 0:
            return self.reject(RejectReason.INVALID_LIMITS, c.account)
        account = self.accounts[c.account]
        account.position_max, account.loss_max = c.expire_ns, c.order_id
        account.quantity_max, account.n_open_max = c.quantity, c.ask_quantity
        self.emit(EventKind.LIMITS_SET, account=c.account)
        return 0

    # --- matching -----------------------------------------------------------------------------

    def trade_and_rest(self, order: Order) -> None:
        if self.match(order) and order.quantity:
            reason = self.reason_not_to_rest(order)
            if reason is None:
                self.rest(order)
            else:
                self.emit_canceled(order, reason)

    def match(self, order: Order) -> bool:
        """Trade while prices cross; False when self-trade prevention canceled the order."""
        prevention = order.options & Option.STP
        while order.quantity and (queue := self.best_crossing_queue(order)):
            oldest = next(iter(queue.values()))
            if prevention == Option.STP_NONE or oldest.account != order.account:
                self.trade(order, oldest)
                continue
            if prevention != Option.STP_CANCEL_NEWEST:
                self.remove(oldest, CancelReason.SELF_TRADE)
            if prevention != Option.STP_CANCEL_OLDEST:
                self.emit_canceled(order, CancelReason.SELF_TRADE)
                return False
        return True

    def trade(self, taker: Order, maker: Order) -> None:
        price, quantity = maker.price, min(taker.quantity, maker.quantity)
        taker.quantity -= quantity
        maker.quantity -= quantity
        if maker.quantity == 0:
            self.unlink(maker)
        self.book_trade(taker.account, taker.side, price, quantity, self.taker_fee_ppm)
        self.book_trade(maker.account, maker.side, price, quantity, self.maker_fee_ppm)
        self.last_price = price
        self.n_trades += 1
        if taker.side == BUY:
            self.bought += quantity
        else:
            self.sold += quantity
        self.emit_traded(taker, maker, quantity)

    def book_trade(self, number: int, side: int, price: int, quantity: int, ppm: int) -> None:
        """Move position, cash and fees of one of a trade's two accounts."""
        account = self.accounts[number]
        direction = 1 if side == BUY else -1
        account.position += direction * quantity
        account.cash -= direction * price * quantity
        account.fees += price * quantity * ppm
        self.fees_collected += price * quantity * ppm
        account.n_fills += 1
        if side == BUY:
            account.bought += quantity
        else:
            account.sold += quantity

    def tradable_lots(self, order: Order) -> int:
        """Lots that a fill-or-kill order could trade at once, counted until they suffice."""
        prevention, lots = order.options & Option.STP, 0
        for other in self.side_orders(1 - order.side):
            if lots >= order.quantity or not crosses(order, other.price):
                break
            if prevention == Option.STP_NONE or other.account != order.account:
                lots += other.quantity
            elif prevention != Option.STP_CANCEL_OLDEST:
                break
        return lots

    def reason_not_to_rest(self, order: Order) -> int | None:
        if order.has(Option.MARKET):
            return CancelReason.MARKET_REMAINDER
        if not order.may_rest:
            return CancelReason.IMMEDIATE_OR_CANCEL
        queue = self.sides[order.side].get(order.price, {})
        level_quantity = sum(other.quantity for other in queue.values())
        if level_quantity + order.quantity > LEVEL_QUANTITY_MAX:
            return CancelReason.BOOK_FULL
        return None

    def market_limit(self, side: int) -> int:
        band = self.band_ticks or self.price_top
        if side == BUY:
            return min(self.last_price + band, self.price_top)
        return max(self.last_price - band, self.price_base + 1)

    # --- the book -----------------------------------------------------------------------------

    def best_crossing_queue(self, order: Order) -> "OrderedDict[int, Order] | None":
        opposite = self.sides[1 - order.side]
        if not opposite:
            return None
        price, queue = opposite.peekitem(-1 if order.side == SELL else 0)
        return queue if crosses(order, price) else None

    def rest(self, order: Order) -> None:
        self.sides[order.side].setdefault(order.price, OrderedDict())[order.number] = order
        self.orders[order.number] = order
        self.accounts[order.account].orders[order.number] = order
        self.emit(
            EventKind.RESTED, order.account, order.side, order.number, order.price, order.quantity
        )

    def unlink(self, order: Order) -> None:
        levels = self.sides[order.side]
        del levels[order.price][order.number]
        if not levels[order.price]:
            del levels[order.price]
        del self.orders[order.number]
        del self.accounts[order.account].orders[order.number]

    def remove(self, order: Order, reason: int) -> None:
        self.unlink(order)
        self.emit_canceled(order, reason)

    def own_order(self, account: int, order_id: int) -> Order | None:
        number = order_id // self.n_orders
        order = self.orders.get(number)
        if order is None or order.account != account:
            return None
        return order if self.ids.get(number, order_id) == order_id else None

    def side_orders(self, side: int) -> Iterator[Order]:
        """Best price first, at one price oldest first."""
        levels = self.sides[side]
        for price in reversed(levels) if side == BUY else iter(levels):
            yield from levels[price].values()

    def in_cancel_order(self) -> Iterator[Order]:
        yield from self.side_orders(BUY)
        yield from self.side_orders(SELL)

    def is_due(self, order: Order) -> bool:
        return order.time_in_force == TimeInForce.GTD and order.expire_ns <= self.now_ns

    def depth(self, side: int) -> list[tuple[int, int]]:
        """(price, lots) of the best N_DEPTH levels."""
        levels = self.sides[side]
        prices = list(reversed(levels) if side == BUY else levels)[:N_DEPTH]
        return [(price, sum(o.quantity for o in levels[price].values())) for price in prices]

    # --- events -------------------------------------------------------------------------------

    def emit(
        self,
        kind: int,
        account: int = 0,
        side: int = 0,
        number: int = 0,
        price: int = 0,
        quantity: int = 0,
        reason: int = 0,
        *,
        maker: tuple[int, int] = (0, 0),
        before: tuple[int, int] = (0, 0),
        kept_priority: int = 0,
    ) -> None:
        self.sequence += 1
        maker_number, maker_account = maker
        # the field order of EVENT
        names = (self.sequence, self.now_ns, number, maker_number)
        amounts = (price, quantity, *before)
        self.events.append(
            (*names, *amounts, account, maker_account, kind, side, reason, kept_priority)
        )

    def emit_canceled(self, order: Order, reason: int) -> None:
        own = (order.account, order.side, order.number, order.price, order.quantity)
        self.emit(EventKind.CANCELED, *own, reason)

    def emit_replaced(self, old: Order, price: int, quantity: int, kept_priority: int) -> None:
        self.emit(
            EventKind.REPLACED,
            *(old.account, old.side, old.number, price, quantity),
            before=(old.price, old.quantity),
            kept_priority=kept_priority,
        )

    def emit_traded(self, taker: Order, maker: Order, quantity: int) -> None:
        self.emit(
            EventKind.TRADED,
            *(taker.account, taker.side, taker.number, maker.price, quantity),
            maker=(maker.number, maker.account),
            before=(0, maker.quantity),
        )

    def reject(
        self,
        reason: int,
        account: int,
        side: int = 0,
        order_id: int = 0,
        price: int = 0,
        quantity: int = 0,
    ) -> int:
        number = order_id // self.n_orders
        self.emit(EventKind.REJECTED, account, side, number, price, quantity, reason)
        return -reason

    def reject_account(self, c: Command) -> int:
        """Refuse a command of an unknown account, with what was given."""
        side = c.side if c.kind == CommandKind.ENTER else 0
        named = c.kind in (CommandKind.CANCEL, CommandKind.REPLACE)
        priced = c.kind in (CommandKind.ENTER, CommandKind.REPLACE, CommandKind.QUOTE)
        price, quantity = (c.price, c.quantity) if priced else (0, 0)
        order_id = c.order_id if named else 0
        return self.reject(RejectReason.UNKNOWN_ACCOUNT, c.account, side, order_id, price, quantity)


def crosses(order: Order, price: int) -> bool:
    """Whether the order's limit reaches an opposite price."""
    return order.price >= price if order.side == BUY else order.price <= price
