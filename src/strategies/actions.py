"""From a policy's action to the quote it stands for: one compiled function, live and in training.

An action is read against the mid of the others' orders, so own quotes never move the price that the
next ones are set from. No quote comes out where it would trade at once.
"""

from collections.abc import Sequence
from enum import IntEnum
from math import ceil, floor, isfinite
from typing import Any

import numpy as np
import numpy.typing as npt

from exchange.engine.kernel import kernel
from exchange.engine.records import PRICE_MAX
from strategies.history import OWN_QUOTE
from strategies.strategy import Quote, View

OFFSET_MAX = 10  # ticks from the tightest quote
QUANTITY_MAX = 10  # units a side
UNIT_LOTS_MAX = 1_000
SHIFT_STEP, N_SHIFTS = 0.25, 17  # ticks; the middle one is no shift
HALF_SPREAD_MIN, HALF_SPREAD_STEP, N_HALF_SPREADS = 0.5, 0.25, 11  # ticks
SLACK = 1e-9  # ticks: 0.1 * 3 must not round as 0.30000000000000004


class ActionKind(IntEnum):
    """How an action's three numbers are read."""

    MULTI_DISCRETE = 0  # offsets of bid and ask, 0 .. 10 ticks; quantity - 1
    BOX = 1  # the same, each from -1 to 1
    RESERVATION = 2  # shift of the reservation price, half spread, quantity - 1
    QUOTE = 3  # bid price, bid quantity, ask price, ask quantity: for baselines over arrays


KINDS = {kind.name.lower(): kind for kind in ActionKind}
WIDTHS = {kind: 4 if kind == ActionKind.QUOTE else 3 for kind in ActionKind}
DISCRETE = {
    ActionKind.MULTI_DISCRETE: (OFFSET_MAX + 1, OFFSET_MAX + 1, QUANTITY_MAX),
    ActionKind.RESERVATION: (N_SHIFTS, N_HALF_SPREADS, QUANTITY_MAX),
}
MULTI_DISCRETE, BOX, QUOTE = (
    int(ActionKind.MULTI_DISCRETE),
    int(ActionKind.BOX),
    int(ActionKind.QUOTE),
)


@kernel
def write_quote(kind, actions, i, history, position_max, skew, unit_lots, quote):
    """Write the OWN_QUOTE that an action asks for: ticks and lots, price 0 where there is none.

    kind: ActionKind as int. actions: float64 (n, 3), or (n, 4) for QUOTE; i: which of them.
    history: HISTORY of what was observed last. A side is cut so that position_max lots cannot be
    exceeded. skew: ticks that the reservation price moves for each unit of position. unit_lots: an
    action's quantity counts units of so many lots; one of QUOTE counts lots.
    """
    position = history.position
    if kind == QUOTE:
        bid, ask = int(actions[i, 0]), int(actions[i, 2])
        bid_lots, ask_lots = int(actions[i, 1]), int(actions[i, 3])
    else:
        bid, ask = prices(kind, actions[i, 0], actions[i, 1], history, skew / unit_lots)
        bid_lots = ask_lots = quantity_of(kind, actions[i, 2]) * unit_lots
    bid_lots = min(bid_lots, position_max - position)
    ask_lots = min(ask_lots, position_max + position)
    has_bid = (bid_lots > 0) & (bid > 0) & (bid <= PRICE_MAX)
    has_ask = (ask_lots > 0) & (ask > 0) & (ask <= PRICE_MAX)
    quote.bid_price, quote.bid_quantity = bid if has_bid else 0, bid_lots if has_bid else 0
    quote.ask_price, quote.ask_quantity = ask if has_ask else 0, ask_lots if has_ask else 0


@kernel
def write_quotes(kind, actions, histories, position_max, skew, unit_lots, quotes):
    """`write_quote` for each row: (n, 3 or 4) of float64, (n,) of HISTORY -> (n,) of OWN_QUOTE."""
    for i in range(len(actions)):
        write_quote(kind, actions, i, histories[i], position_max, skew, unit_lots, quotes[i])


