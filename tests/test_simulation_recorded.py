"""Recordings written here, each small enough to check by eye: formats, rules, and refusals."""

import gzip
import json
import lzma
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from exchange.engine.codes import EventKind, Side, TimeInForce
from exchange.engine.commands import begin, enter
from exchange.engine.invariants import check_invariants
from exchange.simulation.recorded.flow import RecordedFlow, new_recorded_markets
from exchange.simulation.recorded.messages import RecordingError
from exchange.simulation.recorded.read import read_recording
from exchange.simulation.recorded.report import explain, rebuild_recording, send_recording

Write = Callable[..., Path]
STRATEGY = 4  # the first account that is no participant's
SECOND = 10**9

# bids 100 x 10.00, asks 50 x 10.02; one level of the book a side is recorded
LOBSTER_MESSAGES = """\
34200.1,1,11,100,100000,1
34200.2,1,12,50,100200,-1
34200.3,1,13,30,100100,-1
34200.4,4,13,20,100100,-1
34200.5,3,13,10,100100,-1
34200.6,2,12,20,100200,-1
34200.7,5,0,5,100100,1
34200.8,4,12,30,100200,-1
"""
LOBSTER_BOOK = """\
9999999999,0,100000,100
100200,50,100000,100
100100,30,100000,100
100100,10,100000,100
100200,50,100000,100
100200,30,100000,100
100200,30,100000,100
9999999999,0,100000,100
"""

DATABENTO_HEADER = "ts_event,action,side,price,size,order_id,flags,sequence\n"
DATABENTO_MESSAGES = """\
1000,R,N,9223372036854775807,0,0,40,0
1000,A,B,10000000000,3,1,40,1
1000,A,A,10250000000,2,2,40,2
1000,A,A,10250000000,4,3,168,3
2000,T,B,10250000000,3,9,0,4
2000,F,A,10250000000,2,2,0,4
2000,F,A,10250000000,1,3,0,4
2000,C,A,10250000000,2,2,0,5
2000,M,A,10250000000,3,3,130,5
3000,M,B,10000000000,2,1,130,6
"""

SHANGHAI = """\
O,1,1,9150000,101,10020,300000,A,S
O,2,2,9150100,102,10030,100000,A,B
O,3,3,9150200,103,10000,100000,A,B
S,92459,0,0,69,10020,{zero9},100000,{zero9},10020,{zero9},100000,{zero9}
E,4,4,9250000,102,101,10020,100000,N
S,92501,1,100000,69,10000,{zero9},100000,{zero9},10020,{zero9},200000,{zero9}
E,5,5,9300000,104,101,10020,200000,B
O,6,6,9300000,104,10020,50000,A,B
S,93003,2,300000,69,10020,10000,{zero8},50000,100000,{zero8},0,{zero9},0,{zero9}
O,7,7,9300500,103,10000,100000,D,B
S,93006,2,300000,69,10020,{zero9},50000,{zero9},0,{zero9},0,{zero9}
""".format(zero9=",".join("0" * 9), zero8=",".join("0" * 8))


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write a text into a file of the test."""

    def write_text(text: str, name: str = "messages.csv") -> Path:
        path = tmp_path / name
        path.write_text(text)
        return path

    return write_text


def trades(market) -> list[tuple[int, int, int, int]]:
    """Takers' account, makers' account, price and lots of the trades in the market's events."""
    events = market.events[: market.n_events]
    return [
        (int(e["account"]), int(e["maker_account"]), int(e["price"]), int(e["quantity"]))
        for e in events[events["kind"] == EventKind.TRADED]
    ]


def test_a_lobster_pair_is_rebuilt_and_levels_out_of_sight_are_adopted(write):
    recording = read_recording(
        write(LOBSTER_MESSAGES), "lobster", write(LOBSTER_BOOK, "orderbook.csv")
    )

    rebuilt = rebuild_recording(recording)

    assert (rebuilt.rows, rebuilt.matched) == (8, [8])
    assert recording.notes["hidden_executions"] == 1
    assert str(recording.tick_size) == "0.01"
    check_invariants(rebuilt.markets[0])


def test_a_wrong_row_of_the_recorded_book_is_not_matched(write):
    book = LOBSTER_BOOK.replace("100200,30,100000,100", "100200,30,100000,99", 1)
    recording = read_recording(write(LOBSTER_MESSAGES), "lobster", write(book, "orderbook.csv"))

    assert rebuild_recording(recording).matched == [7]


