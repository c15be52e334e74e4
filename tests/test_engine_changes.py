"""Cancel, replace, quote and cancel-all: how orders in the book change."""

import pytest

from exchange.engine.codes import CancelReason, RejectReason
from market_story import (
    ANN,
    BOB,
    CEE,
    FOK,
    GTD,
    IOC,
    MARKET,
    POST_ONLY,
    REDUCE_ONLY,
    SELL,
    STP_OLDEST,
    Story,
    canceled,
    rejected,
    replaced,
    rested,
    traded,
)

UNKNOWN_ORDER = rejected(RejectReason.UNKNOWN_ORDER)


@pytest.fixture
def story() -> Story:
    return Story()


# --- cancel ---


def test_a_cancel_takes_what_is_left_of_an_order(story):
    story.buy(9_990, 5)
    story.sell(9_990, 2, account=BOB)

    assert story.cancel(1) == [canceled(1, 3, CancelReason.USER)]
    assert story.cancel(1) == [UNKNOWN_ORDER]


def test_nobody_cancels_another_accounts_order(story):
    story.buy(9_990, 5)
    assert story.cancel(1, account=BOB) == [UNKNOWN_ORDER]


def test_an_id_is_refused_unless_it_is_the_whole_id_of_a_resting_order(story):
    story.buy(9_990, 5)
    order_id, n_orders = story.order_id(1), len(story.market.orders)
    for wrong in (0, -1, -order_id, order_id + 1, order_id - 1, order_id + n_orders, 2**62):
        assert story.apply(2, account=ANN, order_id=wrong) == [UNKNOWN_ORDER]
        assert story.market.events[0].order_id == wrong


def test_the_id_of_an_order_that_left_does_not_name_the_next_one_in_its_slot(story):
    story.buy(9_990, 5)
    old = story.order_id(1)
    story.cancel(1)
    story.buy(9_990, 5)

    assert story.order_id(2) % 512 == old % 512  # the same slot
    assert story.apply(2, account=ANN, order_id=old) == [UNKNOWN_ORDER]


# --- replace ---


def test_a_smaller_quantity_at_the_same_price_keeps_its_place(story):
    story.sell(10_000, 5)
    story.sell(10_000, 5, account=BOB)

    assert story.replace(1, 10_000, 2) == [replaced(1, 10_000, 2, 1)]
    told = story.buy(10_000, 3, account=CEE)
    assert told == [traded(3, 1, 10_000, 2), traded(3, 2, 10_000, 1)]


def test_a_replace_that_changes_nothing_keeps_its_place_even_in_a_halt(story):
    story.sell(10_000, 5)
    story.halt()
    assert story.replace(1, 10_000, 5) == [replaced(1, 10_000, 5, 1)]
    assert story.replace(1, 10_000, 4) == [replaced(1, 10_000, 4, 1)]
    assert story.replace(1, 10_000, 5) == [rejected(RejectReason.HALTED)]


def test_a_larger_quantity_goes_to_the_end_of_the_queue_under_the_same_id(story):
    story.sell(10_000, 5)
    story.sell(10_000, 5, account=BOB)
    order_id = story.order_id(1)

    assert story.replace(1, 10_000, 6) == [replaced(1, 10_000, 6, 0), rested(1, 10_000, 6)]
    assert story.order_id(1) == order_id
    assert story.buy(10_000, 6, account=CEE) == [traded(3, 2, 10_000, 5), traded(3, 1, 10_000, 1)]


def test_a_replaced_order_trades_on_its_way_and_rests_what_is_left(story):
    story.sell(10_000, 5, account=BOB)
    story.buy(9_990, 5)

    told = story.replace(2, 10_000, 8)

    assert told == [replaced(2, 10_000, 8, 0), traded(2, 1, 10_000, 5), rested(2, 10_000, 3)]


def test_a_replace_tells_price_and_quantity_before(story):
    story.buy(9_990, 5)
    story.replace(1, 9_991, 7)
    event = story.market.events[0]
    assert (event.price_before, event.quantity_before) == (9_990, 5)


def test_a_refused_replace_leaves_the_order_and_its_place(story):
    story.buy(9_990, 5, POST_ONLY)
    story.buy(9_990, 5, account=BOB)
    story.sell(10_000, 1, account=BOB)

    assert story.replace(1, 10_000, 5) == [rejected(RejectReason.POST_ONLY_WOULD_TRADE)]
    assert story.replace(1, 9_990, 0) == [rejected(RejectReason.QUANTITY_OUT_OF_RANGE)]
    assert story.replace(1, 9_488, 5) == [rejected(RejectReason.PRICE_OUT_OF_RANGE)]
    assert story.replace(1, 9_991, 5, account=CEE) == [UNKNOWN_ORDER]
    assert story.sell(9_990, 5, account=CEE) == [traded(4, 1, 9_990, 5)]


def test_a_refused_replace_names_side_id_price_and_quantity_as_given(story):
    story.sell(10_000, 5)
    story.replace(1, 10_512, 3)
    event = story.market.events[0]
    told = (event.side, event.order_id, event.price, event.quantity)
    assert told == (SELL, story.order_id(1), 10_512, 3)


def test_a_replaced_order_keeps_its_options_and_expiry(story):
    story.sell(10_000, 5)
    story.buy(9_990, 5, GTD, STP_OLDEST, expire_ns=100)

    assert story.replace(2, 10_000, 6) == [
        replaced(2, 10_000, 6, 0),
        canceled(1, 5, CancelReason.SELF_TRADE),
        rested(2, 10_000, 6),
    ]
    assert story.advance(100) == [canceled(2, 6, CancelReason.EXPIRED)]


