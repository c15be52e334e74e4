"""Journals that are damaged, torn, foreign or full, and what becomes of the market then."""

import asyncio
import contextlib
import resource
import sqlite3
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from exchange.engine.codes import N_PARTICIPANTS
from exchange.engine.records import COMMAND
from exchange.server.command import unpack
from exchange.server.errors import ApiError
from exchange.server.journal import program
from exchange.server.journal.file import JournalDamagedError, JournalError, JournalFile
from exchange.server.journal.replay import Replay
from exchange.server.journal.state import states
from exchange.server.journal.writer import Journal
from exchange.server.recovery import recover
from journal_kit import (
    BYTES_MAX,
    a_session,
    act,
    assert_same,
    begin,
    go_on,
    opening,
    replayed,
)
from server_kit import serving


def test_a_flipped_bit_is_found_and_its_block_is_named(tmp_path: Path) -> None:
    path = tmp_path / "j"
    a_session(path)
    assert replayed(path).difference is None
    raw = bytearray(path.read_bytes())
    raw[raw.index(b"the-needle") + 3] ^= 1
    path.write_bytes(raw)
    with pytest.raises(JournalDamagedError, match=r"block 1 \(entries 1 to \d+\) is not as"):
        replayed(path)
    with pytest.raises(JournalDamagedError):
        recover(JournalFile(path))


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE block SET unix_ms = unix_ms + 1 WHERE number = 3",
        "UPDATE block SET stamp = x'0011223344556677' WHERE number = 3",
        "DELETE FROM block WHERE number = 3",
        "UPDATE heading SET told = replace(told, 'S0', 'S9')",
        "UPDATE heading SET markets = x'789c'",
        "UPDATE snapshot SET digest = zeroblob(32)",
        "UPDATE snapshot SET markets = x'00'",
        "UPDATE snapshot SET entry = entry + 1",
    ],
)
def test_any_part_that_was_changed_is_found(tmp_path: Path, change: str) -> None:
    path = tmp_path / "j"
    a_session(path, 20)
    connection = sqlite3.connect(path)
    connection.execute(change)
    connection.commit()
    connection.close()
    with pytest.raises(JournalDamagedError, match=str(path)):
        replayed(path)


def test_a_zeroed_stretch_anywhere_is_damage_in_words(tmp_path: Path) -> None:
    a_session(tmp_path / "whole", 60)
    whole = (tmp_path / "whole").read_bytes()
    path, n_found = tmp_path / "j", 0
    for start in range(300, len(whole), 700):
        path.write_bytes(whole[:start] + bytes(512) + whole[start + 512 :])
        n_found += 1
        with contextlib.suppress(JournalError):
            replayed(path)
            n_found -= 1  # nothing was kept there, so nothing is lost
    assert n_found > 5


def forge(live: Path, path: Path) -> Path:
    """The same journal with six lots where the needle asked for five, all digests made to fit."""
    source = JournalFile(live)
    JournalFile.create(path, source.heading, source.opening_markets()).close()
    forged = JournalFile(path)
    for block in source.blocks():
        at = block.entries.find(b"the-needle")
        if at >= 0:
            record = block.entries[at - COMMAND.itemsize : at]
            six = unpack(record)._replace(quantity=6).pack()
            block = block._replace(entries=block.entries.replace(record, six))
        forged.put(block)
    source.close()
    forged.close()
    return path


def test_a_journal_that_comes_out_otherwise_names_the_command(tmp_path: Path) -> None:
    a_session(tmp_path / "live")
    forge(tmp_path / "live", tmp_path / "forged")
    difference = str(replayed(tmp_path / "forged").difference)
    assert "end in another state than live" in difference
    assert "ENTER (market 0, account 4)" in difference
    assert "quantity 6" in difference
    assert "client_order_id 'the-needle'" in difference
    with pytest.raises(JournalError, match="does not come out as it was live"):
        recover(JournalFile(tmp_path / "forged"))


def test_a_torn_end_is_cut_off_where_the_last_whole_commit_ends(tmp_path: Path) -> None:
    """The machine stops in the middle of a write: what is whole before it is there again."""
    venue, journal = begin(tmp_path / "j", opening())
    journal.commit()
    stood = {journal.n_entries: states(venue.markets)}
    rng = np.random.default_rng(9)
    for _ in range(40):
        act(venue, rng)
        journal.commit()
        stood[journal.n_entries + len(journal._pending)] = states(venue.markets)
    main, log = (tmp_path / "j").read_bytes(), (tmp_path / "j-wal").read_bytes()
    journal.abandon()
    found = []
    for share in (0.15, 0.4, 0.77, 0.999):
        (tmp_path / "torn").write_bytes(main)
        (tmp_path / "torn-wal").write_bytes(log[: int(len(log) * share)])
        file = JournalFile(tmp_path / "torn")
        replay = recover(file).replay
        assert states(replay.venue.markets) == stood[replay.n_entries]
        found.append(replay.n_entries)
        file.close()
    assert found == sorted(found)
    assert found[0] < found[-1]


