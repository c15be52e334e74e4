"""The single writer without sockets: quotes, timetables, mids and what the answers say of orders."""

import json
from typing import Any

import numpy as np
import pytest

from exchange.engine.codes import EventKind, Option, Phase, RejectReason, ShockKind, TimeInForce
from exchange.engine.commands import apply_command
from exchange.engine.door import Door
from exchange.engine.records import COMMAND, LIVE_MARKET, new_markets
from exchange.instrument import Instrument
from exchange.messages.answers import BatchAnswer, OrderAnswer, OrdersAnswer, QuoteAnswer
from exchange.messages.requests import EnterOrder, QuoteBoth
from exchange.server.clock import StandingClock
from exchange.server.command import unpack
from exchange.server.desk import Desk
from exchange.server.venue import Refused, Venue

GTC, IOC = int(TimeInForce.GTC), int(TimeInForce.IOC)
OLDEST = int(Option.STP_CANCEL_OLDEST)
NEWEST = int(Option.STP_CANCEL_NEWEST)
BOTH = int(Option.STP_CANCEL_BOTH)
BUY, SELL = 0, 1
SECOND_NS = 1_000_000_000


def new_venue(source: Any = None, n_accounts: int = 3) -> tuple[Venue, list[int]]:
    venue = Venue(new_markets(1, dtype=LIVE_MARKET), [Instrument("SIM")], source)
    names = [f"t{n}" for n in range(n_accounts)]
    opened = [venue.open_account(name, True) for name in names]
    return venue, [account.number for account in opened if account is not None]


# --- answers --------------------------------------------------------------------------------------


def test_answers_name_what_the_order_asked_for_and_a_replace_leaves_it():
    venue, (trader, other, _) = new_venue()
    desk = Desk(venue, StandingClock(venue), lambda: 0)
    wishes: list[dict[str, Any]] = [
        {"price": "99.00"},
        {"price": "99.00", "time_in_force": "gtd", "expire_ns": SECOND_NS, "post_only": True},
        {"price": "99.00", "time_in_force": "fok"},
        {"type": "market"},
        {"type": "market", "time_in_force": "fok"},
    ]
    told = []
    for wish in wishes:
        order = EnterOrder.model_validate({"symbol": "SIM", "side": "buy", "quantity": "2", **wish})
        answer = OrderAnswer.model_validate_json(desk.enter(trader, order))
        told.append((answer.time_in_force, answer.post_only, answer.reduce_only))
    assert told == [
        ("gtc", False, False),
        ("gtd", True, False),
        ("fok", False, False),
        ("ioc", False, False),
        ("fok", False, False),
    ]
    _, gtd = venue.orders(trader).open
    replaced = OrderAnswer.model_validate_json(desk.replace(trader, gtd, "98.00", "1"))
    assert (replaced.time_in_force, replaced.post_only) == ("gtd", True)
    listed = OrdersAnswer.model_validate_json(desk.open_orders(trader, None))
    assert [order.time_in_force for order in listed.orders] == ["gtc", "gtd"]
    desk.enter(other, EnterOrder(symbol="SIM", side="sell", price="99.00", quantity="1"))
    order = EnterOrder(
        symbol="SIM", side="buy", price="99.00", quantity="1", reduce_only=True, client_order_id="r"
    )
    reduce_only = OrderAnswer.model_validate_json(desk.enter(other, order))
    assert (reduce_only.reduce_only, reduce_only.client_order_id) == (True, "r")


def test_every_answer_of_the_desk_is_what_the_description_says():
    venue, (trader, *_) = new_venue()
    desk = Desk(venue, StandingClock(venue), lambda: 0)
    quote = QuoteBoth(
        symbol="SIM", bid_price="99.00", bid_quantity="1", ask_price="101.00", ask_quantity="1"
    )
    answer = QuoteAnswer.model_validate_json(desk.quote(trader, quote))
    assert answer.bid is not None and answer.bid.time_in_force == "gtc"
    crossing = quote.model_copy(update={"bid_price": "101.00"})
    with pytest.raises(Exception, match="the bid is at or above the ask"):
        desk.quote(trader, crossing)
    BatchAnswer.model_validate_json(desk.batch(trader, []))
    assert json.loads(desk.cancel_all(trader, None))["n_canceled"] == 2


