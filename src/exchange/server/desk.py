"""Where messages become commands: decimals to ticks and lots on the way in, answers on the way out.

Knows no socket: REST, batches and the WebSocket all come here. Answers are JSON texts, as
`messages.answers` describes them.
"""

from collections.abc import Callable
from functools import cache

from exchange.engine.codes import Option, RejectReason, TimeInForce
from exchange.engine.records import NOTIONAL_MAX, QUANTITY_MAX
from exchange.instrument import Instrument
from exchange.messages.answers import ErrorDetail
from exchange.messages.requests import (
    CancelAllCommand,
    CancelCommand,
    EnterCommand,
    EnterOrder,
    QuoteBoth,
    QuoteCommand,
    ReplaceCommand,
    TradingCommand,
)
from exchange.server.answers import SIDES, open_order_text, order_text
from exchange.server.clock import Clock
from exchange.server.errors import ApiError, refused, unreadable
from exchange.server.orders import Order, Wanted
from exchange.server.venue import ClientOrderIdReused, QuoteOutcome, Refused, Venue

INT32_MAX = 2**31 - 1  # the widest price or quantity that the engine is asked about
TIMES_IN_FORCE = {name.lower(): int(code) for name, code in TimeInForce.__members__.items()}
PREVENTION = {
    "cancel_newest": int(Option.STP_CANCEL_NEWEST),
    "cancel_oldest": int(Option.STP_CANCEL_OLDEST),
    "cancel_both": int(Option.STP_CANCEL_BOTH),
}
SIDE_CODES = {name: code for code, name in enumerate(SIDES)}
MARKET, POST_ONLY, REDUCE_ONLY = int(Option.MARKET), int(Option.POST_ONLY), int(Option.REDUCE_ONLY)


