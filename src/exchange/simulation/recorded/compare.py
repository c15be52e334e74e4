"""A market compared with the venue's own book, row by row or snapshot by snapshot."""

from typing import NamedTuple

import numpy as np

from exchange.engine.book import next_worse
from exchange.engine.codes import Side
from exchange.engine.kernel import kernel
from exchange.simulation.recorded.messages import BOOK_FIELDS, Array, RecordedBook


class Comparison(NamedTuple):
    """The venue's own book and how much of it was met so far."""

    bid_price: Array  # these four as in RecordedBook
    bid_quantity: Array
    ask_price: Array
    ask_quantity: Array
    n_trades: Array  # int64: trades before each snapshot; empty when messages name their rows
    matched: Array  # int64, rows that matched, by level
    matches: Array  # bool, by level: room to work
    best: Array  # bool, by level: the best match of the snapshot at hand
    place: Array  # int64 (2,): the snapshot at hand, levels in its best match (-1 is not yet)


def new_comparison(book: RecordedBook | None) -> Comparison:
    """Nothing compared yet."""
    book = book or RecordedBook(*(np.zeros((0, 0), np.int64) for _ in BOOK_FIELDS))
    n_levels = book.shape[1]
    sides = {name: np.ascontiguousarray(getattr(book, name), np.int64) for name in BOOK_FIELDS}
    return Comparison(
        **sides,
        n_trades=np.zeros(0, np.int64) if book.n_trades is None else book.n_trades,
        matched=np.zeros(n_levels, np.int64),
        matches=np.zeros(n_levels, bool),
        best=np.zeros(n_levels, bool),
        place=np.array([0, -1], np.int64),
    )


@kernel
def compare_row(market, book, row):
    """Count the levels of one row that are as the venue's."""
    n_levels_matching(market, book, row)
    for k in range(len(book.matches)):
        book.matched[k] += book.matches[k]


@kernel
def compare_snapshots(market, book, n_trades):
    """Compare with the snapshots that the venue took after so many trades.

    A snapshot does not say after which message it was taken: it is met if one of the states between
    those two trades, none before that which met the snapshot before it, is the same in every level.
    """
    settle_snapshots(book, n_trades)
    while book.place[0] < len(book.n_trades) and book.n_trades[book.place[0]] == n_trades:
        n = n_levels_matching(market, book, book.place[0])
        if n > book.place[1]:
            book.place[1] = n
            book.best[:] = book.matches
        if n < len(book.matches):
            return
        count_snapshot(book)


@kernel
def settle_snapshots(book, n_trades):
    """Count the snapshots taken before so many trades: there will be no better match."""
    while book.place[0] < len(book.n_trades) and book.n_trades[book.place[0]] < n_trades:
        count_snapshot(book)


@kernel
def count_snapshot(book):
    """Count the best match of the snapshot at hand and go to the next."""
    for k in range(len(book.best)):
        book.matched[k] += book.best[k]
        book.best[k] = False
    book.place[0] += 1
    book.place[1] = -1


@kernel
def n_levels_matching(market, book, row):
    """Compare a market with one row, level by level, into `matches`; how many are the same."""
    base = market.price_base
    bid, ask = market.best_bid, market.best_ask
    n = 0
    for k in range(book.bid_price.shape[1]):
        same_bid = book.bid_price[row, k] == (bid + base if bid != 0 else 0)
        same_ask = book.ask_price[row, k] == (ask + base if ask != 0 else 0)
        same_bid = same_bid and book.bid_quantity[row, k] == market.levels[bid].quantity
        same_ask = same_ask and book.ask_quantity[row, k] == market.levels[ask].quantity
        book.matches[k] = same_bid and same_ask
        n += book.matches[k]
        bid = next_worse(market, Side.BUY, bid) if bid != 0 else 0
        ask = next_worse(market, Side.SELL, ask) if ask != 0 else 0
    return n
