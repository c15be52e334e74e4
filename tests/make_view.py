"""Views made by hand, for tests of strategies alone."""

from typing import Any

import numpy as np

from exchange.engine.records import ACCOUNT, DEPTH
from strategies.strategy import View


def make_view(**fields: Any) -> View:
    """A market of 98 x 102 with a quiet account; fields as in View."""
    bids, asks = fields.pop("bids", ((98, 10),)), fields.pop("asks", ((102, 10),))
    best_bid, best_ask = (side[0][0] if side else None for side in (bids, asks))
    known = best_bid is not None and best_ask is not None
    given: dict[str, Any] = {
        "time_ns": 0,
        "time_left_s": float("inf"),
        "mid": (best_bid + best_ask) / 2 if known else 100.0,
        "best_bid": best_bid,
        "best_ask": best_ask,
        "bids": bids,
        "asks": asks,
        "last_price": 100,
        "bought": 0,
        "sold": 0,
        "volatility": 0.0,
        "position": 0,
        "cash": 0,
        "fees": 0,
        "position_max": 0,
        "own_bid": None,
        "own_ask": None,
        "depth": np.zeros(1, DEPTH)[0],
        "account": np.zeros(1, ACCOUNT)[0],
    }
    return View(**{**given, **fields})
