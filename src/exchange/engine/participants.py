"""FLOW: the part of a market record that belongs to its simulated participants.

The engine only stores it; `exchange.simulation` gives it meaning. It stands here because a market is
one plain record, crowd included.
"""

import numpy as np

FLOW = np.dtype((np.record, [("kind", np.int64)]))