class Desk:
    """Takes the orders of authenticated traders to the venue."""

    def __init__(self, venue: Venue, clock: Clock, wall_ms: Callable[[], int]) -> None:
        self.venue, self.clock, self.wall_ms = venue, clock, wall_ms
        self.symbols = {own.symbol: row for row, own in enumerate(venue.instruments)}

    def instrument(self, symbol: str) -> int:
        """Raises ApiError 404 when there is no such symbol."""
        row = self.symbols.get(symbol)
        if row is None:
            known = ", ".join(self.symbols)
            raise ApiError(
                404, "unknown_symbol", f"no symbol {symbol!r}; there are {known}", field="symbol"
            )
        return row

    # --- commands: each raises ApiError -----------------------------------------------------------

    def apply(self, account: int, command: TradingCommand) -> str:
        """One command, after the participants had their turn up to now."""
        self.clock.catch_up()
        return self._apply(account, command)

    def batch(self, account: int, commands: list[TradingCommand]) -> str:
        """Commands back to back: nobody trades in between."""
        self.clock.catch_up()
        results: list[str] = []
        for command in commands:
            try:
                results.append(self._apply(account, command))
            except ApiError as error:
                results.append(error.answer.model_dump_json())
        return f'{{"results":[{",".join(results)}]}}'

    def enter(self, account: int, order: EnterOrder) -> str:
        """Enter an order."""
        self.clock.catch_up()
        return self._enter(account, order)

    def replace(self, account: int, order_id: int, price: str, quantity: str) -> str:
        """Replace an order."""
        self.clock.catch_up()
        return self._replace(account, order_id, price, quantity)

    def cancel(self, account: int, order_id: int) -> str:
        """Cancel an order."""
        self.clock.catch_up()
        return self._cancel(account, order_id)

    def quote(self, account: int, quote: QuoteBoth) -> str:
        """Replace both sides of the quote."""
        self.clock.catch_up()
        return self._quote(account, quote)

    def cancel_all(self, account: int, symbol: str | None) -> str:
        """Cancel all orders, of every symbol if none is named."""
        self.clock.catch_up()
        return self._cancel_all(account, symbol)

    # --- queries ----------------------------------------------------------------------------------

    def order(self, account: int, order_id: int) -> str:
        """One own order, open or among those that ended last."""
        order = self.venue.orders(account).find(order_id)
        if order is None:
            raise refused(RejectReason.UNKNOWN_ORDER)
        return self._answer(order)

    def open_orders(self, account: int, symbol: str | None) -> str:
        """Own open orders, oldest first."""
        row = None if symbol is None else self.instrument(symbol)
        found = self.venue.orders(account).open.values()
        texts = [
            open_order_text(self.venue, order) for order in found if row in (None, order.instrument)
        ]
        return f'{{"orders":[{",".join(texts)}]}}'

    # --- parts ------------------------------------------------------------------------------------

    def _apply(self, account: int, command: TradingCommand) -> str:
        if isinstance(command, EnterCommand):
            return self._enter(account, command)
        if isinstance(command, ReplaceCommand):
            return self._replace(account, command.order_id, command.price, command.quantity)
        if isinstance(command, CancelCommand):
            return self._cancel(account, command.order_id)
        if isinstance(command, QuoteCommand):
            return self._quote(account, command)
        assert isinstance(command, CancelAllCommand)
        return self._cancel_all(account, command.symbol)

    def _enter(self, account: int, order: EnterOrder) -> str:
        row = self.instrument(order.symbol)
        wanted = self._wanted(row, order)
        if order.deadline_ms is not None:
            self._check_deadline(account, order, order.deadline_ms)
        try:
            entered, _ = self.venue.enter(account, wanted, order.client_order_id)
        except ClientOrderIdReused:
            raise ApiError(
                409,
                "client_order_id_reused",
                "this client_order_id stands for a different order",
                field="client_order_id",
            ) from None
        except Refused as refusal:
            raise self._error(account, refusal) from None
        return self._answer(entered)

    def _replace(self, account: int, order_id: int, price: str, quantity: str) -> str:
        instrument = self.venue.instruments[order_id % len(self.venue.instruments)]
        ticks = _ticks(instrument, price, "price")
        lots = _lots(instrument, quantity, "quantity")
        try:
            return self._answer(self.venue.replace(account, order_id, ticks, lots))
        except Refused as refusal:
            raise self._error(account, refusal) from None

    def _cancel(self, account: int, order_id: int) -> str:
        try:
            return self._answer(self.venue.cancel(account, order_id))
        except Refused as refusal:
            raise self._error(account, refusal) from None

    def _cancel_all(self, account: int, symbol: str | None) -> str:
        rows = self.symbols.values() if symbol is None else [self.instrument(symbol)]
        n_canceled = sum(self.venue.cancel_all(account, row) for row in rows)
        return f'{{"n_canceled":{n_canceled},"time_ns":{self.venue.now_ns.max()}}}'

    def _quote(self, account: int, quote: QuoteBoth) -> str:
        row = self.instrument(quote.symbol)
        instrument = self.venue.instruments[row]
        bid = _side(instrument, quote.bid_price, quote.bid_quantity, "bid")
        ask = _side(instrument, quote.ask_price, quote.ask_quantity, "ask")
        options = PREVENTION[quote.self_trade_prevention] | POST_ONLY * quote.post_only
        try:
            outcome = self.venue.quote(account, row, bid, ask, options)
        except Refused as refusal:
            raise self._error(account, refusal) from None
        return self._quote_answer(account, row, outcome)

    def _quote_answer(self, account: int, row: int, outcome: QuoteOutcome) -> str:
        bid, ask = outcome.bid, outcome.ask
        bid_error = self._side_error(account, row, outcome.bid_reason, "bid")
        ask_error = self._side_error(account, row, outcome.ask_reason, "ask")
        return (
            f'{{"symbol":"{self.venue.instruments[row].symbol}",'
            f'"bid":{"null" if bid is None else self._answer(bid)},'
            f'"ask":{"null" if ask is None else self._answer(ask)},'
            f'"bid_error":{"null" if bid_error is None else bid_error.model_dump_json()},'
            f'"ask_error":{"null" if ask_error is None else ask_error.model_dump_json()},'
            f'"time_ns":{self.venue.now_ns[row]}}}'
        )

    def _wanted(self, row: int, order: EnterOrder) -> Wanted:
        """What the engine is asked for. Raises ApiError 400 for fields that do not fit together."""
        instrument = self.venue.instruments[row]
        is_market = order.type == "market"
        if is_market != (order.price is None):
            needs = "has no price" if is_market else "needs a price"
            raise unreadable(f"a {order.type} order {needs}", "price")
        if (order.time_in_force == "gtd") != (order.expire_ns is not None):
            raise unreadable("expire_ns belongs to gtd orders, and they need it", "expire_ns")
        options = _options(
            order.time_in_force or ("ioc" if is_market else "gtc"),
            is_market,
            order.post_only,
            order.reduce_only,
            order.self_trade_prevention,
        )
        price = 0 if order.price is None else _ticks(instrument, order.price, "price")
        quantity = _lots(instrument, order.quantity, "quantity")
        return (row, SIDE_CODES[order.side], price, quantity, options, order.expire_ns or 0)

    def _check_deadline(self, account: int, order: EnterOrder, deadline_ms: int) -> None:
        """A late order is refused, but one that was entered in time gets its answer again."""
        if self.clock.mode == "lockstep":
            return
        now_ms = self.wall_ms()
        known = order.client_order_id in self.venue.orders(account).by_client_id
        if now_ms > deadline_ms and not known:
            raise ApiError(
                422,
                "deadline_passed",
                f"the order came at {now_ms}",
                field="deadline_ms",
                limit=str(deadline_ms),
            )

    def _answer(self, order: Order) -> str:
        return order_text(self.venue.instruments[order.instrument], order)

    def _error(self, account: int, refusal: Refused) -> ApiError:
        return refused(refusal.reason, self._limit(account, refusal.instrument, refusal.reason))

    def _side_error(self, account: int, row: int, reason: int, side: str) -> ErrorDetail | None:
        if reason == 0:
            return None
        why = RejectReason(reason)
        detail = refused(why, self._limit(account, row, why)).detail
        if detail.field in ("price", "quantity"):
            return detail.model_copy(update={"field": f"{side}_{detail.field}"})
        return detail

    def _limit(self, account: int, row: int, reason: RejectReason) -> str | None:
        """The value of the limit that an order met, as it is written on the wire."""
        instrument = self.venue.instruments[row]
        quantity, price = instrument.quantity_text, instrument.price_text
        ledger = self.venue.ledger(row, account)
        if reason == RejectReason.PRICE_OUT_OF_RANGE:
            lowest, highest = self.venue.price_range(row)
            return f"{price(lowest)} .. {price(highest)}"
        if reason == RejectReason.PRICE_BAND:
            return price(int(self.venue.markets["band_ticks"][row]))
        if reason == RejectReason.QUANTITY_OUT_OF_RANGE:
            return quantity(QUANTITY_MAX)
        if reason == RejectReason.NOTIONAL_MAX:
            return instrument.money_text(NOTIONAL_MAX)
        if reason == RejectReason.ACCOUNT_QUANTITY_MAX:
            return quantity(ledger.quantity_max)
        if reason == RejectReason.ACCOUNT_OPEN_ORDERS_MAX:
            return str(ledger.n_open_max)
        if reason == RejectReason.ACCOUNT_POSITION_MAX:
            return quantity(ledger.position_max)
        if reason == RejectReason.ACCOUNT_LOSS_MAX:
            return instrument.money_text(self.venue.loss_max(account))
        return None