def test_executions_of_one_moment_and_side_are_one_aggressive_order(write):
    text = """\
1.0,1,11,5,100100,-1
1.0,1,12,5,100000,-1
1.0,1,13,5,100000,-1
2.0,4,12,5,100000,-1
2.0,4,13,5,100000,-1
2.0,4,11,2,100100,-1
3.0,4,11,3,100100,-1
"""
    sent = send_recording(read_recording(write(text), "lobster"), corrects=False)

    takes = sent.flow[sent.outcomes > 0]
    assert [(int(t["price"]), int(t["quantity"])) for t in takes] == [(1001, 12), (1001, 3)]
    assert (sent.n_aggressors, sent.n_exact) == (2, 2)


def test_an_order_passed_over_by_the_venue_is_counted_once_when_corrected(write):
    text = """\
1.0,1,11,5,100000,-1
1.0,1,12,9,100000,-1
2.0,4,12,5,100000,-1
3.0,4,12,2,100000,-1
4.0,4,12,2,100000,-1
5.0,4,11,5,100000,-1
"""
    recording = read_recording(write(text), "lobster")

    corrected = send_recording(recording, corrects=True)
    drifting = send_recording(recording, corrects=False)

    assert (corrected.n_aggressors, corrected.n_exact) == (4, 3)
    assert explain(corrected) == {"older_order_skipped": 1}
    assert drifting.n_exact == 2  # order 11 went at 2.0 in the stead of 12, and 12 at 5.0
    check_invariants(corrected.markets[0])


def test_an_older_order_announced_late_goes_before_younger_ones(write):
    text = """\
1.0,1,20,5,100000,-1
1.0,1,21,5,100000,-1
1.1,1,7,5,100000,-1
2.0,4,7,5,100000,-1
3.0,4,20,5,100000,-1
"""
    sent = send_recording(read_recording(write(text), "lobster"), corrects=False)

    assert (sent.n_aggressors, sent.n_exact) == (2, 2)


def test_an_order_that_was_there_before_the_file_begins_is_in_the_opening_book(write):
    text = "1.0,1,20,5,100000,-1\n2.0,2,3,4,100000,-1\n3.0,4,3,6,100000,-1\n"
    recording = read_recording(write(text), "lobster")

    assert recording.opening[["order", "quantity"]].tolist() == [(1, 10)]
    assert send_recording(recording, corrects=False).n_exact == 1


def test_databento_fills_are_not_taken_off_twice(write):
    recording = read_recording(write(DATABENTO_HEADER + DATABENTO_MESSAGES), "databento")

    rebuilt, sent = rebuild_recording(recording), send_recording(recording, corrects=False)

    for market in (rebuilt.markets[0], sent.markets[0]):
        base = market.price_base
        assert (market.best_bid + base, market.best_ask + base) == (40, 41)
        assert market.levels[40 - base].quantity == 2
        assert market.levels[41 - base].quantity == 3
        check_invariants(market)
    assert str(recording.tick_size) == "0.25"
    assert (sent.n_aggressors, sent.n_exact) == (1, 1)


def test_an_order_canceled_lest_it_trade_with_its_owner_is_out_before_the_trade(write):
    text = """\
1000,A,A,10250000000,1,1,128,1
1000,A,A,10250000000,1,2,128,2
1000,A,B,10000000000,1,3,128,2
2000,T,B,10250000000,1,9,0,4
2000,F,A,10250000000,1,2,0,4
2000,C,A,10250000000,1,2,0,5
2000,C,A,10250000000,1,1,130,5
"""
    recording = read_recording(write(DATABENTO_HEADER + text), "databento")

    assert recording.notes["self_match_cancels"] == 1
    assert send_recording(recording, corrects=False).n_exact == 1


def test_an_iceberg_is_told_by_what_it_shows_after_its_fill(write):
    text = """\
1000,A,A,10250000000,2,1,128,1
1000,A,B,10000000000,1,3,128,2
2000,T,B,10250000000,5,9,0,4
2000,F,A,10250000000,5,1,0,4
2000,M,A,10250000000,2,1,130,5
3000,T,B,10250000000,2,10,0,6
3000,F,A,10250000000,2,1,0,6
3000,C,A,10250000000,2,1,130,6
"""
    sent = send_recording(
        read_recording(write(DATABENTO_HEADER + text), "databento"), corrects=True
    )

    assert (sent.n_aggressors, sent.n_exact) == (2, 1)
    assert explain(sent) == {"hidden_quantity": 1}


