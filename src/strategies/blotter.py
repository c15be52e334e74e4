"""A trader's own orders, fills and account in one market, as the exchange reports them."""

from collections import deque
from dataclasses import dataclass
from typing import Any

import numpy as np

from exchange.engine.records import ACCOUNT
from exchange.instrument import Instrument
from strategies.errors import TooSlow
from strategies.strategy import Resting
from strategies.wire import Json, fee_units, mid_twice, signed_lots, tick_lots

FILLS_WAITING_MAX = 100_000  # fills nobody has taken yet
OPEN_STATUSES = ("resting", "partially_filled")


@dataclass(slots=True)
class OpenOrder:
    """An own resting order: ticks, and lots still open."""

    is_buy: bool
    price: int
    quantity: int


class Blotter:
    """Open orders by id, the quote among them, an ACCOUNT record and the fills not yet taken.

    Reports come in the order in which things happened, so the last word on an order is the truth.
    """

    def __init__(self, instrument: Instrument) -> None:
        self.instrument = instrument
        self.account: Any = np.zeros(1, ACCOUNT)[0]
        self.orders: dict[int, OpenOrder] = {}
        self.bid_quote_id = 0
        self.ask_quote_id = 0
        self._fills: deque[tuple[int, ...]] = deque()

    @property
    def own_bid(self) -> Resting | None:
        """The resting bid of the quote."""
        return self._resting(self.bid_quote_id)

    @property
    def own_ask(self) -> Resting | None:
        """The resting ask of the quote."""
        return self._resting(self.ask_quote_id)

    def _resting(self, order_id: int) -> Resting | None:
        order = self.orders.get(order_id)
        return None if order is None else Resting(order.price, order.quantity)

    def take_fills(self) -> list[tuple[int, ...]]:
        """The fills since the last call, as rows of FILL."""
        fills = list(self._fills)
        self._fills.clear()
        return fills

    def apply_order(self, order: Json) -> None:
        """Take in one order answer or report."""
        order_id = order["order_id"]
        if order["status"] in OPEN_STATUSES:
            self.orders[order_id] = OpenOrder(
                order["side"] == "buy",
                self.instrument.ticks(order["price"]),
                self.instrument.lots(order["open_quantity"]),
            )
        else:
            self.orders.pop(order_id, None)

    def apply_quote(self, result: Json) -> None:
        """Take in the answer to a quote: it says which orders are the quote now."""
        self.bid_quote_id = self._apply_quote_side(result["bid"])
        self.ask_quote_id = self._apply_quote_side(result["ask"])

    def _apply_quote_side(self, order: Json | None) -> int:
        if order is None:
            return 0
        self.apply_order(order)
        return int(order["order_id"])

    def apply_fill(self, fill: Json) -> None:
        """Take in one fill: position, cash and fees move as in the engine."""
        instrument, account = self.instrument, self.account
        price, lots = instrument.ticks(fill["price"]), instrument.lots(fill["quantity"])
        fee = fee_units(instrument, fill["fee"])
        is_buy = fill["side"] == "buy"
        account["position"] += lots if is_buy else -lots
        account["cash"] += -price * lots if is_buy else price * lots
        account["fees"] += fee
        account["bought" if is_buy else "sold"] += lots
        account["n_fills"] += 1
        if len(self._fills) == FILLS_WAITING_MAX:
            raise TooSlow(f"{FILLS_WAITING_MAX} fills were not taken")
        is_maker = int(fill["role"] == "maker")
        mid = mid_twice(instrument, fill["mid"])
        self._fills.append(
            (fill["time_ns"], fill["order_id"], price, lots, int(is_buy), is_maker, fee, mid)
        )

    def write_account(self) -> Any:
        """The ACCOUNT record with what rests counted in; the same object each time."""
        account = self.account
        buys = [order.quantity for order in self.orders.values() if order.is_buy]
        sells = [order.quantity for order in self.orders.values() if not order.is_buy]
        account["buy_open"], account["sell_open"] = sum(buys), sum(sells)
        account["n_open"] = len(self.orders)
        account["bid_quote_id"], account["ask_quote_id"] = self.bid_quote_id, self.ask_quote_id
        return account

    def set_account(self, position: Json) -> None:
        """Start from what the exchange's books say: one entry of `positions` in GET /v1/account."""
        instrument, account = self.instrument, self.account
        account["position"] = signed_lots(instrument, position["position"])
        account["cash"] = tick_lots(instrument, position["cash"])
        account["fees"] = fee_units(instrument, position["fees"])
        account["bought"] = instrument.lots(position["bought"])
        account["sold"] = instrument.lots(position["sold"])
        account["n_fills"] = position["n_fills"]
        self.set_limits(position["limits"])

    def set_limits(self, limits: Json) -> None:
        """The exchange's limits for this account here; 0 is no limit."""
        account = self.account
        account["position_max"] = self.instrument.lots(limits["position_max"])
        account["quantity_max"] = self.instrument.lots(limits["quantity_max"])
        account["n_open_max"] = limits["n_open_max"]
        account["loss_max"] = tick_lots(self.instrument, limits["loss_max"])

    def set_orders(self, orders: list[Json]) -> None:
        """Know exactly these open orders, oldest first.

        A quote whose answer was lost on the way is found again: what rests and is not known to be
        another order is taken for the quote, the newest order of each side.
        """
        self.orders.clear()
        for order in orders:
            self.apply_order(order)
        self.bid_quote_id = self._find_quote(self.bid_quote_id, is_buy=True)
        self.ask_quote_id = self._find_quote(self.ask_quote_id, is_buy=False)

    def _find_quote(self, order_id: int, *, is_buy: bool) -> int:
        if order_id in self.orders:
            return order_id
        ids = [key for key, order in self.orders.items() if order.is_buy == is_buy]
        return max(ids, default=0)
