"""Engine records in the reference book's words, so that the two can be compared."""

from typing import Any

import numpy as np

from exchange.engine.codes import Option, TimeInForce
from exchange.engine.records import DEPTH, EVENT, Markets
from exchange.engine.resting import resting_orders
from reference_book import Event, ReferenceBook, ReferenceVenue
from reference_checks import BUY, SELL, Order

MARKET_FIELDS = (
    *("now_ns", "sequence", "n_entered", "last_price", "phase", "n_trades"),
    *("bought", "sold", "fees_collected"),
)
ACCOUNT_FIELDS = (
    *("position", "cash", "fees", "bought", "sold", "n_fills"),
    *("position_max", "quantity_max", "n_open_max", "loss_max"),
)
ORDER_FIELDS = ("account", "side", "price", "quantity", "options")


def numbered(events: Any, n_orders: int) -> list[Event]:
    """EVENT records as tuples, with order numbers in place of ids."""
    events = events.copy()
    for name in ("order_id", "maker_order_id"):
        events[name] //= n_orders
    return [tuple(event) for event in events.tolist()]


def named(event: Event) -> dict[str, int]:
    """One event by its field names, the zeros left out: for people."""
    return {name: value for name, value in zip(EVENT.names or (), event, strict=True) if value != 0}


def learn_ids(venue: ReferenceVenue, markets: Markets) -> None:
    """Tell the reference the ids of all that rests."""
    for book, market in zip(venue.books, markets, strict=True):
        ids = resting_orders(market)["order_id"].tolist()
        book.ids.update((order_id // book.n_orders, order_id) for order_id in ids)


def same_results(results: Any, expected: list[int], n_orders: int) -> bool:
    """Whether calls returned the expected order numbers, zeros and refusals."""
    return bool(np.array_equal(np.where(results > 0, results // n_orders, results), expected))


def check_same_state(markets: Markets, venue: ReferenceVenue) -> None:
    """Assert that prices, accounts, counts and all queues of the two are the same."""
    for market, book in zip(markets, venue.books, strict=True):
        for name in MARKET_FIELDS:
            assert market[name] == getattr(book, name), name
        for number, account in enumerate(book.accounts):
            for name in ACCOUNT_FIELDS:
                assert market.accounts[number][name] == getattr(account, name), (number, name)
        assert queues(market) == expected_orders(book)


def queues(market: Any) -> list[Event]:
    """Every queue of the book from the lowest price up: number, account, side, price, lots, ..."""
    resting = resting_orders(market)
    resting["order_id"] //= len(market.orders)
    gtd = resting["options"] & Option.TIME_IN_FORCE == TimeInForce.GTD
    due_ns = np.where(gtd, market.expires_ns[resting["slot"]], 0).tolist()
    found = resting[["order_id", *ORDER_FIELDS]].tolist()
    return [(*order, due) for order, due in zip(found, due_ns, strict=True)]


def expected_orders(book: ReferenceBook) -> list[Event]:
    return [
        (o.number, o.account, o.side, o.price, o.quantity, o.options, due_ns(o))
        for side in (BUY, SELL)
        for queue in book.sides[side].values()
        for o in queue.values()
    ]


def due_ns(order: Order) -> int:
    """When an order expires, 0 when it does not."""
    return order.expire_ns if order.time_in_force == TimeInForce.GTD else 0


def expected_depth(book: ReferenceBook) -> Any:
    """The DEPTH that everybody should see."""
    depth = np.zeros(1, DEPTH)[0]
    depth.time_ns, depth.last_price = book.now_ns, book.last_price
    depth.bought, depth.sold = book.bought, book.sold
    for i, (price, quantity) in enumerate(book.depth(BUY)):
        depth.bid_price[i], depth.bid_quantity[i] = price, quantity
    for i, (price, quantity) in enumerate(book.depth(SELL)):
        depth.ask_price[i], depth.ask_quantity[i] = price, quantity
    return depth
