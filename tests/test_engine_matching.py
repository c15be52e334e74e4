"""Price-time priority and the order types, each rule a small story."""

import pytest

from exchange.engine.codes import CancelReason, EventKind, RejectReason
from market_story import (
    ANN,
    BOB,
    BUY,
    CEE,
    FOK,
    GTC,
    GTD,
    IOC,
    MARKET,
    POST_ONLY,
    SELL,
    STP_BOTH,
    STP_NEWEST,
    STP_OLDEST,
    Story,
    canceled,
    rejected,
    rested,
    traded,
)


@pytest.fixture
def story() -> Story:
    return Story()


def test_a_buy_sweeps_the_cheapest_offers_first_and_rests_the_remainder(story):
    assert story.sell(10_012, 5, account=BOB) == [rested(1, 10_012, 5)]
    assert story.sell(10_011, 5, account=BOB) == [rested(2, 10_011, 5)]

    told = story.buy(10_012, 12)

    assert told == [traded(3, 2, 10_011, 5), traded(3, 1, 10_012, 5), rested(3, 10_012, 2)]


def test_a_sell_meets_the_dearest_bids_first_and_stops_at_its_limit(story):
    story.buy(9_990, 5)
    story.buy(9_992, 5)
    story.buy(9_980, 5)

    told = story.sell(9_990, 20, account=BOB)

    assert told == [traded(4, 2, 9_992, 5), traded(4, 1, 9_990, 5), rested(4, 9_990, 10)]


def test_at_one_price_the_oldest_order_trades_first(story):
    story.sell(10_000, 3, account=BOB)
    story.sell(10_000, 3, account=CEE)
    story.sell(10_000, 3, account=BOB)

    assert story.buy(10_000, 7) == [
        traded(4, 1, 10_000, 3),
        traded(4, 2, 10_000, 3),
        traded(4, 3, 10_000, 1),
    ]


def test_an_order_in_the_middle_of_a_queue_leaves_the_others_in_their_places(story):
    for account in (BOB, CEE, BOB):
        story.sell(10_000, 1, account=account)
    story.cancel(2, account=CEE)

    assert story.buy(10_000, 2) == [traded(4, 1, 10_000, 1), traded(4, 3, 10_000, 1)]


def test_a_trade_is_at_the_resting_price_and_tells_both_owners_and_what_the_maker_has_left(story):
    story.sell(10_000, 8, account=BOB)

    story.buy(10_050, 3)

    fields = ("price", "quantity", "quantity_before", "account", "maker_account", "side")
    event = story.market.events[0]
    assert [event[name] for name in fields] == [10_000, 3, 5, ANN, BOB, BUY]


def test_order_numbers_count_the_orders_that_passed_their_checks(story):
    story.buy(9_990, 1)
    assert story.buy(9_990, 0) == [rejected(RejectReason.QUANTITY_OUT_OF_RANGE)]
    assert story.buy(9_990, 1, IOC) == [canceled(2, 1, CancelReason.IMMEDIATE_OR_CANCEL)]
    assert story.result == 2 * len(story.market.orders)  # slot 0: it could not rest
    assert story.buy(9_990, 1) == [rested(3, 9_990, 1)]
    assert story.result // len(story.market.orders) == 3


# --- time in force ---


def test_ioc_trades_what_it_can_and_cancels_the_rest(story):
    story.sell(10_000, 4, account=BOB)

    told = story.buy(10_000, 10, IOC)

    assert told == [traded(2, 1, 10_000, 4), canceled(2, 6, CancelReason.IMMEDIATE_OR_CANCEL)]


def test_fok_trades_in_full_over_several_levels(story):
    story.sell(10_000, 4, account=BOB)
    story.sell(10_001, 4, account=BOB)

    assert story.buy(10_001, 8, FOK) == [traded(3, 1, 10_000, 4), traded(3, 2, 10_001, 4)]


def test_fok_is_canceled_whole_before_any_trade_when_a_single_lot_is_missing(story):
    story.sell(10_000, 4, account=BOB)
    story.sell(10_001, 4, account=BOB)

    assert story.buy(10_001, 9, FOK) == [canceled(3, 9, CancelReason.FILL_OR_KILL)]
    assert story.buy(10_000, 5, FOK) == [canceled(4, 5, CancelReason.FILL_OR_KILL)]


