"""The comparison of strategies: what is measured, and that it comes out the same however it is run."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from browser_kit import new_browser
from exchange.simulation.presets import new_simulated_markets
from rl.baselines import quoter
from rl.comparison import compare
from rl.config import TaskConfig
from rl.contest import Contestant, run_contest
from rl.evaluate import TEST_SEEDS, evaluate_quoter
from rl.page import page
from rl.provenance import provenance
from rl.step import AGENT
from strategies.backtest import Entrant, run_backtest
from strategies.policy import load_policy
from strategies.rl_mm import SHIPPED_POLICY
from strategies.skew import SkewMaker

ROOT = Path(__file__).parents[1]
TASK = TaskConfig(episode_steps=120)
SKEW, TAKER = Contestant("skew", ("half_spread=0.75",)), Contestant("taker")


def run_script(name: str, *words: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "scripts" / name), *map(str, words)]
    return subprocess.run(
        command, capture_output=True, text=True, check=False, env={**os.environ, "COLUMNS": "200"}
    )


def test_figures_are_those_of_the_backtest_and_reward_that_of_the_environment():
    (found,) = run_contest([SKEW], TASK, [5, 6])
    scores = evaluate_quoter(quoter(SkewMaker(half_spread=0.75)), TASK, [5, 6])
    assert found["reward"].tolist() == scores.reward.tolist()
    assert found["pnl_others_mid"].tolist() == scores.pnl.tolist()
    markets = new_simulated_markets(1, [6])
    (trader,) = run_backtest(markets, [Entrant(SkewMaker(half_spread=0.75), AGENT)], 120)
    metrics = trader.metrics()
    assert found["pnl"][1] == metrics.pnl == found.equity[1, -1]
    assert found["adverse_selection_5s"][1] == metrics.adverse_selection
    assert found["max_abs_position"][1] == np.abs(trader.samples.array()["position"]).max()
    assert found.position.shape == (2, 121)


def test_latency_fees_and_parameters_are_the_environments():
    late = TaskConfig(
        episode_steps=100, latency_steps=2, maker_fee_ppm=40, ranges={"value_sd": (0.1, 0.6)}
    )
    (found,) = run_contest([SKEW], late, [1, 2])  # raises when the two engines disagree
    scores = evaluate_quoter(quoter(SkewMaker(half_spread=0.75)), late, [1, 2])
    assert found["reward"].tolist() == scores.reward.tolist()


def test_the_number_of_processes_changes_nothing():
    seeds = range(25)
    alone = run_contest([SKEW, TAKER], TaskConfig(episode_steps=20), seeds)
    spread = run_contest([SKEW, TAKER], TaskConfig(episode_steps=20), seeds, n_processes=2)
    for one, other in zip(alone, spread, strict=True):
        for name in ("figures", "equity", "position"):
            assert getattr(one, name).tobytes() == getattr(other, name).tobytes()


def test_a_taker_has_no_reward_and_the_report_is_plain_json():
    skew, taker = run_contest([SKEW, TAKER], TASK, range(4))
    report = compare({"skew": skew, "taker": taker}, "skew")
    assert report["strategies"]["taker"]["reward"]["mean"] is None
    difference = report["paired"]["taker"]["pnl"]["mean"]
    assert difference == pytest.approx((skew["pnl"] - taker["pnl"]).mean())
    json.dumps(report, allow_nan=False)


async def test_the_page_shows_without_faults_and_asks_nobody(tmp_path: Path):
    names = ["skew", "taker"]
    results = dict(zip(names, run_contest([SKEW, TAKER], TASK, range(6)), strict=True))
    report = compare(results, "skew") | {
        **{"market": "default", "episodes": 6, "seeds": [0, 5], "task": TASK.as_dict()},
        **{"parameters": {name: [] for name in names}, "processes": 1, "decisions_per_s": 1},
        **provenance(),
    }
    text = page(results, report)
    assert "<script" not in text
    assert not re.search(r"(src|href)=[\"'](?!data:)", text)
    path = tmp_path / "report.html"
    path.write_text(text)
    faults, asked = [], []
    async with new_browser() as browser:
        view = await browser.new_page(viewport={"width": 390, "height": 800})
        view.on("console", lambda message: faults.append(message.text))
        view.on("pageerror", lambda error: faults.append(str(error)))
        view.on("request", lambda request: asked.append(request.url))
        await view.goto(path.as_uri())
        n_charts, width = await view.evaluate(
            "[document.querySelectorAll('svg').length, document.documentElement.scrollWidth]"
        )
    assert faults == []
    assert [url for url in asked if not url.startswith(("file:", "data:"))] == []
    assert n_charts >= 9
    assert width == 390  # nothing sticks out on a phone


def test_the_script_compares_and_writes_the_page(tmp_path: Path):
    (tmp_path / "wild.json").write_text(json.dumps({"value_sd": 0.5, "episode_steps": 40}))
    tuned = {"strategy": "symmetric", "parameters": {"half_spread": 2.5, "quantity": 1}}
    (tmp_path / "tuned.json").write_text(json.dumps(tuned))
    done = run_script(
        "backtest.py",
        *("--strategies", "symmetric,rl", "--episodes", "4", "--seed", "7", "--json"),
        *("--market", tmp_path / "wild.json", "--tuned", tmp_path / "tuned.json"),
        *("--param", "symmetric.quantity=2", "--processes", "1", "--report", tmp_path / "r.html"),
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["parameters"]["symmetric"] == ["half_spread=2.5", "quantity=2"]
    assert told["task"]["overrides"] == {"value_sd": 0.5}
    card = load_policy(SHIPPED_POLICY).card
    assert told["task"]["reward"] == card["task"]["reward"]  # the policy's own
    for name in ("pnl", "sharpe", "reward", "max_drawdown", "fill_rate"):
        assert set(told["strategies"]["rl"][name]) == {"mean", "low", "high"}
    assert set(told["paired"]) == {"symmetric"}
    assert 10_000 < (tmp_path / "r.html").stat().st_size < 2_000_000


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--strategies", "skew,nosuch"), "choose symmetric, skew"),
        (("--strategies", "skew,skew"), "different names"),
        (("--strategies", "skew", "--param", "glft.quantity=1"), "is not NAME.KEY=VALUE of skew"),
        (("--strategies", "skew", "--param", "skew.foo=1"), "it has: half_spread"),
        (("--strategies", "skew", "--market", "moon"), "neither a file nor one of default"),
        (("--strategies", "skew", "--episodes", "1"), "--episodes must be 2 or more"),
        (("--strategies", "skew", "--tuned", "/nowhere.json"), "No such file"),
    ],
)
def test_what_is_wrong_with_a_comparison_is_said_in_one_line(words, message):
    done = run_script("backtest.py", *words)
    assert (done.returncode, message in done.stderr) == (2, True), done.stderr
    assert "Traceback" not in done.stderr


def test_the_judge_compares_and_its_results_become_a_page(tmp_path: Path):
    pytest.importorskip("optuna")
    done = run_script(
        "judge_policy.py",
        *("--markets", "default", "--budget", "4000", "--tuning-seeds", "2", "--processes", "1"),
        *(
            "--test-seeds",
            "200000-200023",
            "--runs",
            SHIPPED_POLICY,
            "--out",
            tmp_path / "results.json",
        ),
    )
    assert done.returncode == 0, done.stderr
    result = json.loads((tmp_path / "results.json").read_text())
    assert {row["market_steps"] for row in result["baselines"].values()} == {4_000}
    assert len(result["markets"]["default"]["paired"]) == 8
    held = [of["inventory"] for of in result["markets"]["default"]["sizes"].values()]
    assert held == sorted(held)
    assert held[-1] > 5 * result["markets"]["default"]["strategies"]["rl"]["inventory"]
    assert load_policy(SHIPPED_POLICY).card["task"]["position_max"] == 1
    assert result["task"]["position_max"] == TaskConfig().position_max  # a baseline's is its own
    written = run_script(
        "write_results.py", "--results", tmp_path / "results.json", "--out", tmp_path / "R.md"
    )
    assert written.returncode == 0, written.stderr
    text = (tmp_path / "R.md").read_text()
    score = result["markets"]["default"]["strategies"]["rl"]["pnl"]
    assert f"{score['mean']:.2f} [{score['low']:.2f}, {score['high']:.2f}]" in text
    assert "**not** the held-out" in text
    assert (tmp_path / "images" / "frontier.svg").read_text().startswith("<svg")
    assert TEST_SEEDS[0] == 700_000
    assert len(TEST_SEEDS) == 1_000


def test_the_page_of_results_is_what_the_script_makes_of_the_results(tmp_path: Path):
    results = ROOT / "docs" / "results"
    files = ("--results", results / "judged.json", "--tried", results / "tried.json")
    done = run_script("write_results.py", *files, "--out", tmp_path / "RESULTS.md")
    assert done.returncode == 0, done.stderr
    names = {f"images/{path.name}" for path in (tmp_path / "images").iterdir()}
    assert names == {f"images/{path.name}" for path in (ROOT / "docs/images").glob("frontier*")}
    for name in ("RESULTS.md", *names):
        told = (ROOT / "docs" / name).read_text()
        assert told == (tmp_path / name).read_text(), f"docs/{name}: run write_results.py again"


def test_what_is_no_result_is_refused(tmp_path: Path):
    (tmp_path / "other.json").write_text("{}")
    done = run_script("write_results.py", "--results", tmp_path / "other.json")
    assert (done.returncode, "not of judge_policy.py" in done.stderr) == (2, True)
    done = run_script("judge_policy.py", "--test-seeds", "100000-100010", "--budget", "1")
    assert (done.returncode, "are tuned on" in done.stderr) == (2, True)
