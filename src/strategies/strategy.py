"""What a strategy is: a function from what a trader can see (`View`) to what it wants (`Quote`).

`decide` sends nothing, waits for nothing and asks no clock, so one class serves the live client,
the backtest and the tests. `registry.py` finds strategies by name.
"""

import traceback
from dataclasses import dataclass
from math import ceil, floor, isnan
from operator import index
from typing import Any, Protocol

from exchange.engine.records import PRICE_MAX

# A price this close to a tick counts as that tick: 3 * 0.1 must not round as 0.30000000000000004.
ROUNDING_SLACK_TICKS = 1e-9
NUMBER_MAX = 2**31 - 1  # ticks or lots: what a command holds; the exchange's limits are lower


@dataclass(frozen=True, slots=True)
class Resting:
    """An own order in the book: price in ticks, quantity in lots still open."""

    price: int
    quantity: int


@dataclass(frozen=True, slots=True)
class Take:
    """An immediate-or-cancel order: trade up to `price` (ticks) now, never rest."""

    is_buy: bool
    price: int
    quantity: int

    def __post_init__(self) -> None:
        _make_plain(self, ("price", "quantity"))
        _check_sendable("take", self.price, self.quantity)


@dataclass(frozen=True, slots=True)
class Quote:
    """What a strategy wants in the book from now on: prices in ticks (None: no order), lots.

    It stands for both sides at once, so an empty Quote() pulls whatever rests. `take` is done once.
    """

    bid_price: int | None = None
    bid_quantity: int = 0
    ask_price: int | None = None
    ask_quantity: int = 0
    take: Take | None = None

    def __post_init__(self) -> None:
        _make_plain(self, ("bid_price", "bid_quantity", "ask_price", "ask_quantity"))
        _check_side("bid", self.bid_price, self.bid_quantity)
        _check_side("ask", self.ask_price, self.ask_quantity)
        if self.bid_price is not None and self.ask_price is not None:
            if self.bid_price >= self.ask_price:
                raise ValueError(f"bid {self.bid_price} is not below ask {self.ask_price}")


def _make_plain(numbers: "Quote | Take", names: tuple[str, ...]) -> None:
    """Whole numbers of numpy become plain ones; what is not whole is refused."""
    for name in names:
        value = getattr(numbers, name)
        if value is None and name.endswith("price"):
            continue  # no order
        if type(value) is not int:
            try:
                object.__setattr__(numbers, name, index(value))
            except TypeError:
                raise ValueError(
                    f"{name}: prices and quantities are whole ticks and lots, not {value!r}"
                ) from None


def _check_side(side: str, price: int | None, quantity: int) -> None:
    if price is None:
        return
    if quantity <= 0:
        raise ValueError(f"{side}: a price needs a quantity above 0, not {quantity}")
    _check_sendable(side, price, quantity)


def _check_sendable(what: str, price: int, quantity: int) -> None:
    if price < 1:
        raise ValueError(f"{what}: a price is 1 tick or more, not {price}")
    if max(price, abs(quantity)) > NUMBER_MAX:
        raise ValueError(f"{what}: no number above {NUMBER_MAX} can be sent")


@dataclass(frozen=True, slots=True)
class View:
    """All that one trader can see of one market: the public feed, and its own account there.

    Prices are ticks, quantities lots, cash tick-lots before fees. `depth` and `account` are copies
    of the DEPTH and ACCOUNT records that the other fields were read from, for compiled features.
    """

    time_ns: int  # market time
    time_left_s: float  # market time until the run ends; inf when it is open-ended
    mid: float  # mean of the best prices; the last known one while a side is empty
    best_bid: int | None
    best_ask: int | None
    bids: tuple[tuple[int, int], ...]  # (price, quantity) of the best levels, best first
    asks: tuple[tuple[int, int], ...]
    last_price: int
    bought: int  # lots taken from the asks since the view before
    sold: int  # lots taken from the bids since the view before
    volatility: float  # ticks per square root of a second: running estimate from the mid
    position: int
    cash: int
    fees: int  # paid so far, in millionths of a tick-lot
    position_max: int  # the exchange's limit; 0 is none
    own_bid: Resting | None  # own resting quote
    own_ask: Resting | None
    depth: Any
    account: Any


