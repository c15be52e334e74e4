"""Every limit reached is an answer: capacities, ranges, absurd values, and each refusal once."""

from collections.abc import Callable

import numpy as np
import pytest

from exchange.engine.codes import CancelReason, CommandKind, EventKind, RejectReason, Side
from exchange.engine.commands import apply_commands
from exchange.engine.door import Door
from exchange.engine.invariants import check_invariants
from exchange.engine.records import (
    COMMAND,
    EVENT,
    LEDGER_MAX,
    LEVEL_QUANTITY_MAX,
    N_ENTERED_MAX,
    NOTIONAL_MAX,
    PRICE_MAX,
    QUANTITY_MAX,
    TRAINING_MARKET,
    new_markets,
)
from exchange.engine.resting import resting_orders
from market_story import (
    ANN,
    BOB,
    CEE,
    FOK,
    GTC,
    GTD,
    IOC,
    MARKET,
    POST_ONLY,
    REDUCE_ONLY,
    STP_NEWEST,
    Story,
    canceled,
    rejected,
    replaced,
    rested,
    traded,
)

BUY, SELL = int(Side.BUY), int(Side.SELL)
LOWEST, HIGHEST = 9_489, 10_511  # prices of a training ladder around 10,000
N_SLOTS = 511
BOOK_FULL = [rejected(RejectReason.BOOK_FULL)]


@pytest.fixture
def story() -> Story:
    return Story()


# --- order slots ---


def full_story() -> Story:
    story = Story()
    fill(story)
    return story


def fill(story: Story) -> None:
    """Take every slot with bids of one lot at 9,990, of the crowd's account 1."""
    commands = np.zeros(N_SLOTS, COMMAND)
    commands["kind"] = CommandKind.ENTER
    commands["price"], commands["quantity"], commands["account"] = 9_990, 1, 1
    apply_commands(story.markets, commands, np.zeros(2_000, EVENT), np.zeros(N_SLOTS, np.int64))
    for command in commands.tolist():
        story.judge.apply(command)


def test_when_every_slot_is_taken_an_order_that_may_rest_is_refused_before_it_trades():
    story = full_story()
    assert story.market.n_resting == N_SLOTS
    assert story.sell(9_990, 1) == BOOK_FULL
    assert story.buy(9_980, 1, GTD, expire_ns=9) == BOOK_FULL
    assert story.quote((9_980, 1), (10_010, 1)) == BOOK_FULL * 2
    assert story.market.n_entered == N_SLOTS


def test_in_a_full_book_orders_still_trade_at_once_change_and_leave():
    story = full_story()
    assert story.sell(9_990, 2, IOC) == [traded(512, 1, 9_990, 1), traded(512, 2, 9_990, 1)]
    story.buy(9_990, 1)
    story.buy(9_990, 1)
    assert story.buy(9_990, 1) == BOOK_FULL
    assert story.replace(513, 9_991, 2) == [replaced(513, 9_991, 2, 0), rested(513, 9_991, 2)]
    assert story.cancel(513) == [canceled(513, 2, CancelReason.USER)]
    assert story.buy(9_990, 1) == [rested(515, 9_990, 1)]


def test_one_order_may_trade_with_a_full_book():
    story = full_story()
    told = story.sell(LOWEST, N_SLOTS + 5, IOC)
    assert len(told) == N_SLOTS + 1
    assert told[-1] == canceled(512, 5, CancelReason.IMMEDIATE_OR_CANCEL)
    assert story.market.n_resting == 0


def test_cancel_all_and_expiry_may_empty_a_full_book():
    story = full_story()
    assert len(story.cancel_all(account=1)) == N_SLOTS
    assert story.market.n_resting == 0


# --- quantities ---


def test_a_level_holds_no_more_than_its_limit_and_the_rest_of_an_order_is_canceled():
    story = Story(open_price=10)
    assert NOTIONAL_MAX // 1_023 > LEVEL_QUANTITY_MAX // 22  # so 22 orders reach the limit
    largest = NOTIONAL_MAX // 1_023
    for _ in range(21):
        story.buy(9, largest)
    room = LEVEL_QUANTITY_MAX - 21 * largest

    assert story.buy(9, room + 1) == [canceled(22, room + 1, CancelReason.BOOK_FULL)]
    assert story.buy(9, room) == [rested(23, 9, room)]
    assert story.market.levels[9].quantity == LEVEL_QUANTITY_MAX
    assert story.buy(9, 1) == [canceled(24, 1, CancelReason.BOOK_FULL)]