def test_a_resting_order_changed_so_that_it_trades_is_no_maker(write):
    text = """\
1000,A,A,10250000000,2,1,128,1
1000,A,B,10000000000,2,3,128,2
2000,T,B,10250000000,1,3,0,4
2000,F,B,10250000000,1,3,0,4
2000,F,A,10250000000,1,1,0,4
2000,M,A,10250000000,1,1,0,4
2000,M,B,10000000000,1,3,130,5
"""
    recording = read_recording(write(DATABENTO_HEADER + text), "databento")
    sent = send_recording(recording, corrects=False)

    assert (sent.n_aggressors, sent.n_exact) == (1, 1)
    market = sent.markets[0]
    assert [market.levels[price - market.price_base].quantity for price in (40, 41)] == [1, 1]


def test_a_shanghai_auction_becomes_the_opening_book_and_snapshots_match(write):
    recording = read_recording(write(SHANGHAI), "shanghai")

    rebuilt, sent = rebuild_recording(recording), send_recording(recording, corrects=False)

    assert [(int(o["price"]), int(o["quantity"])) for o in recording.opening] == [
        (1002, 200),
        (1000, 100),
    ]
    assert (rebuilt.rows, rebuilt.matched) == (3, [3] * 10)
    assert (sent.rows, sent.matched) == (3, [3] * 10)
    assert (sent.n_aggressors, sent.n_exact) == (1, 1)


def test_a_snapshot_that_never_was_is_not_matched(write):
    text = SHANGHAI.replace("S,93003,2,300000,69,10020,10000", "S,93003,2,300000,69,10020,9990")

    assert rebuild_recording(read_recording(write(text), "shanghai")).matched == [3] + [2] + [3] * 8


def test_compressed_files_are_read_as_plain_ones(write, tmp_path):
    plain = read_recording(write(LOBSTER_MESSAGES), "lobster")
    (tmp_path / "m.csv.gz").write_bytes(gzip.compress(LOBSTER_MESSAGES.encode()))
    (tmp_path / "m.csv.xz").write_bytes(lzma.compress(LOBSTER_MESSAGES.encode()))

    for name in ("m.csv.gz", "m.csv.xz"):
        assert np.array_equal(read_recording(tmp_path / name, "lobster").messages, plain.messages)


@pytest.mark.parametrize(
    ("file_format", "text", "problem"),
    [
        ("lobster", "", "is empty"),
        ("lobster", "1.0,1,11,5,100000,-1\n1.0,1,11,5\n", "line 2: has 4 columns, not 6"),
        ("lobster", "1.0,1,11,5,1000x0,-1\n", "line 1: is not all numbers"),
        ("lobster", "1.0,9,11,5,100000,-1\n", "line 1: not a LOBSTER message: type 9"),
        ("lobster", "1.0,1,11,5,100000,0\n", "direction 0"),
        ("lobster", "2.0,1,11,5,100000,1\n1.0,1,12,5,100000,1\n", "line 2: its time is before"),
        ("lobster", "1.0,1,11,0,100000,1\n", "line 1: size 0 is not"),
        ("lobster", "1.0,1,11,5,-100,1\n", "line 1: price -100 is not"),
        ("lobster", "1.0,1,11,5,1e20,1\n", "line 1: price 1e+20 is not"),
        ("lobster", "nan,1,11,5,100,1\n", "line 1: its time is not within a day"),
        ("lobster", "1.0,5,0,5,100000,1\n", "has no order with a price"),
        ("databento", "a,b\n1,2\n", "not a Databento CSV: no column ts_event"),
        ("databento", DATABENTO_HEADER, "has no rows"),
        ("databento", DATABENTO_HEADER + "1,Z,B,10,1,1,0,1\n", "line 2: action 'Z'"),
        ("databento", DATABENTO_HEADER + "1,A,B,ten,1,1,0,1\n", "line 2: price 'ten'"),
        (
            "databento",
            DATABENTO_HEADER + "1,A,B,10,1,1,0,1\nx,A,B,10,1,1,0,1\n",
            "line 3: ts_event",
        ),
        ("databento", DATABENTO_HEADER + "1,A,B,10,-1,1,0,1\n", "line 2: size -1 is not"),
        ("shanghai", "X,1\n", "line 1: does not begin with O, E or S"),
        ("shanghai", "O,1,1,9150000,101,10020,300000,A,X\n", "'X' is none of its letters"),
        ("shanghai", "O,1,1,9150000,101,10021,300000,A,S\n", "line 1: price 10021 is not"),
        ("shanghai", "S,84521,0" + ",0" * 42 + "\n", "has no orders"),
        ("itch", "x", "format 'itch' is not one of"),
    ],
)
def test_what_is_not_of_the_format_is_refused_with_its_line(write, file_format, text, problem):
    path = write(text)
    with pytest.raises(RecordingError) as error:
        read_recording(path, file_format)
    assert problem in str(error.value)
    assert file_format == "itch" or str(path) in str(error.value) or path.name in str(error.value)


