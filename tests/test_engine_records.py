"""The layout of the records that a market is made of."""

import pytest

from exchange.engine.records import LINE_BYTES, LIVE_MARKET, TRAINING_MARKET, new_markets


@pytest.mark.parametrize("dtype", [TRAINING_MARKET, LIVE_MARKET], ids=["training", "live"])
def test_what_a_batch_often_needs_begins_with_a_line_of_the_caches(dtype):
    assert new_markets(3, dtype=dtype).ctypes.data % LINE_BYTES == 0
    assert dtype.itemsize % LINE_BYTES == 0
    for name in ("accounts", "flow", "occupied", "levels", "orders"):
        assert dtype.fields[name][1] % LINE_BYTES == 0
