"""The journal: what a venue was given, applied again, comes out as it was, byte for byte."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exchange.engine.codes import N_PARTICIPANTS, ShockKind, TimeInForce
from exchange.server.journal.file import JournalFile
from exchange.server.journal.replay import Replay
from exchange.server.journal.state import states
from exchange.server.opening import recorded, reopened
from exchange.server.recovery import recover
from journal_kit import N_TRADERS, SECOND_NS, act, assert_same, begin, go_on, opening, replayed

# 100 lots bid at 10.00 and 50 offered at 10.02; from 1 s on two sellers come to the bid
LOBSTER = """\
34200.0,1,11,100,100000,1
34200.1,1,12,50,100200,-1
34201.0,4,11,20,100000,1
34202.0,4,11,10,100000,1
34203.0,3,12,50,100200,-1
"""


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_a_session_of_random_commands_replays_to_the_same_bytes(
    seed: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Committed and ended anywhere, sometimes by a crash between two commands, then gone on with."""
    path = tmp_path_factory.mktemp("journal") / "session.journal"
    rng = np.random.default_rng(seed)
    venue, journal = begin(path, opening(taker_fee_ppm=100))
    for _ in range(3):
        for _ in range(int(rng.integers(1, 80))):
            act(venue, rng)
            if rng.random() < 0.4:
                journal.commit()
        if rng.random() < 0.5:
            journal.close()
        else:
            journal.commit()
            journal.abandon()
        recovered = recover(JournalFile(path))
        assert_same(venue, recovered.replay.venue)
        venue, journal = go_on(recovered)
    journal.close()
    file = JournalFile(path)
    replay = Replay(reopened(file).venue(), file)
    assert replay.run() is None
    assert replay.ended
    assert replay.n_snapshots >= 1
    assert len(replay.starts) == 4
    assert_same(venue, replay.venue)
    file.close()


@pytest.mark.parametrize("preset", ["default", "poisson"])
def test_into_how_many_advances_time_is_cut_makes_no_difference(preset: str) -> None:
    whole, cut = (opening(preset, seed=7).venue() for _ in range(2))
    for venue in (whole, cut):
        venue.open_account("t", True)
        for row in range(2):
            last = int(venue.last_price[row])
            expire_ns = int(venue.now_ns[row]) + 7 * SECOND_NS
            for side, price in ((0, last - 1), (1, last + 1), (0, last - 3)):
                wanted = (row, side, price, 4, int(TimeInForce.GTD), expire_ns)
                venue.enter(N_PARTICIPANTS, wanted)
            venue.schedule(row, int(ShockKind.FLASH_CRASH), 1_000, expire_ns, expire_ns + SECOND_NS)
    until_ns = int(whole.now_ns[0]) + 20 * SECOND_NS
    for row in (1, 0):
        whole.advance(row, until_ns)
    rng = np.random.default_rng(1)
    while cut.now_ns.min() < until_ns:
        for row in range(2):
            slice_ns = int(rng.integers(1, 30_000_000))
            cut.advance(row, min(int(cut.now_ns[row]) + slice_ns, until_ns))
    assert whole.log.accounts[N_PARTICIPANTS].n_fills > 0
    assert states(whole.markets) == states(cut.markets)
    assert whole.tapes[0].trades == cut.tapes[0].trades


def test_a_recording_too_may_be_advanced_in_any_slices(tmp_path: Path) -> None:
    path = tmp_path / "messages.csv"
    path.write_text(LOBSTER)
    whole, cut = (recorded("REC", path, "lobster", None, 0, 0).venue() for _ in range(2))
    for venue in (whole, cut):
        venue.open_account("t", True)
        venue.advance(0, SECOND_NS // 2)
        venue.enter(N_PARTICIPANTS, (0, 0, 1001, 25, 0, 0))
    whole.advance(0, 4 * SECOND_NS)
    while cut.now_ns[0] < 4 * SECOND_NS:
        cut.advance(0, int(cut.now_ns[0]) + 3_333_333)
    cut.advance(0, whole_ns := max(int(venue.now_ns[0]) for venue in (whole, cut)))
    whole.advance(0, whole_ns)
    assert whole.log.accounts[N_PARTICIPANTS].n_fills == 2
    assert_same(whole, cut)


def test_fills_of_a_trader_in_two_markets_keep_their_order_and_numbers(tmp_path: Path) -> None:
    venue, journal = begin(tmp_path / "j", opening(seed=7))
    for turn in range(1_000):
        for row in range(2):
            venue.advance(row, int(venue.now_ns[row]) + 10_000_000)
            if turn % 100 == 0:
                last = int(venue.last_price[row])
                venue.quote(N_PARTICIPANTS, row, (last - 1, 5), (last + 1, 5), 0)
        journal.commit()
    fills = venue.log.accounts[N_PARTICIPANTS].fills
    rows = [fill.instrument for fill in fills]
    assert sum(a != b for a, b in pairwise(rows)) > 5, "they take turns"
    journal.close()
    replay = replayed(tmp_path / "j")
    assert replay.difference is None
    assert_same(venue, replay.venue)
    assert replay.n_entries < 600


def test_time_that_nobody_used_takes_no_room(tmp_path: Path) -> None:
    venue, journal = begin(tmp_path / "j", opening())
    journal.commit()
    for _ in range(500):
        for row in range(2):
            venue.advance(row, int(venue.now_ns[row]) + 10_000_000)
        journal.commit()
    journal.close()
    file = JournalFile(tmp_path / "j")
    written = [entry for block in file.blocks() for entry in block.read()]
    file.close()
    assert len(written) == 1 + N_TRADERS + 2 + 1  # start, accounts, two advances, end
