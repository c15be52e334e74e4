"""Random numbers: the published generator, the right moments, and nothing outside the record."""

import numpy as np
import pytest

from exchange.engine.records import new_markets
from exchange.simulation.rng import below, exponential, next_word, normal, uniform

MASK = (1 << 64) - 1
N = 20_000


def rotated(word: int, n: int) -> int:
    return ((word << n) | (word >> (64 - n))) & MASK


def reference_words(state: list[int], n: int) -> list[int]:
    """xoroshiro128++ 1.0 of Blackman and Vigna, in whole numbers of any size."""
    a, b = state
    words = []
    for _ in range(n):
        words.append((rotated((a + b) & MASK, 17) + a) & MASK)
        b ^= a
        a, b = rotated(a, 49) ^ b ^ ((b << 21) & MASK), rotated(b, 28)
    return words


@pytest.mark.parametrize("seed", [0, 1, 12345])
def test_words_are_those_of_xoroshiro128_plus_plus(seed):
    market = new_markets(1, [seed])[0]
    expected = reference_words([int(word) for word in market.rng], 1_000)
    assert [int(next_word(market)) for _ in range(1_000)] == expected


def reference_states(seed: int) -> list[int]:
    """Two words of splitmix64 as Steele, Lea and Flood (2014) give it, in whole numbers of any size."""
    words = []
    for i in (1, 2):
        word = (seed + i * 0x9E3779B97F4A7C15) & MASK
        word = ((word ^ (word >> 30)) * 0xBF58476D1CE4E5B9) & MASK
        word = ((word ^ (word >> 27)) * 0x94D049BB133111EB) & MASK
        words.append(word ^ (word >> 31))
    return words


@pytest.mark.parametrize("seed", [0, 1, 12345, 2**62, 2**63 - 1])
def test_a_market_begins_with_two_words_of_splitmix64(seed):
    assert new_markets(1, [seed])[0].rng.tolist() == reference_states(seed)


def test_the_first_word_of_splitmix64_is_the_published_one():
    assert reference_states(0)[0] == 0xE220A8397B1DCDAF


@pytest.mark.parametrize("seed", [-1, 2**63])
def test_a_seed_that_is_none_is_refused(seed):
    with pytest.raises(ValueError, match="seeds are whole numbers"):
        new_markets(1, [seed])


def test_a_draw_changes_the_random_state_and_nothing_else():
    market = new_markets(1)[0]
    before = market.copy()
    normal(market)
    assert not np.array_equal(before.rng, market.rng)
    before.rng = market.rng
    assert before.tobytes() == market.tobytes()


def test_uniform_normal_and_exponential_draws_have_their_moments():
    market = new_markets(1, [7])[0]
    for draw, mean, variance, lowest, highest in (
        (uniform, 0.5, 1 / 12, 0.0, 1.0),
        (normal, 0.0, 1.0, -3.47, 3.47),
        (exponential, 1.0, 1.0, 0.0, 40.0),
    ):
        values = np.array([draw(market) for _ in range(N)])
        assert abs(values.mean() - mean) < 5 * (variance / N) ** 0.5
        assert abs(values.var() / variance - 1) < 0.1
        assert values.min() >= lowest
        assert values.max() < highest


def test_whole_numbers_below_n_are_equally_likely():
    market = new_markets(1, [3])[0]
    counts = np.bincount([below(market, 7) for _ in range(N)], minlength=7)
    assert len(counts) == 7
    assert np.abs(counts - N / 7).max() < 5 * (N / 7) ** 0.5
