"""Real recordings of three venues through the engine; skipped where they are not there."""

from pathlib import Path

import numpy as np
import pytest

from exchange.engine.invariants import check_invariants
from exchange.simulation.recorded.flow import RecordedFlow, new_recorded_markets
from exchange.simulation.recorded.messages import Recording
from exchange.simulation.recorded.read import read_recording
from exchange.simulation.recorded.report import explain, rebuild_recording, send_recording

DATA = Path(__file__).parents[2] / "shared" / "data"
SHANGHAI = "sse_600519_20230207_am_0845-1131.csv.gz"
MSFT_HOUR = "lobster_MSFT_20120621_0930-1030_message_50.csv.gz"
XNAS, XNAS_BOOK = (f"xnas_ARL_20250717_fullday_{kind}.csv.gz" for kind in ("mbo", "mbp10"))

pytestmark = pytest.mark.skipif(
    not DATA.is_dir(), reason=f"no recordings beside the project: {DATA} is not there"
)


def path(name: str) -> Path:
    """One of the recordings; the test is skipped without it."""
    if not (DATA / name).is_file():
        pytest.skip(f"no recording {DATA / name}")
    return DATA / name


def lobster_pair(name: str, n_levels: int) -> Recording:
    """A message file and the orderbook file beside it."""
    messages, book = (
        f"lobster_{name}_{kind}_{n_levels}.csv.gz" for kind in ("message", "orderbook")
    )
    return read_recording(path(messages), "lobster", path(book))


@pytest.mark.parametrize(
    ("name", "n_levels", "rows", "exact_min"),
    [
        ("MSFT_20120621_1000_1000rows", 50, 1_000, 1.0),
        ("AMZN_20120621_first1000", 5, 1_000, 0.98),
        ("AMZN_20120621_fullday", 1, 57_515, 0.70),  # one level: what rests behind it is unknown
    ],
)
def test_every_row_of_a_lobster_pair_matches_at_every_level(name, n_levels, rows, exact_min):
    rebuilt = rebuild_recording(lobster_pair(name, n_levels))
    sent = send_recording(rebuilt.complete, corrects=True)

    assert (rebuilt.rows, rebuilt.matched) == (rows, [rows] * n_levels)
    assert sent.n_exact >= exact_min * sent.n_aggressors > 0
    for market in (rebuilt.markets[0], sent.markets[0]):
        check_invariants(market)


def test_94_percent_of_an_hour_of_aggressive_orders_in_msft_fill_what_the_venue_filled():
    sent = send_recording(read_recording(path(MSFT_HOUR), "lobster"), corrects=True)

    assert sent.n_aggressors == 2_162
    assert sent.n_exact >= 0.94 * sent.n_aggressors
    assert sum(explain(sent).values()) == sent.n_aggressors - sent.n_exact
    assert sent.counts["n_outside_ladder"][0] == 1  # an offer at 2000.00
    check_invariants(sent.markets[0])


def test_a_shanghai_morning_is_reproduced_in_every_fill_and_every_snapshot():
    recording = read_recording(path(SHANGHAI), "shanghai")

    rebuilt, sent = rebuild_recording(recording), send_recording(recording, corrects=False)

    assert (rebuilt.rows, rebuilt.matched) == (2_422, [2_422] * 10)
    assert (sent.rows, sent.matched) == (2_422, [2_422] * 10)
    assert (sent.n_aggressors, sent.n_exact) == (8_157, 8_157)
    check_invariants(sent.markets[0])


def test_every_row_of_a_nasdaq_day_matches_its_ten_levels():
    recording = read_recording(path(XNAS), "databento", path(XNAS_BOOK))

    rebuilt, sent = rebuild_recording(recording), send_recording(recording, corrects=False)

    assert (rebuilt.rows, rebuilt.matched) == (3_928, [3_928] * 10)
    assert recording.notes["levels_outside_ladder"] == 3  # an offer at 2147.48
    assert (sent.n_aggressors, sent.n_exact) == (10, 10)


@pytest.mark.parametrize(
    ("name", "n_aggressors", "explained"),
    [
        ("cme_ESM4_20240508_2s", 5, {}),
        ("cme_ESH4_20231225_to2320utc", 1_136, {"hidden_quantity": 13, "older_order_skipped": 7}),
    ],
)
def test_aggressive_orders_at_cme_fill_as_recorded_but_for_icebergs(name, n_aggressors, explained):
    sent = send_recording(read_recording(path(f"{name}_mbo.csv.gz"), "databento"), corrects=False)

    assert sent.n_aggressors == n_aggressors
    assert explain(sent) == explained
    assert sent.n_exact == n_aggressors - sum(explained.values())
    assert sent.counts["n_crossing"][0] == 0
    check_invariants(sent.markets[0])


def test_a_live_market_on_a_recording_ends_as_the_recording_sent_at_once():
    sent = send_recording(read_recording(path(SHANGHAI), "shanghai"), corrects=False)
    flow = RecordedFlow.open(path(SHANGHAI), "shanghai")
    markets = new_recorded_markets(flow)
    now_ns, step_ns, n_events = 0, 30 * 10**9, 0

    while not flow.finished:
        now_ns += step_ns
        while markets[0].now_ns < now_ns:
            flow.advance(markets, 0, now_ns)
            n_events += int(markets[0].n_events)

    assert n_events > len(flow.messages) // 2
    for field in ("n_trades", "bought", "sold", "last_price", "n_resting", "best_bid", "best_ask"):
        assert markets[0][field] == sent.markets[0][field], field
    assert np.array_equal(markets[0]["levels"]["quantity"], sent.markets[0]["levels"]["quantity"])