@kernel
def prices(kind, first, second, history, skew):
    """Bid and ask in ticks, such that neither trades with the others' best orders."""
    mid_twice = history.mid_twice
    tightest_bid = (mid_twice - 1) >> 1
    tightest_ask = (mid_twice + 2) >> 1
    if kind == MULTI_DISCRETE:
        return tightest_bid - limited(first), tightest_ask + limited(second)
    if kind == BOX:
        return tightest_bid - offset_of(first), tightest_ask + offset_of(second)
    shift = (min(max(int(first), 0), N_SHIFTS - 1) - N_SHIFTS // 2) * SHIFT_STEP
    half = HALF_SPREAD_MIN + min(max(int(second), 0), N_HALF_SPREADS - 1) * HALF_SPREAD_STEP
    reservation = 0.5 * mid_twice - skew * history.position + shift
    return resting_prices(reservation - half, reservation + half, history)


@kernel
def resting_prices(bid, ask, history):
    """Continuous prices rounded outwards to ticks and held back from trading at once."""
    bid_price, ask_price = int(floor(bid + SLACK)), int(ceil(ask - SLACK))
    if history.ask_price != 0:
        bid_price = min(bid_price, history.ask_price - 1)
    if history.bid_price != 0:
        ask_price = max(ask_price, history.bid_price + 1)
    return bid_price, max(ask_price, bid_price + 1)


@kernel
def limited(offset):
    return min(max(int(offset), 0), OFFSET_MAX)


@kernel
def offset_of(number):
    """-1 .. 1 to the nearest whole offset."""
    return limited(floor(0.5 * OFFSET_MAX * (number + 1.0) + 0.5))


@kernel
def quantity_of(kind, number):
    """Units: the third number of every action but QUOTE."""
    if kind == BOX:
        number = floor(0.5 * (QUANTITY_MAX - 1) * (number + 1.0) + 0.5)
    return min(max(int(number), 0), QUANTITY_MAX - 1) + 1


class Actions:
    """The quotes of one live policy; position_max, skew and quantities count units of unit_lots."""

    def __init__(
        self,
        kind: str = "multi_discrete",
        *,
        position_max: int = 50,
        skew: float = 0.3,
        unit_lots: int = 1,
    ) -> None:
        self.kind = action_kind(kind)
        self.position_max = position_max * unit_lots  # lots
        self.skew = float(skew)
        self.unit_lots = unit_lots
        self._actions = np.zeros((1, WIDTHS[self.kind]))
        self._quotes = np.zeros(1, OWN_QUOTE)

    def quote(
        self, action: Sequence[float] | npt.NDArray[Any], view: View, histories: Any
    ) -> Quote:
        """What `action` wants in the market that `histories` (of `Features`) were just shown."""
        numbers = np.asarray(action, np.float64).ravel().tolist()
        if len(numbers) != WIDTHS[self.kind]:
            raise ValueError(f"an action has {WIDTHS[self.kind]} numbers, this one {len(numbers)}")
        if not all(map(isfinite, numbers)):
            raise ValueError(f"an action is finite numbers, not {numbers}")
        self._actions[0] = numbers
        limit = min(self.position_max, view.position_max or self.position_max)
        write_quotes(
            int(self.kind),
            self._actions,
            histories,
            limit,
            self.skew,
            self.unit_lots,
            self._quotes,
        )
        bid_price, bid_lots, ask_price, ask_lots = self._quotes[0].item()
        return Quote(bid_price or None, bid_lots, ask_price or None, ask_lots)


def action_kind(name: str) -> ActionKind:
    """The kind of that name. Raises ValueError for an unknown one."""
    if name not in KINDS:
        raise ValueError(f"unknown action {name!r}: choose of {', '.join(KINDS)}")
    return KINDS[name]
