"""The seeds of a row's episodes, one after the other."""

import numba
import numpy as np

from exchange.engine.kernel import kernel
from exchange.engine.seeds import GOLDEN, mix

# Hand-picked seeds lie below this; the episodes after a row's first have seeds above it, so that
# training on many episodes never meets a seed that somebody tests on by name.
DERIVED_SEEDS_MIN = 2**61
EPISODE_FACTOR = np.uint64(0xD1B5_4A32_D192_ED03)
U3 = np.uint64(3)


@kernel
def episode_seed(seed, episode):
    """The market seed of a row's n-th episode: the row's own seed first, then derived ones.

    A splitmix64 of both numbers (Steele, Lea and Flood 2014), within 2**61 .. 2**62 - 1.
    """
    if episode == 0:
        return np.int64(seed)
    word = (np.uint64(seed) + np.uint64(1)) * GOLDEN + np.uint64(episode) * EPISODE_FACTOR
    return DERIVED_SEEDS_MIN | np.int64(mix(word) >> U3)


if numba.config.DISABLE_JIT:  # plain numpy scalars warn where compiled words wrap around
    episode_seed = np.errstate(over="ignore")(episode_seed)