def test_missing_and_damaged_files_are_refused(tmp_path):
    with pytest.raises(RecordingError, match="No such file"):
        read_recording(tmp_path / "none.csv", "lobster")
    (tmp_path / "broken.csv.gz").write_bytes(gzip.compress(LOBSTER_MESSAGES.encode())[:30])
    with pytest.raises(RecordingError, match="cannot be read"):
        read_recording(tmp_path / "broken.csv.gz", "lobster")
    (tmp_path / "broken.csv.xz").write_bytes(b"not xz at all")
    with pytest.raises(RecordingError, match="cannot be read"):
        read_recording(tmp_path / "broken.csv.xz", "lobster")


def test_a_book_of_other_length_than_its_messages_is_refused(write):
    book = write(LOBSTER_BOOK + "1,1,1,1\n", "orderbook.csv")
    with pytest.raises(RecordingError, match="9 lines, but the message file has 8"):
        read_recording(write(LOBSTER_MESSAGES), "lobster", book)


def test_the_script_prints_what_it_found_and_fails_on_what_it_cannot_read(write):
    script = Path(__file__).parents[1] / "scripts" / "replay_recorded.py"
    messages, book = write(LOBSTER_MESSAGES), write(LOBSTER_BOOK, "orderbook.csv")
    command = [sys.executable, str(script), "--format", "lobster", "--json", "--messages"]

    good = subprocess.run(
        [*command, str(messages), "--orderbook", str(book), "--as-input"],
        check=True,
        capture_output=True,
        text=True,
    )
    bad = subprocess.run([*command, "none.csv"], check=False, capture_output=True, text=True)

    report = json.loads(good.stdout)
    assert (report["aggressors"], report["exact"], report["explained"]) == (2, 2, {})
    assert bad.returncode == 2
    assert bad.stderr == "replay_recorded: none.csv: cannot be read: No such file or directory\n"


def test_a_live_market_starts_with_the_opening_book_and_follows_the_recording(write):
    flow = RecordedFlow.open(write(SHANGHAI), "shanghai")
    markets = new_recorded_markets(flow, taker_fee_ppm=100)
    market = markets[0]

    assert (market.now_ns, market.n_events, market.n_resting) == (0, 0, 2)
    flow.advance(markets, 0, 1)
    assert trades(market) == [(0, 0, 1002, 200)]
    assert market.levels[1002 - market.price_base].quantity == 50
    flow.advance(markets, 0, 4 * SECOND)
    assert (market.n_events, flow.finished, market.now_ns) == (0, False, 4 * SECOND)
    flow.advance(markets, 0, 10 * SECOND)
    assert (market.n_events, flow.finished, market.now_ns) == (1, True, 10 * SECOND)
    flow.advance(markets, 0, 11 * SECOND)
    assert (market.n_events, market.now_ns, flow.end_ns) == (0, 11 * SECOND, 5 * SECOND)
    check_invariants(market)


def test_a_strategy_that_is_first_in_the_queue_gets_the_recorded_fill(write):
    flow = RecordedFlow.open(write(SHANGHAI), "shanghai")
    markets = new_recorded_markets(flow)
    begin(markets, 0)
    enter(markets, 0, STRATEGY, int(Side.SELL), 1001, 80, int(TimeInForce.GTC), 0)

    flow.advance(markets, 0, 1)

    # what the recorded buyer left at 10.02 meets the offer that the strategy spared
    assert trades(markets[0]) == [(0, STRATEGY, 1001, 80), (0, 0, 1002, 120), (0, 0, 1002, 50)]
    check_invariants(markets[0])


def test_a_recorded_cancel_of_an_order_that_a_strategy_took_is_skipped_and_counted(write):
    flow = RecordedFlow.open(write(SHANGHAI), "shanghai")
    markets = new_recorded_markets(flow)
    flow.advance(markets, 0, 1)
    begin(markets, 0)
    enter(markets, 0, STRATEGY, int(Side.SELL), 1000, 150, int(TimeInForce.IOC), 0)
    assert len(trades(markets[0])) == 2

    flow.advance(markets, 0, 10 * SECOND)

    assert (flow.finished, flow.counts["n_gone"]) == (True, 1)
    assert markets[0].n_resting == 0
    check_invariants(markets[0])


def test_a_clock_that_would_run_backwards_is_refused_and_nothing_is_applied(write):
    flow = RecordedFlow.open(write(SHANGHAI), "shanghai")
    markets = new_recorded_markets(flow)
    flow.advance(markets, 0, 4 * SECOND)

    flow.advance(markets, 0, SECOND)

    assert markets[0].now_ns == 4 * SECOND
    assert markets[0].events[0]["kind"] == EventKind.REJECTED
