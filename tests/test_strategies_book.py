"""The client's book is the engine's book: rebuilt from messages, compared as bytes."""

from decimal import Decimal
from typing import Any
from zlib import crc32

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from exchange.engine.depth import write_depth
from exchange.engine.door import Door
from exchange.engine.records import DEPTH, new_markets
from exchange.instrument import Instrument
from strategies.book import ClientBook, new_depth
from strategies.errors import ChecksumWrong, FeedGap, Unreadable

INSTRUMENT = Instrument("SIM", Decimal("0.01"), Decimal("0.5"))
LEVELS = st.dictionaries(st.integers(1, 60), st.integers(0, 50), max_size=30)


def side(levels: dict[int, int]) -> list[list[str]]:
    return [[INSTRUMENT.price_text(p), INSTRUMENT.quantity_text(q)] for p, q in levels.items()]


def checksum(bids: list[list[str]], asks: list[list[str]]) -> int:
    """As docs/PROTOCOL.md states it, from the texts of the ten best levels."""
    rows = []
    for row in range(min(max(len(bids), len(asks)), 10)):
        bid = bids[row] if row < len(bids) else ["", ""]
        ask = asks[row] if row < len(asks) else ["", ""]
        rows.append(":".join([*bid, *ask]))
    return crc32("|".join(rows).encode())


def message(kind: str, bids: dict[int, int], asks: dict[int, int], **fields: Any) -> dict[str, Any]:
    return {
        "channel": "book",
        "type": kind,
        "symbol": "SIM",
        "epoch": 1,
        "seq": 1,
        "time_ns": 5,
        "bids": side(bids),
        "asks": side(asks),
        "bought": "3.5",
        "sold": "2.0",
        "last_price": "100.00",
        **fields,
    }


def snapshot(bids: dict[int, int], asks: dict[int, int], **fields: Any) -> dict[str, Any]:
    best_bids = dict(sorted(bids.items(), reverse=True))
    best_asks = dict(sorted(asks.items()))
    crc = checksum(side(best_bids), side(best_asks))
    return message("snapshot", best_bids, best_asks, **{"checksum": crc, **fields})


def book_of(bids: dict[int, int], asks: dict[int, int]) -> ClientBook:
    book = ClientBook(INSTRUMENT)
    book.apply(snapshot(bids, asks))
    return book


@given(LEVELS, LEVELS)
def test_depth_from_a_snapshot_is_byte_equal_to_the_engines(
    below: dict[int, int], above: dict[int, int]
) -> None:
    market = new_markets(1)
    door = Door(market)
    bids = {9999 - away: lots for away, lots in below.items() if lots}
    asks = {10001 + away: lots for away, lots in above.items() if lots}
    for price, lots in bids.items():
        door.enter(0, 4, 0, price, lots, 0, 0)
    for price, lots in asks.items():
        door.enter(0, 5, 1, price, lots, 0, 0)
    engine_depth = np.zeros(1, DEPTH)[0]
    write_depth(market[0], engine_depth)

    book = ClientBook(INSTRUMENT)
    book.apply(snapshot(bids, asks, time_ns=0, bought="0.0", sold="0.0"))
    depth = new_depth()
    depth["bid_price"] = 77  # what stood there before must be gone
    book.write_depth(depth)

    assert depth.tobytes() == engine_depth.tobytes()


@given(LEVELS, LEVELS, LEVELS, LEVELS)
def test_changes_lead_to_the_same_book_as_a_snapshot_of_the_end(
    bids: dict[int, int],
    asks: dict[int, int],
    bid_changes: dict[int, int],
    ask_changes: dict[int, int],
) -> None:
    start = [{p: q for p, q in levels.items() if q} for levels in (bids, asks)]
    end = [
        {p: q for p, q in {**levels, **changes}.items() if q}
        for levels, changes in zip(start, (bid_changes, ask_changes), strict=True)
    ]
    wanted = snapshot(*end, seq=4)
    book = book_of(*start)

    change = message("change", bid_changes, ask_changes, seq=4, prev_seq=1)
    book.apply({**change, "checksum": wanted["checksum"]})

    fresh = ClientBook(INSTRUMENT)
    fresh.apply(wanted)
    assert (book.bids, book.asks, book.seq) == (fresh.bids, fresh.asks, 4)


def test_a_missing_change_is_a_gap_and_the_next_snapshot_mends_it() -> None:
    book = book_of({100: 1}, {102: 1})
    with pytest.raises(FeedGap, match="after seq 2, but the last one was 1"):
        book.apply(message("change", {100: 2}, {}, seq=3, prev_seq=2, checksum=0))
    assert not book.ready
    book.apply(message("change", {100: 2}, {}, seq=4, prev_seq=3, checksum=0))  # passed over
    assert not book.ready
    assert book.bids == {100: 1}
    book.apply(snapshot({100: 9}, {102: 1}, seq=8))
    assert book.ready
    assert book.bids == {100: 9}


def test_another_epoch_is_another_server() -> None:
    book = book_of({100: 1}, {102: 1})
    with pytest.raises(FeedGap, match="started anew"):
        book.apply(message("change", {}, {}, epoch=2, seq=2, prev_seq=1, checksum=0))


def test_a_level_that_differs_from_the_servers_is_found_by_the_checksum() -> None:
    book = book_of({100: 1}, {102: 1})
    change = message("change", {100: 2}, {}, seq=2, prev_seq=1)
    with pytest.raises(ChecksumWrong):
        book.apply({**change, "checksum": 12345})
    assert not book.ready


@pytest.mark.parametrize(
    "damage",
    [{"bids": [["1.001", "1"]]}, {"bids": "x"}, {"seq": None}, {"asks": [["1.00", "0.3"]]}],
)
def test_a_message_that_breaks_the_protocol_is_unreadable(damage: dict[str, Any]) -> None:
    with pytest.raises(Unreadable):
        ClientBook(INSTRUMENT).apply({**snapshot({100: 1}, {}), **damage})


def test_the_ten_best_levels_are_shown_best_first() -> None:
    book = book_of({p: p for p in range(80, 101)}, {p: p for p in range(102, 110)})
    assert book.best_bids(2) == [(100, 100), (99, 99)]
    assert book.best_asks(3) == [(102, 102), (103, 103), (104, 104)]
    depth = new_depth()
    book.write_depth(depth)
    assert depth.bid_price.tolist() == list(range(100, 90, -1))
    assert depth.ask_price.tolist() == [*range(102, 110), 0, 0]