def test_a_replaced_order_that_finds_its_level_full_is_canceled():
    story = Story(open_price=10)
    largest = NOTIONAL_MAX // 1_023
    for _ in range(21):
        story.buy(9, largest)
    story.buy(8, largest)

    told = story.replace(22, 9, largest)

    assert told == [replaced(22, 9, largest, 0), canceled(22, largest, CancelReason.BOOK_FULL)]


@pytest.mark.parametrize("quantity", [0, -1, -(2**31), QUANTITY_MAX + 1, 2**31 - 1])
def test_quantities_outside_1_to_the_maximum_are_refused(story, quantity):
    assert story.buy(9_990, quantity) == [rejected(RejectReason.QUANTITY_OUT_OF_RANGE)]


def test_an_orders_value_at_the_top_of_the_ladder_is_limited(story):
    largest = NOTIONAL_MAX // HIGHEST
    refused = [rejected(RejectReason.NOTIONAL_MAX)]
    assert story.sell(LOWEST, largest + 1) == refused
    assert story.sell(0, largest + 1, MARKET, IOC) == refused
    assert story.sell(LOWEST, largest) == [rested(1, LOWEST, largest)]


# --- prices ---


@pytest.mark.parametrize("price", [LOWEST - 1, HIGHEST + 1, 0, -1, -(2**31), 2**31 - 1])
def test_prices_outside_the_ladder_are_refused(story, price):
    assert story.buy(price, 1) == [rejected(RejectReason.PRICE_OUT_OF_RANGE)]


def test_the_ladders_first_and_last_price_are_prices_like_others(story):
    story.buy(LOWEST, 1)
    story.sell(HIGHEST, 1)
    assert story.sell(LOWEST, 1, account=BOB) == [traded(3, 1, LOWEST, 1)]
    assert story.buy(HIGHEST, 1, account=BOB) == [traded(4, 2, HIGHEST, 1)]
    assert story.buy(9_999, 1) == [rested(5, 9_999, 1)]


def test_the_dearest_market_there_can_be_trades():
    story = Story(open_price=PRICE_MAX - 1_024)
    price = PRICE_MAX - 513
    story.sell(price, 46, account=BOB)
    assert story.buy(price, 46) == [traded(2, 1, price, 46)]
    assert story.account(ANN).cash == -46 * price


def test_limit_prices_stay_within_the_band_around_the_last_trade():
    story = Story(band_ticks=10)
    outside = [rejected(RejectReason.PRICE_BAND)]
    assert story.buy(9_989, 1) == outside
    assert story.sell(10_011, 1) == outside
    story.buy(9_990, 1)
    story.sell(9_990, 1, account=BOB)

    assert story.sell(10_001, 1) == outside
    assert story.sell(10_000, 1) == [rested(3, 10_000, 1)]
    assert story.buy(9_980, 1) == [rested(4, 9_980, 1)]


# --- each refusal once ---


REFUSALS: dict[RejectReason, Callable[[Story], object]] = {
    RejectReason.UNKNOWN_COMMAND: lambda s: s.apply(CommandKind.NONE),
    RejectReason.UNKNOWN_INSTRUMENT: lambda s: s.buy(9_990, 1, instrument=1),
    RejectReason.UNKNOWN_ACCOUNT: lambda s: s.buy(9_990, 1, account=8),
    RejectReason.UNKNOWN_ORDER: lambda s: s.cancel(1),
    RejectReason.INVALID_SIDE: lambda s: s.enter(2, 9_990, 1),
    RejectReason.INVALID_OPTIONS: lambda s: s.buy(9_990, 1, MARKET),
    RejectReason.INVALID_TIME: lambda s: s.buy(9_990, 1, GTD),
    RejectReason.INVALID_LIMITS: lambda s: s.limit(loss_max=-1),
    RejectReason.INVALID_QUOTE: lambda s: s.quote((10_000, 1), (10_000, 1)),
    RejectReason.PRICE_OUT_OF_RANGE: lambda s: s.buy(1, 1),
    RejectReason.PRICE_BAND: lambda s: s.buy(9_700, 1),
    RejectReason.QUANTITY_OUT_OF_RANGE: lambda s: s.buy(9_990, 0),
    RejectReason.NOTIONAL_MAX: lambda s: s.buy(9_990, QUANTITY_MAX),
    RejectReason.HALTED: lambda s: (s.halt(), s.buy(9_990, 1)),
    RejectReason.BOOK_FULL: lambda s: (fill(s), s.buy(9_990, 1)),
    RejectReason.ACCOUNT_QUANTITY_MAX: lambda s: (s.limit(quantity_max=1), s.buy(9_990, 2)),
    RejectReason.ACCOUNT_OPEN_ORDERS_MAX: lambda s: (
        s.limit(n_open_max=1),
        s.buy(9_990, 1),
        s.buy(9_990, 1),
    ),
    RejectReason.ACCOUNT_POSITION_MAX: lambda s: (s.limit(position_max=1), s.buy(9_990, 2)),
    RejectReason.ACCOUNT_LOSS_MAX: lambda s: (
        s.limit(loss_max=1),
        s.set_account(ANN, cash=-1),
        s.set_account(BOB, cash=1),
        s.buy(9_990, 1),
    ),
    RejectReason.ACCOUNT_LEDGER_MAX: lambda s: (
        s.set_account(ANN, cash=LEDGER_MAX + 1),
        s.set_account(BOB, cash=-LEDGER_MAX - 1),
        s.buy(9_990, 1),
    ),
    RejectReason.POST_ONLY_WOULD_TRADE: lambda s: (
        s.sell(10_000, 1, account=BOB),
        s.buy(10_000, 1, POST_ONLY),
    ),
    RejectReason.REDUCE_ONLY: lambda s: s.buy(9_990, 1, REDUCE_ONLY),
}