def test_gtd_rests_until_the_clock_reaches_its_time(story):
    assert story.buy(9_990, 5, GTD, expire_ns=100) == [rested(1, 9_990, 5)]
    assert story.advance(99) == []
    assert story.advance(100) == [canceled(1, 5, CancelReason.EXPIRED)]


def test_what_expires_goes_bids_from_the_best_down_then_asks_from_the_best_up(story):
    story.sell(10_020, 1, GTD, expire_ns=20)
    story.sell(10_010, 1, GTD, expire_ns=10)
    story.buy(9_980, 1, GTD, expire_ns=5)
    story.buy(9_990, 1, GTD, expire_ns=20, account=BOB)
    story.buy(9_990, 1, GTD, expire_ns=10)
    story.buy(9_990, 1)
    story.sell(10_010, 1, GTD, expire_ns=31)

    expired = [canceled(number, 1, CancelReason.EXPIRED) for number in (4, 5, 3, 2, 1)]
    assert story.advance(30) == expired
    assert story.advance(31) == [canceled(7, 1, CancelReason.EXPIRED)]


def test_the_clock_runs_forward_or_stands(story):
    assert story.advance(50) == []
    assert story.advance(50) == []
    assert story.advance(49) == [rejected(RejectReason.INVALID_TIME)]
    assert story.market.now_ns == 50


# --- market orders ---


def test_a_market_order_takes_all_prices_and_what_is_left_is_canceled(story):
    story.sell(10_000, 1, account=BOB)
    story.sell(10_511, 1, account=BOB)

    assert story.buy(0, 3, MARKET, IOC) == [
        traded(3, 1, 10_000, 1),
        traded(3, 2, 10_511, 1),
        canceled(3, 1, CancelReason.MARKET_REMAINDER),
    ]


def test_a_market_order_stops_at_the_price_band_and_shows_it_as_its_price():
    story = Story(band_ticks=10)
    story.buy(9_990, 1, account=BOB)
    story.market.band_ticks = 9  # as a band that has been narrowed since
    story.judge.books[0].band_ticks = 9

    assert story.sell(0, 2, MARKET, IOC) == [canceled(2, 2, CancelReason.MARKET_REMAINDER)]
    assert story.market.events[0].price == 9_991


def test_a_market_orders_limit_is_the_band_around_the_price_before_its_own_trades():
    story = Story(band_ticks=10)
    story.sell(10_008, 1, account=BOB)
    story.buy(10_008, 1, account=CEE)  # the last price is now 10,008
    story.sell(10_009, 1, account=BOB)
    story.sell(10_018, 1, account=BOB)

    told = story.buy(0, 5, MARKET, IOC)

    assert told[-1] == canceled(5, 3, CancelReason.MARKET_REMAINDER)
    assert story.market.events[2].price == 10_018


@pytest.mark.parametrize(("side", "edge"), [(BUY, 10_511), (SELL, 9_489)])
def test_without_a_band_or_beyond_the_ladder_its_limit_is_the_ladders_edge(side, edge):
    for band_ticks in (0, 5_000):
        story = Story(band_ticks=band_ticks)
        assert story.enter(side, 7, 1, MARKET, IOC) == [
            canceled(1, 1, CancelReason.MARKET_REMAINDER)
        ]
        assert story.market.events[0].price == edge


def test_a_market_fok_is_killed_by_its_own_reason(story):
    story.sell(10_000, 4, account=BOB)

    assert story.buy(0, 5, MARKET, FOK) == [canceled(2, 5, CancelReason.FILL_OR_KILL)]
    assert story.buy(0, 4, MARKET, FOK) == [traded(3, 1, 10_000, 4)]


# --- post-only ---


def test_post_only_is_refused_rather_than_trade_and_rests_a_tick_away(story):
    story.sell(10_000, 4, account=BOB)

    assert story.buy(10_000, 1, POST_ONLY) == [rejected(RejectReason.POST_ONLY_WOULD_TRADE)]
    assert story.buy(9_999, 1, POST_ONLY) == [rested(2, 9_999, 1)]


# --- self-trade prevention ---


