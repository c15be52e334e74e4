"""The public view of a book, and the bits that find its levels."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exchange.engine.bits import highest_bit, lowest_bit, reversed_bits, without_lowest_bit
from exchange.engine.commands import apply_commands
from exchange.engine.depth import write_depth, write_depths
from exchange.engine.kernel import kernel
from exchange.engine.records import DEPTH, EVENT, N_DEPTH, Markets, new_markets
from market_story import BOB, Story
from random_commands import random_commands, random_markets, random_weather
from reference_book import ReferenceVenue
from reference_compare import expected_depth, learn_ids


def depth_of(markets: Markets, row: int = 0) -> np.void:
    depths = np.full(1, 7, np.int64).repeat(DEPTH.itemsize // 8).view(DEPTH)  # old values in it
    write_depth(markets[row], depths[0])
    return depths[0]


def test_depth_shows_the_best_levels_best_first_with_all_lots_of_each():
    story = Story()
    for price, quantity in ((9_990, 1), (9_995, 2), (9_990, 3)):
        story.buy(price, quantity)
    story.sell(10_005, 4, account=BOB)
    story.sell(10_001, 5, account=BOB)

    depth = depth_of(story.markets)

    assert depth["bid_price"].tolist()[:3] == [9_995, 9_990, 0]
    assert depth["bid_quantity"].tolist()[:3] == [2, 4, 0]
    assert depth["ask_price"].tolist()[:3] == [10_001, 10_005, 0]
    assert depth["ask_quantity"].tolist()[:3] == [5, 4, 0]


def test_depth_counts_what_takers_bought_and_sold_and_tells_last_price_and_time():
    story = Story()
    story.sell(10_001, 5, account=BOB)
    story.advance(77)
    story.buy(10_001, 3)
    story.buy(9_999, 1)
    story.sell(9_999, 1, account=BOB)

    depth = depth_of(story.markets)

    told = (depth["bought"], depth["sold"], depth["last_price"], depth["time_ns"])
    assert told == (3, 1, 9_999, 77)


def test_an_empty_book_shows_zeros_and_the_opening_price():
    depth = depth_of(new_markets(1))
    assert depth["last_price"] == 10_000
    assert not depth["bid_price"].any()
    assert not depth["ask_quantity"].any()


def test_depth_ends_at_its_limit_and_at_the_ladders_edges():
    story = Story()
    for i in range(N_DEPTH + 2):
        story.buy(9_489 + i, 1)
        story.sell(10_511 - i, 1, account=BOB)
    assert depth_of(story.markets)["bid_price"].tolist() == list(range(9_500, 9_490, -1))
    assert depth_of(story.markets)["ask_price"].tolist() == list(range(10_500, 10_510))


@given(
    st.sets(st.integers(9_489, 9_999), max_size=14),
    st.sets(st.integers(10_001, 10_511), max_size=14),
)
@settings(max_examples=200, deadline=None)
def test_levels_are_found_however_far_apart_they_lie(bids, asks):
    story = Story()
    for price in bids:
        story.buy(price, price - 9_000)
    for price in asks:
        story.sell(price, price - 9_000, account=BOB)

    depth = depth_of(story.markets)

    none = [0] * N_DEPTH
    expected = (sorted(bids, reverse=True) + none)[:N_DEPTH], (sorted(asks) + none)[:N_DEPTH]
    assert (depth["bid_price"].tolist(), depth["ask_price"].tolist()) == expected
    for prices, quantities in (("bid_price", "bid_quantity"), ("ask_price", "ask_quantity")):
        there = depth[prices] != 0
        assert (depth[quantities] == np.where(there, depth[prices] - 9_000, 0)).all()


@pytest.mark.parametrize("seed", range(4))
def test_depth_is_the_references_depth_in_random_markets(seed):
    rng = np.random.default_rng(seed)
    markets = random_markets(rng, 2)
    judge, weather = ReferenceVenue(markets), random_weather(rng, markets)
    for _ in range(20):
        commands = random_commands(rng, markets, 100, weather)
        learn_ids(judge, markets)
        results = np.zeros(100, np.int64)
        assert apply_commands(markets, commands, np.zeros(60_000, EVENT), results)[0] == 100
        for command in commands.tolist():
            judge.apply(command)
        for row, book in enumerate(judge.books):
            assert depth_of(markets, row) == expected_depth(book)


def test_a_batch_of_depths_is_each_market_by_itself():
    rng = np.random.default_rng(11)
    markets = random_markets(rng, 70)
    commands = random_commands(rng, markets, 2_000, random_weather(rng, markets))
    apply_commands(markets, commands, np.zeros(60_000, EVENT), np.zeros(2_000, np.int64))

    depths = np.zeros(70, DEPTH)
    write_depths(markets, depths)

    assert [depth_of(markets, row) for row in range(70)] == list(depths)


@kernel
def compiled_bits(word):
    return lowest_bit(word), highest_bit(word), without_lowest_bit(word), reversed_bits(word)


@given(st.integers(1, 2**64 - 1) | st.sampled_from([1 << i for i in range(64)]))
def test_bits_are_the_same_compiled_and_plain(word):
    digits = f"{word:064b}"
    lowest, highest = 63 - digits.rindex("1"), 63 - digits.index("1")
    expected = lowest, highest, word - (1 << lowest), int(digits[::-1], 2)
    bits = np.uint64(word)
    assert compiled_bits(bits) == expected
    assert (lowest_bit(bits), highest_bit(bits)) == expected[:2]
    assert (without_lowest_bit(bits), reversed_bits(bits)) == expected[2:]
    assert (without_lowest_bit(np.uint64(0)), compiled_rest(np.uint64(0))) == (0, 0)


@kernel
def compiled_rest(word):
    return without_lowest_bit(word)