def test_a_replace_is_measured_without_the_order_that_it_takes_the_place_of(story):
    story.limit(position_max=10, n_open_max=1)
    story.buy(9_990, 10)

    assert story.replace(1, 9_991, 10) == [replaced(1, 9_991, 10, 0), rested(1, 9_991, 10)]
    assert story.replace(1, 9_991, 11) == [rejected(RejectReason.ACCOUNT_POSITION_MAX)]


# --- quote ---


def test_a_quote_puts_up_both_sides_and_the_next_one_replaces_them(story):
    assert story.quote((9_990, 5), (10_010, 5)) == [rested(1, 9_990, 5), rested(2, 10_010, 5)]
    assert story.quote((9_991, 5), (10_011, 5)) == [
        canceled(1, 5, CancelReason.QUOTE),
        canceled(2, 5, CancelReason.QUOTE),
        rested(3, 9_991, 5),
        rested(4, 10_011, 5),
    ]


def test_a_side_whose_price_stays_keeps_its_place_and_is_never_topped_up(story):
    story.quote((9_990, 5), (10_010, 5))

    assert story.quote((9_990, 9), (10_012, 5)) == [
        canceled(2, 5, CancelReason.QUOTE),
        rested(3, 10_012, 5),
    ]
    assert story.quote((9_990, 2), (10_012, 5)) == [replaced(1, 9_990, 2, 1)]


def test_a_quantity_of_zero_leaves_a_side_empty(story):
    story.quote((9_990, 5), (10_010, 5))
    assert story.quote((9_990, 0), (10_010, 5)) == [canceled(1, 5, CancelReason.QUOTE)]
    assert story.quote((0, 0), (0, 0)) == [canceled(2, 5, CancelReason.QUOTE)]
    assert story.quote((0, 0), (0, 0)) == []


def test_a_quote_may_cross_its_own_past_but_never_meets_it(story):
    story.quote((9_990, 5), (10_010, 5))
    assert story.quote((10_010, 5), (10_020, 5))[2:] == [rested(3, 10_010, 5), rested(4, 10_020, 5)]


def test_each_side_of_a_quote_is_refused_or_accepted_by_itself(story):
    story.sell(10_000, 1, account=BOB)

    assert story.quote((10_000, 5), (10_010, 5), POST_ONLY) == [
        rejected(RejectReason.POST_ONLY_WOULD_TRADE),
        rested(2, 10_010, 5),
    ]


def test_a_quotes_bid_may_trade_and_rest(story):
    story.sell(10_000, 2, account=BOB)
    assert story.quote((10_000, 5), (10_010, 5)) == [
        traded(2, 1, 10_000, 2),
        rested(2, 10_000, 3),
        rested(3, 10_010, 5),
    ]


def test_in_a_halt_a_quote_pulls_the_old_sides_and_enters_no_new_ones(story):
    story.quote((9_990, 5), (10_010, 5))
    story.halt()

    halted = rejected(RejectReason.HALTED)
    pulled = [canceled(number, 5, CancelReason.QUOTE) for number in (1, 2)]
    assert story.quote((9_991, 5), (10_011, 5)) == [*pulled, halted, halted]


def test_a_quote_owns_only_its_own_two_orders(story):
    story.buy(9_990, 1)
    story.quote((9_990, 5), (10_010, 5))
    story.quote((9_980, 1), (10_020, 1), account=BOB)

    assert story.quote((0, 0), (0, 0)) == [
        canceled(2, 5, CancelReason.QUOTE),
        canceled(3, 5, CancelReason.QUOTE),
    ]


def test_a_quote_side_moved_by_replace_is_still_the_quotes(story):
    story.quote((9_990, 5), (10_010, 5))
    story.replace(1, 9_992, 5)
    assert story.quote((9_992, 5), (10_010, 5)) == []


@pytest.mark.parametrize("options", [[IOC], [FOK], [IOC, MARKET], [REDUCE_ONLY]])
def test_a_quote_with_options_that_cannot_quote_is_refused_whole(story, options):
    story.quote((9_990, 5), (10_010, 5))
    refused = [rejected(RejectReason.INVALID_OPTIONS)]
    assert story.quote((9_991, 5), (10_011, 5), *options) == refused
    assert story.market.n_resting == 2


@pytest.mark.parametrize(
    ("bid", "ask", "reason"),
    [
        ((9_990, -1), (10_010, 5), RejectReason.QUANTITY_OUT_OF_RANGE),
        ((9_990, 1), (10_010, -5), RejectReason.QUANTITY_OUT_OF_RANGE),
        ((10_000, 5), (10_000, 5), RejectReason.INVALID_QUOTE),
        ((10_001, 5), (10_000, 5), RejectReason.INVALID_QUOTE),
    ],
)
def test_a_quote_that_contradicts_itself_is_refused_whole_and_shows_its_bid(
    story, bid, ask, reason
):
    story.quote((9_990, 5), (10_010, 5))
    assert story.quote(bid, ask) == [rejected(reason)]
    assert story.result == -reason
    event = story.market.events[0]
    assert (event.side, event.price, event.quantity) == (0, *bid)
    assert story.market.n_resting == 2


# --- cancel all ---


def test_cancel_all_goes_bids_from_the_best_down_then_asks_from_the_best_up(story):
    story.sell(10_020, 1)
    story.sell(10_010, 1)
    story.buy(9_980, 1)
    story.buy(9_990, 1)
    story.buy(9_990, 1, account=BOB)
    story.buy(9_990, 1)

    all_of_ann = [canceled(number, 1, CancelReason.CANCEL_ALL) for number in (4, 6, 3, 2, 1)]
    assert story.cancel_all() == all_of_ann
    assert story.cancel_all() == []
    assert story.market.n_resting == 1