# --- quotes ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "expire_ns", "reason"),
    [
        (128, 0, RejectReason.INVALID_OPTIONS),
        (-4, 0, RejectReason.INVALID_OPTIONS),
        (2**40, 0, RejectReason.INVALID_OPTIONS),
        (int(TimeInForce.GTD), 5, RejectReason.INVALID_TIME),
        (int(TimeInForce.IOC), 0, RejectReason.INVALID_OPTIONS),
    ],
)
def test_a_quote_that_cannot_be_is_refused_whole_and_the_old_one_stands(options, expire_ns, reason):
    venue, (trader, *_) = new_venue()
    venue.advance(0, 5)
    outcome = venue.quote(trader, 0, (9_900, 5), (10_100, 5), NEWEST)
    journal: list[Any] = []
    venue.journal = lambda record, _: journal.append(np.frombuffer(record, COMMAND)[0])
    account, n_resting = venue.ledger(0, trader), venue.markets["n_resting"][0]
    replayed = venue.markets.copy()

    with pytest.raises(Refused, match=reason.name):
        venue.quote(trader, 0, (9_800, 5), (10_200, 5), options, expire_ns)

    (event,) = venue.door.events(0)
    assert (event["kind"], event["reason"]) == (EventKind.REJECTED, reason)
    assert event["account"] == trader
    assert venue.ledger(0, trader) == account
    assert venue.markets["n_resting"][0] == n_resting
    assert list(venue.orders(trader).open.values()) == [outcome.bid, outcome.ask]
    for command in journal:
        apply_command(replayed, command)
    assert replayed.tobytes() == venue.markets.tobytes()


# --- the door -------------------------------------------------------------------------------------


@pytest.mark.parametrize("price", [10_000.0, 10_000.5, "10000", None, np.float64(1.0)])
def test_a_number_that_is_not_whole_is_a_type_error(price):
    markets = new_markets(1, dtype=LIVE_MARKET)
    door, before = Door(markets), markets.tobytes()
    with pytest.raises(TypeError):
        door.enter(0, 4, BUY, price, 1, GTC, 0)
    with pytest.raises(TypeError):
        door.quote(0, 4, price, 1, 0, 0, GTC, 0)
    assert markets.tobytes() == before
    assert door.enter(np.int16(0), 4, BUY, np.int32(10_000), True, GTC, 0) > 0
    with pytest.raises(OverflowError):
        door.enter(0, 4, BUY, 2**70, 1, GTC, 0)


# --- an empty market ------------------------------------------------------------------------------


def test_a_market_without_participants_keeps_its_stress_timetable():
    venue, (trader, *_) = new_venue()
    venue.schedule(0, int(ShockKind.HALT), 1_000, SECOND_NS, 2 * SECOND_NS)
    order = (0, BUY, 9_900, 1, GTC | NEWEST, 0)
    venue.advance(0, SECOND_NS - 1)
    venue.enter(trader, order)
    venue.advance(0, SECOND_NS)
    assert venue.phase[0] == Phase.HALTED
    with pytest.raises(Refused, match="HALTED"):
        venue.enter(trader, order)
    venue.advance(0, 2 * SECOND_NS)
    assert venue.phase[0] == Phase.OPEN
    assert venue.now_ns[0] == 2 * SECOND_NS


# --- the journal ----------------------------------------------------------------------------------


def test_the_journal_hears_of_every_command_before_it_is_applied():
    venue, (trader, *_) = new_venue()
    heard = []

    def journal(record: bytes, client_order_id: str | None) -> None:
        heard.append((unpack(record), client_order_id, int(venue.sequence[0])))

    venue.journal = journal
    before = int(venue.sequence[0])
    venue.enter(trader, (0, SELL, 10_100, 3, GTC | NEWEST, 7), "mine")
    ((command, own_id, sequence),) = heard
    assert (own_id, sequence) == ("mine", before)
    assert command[:7] == (1, 0, trader, SELL, 10_100, 3, GTC | NEWEST)
    assert command.expire_ns == 7
    assert len(command.pack()) == COMMAND.itemsize


# --- mids -----------------------------------------------------------------------------------------


class Script:
    """Participants that do what they are told, all in one turn."""

    def __init__(self) -> None:
        self.orders: list[tuple[int, ...]] = []

    def __call__(self, markets: Any, instrument: int, until_ns: int) -> int:
        door, events = Door(markets), []
        for order in self.orders:
            door.enter(instrument, *order)
            events += list(door.events(instrument))
        self.orders = []
        markets["now_ns"][instrument] = until_ns
        markets["events"][instrument][: len(events)] = events
        markets["n_events"][instrument] = len(events)
        return 0


@pytest.mark.parametrize("prevention", [OLDEST, NEWEST, BOTH])
def test_mids_within_a_turn_know_of_orders_that_met_their_own_account(prevention):
    script = Script()
    venue, (trader, *_) = new_venue(script)
    own = GTC | NEWEST
    venue.enter(trader, (0, SELL, 10_200, 5, own, 0))
    venue.enter(trader, (0, BUY, 9_800, 5, own, 0))
    script.orders = [
        (1, SELL, 10_000, 2, own, 0),  # the best ask, then met by its own account's buy
        (1, BUY, 10_000, 1, IOC | prevention, 0),
        (2, BUY, 10_200, 1, IOC | NEWEST, 0),  # meets what is left
    ]
    venue.advance(0, 10)
    best_ask = 10_000 if prevention == NEWEST else 10_200
    fills = [fill.mid_twice for fill in venue.orders(trader).fills]
    assert fills == ([] if prevention == NEWEST else [9_800 + best_ask])
    script.orders = [(2, SELL, 9_800, 1, IOC | NEWEST, 0)]
    venue.advance(0, 20)
    assert venue.orders(trader).fills[-1].mid_twice == 9_800 + best_ask