def test_without_prevention_an_account_trades_with_itself(story):
    story.sell(10_000, 2)
    assert story.buy(10_000, 2) == [traded(2, 1, 10_000, 2)]
    assert (story.account(ANN).position, story.account(ANN).n_fills) == (0, 2)


def test_cancel_newest_trades_up_to_its_own_order_and_stops(story):
    story.sell(10_000, 1, account=BOB)
    story.sell(10_000, 1)
    story.sell(10_001, 1, account=BOB)

    told = story.buy(10_001, 5, STP_NEWEST)

    assert told == [traded(4, 1, 10_000, 1), canceled(4, 4, CancelReason.SELF_TRADE)]


def test_cancel_oldest_pulls_its_own_orders_and_goes_on(story):
    story.sell(10_000, 1)
    story.sell(10_000, 1, account=BOB)
    story.sell(10_001, 1)

    told = story.buy(10_001, 5, STP_OLDEST)

    assert told == [
        canceled(1, 1, CancelReason.SELF_TRADE),
        traded(4, 2, 10_000, 1),
        canceled(3, 1, CancelReason.SELF_TRADE),
        rested(4, 10_001, 4),
    ]


def test_cancel_both_pulls_the_resting_order_then_the_incoming_rest(story):
    story.sell(10_000, 2, account=BOB)
    story.sell(10_000, 3)

    assert story.buy(10_000, 5, STP_BOTH, IOC) == [
        traded(3, 1, 10_000, 2),
        canceled(2, 3, CancelReason.SELF_TRADE),
        canceled(3, 3, CancelReason.SELF_TRADE),
    ]


def test_prevention_is_the_incoming_orders_choice(story):
    story.sell(10_000, 2, STP_BOTH)
    assert story.buy(10_000, 2) == [traded(2, 1, 10_000, 2)]


@pytest.mark.parametrize("prevention", [STP_NEWEST, STP_BOTH])
def test_a_fok_counts_lots_only_up_to_its_own_order(story, prevention):
    story.sell(10_000, 2, account=BOB)
    story.sell(10_000, 2)
    story.sell(10_000, 2, account=BOB)

    assert story.buy(10_000, 3, FOK, prevention) == [canceled(4, 3, CancelReason.FILL_OR_KILL)]
    assert story.buy(10_000, 2, FOK, prevention) == [traded(5, 1, 10_000, 2)]


def test_a_fok_with_cancel_oldest_skips_its_own_orders_in_the_count(story):
    story.sell(10_000, 2, account=BOB)
    story.sell(10_000, 2)
    story.sell(10_000, 2, account=BOB)

    assert story.buy(10_000, 5, FOK, STP_OLDEST) == [canceled(4, 5, CancelReason.FILL_OR_KILL)]
    assert story.buy(10_000, 4, FOK, STP_OLDEST) == [
        traded(5, 1, 10_000, 2),
        canceled(2, 2, CancelReason.SELF_TRADE),
        traded(5, 3, 10_000, 2),
    ]


# --- halts ---


def test_a_halt_refuses_entries_until_trading_resumes(story):
    story.buy(9_990, 5)
    assert story.halt() == [(EventKind.HALTED,)]
    assert story.buy(9_991, 5) == [rejected(RejectReason.HALTED)]
    assert story.resume() == [(EventKind.RESUMED,)]
    assert story.buy(9_991, 5) == [rested(2, 9_991, 5)]


def test_halting_twice_or_resuming_an_open_market_tells_nothing(story):
    assert story.resume() == []
    story.halt()
    assert story.halt() == []


def test_orders_can_leave_and_expire_in_a_halt(story):
    story.buy(9_990, 5)
    story.buy(9_989, 5)
    story.buy(9_988, 5, GTD, expire_ns=10)
    story.halt()

    assert story.cancel(1) == [canceled(1, 5, CancelReason.USER)]
    assert story.advance(10) == [canceled(3, 5, CancelReason.EXPIRED)]
    assert story.cancel_all() == [canceled(2, 5, CancelReason.CANCEL_ALL)]


def test_good_till_canceled_is_what_no_option_means(story):
    assert GTC == 0
    assert story.buy(9_990, 1) == [rested(1, 9_990, 1)]
    assert story.advance(2**62) == []
