"""Tuning: better than the defaults, the same twice, going on where it stopped."""

import dataclasses
import json
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

pytest.importorskip("optuna")

from rl.config import TaskConfig
from rl.contest import Contestant
from rl.tune import Search, score, score_class, tune
from strategies.registry import STRATEGIES, StrategyError, new_strategy
from strategies.tuning import Range

ROOT = Path(__file__).parents[1]
SHORT = Search("symmetric", TaskConfig(episode_steps=150), range(100_000, 100_020), "reward")


def test_a_small_search_improves_on_the_defaults_and_comes_out_the_same_twice():
    found = tune(SHORT, 12)
    assert found.default_value is not None
    assert found.value > found.default_value
    assert found == tune(SHORT, 12)
    words = [f"{name}={value}" for name, value in found.parameters.items()]
    again = score(Contestant("symmetric", tuple(words)), SHORT.task, SHORT.seeds)
    assert again.reward.mean() == found.value  # what is printed is what was tried


def test_a_search_goes_on_from_its_file_and_keeps_questions_apart(tmp_path: Path):
    storage = tmp_path / "trials.db"
    done: list[int] = []
    first = tune(SHORT, 5, storage=storage)
    second = tune(SHORT, 8, storage=storage, progress=lambda n, best: done.append(n))
    assert done == [6, 7, 8]
    assert second.n_trials == 8
    assert second.value >= first.value
    assert second.default_value == first.default_value
    other = tune(dataclasses.replace(SHORT, objective="pnl"), 1, storage=storage)
    assert other.n_trials == 1


def test_an_interrupt_keeps_the_best_so_far():
    def interrupt(n_done: int, best: float) -> None:
        if n_done == 3:
            signal.raise_signal(signal.SIGINT)

    found = tune(SHORT, 50, progress=interrupt)
    assert (found.interrupted, found.n_trials) == (True, 3)


@pytest.mark.parametrize("name", ["symmetric", "skew", "avellaneda_stoikov", "glft"])
def test_the_fast_way_gives_what_the_class_gives(name: str):
    contestant, task = Contestant(name, ("quantity=2",)), TaskConfig(episode_steps=60)
    fast, plain = score(contestant, task, [1, 2]), score_class(contestant, task, [1, 2])
    assert fast.pnl.tolist() == plain.pnl.tolist()
    assert fast.reward.tolist() == plain.reward.tolist()


def test_every_range_is_of_a_parameter_and_holds_its_default():
    for name, strategy_class in STRATEGIES.items():
        for key, bounds in getattr(strategy_class, "SEARCH", {}).items():
            default = getattr(strategy_class(), key)
            assert bounds.low <= default <= bounds.high, (name, key)
            assert bounds.whole == isinstance(default, int)
            for end in (bounds.low, bounds.high):
                new_strategy(name, [f"{key}={end}"])


def test_what_the_strategy_refuses_is_no_trial():
    search = dataclasses.replace(SHORT, strategy="skew", ranges={"half_spread": Range(-9.0, 2.0)})
    found = tune(search, 6)
    assert 0 <= found.parameters["half_spread"] <= 2
    assert 1 <= found.n_trials < 6


def test_a_range_of_which_nothing_can_be_is_said_to_be_refused():
    search = dataclasses.replace(SHORT, strategy="skew", ranges={"half_spread": Range(-9.0, -2.0)})
    with pytest.raises(StrategyError, match="refused all that was tried"):
        tune(search, 3)


@pytest.mark.parametrize("bounds", [Range(1.2, 1.8), Range(1, 4.5), Range(1.0, 5.0)])
def test_a_whole_number_is_searched_between_whole_numbers(bounds: Range):
    search = dataclasses.replace(SHORT, ranges={"quantity": bounds})
    with pytest.raises(StrategyError, match="quantity is a whole number, not"):
        search.searched()


def test_a_file_of_something_else_holds_no_trials(tmp_path: Path):
    storage = tmp_path / "notes.txt"
    storage.write_text("not a database, and long enough to be taken for one by its first bytes")
    with pytest.raises(OSError, match=r"notes\.txt is no file of trials: .*not a database") as told:
        tune(SHORT, 1, storage=storage)
    assert "\n" not in str(told.value)
    with pytest.raises(OSError, match="unable to open"):
        tune(SHORT, 1, storage=tmp_path / "nowhere" / "trials.db")


def test_takers_have_a_pnl_to_tune_and_no_reward():
    search = Search("momentum", TaskConfig(episode_steps=200), range(100_000, 100_002), "pnl")
    assert tune(search, 2).n_trials == 2
    with pytest.raises(StrategyError, match="has no reward"):
        tune(dataclasses.replace(search, objective="reward"), 1)


def script(*words: str | Path) -> list[str]:
    return [sys.executable, str(ROOT / "scripts" / "tune_strategy.py"), *map(str, words)]


def n_complete(storage: Path) -> int:
    """Trials done in a file that another process writes."""
    time.sleep(0.05)
    if not storage.exists():
        return 0
    with closing(sqlite3.connect(storage)) as database:
        try:
            (n,) = database.execute(
                "SELECT COUNT(*) FROM trials WHERE state = 'COMPLETE'"
            ).fetchone()
        except sqlite3.OperationalError:  # its tables are not there yet
            return 0
    return int(n)


def test_the_script_saves_what_it_found_when_it_is_interrupted(tmp_path: Path):
    saved = tmp_path / "skew.json"
    storage = tmp_path / "trials.db"
    process = subprocess.Popen(
        script("--strategy", "skew", "--episodes", "8", "--steps", "50", "--trials", "1000000",
               "--storage", storage, "--save", saved),
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    while n_complete(storage) < 2:
        assert process.poll() is None, process.communicate()
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert out.startswith("--param half_spread=")
    told = json.loads(saved.read_text())
    assert told["interrupted"] and told["trials"] >= 1
    assert told["market_steps"] == told["trials"] * 400


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--strategy", "rl"), "does not say what to tune"),
        (("--strategy", "skew", "--range", "foo=1..2"), "no parameter 'foo'"),
        (("--strategy", "skew", "--range", "skew=2..1"), "no range to search"),
        (("--strategy", "skew", "--range", "skew=1..inf"), "its ends lie within"),
        (("--strategy", "skew", "--range", "skew=nan..1"), "its ends lie within"),
        (("--strategy", "skew", "--range", "quantity=1..10000000000"), "its ends lie within"),
        (("--strategy", "skew", "--range", "skew"), "not KEY=LOW..HIGH"),
        (("--strategy", "skew", "--range", "skew=a..b"), "could not convert string to float: 'a'"),
        (("--strategy", "skew", "--range", "skew=1..2:lin"), "not KEY=LOW..HIGH"),
        (("--strategy", "skew", "--range", "quantity=1.2..1.8"), "quantity is a whole number"),
        (("--strategy", "rl", "--range", "client_id=1..2"), "only numbers are tuned"),
        (("--strategy", "skew", "--storage", "sqlite:///x.db"), "a file, not an address"),
        (("--strategy", "skew", "--first-seed", "700100"), "never tune on them"),
        (("--strategy", "skew", "--episodes", "1"), "--episodes is 2 or more"),
        (("--strategy", "nosuch"), "choose symmetric"),
    ],
)
def test_what_is_wrong_with_a_search_is_said_in_one_line(words, message):
    done = subprocess.run(script(*words), capture_output=True, text=True, check=False)
    assert (done.returncode, message in done.stderr) == (2, True), done.stderr
    assert len(done.stderr.splitlines()) == 1
