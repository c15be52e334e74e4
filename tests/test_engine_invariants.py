"""`check_invariants` passes on sound markets and names what is broken in others."""

import numpy as np
import pytest

from exchange.engine.invariants import check_invariants, check_venue
from exchange.engine.records import new_markets
from market_story import ANN, BOB, GTD, REDUCE_ONLY, Story


@pytest.fixture
def market():
    """One market with a bit of everything: queues, a freed slot, a position, an expiry, fees."""
    story = Story(2, taker_fee_ppm=100)
    story.buy(9_990, 5)
    story.buy(9_990, 6, account=BOB)
    story.buy(9_980, 7)
    story.sell(10_010, 8)
    story.sell(10_010, 2, account=BOB)
    story.buy(10_010, 3, account=BOB)
    story.sell(10_020, 1, REDUCE_ONLY, account=BOB)
    story.buy(9_970, 4, GTD, expire_ns=100)
    story.buy(9_960, 4)
    story.cancel(9)
    check_invariants(story.market)
    return story.market


def row(market, price):
    return price - int(market.price_base)


def slot(market, number):
    (found,) = np.flatnonzero(market.orders["number"] == number)
    return int(found)


def swap_sides(market):
    market.best_bid, market.best_ask = market.best_ask, market.best_bid


def lengthen(market, price):
    market.levels[row(market, price)]["quantity"] += 1


def close_circle(market):
    market.orders[slot(market, 2)].next = slot(market, 1)


BREAKAGES = {
    "the book is crossed": swap_sides,
    "best bid above the highest bid": lambda m: m.__setattr__("best_bid", m.best_bid + 1),
    "best ask lost": lambda m: m.__setattr__("best_ask", 0),
    "best bid lost": lambda m: m.__setattr__("best_bid", 0),
    "a bit without a level": lambda m: m.occupied.__setitem__(0, np.uint64(2)),
    "a level without its bit": lambda m: m.occupied.__setitem__(slice(None), np.uint64(0)),
    "a level counts a lot too many": lambda m: lengthen(m, 9_990),
    "a level forgets its tail": lambda m: m.levels[row(m, 9_990)].__setattr__("tail", 0),
    "an empty level counts lots": lambda m: lengthen(m, 9_500),
    "a broken link": lambda m: m.orders[slot(m, 2)].__setattr__("previous", 0),
    "a queue in a circle": close_circle,
    "an order at the wrong price": lambda m: m.orders[slot(m, 1)].__setattr__("row", row(m, 9_991)),
    "an order with nothing left": lambda m: m.orders[slot(m, 3)].__setattr__("quantity", 0),
    "an order under another's number": lambda m: m.orders[slot(m, 3)].__setattr__("number", 1),
    "an order that is still to come": lambda m: m.orders[slot(m, 3)].__setattr__("number", 5_121),
    "an order too few": lambda m: m.__setattr__("n_resting", m.n_resting - 1),
    "a slot lost": lambda m: m.__setattr__("free_slot", 0),
    "a slot in use given free": lambda m: m.__setattr__("free_slot", slot(m, 1)),
    "slot 0 taken for an order": lambda m: m.orders[0].__setattr__("next", 1),
    "a slot too many": lambda m: m.__setattr__("n_slots_used", m.n_slots_used + 1),
    "an expired order rests": lambda m: m.__setattr__("now_ns", 100),
    "an expiry forgotten": lambda m: m.__setattr__("expire_next_ns", 0),
    "an expiry too late": lambda m: m.__setattr__("expire_next_ns", 101),
    "open buys miscounted": lambda m: m.accounts[ANN].__setattr__("buy_open", 1),
    "open sells miscounted": lambda m: m.accounts[ANN].__setattr__("sell_open", 0),
    "open orders miscounted": lambda m: m.accounts[BOB].__setattr__("n_open", 0),
    "reduce-only miscounted": lambda m: m.accounts[BOB].__setattr__("n_reduce_only", 0),
    "a position from nowhere": lambda m: m.accounts[BOB].__setattr__("position", 9),
    "lots bought by nobody": lambda m: m.accounts[BOB].__setattr__("bought", 9),
    "cash from nowhere": lambda m: m.accounts[ANN].__setattr__("cash", 1),
    "a fee that nobody collected": lambda m: m.accounts[ANN].__setattr__("fees", 1),
    "fees collected from nobody": lambda m: m.__setattr__("fees_collected", 0),
    "an event skipped": lambda m: m.events[0].__setattr__("sequence", 1),
    "an event from the future": lambda m: m.events[0].__setattr__("time_ns", 1),
    "an event that is none": lambda m: m.events[0].__setattr__("kind", 0),
}


@pytest.mark.parametrize("breakage", BREAKAGES)
def test_a_broken_market_is_found_out(market, breakage):
    BREAKAGES[breakage](market)
    with pytest.raises(AssertionError):
        check_invariants(market)


def test_a_venue_is_as_sound_as_its_worst_market():
    markets = new_markets(3)
    check_venue(markets)
    markets[2].accounts[ANN].cash = 1
    with pytest.raises(AssertionError, match="cash"):
        check_venue(markets)


def test_a_reduce_only_order_that_could_open_a_position_is_found_out(market):
    """As after a position that shrank without its orders."""
    market.accounts[BOB].position -= 1
    market.accounts[BOB].sold += 1
    market.accounts[ANN].position += 1
    market.accounts[ANN].bought += 1
    with pytest.raises(AssertionError, match="reduce-only"):
        check_invariants(market)
