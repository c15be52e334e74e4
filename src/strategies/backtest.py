"""Strategies on an engine without sockets: what `live.py` does in lockstep, in one process.

The order of a step is that of docs/PROTOCOL.md: everybody sees the market and decides, then the
commands are applied in the order of account numbers, then the participants trade for one step.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from operator import index
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from exchange.engine.accounts import set_default_limits
from exchange.engine.codes import N_PARTICIPANTS, EventKind, RejectReason, Side
from exchange.engine.depth import write_depth
from exchange.engine.door import Door
from exchange.engine.records import DEPTH, Markets
from exchange.engine.resting import describe
from exchange.simulation.step import advance
from strategies.mirror import BookMirror, Event
from strategies.quoting import QUOTE_OPTIONS, TAKE_OPTIONS, Command, SendQuote
from strategies.strategy import Resting, Strategy
from strategies.trader import Trader

STEP_NS = 250_000_000
BUY, SELL = int(Side.BUY), int(Side.SELL)
REJECTED = int(EventKind.REJECTED)
TRADED = int(EventKind.TRADED)
ACCOUNT, MAKER_ACCOUNT, KIND, REASON = (  # places in an event's row
    Event._fields.index(name) for name in ("account", "maker_account", "kind", "reason")
)
Advance = Callable[[Markets, int, int], int]


class Kept(NamedTuple):
    """The orders of one market as they were: bytes of its records, and its best bid's row."""

    order_bytes: npt.NDArray[np.uint8]
    best_bid: int


@dataclass(frozen=True)
class Entrant:
    """A strategy with the account it trades on and the market (row of the venue) it trades in."""

    strategy: Strategy
    account: int
    instrument: int = 0


