"""A session of the exchange, written as LOBSTER files, is a recording like any other."""

from contextlib import ExitStack
from pathlib import Path

import numpy as np

from exchange.server.journal.file import JournalFile
from exchange.server.journal.lobster import LobsterFiles
from exchange.server.journal.replay import Replay
from exchange.server.opening import reopened
from exchange.simulation.recorded.read import read_recording
from exchange.simulation.recorded.report import rebuild_recording, rebuild_report
from journal_kit import SECOND_NS, act, begin, opening


def session(path: Path, seed: int) -> None:
    """Some minutes of a market with traders of all kinds."""
    rng = np.random.default_rng(seed)
    venue, journal = begin(path, opening())
    for _ in range(150):
        act(venue, rng)
        for row in range(len(venue.instruments)):
            venue.advance(row, int(venue.now_ns[row]) + SECOND_NS // 2)
    journal.commit()
    journal.close()


def test_every_row_of_the_book_comes_out_again(tmp_path: Path) -> None:
    session(tmp_path / "session.journal", 5)
    file = JournalFile(tmp_path / "session.journal")
    venue = reopened(file).venue()
    with ExitStack() as stack:
        written = [
            LobsterFiles(tmp_path / "lobster", own, venue.markets[row], stack)
            for row, own in enumerate(venue.instruments)
        ]
        venue.listeners.append(lambda row, events: written[row].hear(events))
        assert Replay(venue, file).run() is None
    file.close()
    for files in written:
        messages, orderbook = files.paths
        recording = read_recording(messages, "lobster", orderbook)
        report = rebuild_report(rebuild_recording(recording), recording)
        assert report["rows"] == files.n_rows > 1_000
        assert set(report["matched"]) == {files.n_rows}