def test_other_rules_are_named_and_the_snapshots_are_the_judge(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "j"
    a_session(path)
    present = program.program()
    monkeypatch.setattr(program, "program", lambda: {**present, "rules": "other"})
    recover(file := JournalFile(path))
    file.close()
    said = capsys.readouterr().err
    assert f"another program (rules {present['rules']} then, other now)" in said
    with pytest.raises(JournalError, match=r"by another program \(rules .* comes out otherwise: "):
        recover(JournalFile(forge(path, tmp_path / "forged")))


def test_one_process_has_a_journal_at_a_time_and_strangers_files_are_refused(
    tmp_path: Path,
) -> None:
    _, journal = begin(tmp_path / "j", opening())
    with pytest.raises(JournalError, match="in use by another process"):
        JournalFile(tmp_path / "j")
    journal.close()
    (tmp_path / "text").write_text("not a database, but long enough to be one" * 50)
    with pytest.raises(JournalError, match="text"):
        JournalFile(tmp_path / "text")
    sqlite3.connect(tmp_path / "other").execute("CREATE TABLE t (a)").connection.close()
    (tmp_path / "empty").touch()
    for name in ("other", "empty"):
        before = (tmp_path / name).read_bytes()
        with pytest.raises(JournalError, match="is not a journal"):
            JournalFile(tmp_path / name)
        assert (tmp_path / name).read_bytes() == before
    with pytest.raises(JournalError, match="cannot"):
        JournalFile(tmp_path / "none")
    with pytest.raises(JournalError, match="cannot write"):
        JournalFile.create(tmp_path / "no" / "folder", {}, opening().markets)


# --- when it cannot be written --------------------------------------------------------------------


def test_a_full_disk_stops_the_market_and_room_lets_it_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """No file of this process may grow: to SQLite, that is a disk without room."""
    path = tmp_path / "j"
    venue, journal = begin(path, opening())
    journal.commit()
    rng = np.random.default_rng(3)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (path.with_name("j-wal").stat().st_size, hard))
    try:
        while journal.stopped is None:
            act(venue, rng)
            journal.commit()
        stood = states(venue.markets)
        with pytest.raises(ApiError, match="cannot be written") as refused:
            venue.enter(N_PARTICIPANTS, (0, 0, int(venue.last_price[0]), 1, 0, 0))
        assert (refused.value.status, refused.value.detail.code) == (503, "journal_stopped")
        with pytest.raises(ApiError):
            venue.open_account("late", True)
        journal._retry_s = 0.0
        journal.commit()
        assert journal.stopped is not None
        assert states(venue.markets) == stood
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    journal._retry_s = 0.0
    journal.commit()
    assert journal.stopped is None
    for _ in range(20):
        act(venue, rng)
        journal.commit()
    journal.close()
    replay = replayed(path)
    assert replay.difference is None
    assert_same(venue, replay.venue)
    said = capsys.readouterr().err
    assert said.count("The market stands still") == 1
    assert "the market goes on" in said


def test_a_journal_that_is_full_takes_no_more_and_a_larger_limit_goes_on(tmp_path: Path) -> None:
    venue, journal = begin(tmp_path / "j", opening(), bytes_max=200_000)
    rng = np.random.default_rng(3)
    while journal.stopped is None:
        act(venue, rng)
        journal.commit()
    with pytest.raises(ApiError, match=r"has reached its 0\.2 MB"):
        venue.advance(0, int(venue.now_ns[0]) + 1)
    journal._retry_s = 0.0
    journal.tick()
    assert journal.stopped is not None
    journal.close()
    recovered = recover(JournalFile(tmp_path / "j"))
    assert_same(venue, recovered.replay.venue)
    again, journal = go_on(recovered)
    again.advance(0, int(again.now_ns[0]) + 1)
    journal.close()
    assert replayed(tmp_path / "j").difference is None


async def test_while_the_disk_is_full_time_stands_still_and_who_is_gone_is_canceled_afterwards(
    tmp_path: Path,
) -> None:
    own = opening(n=1)
    async with serving(markets=own.markets, source=own.advance) as stage:
        exchange, venue = stage.exchange, stage.exchange.venue
        JournalFile.create(tmp_path / "j", own.heading(), venue.markets).close()
        exchange.journal = Journal(Replay(venue, JournalFile(tmp_path / "j")), BYTES_MAX)
        exchange.journal.started(exchange.settings)
        trader = stage.trader()
        order = {"symbol": "SIM", "side": "buy", "price": "97.00", "quantity": "1"}
        async with trader.socket(cancel_on_disconnect=True) as socket:
            await socket.ask("enter", **order)
            soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
            resource.setrlimit(resource.RLIMIT_FSIZE, (4_096, hard))
            try:
                await until(lambda: exchange.held)
                answer = await socket.ask("enter", **order)
                assert answer["error"]["code"] == "journal_stopped"
                assert answer["error"]["retryable"]
                status, answer = await trader.call("POST", "/v1/orders", order)
                assert (status, answer["error"]["code"]) == (503, "journal_stopped")
                stood = states(venue.markets)
                await socket.raw.close()
                status, answer = await trader.call("GET", "/v1/orders")
                assert (status, len(answer["orders"])) == (200, 1)
                assert states(venue.markets) == stood
            finally:
                resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
            await until(lambda: not exchange.held)
            await until(lambda: not venue.orders(trader.account).open)
            status, answer = await trader.call("POST", "/v1/orders", order)
            assert status == 201
        exchange.journal.close()
        exchange.journal = None
        replay = replayed(tmp_path / "j")
        assert replay.difference is None
        assert replay.venue.orders(trader.account).open.keys() == {answer["order_id"]}


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not true():
            await asyncio.sleep(0.01)