def test_every_refusal_has_its_story():
    of_scenarios = {RejectReason.INVALID_SHOCK, RejectReason.TIMETABLE_FULL}  # not the engine's own
    assert set(REFUSALS) == set(RejectReason) - of_scenarios - {RejectReason.NONE}


@pytest.mark.parametrize("reason", REFUSALS, ids=lambda reason: reason.name)
def test_a_refusal_returns_its_reason_and_is_one_event_of_that_reason(reason):
    story = Story(band_ticks=200)
    REFUSALS[reason](story)

    assert story.result == -reason
    if reason == RejectReason.UNKNOWN_INSTRUMENT:  # no market to tell it
        assert story.events == []
    else:
        assert [
            tuple(e) for e in story.market.events[: story.market.n_events][["kind", "reason"]]
        ] == [(EventKind.REJECTED, reason)]


@pytest.mark.parametrize("reason", REFUSALS, ids=lambda reason: reason.name)
def test_a_refused_command_changes_nothing_but_the_events(reason):
    story = Story(band_ticks=200)
    before: list[np.void] = []
    apply = story.apply

    def remembering(kind, **fields):
        before[:] = [story.markets.copy()]
        return apply(kind, **fields)

    story.apply = remembering  # type: ignore[method-assign]
    REFUSALS[reason](story)

    after, (untouched,) = story.markets.copy(), before
    for markets in (after, untouched):
        for name in ("sequence", "n_events", "events"):
            markets[name] = 0
    assert after.tobytes() == untouched.tobytes()


@pytest.mark.parametrize(
    "options",
    [
        (MARKET,),
        (MARKET, GTD),
        (POST_ONLY, IOC),
        (POST_ONLY, FOK),
        (POST_ONLY, IOC, MARKET),
        (128,),
        (255,),
        (128, IOC, MARKET),
    ],
)
def test_options_that_contradict_each_other_are_refused(story, options):
    refused = [rejected(RejectReason.INVALID_OPTIONS)]
    assert story.buy(9_990, 1, *options, expire_ns=9) == refused


@pytest.mark.parametrize("expire_ns", [-(2**63), -1, 0, 49, 50])
def test_an_expiry_that_is_not_in_the_future_is_refused(story, expire_ns):
    story.advance(50)
    refused = [rejected(RejectReason.INVALID_TIME)]
    assert story.buy(9_990, 1, GTD, expire_ns=expire_ns) == refused
    assert story.buy(9_990, 1, GTC, expire_ns=expire_ns) == [rested(1, 9_990, 1)]


@pytest.mark.parametrize("kind", [0, 10, 255])
def test_a_command_of_no_kind_is_refused(story, kind):
    assert story.apply(kind) == [rejected(RejectReason.UNKNOWN_COMMAND)]


@pytest.mark.parametrize("instrument", [-32_768, -1, 1, 32_767])
def test_a_command_to_no_market_leaves_no_event_anywhere(story, instrument):
    before = story.markets.tobytes()
    assert story.buy(9_990, 1, instrument=instrument) == []
    assert story.result == -RejectReason.UNKNOWN_INSTRUMENT
    assert story.markets.tobytes() == before


