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
    best: Array  # bool, by snapshot and level: the best match of each snapshot
    place: Array  # int64 (1,): the first snapshot that has not been met


def new_comparison(book: RecordedBook | None) -> Comparison:
    """Nothing compared yet."""
    book = book or RecordedBook(*(np.zeros((0, 0), np.int64) for _ in BOOK_FIELDS))
    n_levels = book.shape[1]
    sides = {name: np.ascontiguousarray(getattr(book, name), np.int64) for name in BOOK_FIELDS}
    n_trades = np.zeros(0, np.int64) if book.n_trades is None else book.n_trades
    return Comparison(
        **sides,
        n_trades=n_trades,
        matched=np.zeros(n_levels, np.int64),
        matches=np.zeros(n_levels, bool),
        best=np.zeros((len(n_trades), n_levels), bool),
        place=np.zeros(1, np.int64),
    )


def matched_levels(book: Comparison) -> list[int]:
    """Rows or snapshots that matched, by level, the best level first."""
    return [int(n) for n in (book.best.sum(axis=0) if len(book.n_trades) else book.matched)]


@kernel
def compare_row(market, book, row):
    """Count the levels of one row that are as the venue's."""
    n_levels_matching(market, book, row)
    for k in range(len(book.matches)):
        book.matched[k] += book.matches[k]


@kernel
def compare_snapshots(market, book, n_trades):
    """Compare with the snapshots that the venue took after so many trades.

    A snapshot does not say after which message it was taken. So its best match counts among the
    states between those two trades, none of them before one that a snapshot taken earlier is.
    """
    row = book.place[0]
    while row < len(book.n_trades) and book.n_trades[row] <= n_trades:
        if book.n_trades[row] == n_trades:
            n = n_levels_matching(market, book, row)
            if n > np.sum(book.best[row]):
                book.best[row] = book.matches
            if n == len(book.matches):
                book.place[0] = row + 1
        row += 1


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
