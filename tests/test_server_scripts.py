"""What the exchange's scripts check before they write, and what they say at a start."""

import sys
from pathlib import Path

import pytest

from exchange.server.journal.file import JournalFile
from exchange.server.recovery import recover, resume
from exchange.server.service import Exchange
from exchange.server.settings import Settings
from journal_kit import BYTES_MAX, a_session

sys.path.insert(0, str(Path(__file__).parents[1] / "scripts"))

import replay_journal


def replay(monkeypatch: pytest.MonkeyPatch, *arguments: str | Path) -> int:
    monkeypatch.setattr(sys, "argv", ["replay_journal.py", *map(str, arguments)])
    return replay_journal.main()


@pytest.mark.parametrize("name", ["j", "j-wal", "symbolic", "hard"])
def test_fills_are_never_written_onto_the_journal(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    journal = tmp_path / "j"
    a_session(journal, 5)
    (tmp_path / "symbolic").symlink_to(journal)
    (tmp_path / "hard").hardlink_to(journal)
    before = journal.read_bytes()

    assert replay(monkeypatch, journal, "--csv", tmp_path / name) == 2
    assert replay(monkeypatch, tmp_path / "symbolic", "--csv", tmp_path / name) == 2

    assert capsys.readouterr().err.count("is the journal itself") == 2
    assert journal.read_bytes() == before
    assert replay(monkeypatch, journal) == 0


@pytest.mark.parametrize("wrong", [["--account", "nobody"], ["--lobster", "a_file"]])
def test_a_file_of_fills_is_left_alone_when_another_argument_is_wrong(
    wrong: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    a_session(tmp_path / "j", 5)
    monkeypatch.chdir(tmp_path)
    for name in ("a_file", "fills.csv"):
        Path(name).write_text("kept")

    assert replay(monkeypatch, "j", "--csv", "fills.csv", *wrong) == 2

    assert Path("fills.csv").read_text() == "kept"


def test_a_start_with_other_limits_tells_which_ones_the_journal_keeps(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    a_session(tmp_path / "j", 0)  # accounts without limits
    free = Settings(position_max=0, quantity_max=0, n_open_max=0)
    for settings, words in [(free, ""), (Settings(), "--position-max 0, --quantity-max 0, ")]:
        file = JournalFile(tmp_path / "j")
        recovered = recover(file)
        exchange = Exchange(recovered.replay.venue, settings)
        resume(exchange, recovered, BYTES_MAX)
        assert exchange.journal is not None
        exchange.journal.close()
        said = capsys.readouterr().err
        assert words in said
        assert said.count("\n") == bool(words)
