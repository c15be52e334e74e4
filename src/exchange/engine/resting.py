"""The resting orders of a market in words that stand for themselves: ids, sides and prices.

Records of orders are small: they know their row of the ladder and their number. For people, files
and tests; rules read the records.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from exchange.engine.codes import Side

RESTING = np.dtype(
    [
        ("order_id", np.int64),
        ("side", np.int64),
        ("price", np.int64),  # ticks
        ("quantity", np.int64),  # lots still open
        ("account", np.int64),
        ("options", np.int64),
        ("slot", np.int64),
    ]
)
Resting = npt.NDArray[Any]


def resting_orders(market: Any) -> Resting:
    """All resting orders of a MARKET: RESTING (n,), from the lowest price up, oldest first."""
    orders, slots = market["orders"], []
    for head in market["levels"]["head"][market["levels"]["head"] != 0].tolist():
        slot = head
        while slot != 0:
            slots.append(slot)
            slot = int(orders["next"][slot])
    return describe(orders, slots, int(market["price_base"]), int(market["best_bid"]))


def describe(orders: Any, slots: Any, price_base: int, best_bid: int) -> Resting:
    """RESTING of the orders in `slots`; orders: (n_orders,) of a market with these two."""
    chosen = orders[slots]
    resting = np.empty(len(slots), RESTING)
    resting["slot"] = slots
    resting["order_id"] = chosen["number"].astype(np.int64) * len(orders) + resting["slot"]
    resting["side"] = np.where(chosen["row"] <= best_bid, Side.BUY, Side.SELL)
    resting["price"] = price_base + chosen["row"].astype(np.int64)
    for name in ("quantity", "account", "options"):
        resting[name] = chosen[name]
    return resting
