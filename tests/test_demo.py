"""The demo: markets, strategies and journal together, and no process left when it ends."""

import json
import os
import signal
import subprocess
import sys
import time
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

SCRIPTS = Path(__file__).parents[1] / "scripts"
sys.path.insert(0, str(SCRIPTS))

import demo_screen  # noqa: E402  scripts, not packages
import run_demo  # noqa: E402


def demo(*arguments: object, cache: Path | None = None) -> subprocess.Popen[str]:
    command = [sys.executable, str(SCRIPTS / "run_demo.py"), "--json", *map(str, arguments)]
    environment = {**os.environ, **({"ONEBOOK_CACHE_DIR": str(cache)} if cache else {})}
    pipe = subprocess.PIPE
    return subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, env=environment)


def test_a_demo_trades_tells_what_it_did_and_its_journal_replays(tmp_path: Path):
    for duration_s in (6, 30, 120):  # with nothing compiled a strategy needs half a minute to begin
        journal = tmp_path / f"{duration_s}.journal"
        process = demo(
            "--strategies", "symmetric,rl", "--duration", duration_s, "--journal", journal
        )
        said, complaint = process.communicate(timeout=300)
        assert process.returncode == 0, complaint
        result = json.loads(said)
        if all(one.get("orders") for one in result["strategies"]):
            break
    assert result["errors"] == []
    assert result["trades"] > 0
    assert [one["name"] for one in result["strategies"]] == ["symmetric", "rl"]
    assert all(one["orders"] > 0 for one in result["strategies"])
    replay = subprocess.run(
        [sys.executable, str(SCRIPTS / "replay_journal.py"), str(journal)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert replay.returncode == 0, replay.stderr


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (["--speed", "1e9"], "not within 0.001 .. 1000"),
        (["--seed", "9" * 20], "not a whole number 0.."),
        (["--port", "65536"], "not a whole number 0..65535"),
        (["--picture", "/"], "is a folder"),
    ],
)
def test_wrong_arguments_are_told_before_anything_starts(
    wrong: list[str],
    words: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):
    monkeypatch.setattr(sys, "argv", ["run_demo.py", *wrong])
    with pytest.raises(SystemExit):
        run_demo.parse_arguments()
    assert words in capsys.readouterr().err


def test_without_a_terminal_what_follows_the_screen_has_a_line_of_its_own():
    console = Console(file=StringIO())
    with demo_screen.shown(demo_screen.Show("SIM", []), console):
        pass
    console.print("Replay")
    assert console.file.getvalue().splitlines() == ["starting ... 0 s", "Replay"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_demo_can_be_stopped_while_the_exchange_still_starts(tmp_path: Path, number: int):
    process = demo(cache=tmp_path)  # nothing compiled: the exchange needs half a minute
    exchange = wait_for_child(process.pid)
    process.send_signal(number)
    complaint = process.communicate(timeout=20)[1]
    assert process.returncode == 1
    assert "stopped before the exchange had started" in complaint
    assert not Path(f"/proc/{exchange}").exists()


def test_a_demo_that_is_killed_takes_its_processes_with_it(tmp_path: Path):
    journal = tmp_path / "demo.journal"
    process = demo("--strategies", "symmetric", "--journal", journal)
    wait_for_child(process.pid)
    end = time.monotonic() + 120
    while len(started := children_of(process.pid)) < 2 and time.monotonic() < end:
        time.sleep(0.1)
    assert len(started) == 2, "an exchange and a strategy"
    process.kill()
    process.communicate()
    while any(is_running(pid) for pid in started) and time.monotonic() < end:
        time.sleep(0.1)
    assert not any(is_running(pid) for pid in started)


def is_running(pid: int) -> bool:
    """Whether there is such a process and it has not ended; one that nobody waits for stays listed."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def children_of(pid: int) -> list[int]:
    """The processes that this one has started, by their number."""
    return [int(text) for text in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def wait_for_child(pid: int) -> int:
    """The first process that this one starts."""
    children = Path(f"/proc/{pid}/task/{pid}/children")
    if not children.parent.exists():
        pytest.skip("who is whose child is only told under Linux's /proc")
    end = time.monotonic() + 60
    while time.monotonic() < end:
        if found := children_of(pid):
            return found[0]
        time.sleep(0.01)
    raise AssertionError("no exchange was started within a minute")
