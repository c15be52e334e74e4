"""Positions, cash, fees, and the limits of an account."""

import pytest

from exchange.engine.codes import CancelReason, CommandKind, EventKind, RejectReason
from exchange.engine.records import LEDGER_MAX
from market_story import (
    ANN,
    BOB,
    CEE,
    IOC,
    MARKET,
    REDUCE_ONLY,
    Story,
    canceled,
    rejected,
    rested,
    traded,
)

REFUSED_REDUCE_ONLY = [rejected(RejectReason.REDUCE_ONLY)]
REFUSED_LOSS = [rejected(RejectReason.ACCOUNT_LOSS_MAX)]


@pytest.fixture
def story() -> Story:
    return Story()


def story_with_position(lots: int) -> Story:
    """ANN has bought (negative: sold) lots from BOB at 10,000."""
    story = Story()
    trade(story, lots)
    return story


def trade(story: Story, lots: int, price: int = 10_000, instrument: int = 0) -> None:
    """ANN buys lots (negative: sells) from BOB."""
    story.enter(int(lots > 0), price, abs(lots), account=BOB, instrument=instrument)
    story.enter(int(lots < 0), price, abs(lots), account=ANN, instrument=instrument)


# --- money ---


def test_a_trade_moves_position_and_cash_of_both_sides_exactly(story):
    story.sell(10_000, 5, account=BOB)
    story.buy(10_000, 3)

    ann, bob = story.account(ANN), story.account(BOB)
    assert (ann.position, ann.cash, ann.bought, ann.sold, ann.n_fills) == (3, -30_000, 3, 0, 1)
    assert (bob.position, bob.cash, bob.bought, bob.sold, bob.n_fills) == (-3, 30_000, 0, 3, 1)
    assert (story.market.bought, story.market.sold, story.market.n_trades) == (3, 0, 1)
    assert story.market.last_price == 10_000


def test_maker_and_taker_pay_their_rates_exact_to_a_millionth_of_a_tick_lot():
    story = Story(maker_fee_ppm=-37, taker_fee_ppm=51)
    story.sell(10_001, 7, account=BOB)
    story.buy(10_001, 7)

    notional = 7 * 10_001
    assert story.account(BOB).fees == -37 * notional
    assert story.account(ANN).fees == 51 * notional
    assert story.market.fees_collected == 14 * notional


# --- limits ---


def test_an_order_larger_than_the_accounts_limit_is_refused(story):
    assert story.limit(quantity_max=5) == [(EventKind.LIMITS_SET,)]
    assert story.buy(9_990, 6) == [rejected(RejectReason.ACCOUNT_QUANTITY_MAX)]
    assert story.buy(9_990, 5) == [rested(1, 9_990, 5)]
    assert story.buy(9_990, 6, account=BOB) == [rested(2, 9_990, 6)]


def test_open_orders_are_limited_but_orders_that_cannot_rest_are_not_counted(story):
    story.limit(n_open_max=2)
    story.buy(9_990, 1)
    story.buy(9_991, 1)

    assert story.buy(9_992, 1) == [rejected(RejectReason.ACCOUNT_OPEN_ORDERS_MAX)]
    assert story.buy(9_992, 1, IOC) == [canceled(3, 1, CancelReason.IMMEDIATE_OR_CANCEL)]
    story.cancel(1)
    assert story.buy(9_992, 1) == [rested(4, 9_992, 1)]


def test_the_position_limit_counts_open_orders_of_the_same_side_as_filled(story):
    story.limit(position_max=10)
    trade(story, 4)
    story.buy(9_990, 4)
    story.sell(10_010, 10)

    assert story.buy(9_991, 3) == [rejected(RejectReason.ACCOUNT_POSITION_MAX)]
    assert story.buy(9_991, 2) == [rested(5, 9_991, 2)]
    assert story.sell(10_011, 5) == [rejected(RejectReason.ACCOUNT_POSITION_MAX)]
    assert story.sell(10_011, 4) == [rested(6, 10_011, 4)]


def test_a_position_beyond_its_limit_can_always_be_brought_back():
    story = story_with_position(-50)
    story.limit(position_max=10)

    assert story.sell(10_000, 1) == [rejected(RejectReason.ACCOUNT_POSITION_MAX)]
    assert story.buy(9_990, 60) == [rested(3, 9_990, 60)]
    assert story.buy(9_990, 1) == [rejected(RejectReason.ACCOUNT_POSITION_MAX)]