class Strategy(Protocol):
    """Whatever answers `decide`. A dataclass's fields are its parameters (`--param name=value`)."""

    def decide(self, view: View) -> Quote:
        """Say what shall rest in the book from now on, given what is seen now."""
        ...


class DecisionError(Exception):
    """A strategy's `decide` failed or returned no Quote; the message says where, for its author."""


def decision(strategy: Strategy, view: View) -> Quote:
    """What a strategy decides. Raises DecisionError."""
    name = type(strategy).__name__
    try:
        quote = strategy.decide(view)
    except Exception as error:
        raise DecisionError(
            f"{name}.decide failed: {type(error).__name__}: {error} ({_place(error)})"
        ) from error
    if not isinstance(quote, Quote):
        raise DecisionError(
            f"{name}.decide returned {quote!r}, not a Quote; Quote() is an empty one"
        )
    return quote


def _place(error: Exception) -> str:
    """File and line of a strategy's own code where it failed, not of what it called."""
    frames = traceback.extract_tb(error.__traceback__)[1:]  # without `decision`
    if not frames:
        return "it cannot be called"
    own = [frame for frame in frames if frame.filename == frames[0].filename]
    return f"{own[-1].filename}, line {own[-1].lineno}"


def quote_around(view: View, bid: float, ask: float, quantity: int, position_max: int) -> Quote:
    """A post-only quote at continuous prices (ticks): the end of every market maker's `decide`.

    Prices are rounded outwards to whole ticks and held back from trading at once; a side is cut so
    that `position_max` lots can never be exceeded, and left out when nothing remains. The account's own
    limit, `view.position_max`, cuts it too. Raises ValueError for a price that is no number.
    """
    if isnan(bid) or isnan(ask):
        raise ValueError(f"bid {bid} and ask {ask} must be numbers; -inf and inf leave a side out")
    bid_price = floor(max(bid, 0.0) + ROUNDING_SLACK_TICKS)  # -inf: no bid, as price 0
    ask_price = ceil(min(ask, PRICE_MAX + 1.0) - ROUNDING_SLACK_TICKS)
    others_ask = _best_of_others(view.asks, view.own_ask)
    others_bid = _best_of_others(view.bids, view.own_bid)
    if others_ask is not None:
        bid_price = min(bid_price, others_ask - 1)
    if others_bid is not None:
        ask_price = max(ask_price, others_bid + 1)
    ask_price = max(ask_price, bid_price + 1)
    limit = min(position_max, view.position_max or position_max)
    bid_quantity = min(quantity, limit - view.position)
    ask_quantity = min(quantity, limit + view.position)
    return Quote(
        bid_price=bid_price if bid_quantity > 0 and bid_price > 0 else None,
        bid_quantity=max(bid_quantity, 0),
        ask_price=ask_price if ask_quantity > 0 and ask_price <= PRICE_MAX else None,
        ask_quantity=max(ask_quantity, 0),
    )


def _best_of_others(levels: tuple[tuple[int, int], ...], own: Resting | None) -> int | None:
    """The best price at which somebody else's order rests; own orders give way to the new quote."""
    for price, quantity in levels:
        if own is None or price != own.price or quantity > own.quantity:
            return price
    return None


def check_positive(**values: float) -> None:
    """Raise ValueError naming the first value that is not above 0."""
    for name, value in values.items():
        if not 0 < value < float("inf"):
            raise ValueError(f"{name} must be above 0 and finite, not {value}")


def check_not_negative(**values: float) -> None:
    """Raise ValueError naming the first value below 0."""
    for name, value in values.items():
        if not 0 <= value < float("inf"):
            raise ValueError(f"{name} must be 0 or above and finite, not {value}")