@cache
def _options(
    time_in_force: str, is_market: bool, post_only: bool, reduce_only: bool, prevention: str
) -> int:
    """The engine's word for all these."""
    return (
        TIMES_IN_FORCE[time_in_force]
        | MARKET * is_market
        | POST_ONLY * post_only
        | REDUCE_ONLY * reduce_only
        | PREVENTION[prevention]
    )


def _ticks(instrument: Instrument, text: str, field: str) -> int:
    """A price in ticks, or one that the engine refuses as out of range."""
    try:
        ticks = instrument.ticks(text)
    except ValueError as error:
        raise unreadable(str(error), field) from None
    return ticks if ticks < INT32_MAX else INT32_MAX


def _lots(instrument: Instrument, text: str, field: str) -> int:
    """A quantity in lots, or one that the engine refuses as out of range."""
    try:
        lots = instrument.lots(text)
    except ValueError as error:
        raise unreadable(str(error), field) from None
    return lots if lots < INT32_MAX else INT32_MAX


def _side(instrument: Instrument, price: str | None, quantity: str, side: str) -> tuple[int, int]:
    """One side of a quote: ticks and lots, 0 lots for an empty side."""
    lots = _lots(instrument, quantity, f"{side}_quantity")
    if price is None or lots == 0:
        return 0, 0
    return _ticks(instrument, price, f"{side}_price"), lots