def test_a_limit_of_zero_is_no_limit(story):
    story.limit(quantity_max=1)
    story.limit()
    assert story.buy(9_990, 2) == [rested(1, 9_990, 2)]


@pytest.mark.parametrize("name", ["position_max", "quantity_max", "n_open_max", "loss_max"])
def test_a_negative_limit_is_refused_and_none_of_the_four_is_set(story, name):
    story.limit(position_max=1, quantity_max=2, n_open_max=3, loss_max=4)

    assert story.limit(**{name: -1}) == [rejected(RejectReason.INVALID_LIMITS)]
    ann = story.account(ANN)
    limits = (ann.position_max, ann.quantity_max, ann.n_open_max, ann.loss_max)
    assert limits == (1, 2, 3, 4)


# --- reduce-only ---


@pytest.mark.parametrize("direction", [1, -1])
def test_reduce_only_brings_a_position_to_zero_and_no_further(direction):
    story = story_with_position(5 * direction)
    closing, opening = int(direction > 0), int(direction < 0)
    price = 10_000 + 10 * direction

    assert story.enter(closing, price, 6, REDUCE_ONLY) == REFUSED_REDUCE_ONLY
    assert story.enter(opening, 10_000, 1, REDUCE_ONLY, IOC) == REFUSED_REDUCE_ONLY
    assert story.enter(closing, price, 5, REDUCE_ONLY) == [rested(3, price, 5)]


def test_without_a_position_there_is_nothing_to_reduce(story):
    assert story.sell(10_000, 1, REDUCE_ONLY) == REFUSED_REDUCE_ONLY
    assert story.buy(10_000, 1, REDUCE_ONLY, MARKET, IOC) == REFUSED_REDUCE_ONLY


def test_a_resting_reduce_only_order_counts_what_else_is_open_on_its_side():
    story = story_with_position(5)
    story.sell(10_010, 3)

    assert story.sell(10_011, 3, REDUCE_ONLY) == REFUSED_REDUCE_ONLY
    assert story.sell(10_011, 2, REDUCE_ONLY) == [rested(4, 10_011, 2)]


def test_while_one_rests_no_other_order_of_its_side_may_exceed_the_position():
    story = story_with_position(5)
    story.sell(10_010, 3, REDUCE_ONLY)

    assert story.sell(10_011, 3) == REFUSED_REDUCE_ONLY
    assert story.sell(9_990, 3, IOC) == REFUSED_REDUCE_ONLY
    assert story.sell(9_990, 3, IOC, REDUCE_ONLY) == REFUSED_REDUCE_ONLY
    assert story.sell(10_011, 2) == [rested(4, 10_011, 2)]
    assert story.buy(9_990, 100) == [rested(5, 9_990, 100)]


def test_a_reduce_only_ioc_alone_looks_at_the_position_only():
    story = story_with_position(5)
    story.sell(10_010, 5)
    story.buy(9_990, 5, account=CEE)

    assert story.sell(9_990, 5, IOC, REDUCE_ONLY) == [traded(5, 4, 9_990, 5)]


def test_a_reduce_only_order_may_be_replaced_up_to_the_position():
    story = story_with_position(5)
    story.sell(10_010, 3, REDUCE_ONLY)

    assert story.replace(3, 10_010, 6) == REFUSED_REDUCE_ONLY
    assert story.replace(3, 10_009, 5)[-1] == rested(3, 10_009, 5)


# --- loss ---


def test_at_its_loss_limit_an_account_may_only_reduce():
    story = story_with_position(10)
    story.limit(loss_max=100)
    trade_between_others(story, 9_991)
    assert story.buy(9_980, 1) == [rested(5, 9_980, 1)]  # down 90: not there yet
    trade_between_others(story, 9_990)

    assert story.buy(9_980, 1) == REFUSED_LOSS
    assert story.sell(10_020, 1) == REFUSED_LOSS
    assert story.replace(5, 9_981, 1) == REFUSED_LOSS
    assert story.replace(5, 9_980, 1) != REFUSED_LOSS  # nothing changes: no check
    assert story.sell(10_020, 10, REDUCE_ONLY) == [rested(8, 10_020, 10)]


