"""One running market: the single writer. Every command goes through here, one at a time.

Plain integers in (ticks, lots, nanoseconds of market time), no sockets and no clock of its own.
After each command the events are read once and handed to all who want to know.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from exchange.engine.codes import (
    N_PARTICIPANTS,
    CommandKind,
    EventKind,
    Option,
    RejectReason,
)
from exchange.engine.door import Door
from exchange.engine.records import Markets
from exchange.instrument import Instrument
from exchange.server.command import Command, obey
from exchange.server.ledger import Account, Ledger, Limits
from exchange.server.mids import MidsBefore
from exchange.server.orders import (
    AccountLog,
    Event,
    MidBefore,
    Order,
    OrderLog,
    Wanted,
    new_tuple,
    read_events,
)
from exchange.server.tape import Tape
from exchange.simulation import step as simulation

Advance = Callable[[Markets, int, int], Any]  # markets, instrument, until_ns
Listener = Callable[[int, Sequence[Event]], None]  # instrument, events of one command
JournalSink = Callable[[bytes, str | None], None]  # COMMAND bytes, client_order_id

ENTER = int(CommandKind.ENTER)
REJECTED = int(EventKind.REJECTED)
MARKET = int(Option.MARKET)
OPTIONS_MAX = 127  # all bits that mean something
OPTIONS_UNKNOWN = 255  # stands for whatever does not fit into COMMAND


class Refused(Exception):
    """The market says no: nothing has changed but the number of its last event."""

    def __init__(self, reason: int, instrument: int) -> None:
        super().__init__(RejectReason(reason).name)
        self.reason = RejectReason(reason)
        self.instrument = instrument


class ClientOrderIdReused(Exception):
    """The account has used this client_order_id for a different order."""


@dataclass(slots=True)
class QuoteOutcome:
    """What stands of a quote: its orders, or why a side was refused (0: it was not)."""

    bid: Order | None
    ask: Order | None
    bid_reason: int
    ask_reason: int


class Venue:
    """The markets of one venue with everything that is known about their traders."""

    def __init__(
        self, markets: Markets, instruments: Sequence[Instrument], advance: Advance | None = None
    ) -> None:
        """advance: how participants act; as it is they are simulated, where there are any."""
        assert len(markets) == len(instruments)
        assert len({i.tick_size * i.lot_size for i in instruments}) == 1, "one unit of money"
        self.markets = markets
        self.instruments = list(instruments)
        self.door = Door(markets)
        self.accounts: dict[int, Account] = {}
        self.log = OrderLog(
            len(markets), [(int(m["maker_fee_ppm"]), int(m["taker_fee_ppm"])) for m in markets]
        )
        self.tapes = [Tape() for _ in instruments]
        self.listeners: list[Listener] = []
        self.journal: JournalSink | None = None
        self.on_account: Callable[[Account], None] | None = None  # about to be opened or changed
        self._source = advance if advance is not None else simulation.advance
        self.has_timetable = self._source is simulation.advance  # a recording plays as it was
        # views into the records: reading a field of a view is ten times quicker than of a record
        self.now_ns, self.sequence = markets["now_ns"], markets["sequence"]
        self.last_price, self.price_base = markets["last_price"], markets["price_base"]
        self.best_bid, self.best_ask = markets["best_bid"], markets["best_ask"]
        self.phase = markets["phase"]
        self.quantities = [levels["quantity"] for levels in markets["levels"]]
        self._n_events = markets["n_events"]
        self._events = [memoryview(own).cast("B") for own in markets["events"]]
        self._ledgers = list(markets["accounts"])
        self._n_entered = markets["n_entered"]
        self._n_slots = markets.dtype["orders"].shape[0]  # ids end in their slot
        # (instrument, ladder rows of its best prices) before the last command
        self._best_before = (0, 0, 0)
        self._newest_id = 0  # no order had a higher one before the participants' last turn

    # --- traders ----------------------------------------------------------------------------------

    def open_account(self, name: str, visible: bool, number: int | None = None) -> Account | None:
        """Give a trader the next free number (or a known one again); None when all are taken."""
        if number is None:
            number = max(self.accounts, default=N_PARTICIPANTS - 1) + 1
        if number >= self._ledgers[0].shape[0]:
            return None
        account = self._note(Account(number, name, visible))
        self.log.open_account(number)
        return account

    def ledger(self, instrument: int, account: int) -> Ledger:
        """An account's record in one market."""
        return Ledger._make(self._ledgers[instrument][account].item())

    def price_range(self, instrument: int) -> tuple[int, int]:
        """The lowest and the highest price (ticks) that the ladder holds."""
        base = int(self.price_base[instrument])
        return base + 1, base + len(self.quantities[instrument]) - 1

    def loss_max(self, account: int) -> int:
        """The tightest loss limit of an account in any market (tick-lots), 0 when it has none."""
        rows = range(len(self.instruments))
        return min(self.ledger(row, account).loss_max or 2**62 for row in rows) % 2**62

    def show(self, account: int, visible: bool) -> Account:
        """Whether the leaderboard shows an account."""
        return self._note(self.accounts[account]._replace(visible=visible))

    def quantity_ahead(self, order: Order) -> int:
        """Lots that rest before an open order at its price."""
        orders = self.markets["orders"][order.instrument]
        engine_id = order.order_id // len(self.instruments)
        slot, ahead = orders["previous"][engine_id % len(orders)], 0  # ids end in their slot
        while slot != 0:
            ahead += int(orders["quantity"][slot])
            slot = orders["previous"][slot]
        return ahead

    def orders(self, account: int) -> AccountLog:
        """An account's orders and fills."""
        return self.log.accounts[account]

    # --- commands ---------------------------------------------------------------------------------

    def enter(
        self, account: int, wanted: Wanted, client_order_id: str | None = None
    ) -> tuple[Order, bool]:
        """Enter an order, or find the one already entered under this client_order_id.

        Returns the order as it stood after its entry, and whether it is new. Raises Refused,
        ClientOrderIdReused.
        """
        log = self.log.accounts[account]
        known = log.by_client_id.get(client_order_id) if client_order_id is not None else None
        if known is not None:
            if known.wanted != wanted:
                raise ClientOrderIdReused(client_order_id)
            return known.as_first_answered(), False
        instrument, side, price, quantity, options, expire_ns = wanted
        command = (
            ENTER,
            instrument,
            account,
            side,
            price,
            quantity,
            options,
            0,
            expire_ns,
            0,
            0,
            0,
        )
        order_id = self._apply(new_tuple(Command, command), client_order_id)
        if order_id < 0:
            self._finish(instrument, order_id)
        price_shown = None if options & MARKET else price
        order = self._new_order(instrument, account, order_id, side, price_shown, quantity, options)
        order.client_order_id, order.wanted = client_order_id, wanted
        log.add(order)
        self._read_events(instrument)
        if client_order_id is not None:
            order.keep_first()
        return order, True

    def cancel(self, account: int, order_id: int) -> Order:
        """Cancel an open order. Raises Refused."""
        order, engine_id = self._own_open(account, order_id)
        command = Command(CommandKind.CANCEL, order.instrument, account, order_id=engine_id)
        self._finish(order.instrument, self._apply(command))
        return order

    def replace(self, account: int, order_id: int, price: int, quantity: int) -> Order:
        """Give an open order a new price and open quantity. Raises Refused."""
        order, engine_id = self._own_open(account, order_id)
        kind, row = CommandKind.REPLACE, order.instrument
        command = Command(kind, row, account, 0, price, quantity, order_id=engine_id)
        self._finish(order.instrument, self._apply(command))
        return order

    def quote(
        self,
        account: int,
        instrument: int,
        bid: tuple[int, int],
        ask: tuple[int, int],
        options: int,
        expire_ns: int = 0,
    ) -> QuoteOutcome:
        """Replace both sides of the account's quote; bid, ask: price and quantity, 0 lots for none.

        Raises Refused when the quote is refused as a whole.
        """
        command = Command(
            CommandKind.QUOTE,
            instrument,
            account,
            price=bid[0],
            quantity=bid[1],
            ask_price=ask[0],
            ask_quantity=ask[1],
            options=options if 0 <= options <= OPTIONS_MAX else OPTIONS_UNKNOWN,
            expire_ns=expire_ns,
        )
        result = self._apply(command)
        if result < 0:
            self._finish(instrument, result)
        ledger = self.ledger(instrument, account)
        orders = (
            self._quote_order(instrument, account, ledger.bid_quote_id, 0, bid, options),
            self._quote_order(instrument, account, ledger.ask_quote_id, 1, ask, options),
        )
        reasons = [0, 0]
        for event in self._read_events(instrument):
            if event.kind == REJECTED:
                reasons[event.side] = event.reason
        return QuoteOutcome(*orders, *reasons)

    def cancel_all(self, account: int, instrument: int) -> int:
        """Cancel all open orders of an account in one market; returns how many there were."""
        n_open = self.ledger(instrument, account).n_open
        if n_open > 0:
            command = Command(CommandKind.CANCEL_ALL, instrument, account)
            self._finish(instrument, self._apply(command))
        return n_open

    def set_limits(self, account: int, instrument: int, limits: Limits) -> None:
        """Set an account's limits in one market. Raises Refused."""
        command = Command(
            CommandKind.SET_LIMITS,
            instrument,
            account,
            expire_ns=limits.position_max,
            quantity=limits.quantity_max,
            ask_quantity=limits.n_open_max,
            order_id=limits.loss_max,
        )
        self._finish(instrument, self._apply(command))

    def halt(self, instrument: int) -> None:
        """Take no more orders until `resume`; cancels are still taken."""
        self._finish(instrument, self._apply(Command(CommandKind.HALT, instrument, 0)))

    def resume(self, instrument: int) -> None:
        """Take orders again."""
        self._finish(instrument, self._apply(Command(CommandKind.RESUME, instrument, 0)))

    def schedule(
        self, instrument: int, kind: int, magnitude: int, begin_ns: int, end_ns: int
    ) -> None:
        """Put a shock (ShockKind, thousandths) into a market's timetable. Raises Refused."""
        command = Command(
            CommandKind.SCHEDULE,
            instrument,
            0,
            side=kind,
            order_id=magnitude,
            time_ns=begin_ns,
            expire_ns=end_ns,
        )
        self._finish(instrument, self._apply(command))

    def advance(self, instrument: int, until_ns: int) -> None:
        """Let the participants trade until a market time; nothing when it is not in the future."""
        now_ns = self.now_ns.item(instrument)
        if until_ns <= now_ns:
            return
        if self.journal is not None:
            command = Command(CommandKind.ADVANCE, instrument, 0, time_ns=until_ns)
            self.journal(command.pack(), None)
        while now_ns < until_ns:
            before_ns = now_ns
            self._best_before = self._best(instrument)
            self._newest_id = (self._n_entered.item(instrument) + 1) * self._n_slots - 1
            self._source(self.markets, instrument, until_ns)
            now_ns = self.now_ns.item(instrument)
            events = self._read_events(instrument, many=True)
            assert events or now_ns > before_ns, "participants neither trade nor let time pass"

    # --- parts ------------------------------------------------------------------------------------

    def _note(self, account: Account) -> Account:
        if self.on_account is not None:
            self.on_account(account)
        self.accounts[account.number] = account
        return account

    def _apply(self, command: Command, client_order_id: str | None = None) -> int:
        """Journal a command and apply it; its events wait to be read."""
        if self.journal is not None:
            self.journal(command.pack(), client_order_id)
        self._best_before = self._best(command.instrument)
        return obey(self.door, command)

    def _finish(self, instrument: int, result: int) -> None:
        self._read_events(instrument)
        if result < 0:
            raise Refused(-result, instrument)

    def _read_events(self, instrument: int, many: bool = False) -> list[Event]:
        """Hand the events just emitted to all listeners; many: not of one command but of many."""
        n = self._n_events.item(instrument)
        if n == 0:
            return []
        events = read_events(self._events[instrument], n)
        mid_before = self._mids_before(instrument, events) if many else self._mid_before
        self.log.read(instrument, events, mid_before)
        self.tapes[instrument].read(events)
        for listener in self.listeners:
            listener(instrument, events)
        return events

    def _mids_before(self, instrument: int, events: list[Event]) -> MidBefore:
        """For events of many commands."""
        base, (_, bid, ask) = self.price_base.item(instrument), self._best_before
        quantities, newest_id = self.quantities[instrument], self._newest_id
        return MidsBefore(events, base, quantities, (bid, ask), newest_id)

    def _mid_before(self, _row: int) -> int:
        """For events of the last command."""
        instrument, bid, ask = self._best_before
        return bid + ask + 2 * self.price_base.item(instrument) if bid and ask else 0

    def _best(self, instrument: int) -> tuple[int, int, int]:
        return instrument, self.best_bid.item(instrument), self.best_ask.item(instrument)

    def _own_open(self, account: int, order_id: int) -> tuple[Order, int]:
        """Asked here already, so that ids the engine cannot hold never reach it."""
        order = self.log.accounts[account].open.get(order_id)
        if order is None:
            raise Refused(int(RejectReason.UNKNOWN_ORDER), order_id % len(self.instruments))
        return order, order_id // len(self.instruments)

    def _new_order(
        self,
        instrument: int,
        account: int,
        engine_id: int,
        side: int,
        price: int | None,
        quantity: int,
        options: int,
    ) -> Order:
        return Order(
            self.log.wire_id(instrument, engine_id),
            instrument,
            account,
            side,
            price,
            quantity,
            quantity,
            self.now_ns.item(instrument),
            options,
        )

    def _quote_order(
        self,
        instrument: int,
        account: int,
        engine_id: int,
        side: int,
        wanted: tuple[int, int],
        options: int,
    ) -> Order | None:
        """One side of the quote: kept, new, or None when there is none."""
        if engine_id == 0 or wanted[1] == 0:
            return None
        log = self.log.accounts[account]
        order = log.open.get(self.log.wire_id(instrument, engine_id))
        if order is None:
            order = self._new_order(instrument, account, engine_id, side, *wanted, options)
            log.add(order)
        return order