def test_the_earlier_check_gives_the_reason(story):
    """One order that breaks everything; what it breaks is mended rule by rule."""
    story.halt()
    story.limit(quantity_max=1)
    bad = {"account": 9, "side": 7, "options": 128, "quantity": 0, "price": 0}
    for mended, reason in (
        ({}, RejectReason.UNKNOWN_ACCOUNT),
        ({"account": ANN}, RejectReason.HALTED),
        ({}, RejectReason.INVALID_SIDE),
        ({"side": 0}, RejectReason.INVALID_OPTIONS),
        ({"options": GTD | STP_NEWEST | POST_ONLY}, RejectReason.INVALID_TIME),
        ({"expire_ns": 1}, RejectReason.QUANTITY_OUT_OF_RANGE),
        ({"quantity": QUANTITY_MAX}, RejectReason.PRICE_OUT_OF_RANGE),
        ({"price": 9_990}, RejectReason.NOTIONAL_MAX),
        ({"quantity": 2}, RejectReason.ACCOUNT_QUANTITY_MAX),
    ):
        bad |= mended
        if reason == RejectReason.INVALID_SIDE:
            story.resume()
        assert story.apply(CommandKind.ENTER, **bad) == [rejected(reason)]


# --- each reason to cancel once ---

CANCELS: dict[CancelReason, Callable[[Story], object]] = {
    CancelReason.USER: lambda s: (s.buy(9_990, 1), s.cancel(1)),
    CancelReason.CANCEL_ALL: lambda s: (s.buy(9_990, 1), s.cancel_all()),
    CancelReason.QUOTE: lambda s: (s.quote((9_990, 1), (0, 0)), s.quote((0, 0), (0, 0))),
    CancelReason.EXPIRED: lambda s: (s.buy(9_990, 1, GTD, expire_ns=5), s.advance(5)),
    CancelReason.IMMEDIATE_OR_CANCEL: lambda s: s.buy(9_990, 1, IOC),
    CancelReason.FILL_OR_KILL: lambda s: s.buy(9_990, 1, FOK),
    CancelReason.MARKET_REMAINDER: lambda s: s.buy(9_990, 1, MARKET, IOC),
    CancelReason.SELF_TRADE: lambda s: (s.sell(9_990, 1), s.buy(9_990, 1, STP_NEWEST)),
    CancelReason.BOOK_FULL: lambda s: (
        s.start(new_markets(1, open_price=10)),
        [s.buy(9, NOTIONAL_MAX // 1_023) for _ in range(22)],
    ),
}


def test_every_reason_to_cancel_has_its_story():
    assert set(CANCELS) == set(CancelReason)


@pytest.mark.parametrize("reason", CANCELS, ids=lambda reason: reason.name)
def test_a_cancellation_tells_its_reason(story, reason):
    CANCELS[reason](story)
    last = story.market.events[story.market.n_events - 1]
    assert (last.kind, last.reason) == (EventKind.CANCELED, reason)


# --- fresh markets ---


def test_after_the_last_number_no_order_rests_and_those_that_do_not_rest_still_trade():
    markets = new_markets(1)
    markets["n_entered"] = N_ENTERED_MAX - 1
    door = Door(markets)
    last = door.enter(0, ANN, SELL, 10_010, 5, GTC, 0)
    assert last // len(markets[0].orders) == N_ENTERED_MAX
    assert door.enter(0, BOB, BUY, 10_000, 5, GTC, 0) == -RejectReason.BOOK_FULL
    assert door.enter(0, BOB, BUY, 10_010, 2, IOC, 0) > last
    assert resting_orders(markets[0])["quantity"].tolist() == [3]
    assert door.cancel(0, ANN, last) == last
    check_invariants(markets[0])


def test_fresh_markets_are_centered_open_and_differ_in_their_random_state():
    markets = new_markets(3, seeds=[7, 8, 7])
    assert markets.dtype == TRAINING_MARKET
    assert (markets["price_base"] == LOWEST - 1).all()
    assert (markets["rng"][0] == markets["rng"][2]).all()
    assert (markets["rng"][0] != markets["rng"][1]).any()


@pytest.mark.parametrize(
    "terms",
    [
        {"open_price": 0},
        {"open_price": PRICE_MAX - 1_023},
        {"maker_fee_ppm": 1_001},
        {"maker_fee_ppm": -1_001},
        {"taker_fee_ppm": 10_001},
        {"taker_fee_ppm": -10_001},
        {"maker_fee_ppm": -11, "taker_fee_ppm": 10},
    ],
)
def test_a_market_on_impossible_terms_is_a_value_error(terms):
    with pytest.raises(ValueError, match=r"ppm|price|rebate"):
        new_markets(1, **terms)


def test_a_blank_record_is_an_open_market_whose_ladder_begins_at_1():
    story = Story()
    story.start(np.zeros(1, TRAINING_MARKET))
    assert story.buy(0, 1) == [rejected(RejectReason.PRICE_OUT_OF_RANGE)]
    assert story.buy(1, 1, account=CEE) == [rested(1, 1, 1)]
