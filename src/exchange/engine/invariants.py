"""What must hold after every command. Slow and plain on purpose: tests and demos call it."""

from typing import Any

import numpy as np

from exchange.engine.codes import EventKind, Option, TimeInForce
from exchange.engine.records import Markets


def check_invariants(market: Any) -> None:
    """Assert that one MARKET record is sound. Raises AssertionError with what is broken."""
    _check_prices(market)
    resting = _check_levels(market)
    _check_slots(market, resting)
    _check_accounts(market, resting)
    _check_events(market)


def check_venue(markets: Markets) -> None:
    """`check_invariants` for every market of a venue."""
    for row in range(len(markets)):
        check_invariants(markets[row])


def _check_prices(market: Any) -> None:
    best_bid, best_ask = int(market.best_bid), int(market.best_ask)
    assert best_bid == 0 or best_ask == 0 or best_bid < best_ask, "the book is crossed"
    rows = np.flatnonzero(market.levels["head"])
    bits = np.unpackbits(market.occupied.view(np.uint8), bitorder="little")
    assert np.array_equal(rows, np.flatnonzero(bits)), "occupied bits differ from the levels"
    bids = rows[rows <= best_bid]
    asks = rows[rows >= best_ask] if best_ask else rows[:0]
    assert len(bids) + len(asks) == len(rows), "a level lies inside the spread"
    assert best_bid == (bids[-1] if len(bids) else 0), "best bid is not the highest bid"
    assert best_ask == (asks[0] if len(asks) else 0), "best ask is not the lowest ask"


def _check_levels(market: Any) -> list[int]:
    """Walk every queue; returns the slots that rest."""
    resting: list[int] = []
    for row in np.flatnonzero(market.levels["head"]):
        level = market.levels[row]
        slot, previous, quantity, n_walked = int(level.head), 0, 0, 0
        while slot != 0:
            order = market.orders[slot]
            assert order.previous == previous, f"slot {slot}: broken link"
            assert order.row == row, f"slot {slot}: wrong level"
            assert order.quantity > 0, f"slot {slot}: nothing left of it"
            assert order.number != 0, f"slot {slot}: rests and is free"
            resting.append(slot)
            quantity, n_walked = quantity + int(order.quantity), n_walked + 1
            previous, slot = slot, int(order.next)
            assert n_walked <= market.n_resting, "a queue runs in a circle"
        assert (level.tail, level.quantity) == (previous, quantity)
    empty = market.levels[market.levels["head"] == 0]
    assert not empty["quantity"].any() and not empty["tail"].any(), "an empty level counts lots"
    assert len(resting) == market.n_resting, "n_resting differs from the queues"
    return resting


def _check_slots(market: Any, resting: list[int]) -> None:
    assert not market.orders[0].tobytes().strip(b"\0"), "slot 0 is not blank"
    free = []
    slot = int(market.free_slot)
    while slot != 0:
        assert market.orders[slot].number == 0, f"slot {slot} is free and in use"
        free.append(slot)
        assert len(free) <= market.n_slots_used, "the list of free slots runs in a circle"
        slot = int(market.orders[slot].next)
    assert sorted(free + resting) == list(range(1, int(market.n_slots_used) + 1)), "a slot is lost"
    numbers = market.orders[resting]["number"]
    assert len(set(numbers.tolist())) == len(numbers), "two orders have one number"
    assert (numbers <= market.n_entered).all(), "an order rests before it was entered"
    options = market.orders[resting]["options"]
    due = market.expires_ns[resting][(options & Option.TIME_IN_FORCE) == TimeInForce.GTD]
    if len(due):
        assert market.now_ns < due.min(), "an expired order rests"
        assert 0 < market.expire_next_ns <= due.min(), "an expiry would be missed"


def _check_accounts(market: Any, resting: list[int]) -> None:
    accounts = market.accounts
    orders = market.orders[resting]
    for number in range(len(accounts)):
        account, own = accounts[number], orders[orders["account"] == number]
        reduce_only = (own["options"] & Option.REDUCE_ONLY) != 0
        is_bid = own["row"] <= market.best_bid
        buys, sells = int(own["quantity"][is_bid].sum()), int(own["quantity"][~is_bid].sum())
        counted = (account.buy_open, account.sell_open, account.n_open, account.n_reduce_only)
        assert counted == (buys, sells, len(own), reduce_only.sum()), f"account {number}: open"
        if reduce_only.any():
            closing = sells if account.position > 0 else buys
            assert closing <= abs(account.position), f"account {number}: reduce-only could grow it"
        assert account.position == account.bought - account.sold, f"account {number}: position"
    assert accounts["position"].sum() == 0, "positions do not sum to zero"
    assert accounts["cash"].sum() == 0, "cash is created or lost"
    assert accounts["fees"].sum() == market.fees_collected, "fees are created or lost"


def _check_events(market: Any) -> None:
    events = market.events[: market.n_events]
    first = market.sequence - market.n_events + 1
    assert np.array_equal(events["sequence"], np.arange(first, market.sequence + 1)), "a gap"
    assert (events["time_ns"] <= market.now_ns).all(), "an event from the future"
    assert not (events["kind"] == EventKind.NONE).any(), "an event that is none"