class Backtest:
    """A venue's markets, (n_instruments,) changed in place, with strategies trading on them.

    Accounts without limits of their own get those that the exchange gives. Raises ValueError for a
    market that is not there and for an account that is not a trader's or not free.
    """

    def __init__(
        self,
        markets: Markets,
        entrants: Sequence[Entrant],
        n_steps: int,
        *,
        step_ns: int = STEP_NS,
        advance: Advance = advance,
    ) -> None:
        seats = [(entrant.account, entrant.instrument) for entrant in entrants]
        if len(set(seats)) < len(seats):
            raise ValueError("two strategies share one account in one market")
        for account, instrument in seats:
            _check_seat(markets, account, instrument)
            set_default_limits(markets[instrument : instrument + 1], account)
        if n_steps < 0:
            raise ValueError(f"n_steps is 0 or more, not {n_steps}")
        markets["silent"] = 0  # traders learn of their fills from the events
        self.markets = markets
        self.n_steps = n_steps
        self.step_ns = step_ns
        self._advance = advance
        self._door = Door(markets)
        self._depths = np.zeros(len(markets), DEPTH)
        # plain arrays over the same memory: a record's fields by name cost more than a decision
        self._accounts, self._events, self._n_events = (
            np.asarray(markets[name]) for name in ("accounts", "events", "n_events")
        )
        self._orders = np.asarray(markets["orders"])
        self._numbers, self._rows, self._quantities = (
            self._orders[name] for name in ("number", "row", "quantity")
        )
        self._order_bytes = self._orders.view(np.uint8)
        self._in_order = sorted(entrants, key=lambda entrant: (entrant.account, entrant.instrument))
        self._traders = {
            (entrant.account, entrant.instrument): Trader(
                entrant.strategy,
                end_ns=int(markets[entrant.instrument].now_ns) + n_steps * step_ns,
            )
            for entrant in self._in_order
        }
        self.traders = [self._traders[seat] for seat in seats]

    def run(self) -> list[Trader]:
        """All steps; the traders, in the order of the entrants, with the record of their runs."""
        for _ in range(self.n_steps):
            self.decide_and_apply()
            self.advance()
        self._write_depths()
        for entrant in self._in_order:
            account = self._account(entrant)
            self._trader(entrant).sample(self._depths[entrant.instrument], account)
        return self.traders

    def decide_and_apply(self) -> None:
        """Everybody decides on the same market, then all commands are applied."""
        self._write_depths()
        decided = [(entrant, self._decide(entrant)) for entrant in self._in_order]
        for entrant, commands in decided:
            for command in commands:
                self._apply(entrant, command)

    def advance(self) -> None:
        """Participants trade for one step, market by market."""
        now_ns = self.markets["now_ns"]
        for instrument in range(len(self.markets)):
            until_ns = int(now_ns[instrument]) + self.step_ns
            while now_ns[instrument] < until_ns:
                before = self._keep(instrument)
                self._advance(self.markets, instrument, until_ns)
                self._read_events(instrument, before)

    def _write_depths(self) -> None:
        for market, depth in zip(self.markets, self._depths, strict=True):
            write_depth(market, depth)

    def _decide(self, entrant: Entrant) -> list[Command]:
        account = self._account(entrant)
        own_bid = self._resting(entrant, int(account["bid_quote_id"]))
        own_ask = self._resting(entrant, int(account["ask_quote_id"]))
        depth = self._depths[entrant.instrument]
        return self._trader(entrant).act(depth, account, own_bid, own_ask)

    def _apply(self, entrant: Entrant, command: Command) -> None:
        before = self._keep(entrant.instrument)
        if isinstance(command, SendQuote):
            self._apply_quote(entrant, command)
        else:
            result = self._door.enter(
                entrant.instrument,
                entrant.account,
                BUY if command.is_buy else SELL,
                command.price,
                command.quantity,
                TAKE_OPTIONS,
                0,
            )
            if result > 0:
                self._trader(entrant).count_order(command.quantity)
        self._read_events(entrant.instrument, before)

    def _apply_quote(self, entrant: Entrant, command: SendQuote) -> None:
        account = self._account(entrant)
        before = {int(account["bid_quote_id"]), int(account["ask_quote_id"]), 0}
        self._door.quote(
            entrant.instrument,
            entrant.account,
            command.bid_price,
            command.bid_quantity,
            command.ask_price,
            command.ask_quantity,
            QUOTE_OPTIONS,
            0,
        )
        if int(account["bid_quote_id"]) not in before:
            self._trader(entrant).count_order(command.bid_quantity)
        if int(account["ask_quote_id"]) not in before:
            self._trader(entrant).count_order(command.ask_quantity)

    def _keep(self, instrument: int) -> Kept:
        """What tells later which orders rested now."""
        best_bid = int(self.markets["best_bid"][instrument])
        return Kept(self._order_bytes[instrument].copy(), best_bid)

    def _read_events(self, instrument: int, before: Kept) -> None:
        """Give each fill and refusal to its trader."""
        n_events = int(self._n_events[instrument])
        rows = self._events[instrument, :n_events].tolist()
        trades = False
        for row in rows:
            kind = row[KIND]
            if kind == TRADED:
                trades |= (row[ACCOUNT], instrument) in self._traders
                trades |= (row[MAKER_ACCOUNT], instrument) in self._traders
            elif kind == REJECTED and (row[ACCOUNT], instrument) in self._traders:
                reason = RejectReason(row[REASON]).name.lower()
                self._traders[row[ACCOUNT], instrument].count_refusal(reason)
        if trades:  # few steps have one, so the book is followed through those alone
            orders = before.order_bytes.view(self._orders.dtype)
            slots = np.flatnonzero(orders["number"])
            price_base = int(self.markets["price_base"][instrument])
            resting = describe(orders, slots, price_base, before.best_bid)
            self._read_trades(instrument, rows, BookMirror(resting))

    def _read_trades(self, instrument: int, rows: list[Any], mirror: BookMirror) -> None:
        taker_order_id = mid_twice = 0
        for row in rows:
            event = Event._make(row)
            if event.kind == TRADED:
                if event.order_id != taker_order_id:  # a sweep is one command
                    taker_order_id, mid_twice = event.order_id, mirror.mid_twice()
                self._give_fills(instrument, event, mid_twice)
            mirror.apply(event)

    def _give_fills(self, instrument: int, event: Event, mid_twice: int) -> None:
        """The fill of the maker, then of the taker, to those of them who are traders here."""
        time_ns, price, lots = event.time_ns, event.price, event.quantity
        taker_buys = int(event.side == BUY)
        maker = self._traders.get((event.maker_account, instrument))
        if maker is not None:
            fee = price * lots * int(self.markets["maker_fee_ppm"][instrument])
            order_id = event.maker_order_id
            maker.fills.append((time_ns, order_id, price, lots, 1 - taker_buys, 1, fee, mid_twice))
        taker = self._traders.get((event.account, instrument))
        if taker is not None:
            fee = price * lots * int(self.markets["taker_fee_ppm"][instrument])
            order_id = event.order_id
            taker.fills.append((time_ns, order_id, price, lots, taker_buys, 0, fee, mid_twice))

    def _trader(self, entrant: Entrant) -> Trader:
        return self._traders[entrant.account, entrant.instrument]

    def _account(self, entrant: Entrant) -> Any:
        return self._accounts[entrant.instrument, entrant.account]

    def _resting(self, entrant: Entrant, order_id: int) -> Resting | None:
        """The quote order of this id if it still rests; ids carry their slot in the low bits."""
        if order_id == 0:
            return None
        number, slot = divmod(order_id, self._numbers.shape[1])
        place = entrant.instrument, slot
        if self._numbers[place] != number:
            return None
        price = int(self.markets["price_base"][entrant.instrument]) + int(self._rows[place])
        return Resting(price, int(self._quantities[place]))


def _check_seat(markets: Markets, account: int, instrument: int) -> None:
    n_accounts = markets["accounts"].shape[1]
    if not 0 <= index(instrument) < len(markets):
        raise ValueError(f"no market {instrument}: there are {len(markets)}")
    if not N_PARTICIPANTS <= index(account) < n_accounts:
        lowest, highest = N_PARTICIPANTS, n_accounts - 1
        raise ValueError(f"account {account} is no trader's: those are {lowest} .. {highest}")


def run_backtest(
    markets: Markets,
    entrants: Sequence[Entrant],
    n_steps: int,
    *,
    step_ns: int = STEP_NS,
    advance: Advance = advance,
) -> list[Trader]:
    """Run strategies for n_steps on a venue's markets, changed in place."""
    return Backtest(markets, entrants, n_steps, step_ns=step_ns, advance=advance).run()