def trade_between_others(story: Story, price: int, instrument: int = 0) -> None:
    story.sell(price, 1, account=BOB, instrument=instrument)
    story.buy(price, 1, account=CEE, instrument=instrument)


def test_fees_count_as_losses_rounded_down_to_whole_tick_lots():
    story = Story(taker_fee_ppm=100)
    story.limit(loss_max=2)
    trade(story, 1, price=9_999)  # fee 0.9999: counted as 0
    trade(story, 1, price=9_999)  # 1.9998: 1
    assert story.buy(9_500, 1) == [rested(5, 9_500, 1)]
    trade(story, 1, price=9_999)  # 2.9997: 2
    assert story.buy(9_500, 1) == REFUSED_LOSS


def test_gains_in_one_market_make_up_for_losses_in_another():
    story = Story(2)
    for instrument in (0, 1):
        trade(story, 10, instrument=instrument)
    story.limit(loss_max=100, instrument=1)
    trade_between_others(story, 9_980, instrument=0)  # -200
    assert story.buy(9_500, 1, instrument=0) == REFUSED_LOSS  # the other market's limit counts
    assert story.buy(9_500, 1, instrument=1) == REFUSED_LOSS

    trade_between_others(story, 10_020, instrument=1)  # +200
    assert story.buy(9_500, 1, instrument=0) == [rested(5, 9_500, 1)]


def test_the_strictest_loss_limit_of_all_markets_counts():
    story = Story(2)
    trade(story, 10)
    story.limit(loss_max=1_000, instrument=0)
    story.limit(loss_max=50, instrument=1)
    trade_between_others(story, 9_995)
    assert story.buy(9_500, 1) == REFUSED_LOSS


def test_the_ask_of_a_quote_is_checked_after_its_bid_has_traded():
    story = Story(taker_fee_ppm=1_000)
    story.limit(loss_max=10)
    story.sell(10_000, 5, account=BOB)

    # the bid's fee of 50 brings the account under its limit: the ask may not enter any more
    assert story.quote((10_000, 5), (10_010, 5)) == [traded(2, 1, 10_000, 5), *REFUSED_LOSS]


# --- ledgers ---


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("ledger", ["cash", "fees"])
def test_an_account_whose_ledger_has_reached_its_limit_enters_no_more(story, ledger, sign):
    for amount, told in (
        (LEDGER_MAX, rested(1, 9_990, 1)),
        (LEDGER_MAX + 1, rejected(RejectReason.ACCOUNT_LEDGER_MAX)),
    ):
        story.set_account(ANN, **{ledger: sign * amount})
        set_counterweight(story, ledger, -sign * amount)
        assert story.buy(9_990, 1) == [told]


def set_counterweight(story: Story, ledger: str, amount: int) -> None:
    """Somebody else's ledger, so that all of them still sum to zero."""
    story.set_account(BOB, **{ledger: amount})


def test_the_venues_own_ledger_has_a_limit_too(story):
    story.set_account(BOB, fees=LEDGER_MAX)
    story.set_account(CEE, fees=1)
    story.market.fees_collected = story.judge.books[0].fees_collected = LEDGER_MAX + 1
    assert story.buy(9_990, 1) == [rejected(RejectReason.ACCOUNT_LEDGER_MAX)]


# --- who is known ---


@pytest.mark.parametrize("account", [-1, 8, 32_767, -32_768])
def test_an_unknown_account_is_refused_with_all_that_it_gave(story, account):
    unknown = [rejected(RejectReason.UNKNOWN_ACCOUNT)]
    assert story.sell(10_000, 3, account=account) == unknown
    event = story.market.events[0]
    told = (event.account, event.side, event.price, event.quantity)
    assert told == (account, 1, 10_000, 3)
    assert story.apply(CommandKind.CANCEL, account=account, order_id=513) == unknown
    assert story.market.events[0].order_id == 513
    assert story.replace(1, 10_000, 3, account=account) == unknown
    assert story.quote((9_990, 1), (10_010, 1), account=account) == unknown
    assert story.cancel_all(account=account) == unknown
    assert story.limit(account) == unknown
