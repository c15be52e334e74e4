"""Random numbers from `market.rng`: xoroshiro128++ (Blackman and Vigna 2019), 2 words of state.

Every draw changes the record it is drawn from and nothing else, so a market with its seed tells the
same story alone, in a batch, and on any number of threads.
"""

from math import log1p

import numba
import numpy as np

from exchange.engine.kernel import kernel

U11, U15, U17, U21 = (np.uint64(n) for n in (11, 15, 17, 21))
U28, U32, U36, U47, U49 = (np.uint64(n) for n in (28, 32, 36, 47, 49))
LOW_8, LOW_12, LOW_16, LOW_32 = (
    np.uint64(0xFF),
    np.uint64(0xFFF),
    np.uint64(0xFFFF),
    np.uint64(0xFFFF_FFFF),
)
TO_UNIT = 2.0**-53
TO_UNIT_16 = 2.0**-16
TO_UNIT_32 = 2.0**-32
ROOT_3 = 3.0**0.5  # a sum of four uniforms has variance 1/3


@kernel
def next_word(market):
    """64 random bits.

    uint64 throughout, here and below: with an int64, numba would turn to floating point.
    """
    a, b = market.rng[0], market.rng[1]
    total = a + b
    b ^= a
    market.rng[0] = ((a << U49) | (a >> U15)) ^ b ^ (b << U21)
    market.rng[1] = (b << U28) | (b >> U36)
    return ((total << U17) | (total >> U47)) + a


if numba.config.DISABLE_JIT:  # plain numpy scalars warn where compiled words wrap around
    next_word = np.errstate(over="ignore")(next_word)


@kernel
def uniform(market):
    """A float in [0, 1) with all its 53 bits."""
    return np.int64(next_word(market) >> U11) * TO_UNIT


@kernel
def high_half(word):
    """A float in [0, 1) from the upper 32 bits of a word."""
    return np.int64(word >> U32) * TO_UNIT_32


@kernel
def low_half(word):
    """A float in [0, 1) from the lower 32 bits of a word."""
    return np.int64(word & LOW_32) * TO_UNIT_32


@kernel
def bits16(word, i):
    """A whole number in 0 .. 65535: the i-th 16 bits of a word, i in 0 .. 3."""
    return np.int64((word >> np.uint64(16 * i)) & LOW_16)


@kernel
def bits8(word, i):
    """A whole number in 0 .. 255: the i-th 8 bits of a word, i in 0 .. 7."""
    return np.int64((word >> np.uint64(8 * i)) & LOW_8)


@kernel
def quarter(word, i):
    """A float in [0, 1) from the i-th 16 bits of a word, i in 0 .. 3."""
    return bits16(word, i) * TO_UNIT_16


@kernel
def normal(market):
    """Mean 0, variance 1, within 3.47: four uniforms of 16 bits summed, light in the far tails."""
    word = next_word(market)
    total = quarter(word, 0) + quarter(word, 1) + quarter(word, 2) + quarter(word, 3)
    return (total - 2.0 + 2.0 * TO_UNIT_16) * ROOT_3


@kernel
def exponential(market):
    """Mean 1: the gap between two arrivals of a Poisson process of intensity 1."""
    return -log1p(-uniform(market))


@kernel
def below(market, n):
    """A whole number in 0 .. n-1, for n far below 2**32."""
    return np.int64(((next_word(market) >> U32) * np.uint64(n)) >> U32)


@kernel
def pick(table, word, first_bit):
    """An entry of a table of 4,096, by the word's 12 bits from `first_bit` up."""
    return np.int64(table[np.int64((word >> np.uint64(first_bit)) & LOW_12)])
