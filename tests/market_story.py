"""Small stories told to a market: what came in, and in short what came out.

Every command also goes to the reference book, and the invariants are checked after it. Orders are
called by their numbers (1, 2, 3 ... as they passed their checks) where the market has ids.
"""

from collections.abc import Iterable
from typing import Any

import numpy as np

from exchange.engine.codes import (
    CancelReason,
    CommandKind,
    EventKind,
    Option,
    RejectReason,
    Side,
    TimeInForce,
)
from exchange.engine.commands import apply_commands
from exchange.engine.invariants import check_venue
from exchange.engine.records import COMMAND, EVENT, Markets, new_markets
from reference_book import Event, ReferenceVenue
from reference_compare import check_same_state, learn_ids, numbered, same_results

BUY, SELL = Side.BUY, Side.SELL
GTC, IOC, FOK, GTD = TimeInForce
MARKET, POST_ONLY, REDUCE_ONLY = Option.MARKET, Option.POST_ONLY, Option.REDUCE_ONLY
STP_NEWEST, STP_OLDEST, STP_BOTH = (
    Option.STP_CANCEL_NEWEST,
    Option.STP_CANCEL_OLDEST,
    Option.STP_CANCEL_BOTH,
)
ANN, BOB, CEE = 4, 5, 6  # accounts of traders, behind the simulated crowd's
Told = tuple[Any, ...]


def rested(number: int, price: int, quantity: int) -> Told:
    return (EventKind.RESTED, number, price, quantity)


def traded(taker: int, maker: int, price: int, quantity: int) -> Told:
    return (EventKind.TRADED, taker, maker, price, quantity)


def canceled(number: int, quantity: int, reason: CancelReason) -> Told:
    return (EventKind.CANCELED, number, quantity, reason)


def replaced(number: int, price: int, quantity: int, kept_priority: int) -> Told:
    return (EventKind.REPLACED, number, price, quantity, kept_priority)


def rejected(reason: RejectReason) -> Told:
    return (EventKind.REJECTED, reason)


def in_short(event: Event) -> Told:
    """The part of an event that a story is about."""
    e = dict(zip(EVENT.names or (), event, strict=True))
    kind = EventKind(e["kind"])
    if kind == EventKind.TRADED:
        return traded(e["order_id"], e["maker_order_id"], e["price"], e["quantity"])
    if kind == EventKind.RESTED:
        return rested(e["order_id"], e["price"], e["quantity"])
    if kind == EventKind.CANCELED:
        return canceled(e["order_id"], e["quantity"], CancelReason(e["reason"]))
    if kind == EventKind.REPLACED:
        return replaced(e["order_id"], e["price"], e["quantity"], e["kept_priority"])
    if kind == EventKind.REJECTED:
        return rejected(RejectReason(e["reason"]))
    return (kind,)


class Story:
    """A venue of training markets (ladder 9,489 .. 10,511 unless told), judged at every step."""

    def __init__(self, n: int = 1, **terms: Any) -> None:
        self.start(new_markets(n, **terms))

    def start(self, markets: Markets) -> None:
        """Begin with these fresh markets."""
        self.markets = markets
        self.judge = ReferenceVenue(self.markets)
        self.events: list[Event] = []  # of the last command, in full
        self.result = 0

    @property
    def market(self) -> Any:
        return self.markets[0]

    def account(self, number: int, instrument: int = 0) -> Any:
        return self.markets[instrument].accounts[number]

    def order_id(self, number: int, instrument: int = 0) -> int:
        """The id of a resting order; a made-up one of that number when none rests."""
        n_orders = len(self.market.orders)
        numbers = self.markets[instrument].orders["number"]
        (found,) = np.nonzero((numbers == number) & (numbers > 0))
        return number * n_orders + (int(found[0]) if len(found) else 0)

    def apply(self, kind: CommandKind, **fields: int) -> list[Told]:
        """Apply one command to the market and to its judge; what came out, in short."""
        commands = np.zeros(1, COMMAND)
        commands["kind"] = kind
        for name, value in fields.items():
            commands[name] = value
        learn_ids(self.judge, self.markets)
        events, results = np.zeros(600, EVENT), np.zeros(1, np.int64)
        applied, written = apply_commands(self.markets, commands, events, results)
        assert applied == 1
        self.events = numbered(events[:written], len(self.market.orders))
        self.result = int(results[0])
        expected_result, expected = self.judge.apply(commands[0].tolist())
        assert self.events == expected
        assert same_results(results, [expected_result], len(self.market.orders))
        check_venue(self.markets)
        check_same_state(self.markets, self.judge)
        return [in_short(event) for event in self.events]

    def enter(
        self, side: int, price: int, quantity: int, *options: int, **fields: int
    ) -> list[Told]:
        """Enter an order, of ANN unless another `account` is named."""
        terms = {"account": ANN, "side": side, "price": price, "quantity": quantity} | fields
        return self.apply(CommandKind.ENTER, options=combined(options), **terms)

    def buy(self, price: int, quantity: int, *options: int, **fields: int) -> list[Told]:
        return self.enter(BUY, price, quantity, *options, **fields)

    def sell(self, price: int, quantity: int, *options: int, **fields: int) -> list[Told]:
        return self.enter(SELL, price, quantity, *options, **fields)

    def cancel(self, number: int, account: int = ANN) -> list[Told]:
        return self.apply(CommandKind.CANCEL, account=account, order_id=self.order_id(number))

    def replace(self, number: int, price: int, quantity: int, account: int = ANN) -> list[Told]:
        order_id = self.order_id(number)
        terms = {"account": account, "price": price, "quantity": quantity}
        return self.apply(CommandKind.REPLACE, order_id=order_id, **terms)

    def quote(
        self, bid: tuple[int, int], ask: tuple[int, int], *options: int, **fields: int
    ) -> list[Told]:
        """Quote (price, quantity) on both sides, for ANN unless another `account` is named."""
        terms = {"account": ANN, "price": bid[0], "quantity": bid[1]} | fields
        terms |= {"ask_price": ask[0], "ask_quantity": ask[1]}
        return self.apply(CommandKind.QUOTE, options=combined(options), **terms)

    def cancel_all(self, account: int = ANN) -> list[Told]:
        return self.apply(CommandKind.CANCEL_ALL, account=account)

    def advance(self, time_ns: int) -> list[Told]:
        return self.apply(CommandKind.ADVANCE, time_ns=time_ns)

    def halt(self) -> list[Told]:
        return self.apply(CommandKind.HALT)

    def resume(self) -> list[Told]:
        return self.apply(CommandKind.RESUME)

    def limit(
        self,
        account: int = ANN,
        *,
        position_max: int = 0,
        quantity_max: int = 0,
        n_open_max: int = 0,
        loss_max: int = 0,
        instrument: int = 0,
    ) -> list[Told]:
        """Set an account's limits; COMMAND says in which fields they travel."""
        return self.apply(
            CommandKind.SET_LIMITS,
            account=account,
            instrument=instrument,
            expire_ns=position_max,
            quantity=quantity_max,
            ask_quantity=n_open_max,
            order_id=loss_max,
        )

    def set_account(self, number: int, **fields: int) -> None:
        """Write into an account of the first market and of its judge, past every rule."""
        for name, value in fields.items():
            self.account(number)[name] = value
            setattr(self.judge.books[0].accounts[number], name, value)


def combined(options: Iterable[int]) -> int:
    bits = 0
    for option in options:
        bits |= option
    return bits
