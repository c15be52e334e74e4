"""The random state that a market begins with: a function of its seed alone."""

import numba
import numpy as np

from exchange.engine.kernel import kernel

GOLDEN = np.uint64(0x9E37_79B9_7F4A_7C15)
MIX_1, MIX_2 = np.uint64(0xBF58_476D_1CE4_E5B9), np.uint64(0x94D0_49BB_1331_11EB)
U27, U30, U31 = np.uint64(27), np.uint64(30), np.uint64(31)


@kernel
def mix(word):
    """Scatter the bits of a uint64: the last step of splitmix64."""
    word = (word ^ (word >> U30)) * MIX_1
    word = (word ^ (word >> U27)) * MIX_2
    return word ^ (word >> U31)


@kernel
def write_state(seed, state):
    """Fill `state`, uint64 (2,), from a whole number in 0 .. 2**63 - 1: two words of splitmix64.

    Steele, Lea and Flood (2014); what Blackman and Vigna (2019) advise for their generators. Seeds are
    spread far apart, and no seed gives the state of all zeros, as the two words differ.
    """
    word = np.uint64(seed)
    for i in range(2):
        word += GOLDEN
        state[i] = mix(word)


if numba.config.DISABLE_JIT:  # plain numpy scalars warn where compiled words wrap around
    write_state = np.errstate(over="ignore")(write_state)
    mix = np.errstate(over="ignore")(mix)


@kernel
def write_states(seeds, states):
    """`write_state` for many: int64 (n,) -> uint64 (n, 2)."""
    for i in range(len(seeds)):
        write_state(seeds[i], states[i])
