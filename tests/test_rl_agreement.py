"""A live run beside backtests of its strategy: the arithmetic, and the script with real processes."""

import asyncio
import json
import signal
import sys
from pathlib import Path

import numpy as np
import pytest

from rl.agreement import POINTS_PER_MINUTE, compare_live, live_curves, minute_pnl, percentile
from rl.config import TaskConfig
from rl.contest import Contestant, run_contest
from strategies.live_record import LiveRecord
from strategies.trader import Trader

ROOT = Path(__file__).parents[1]
SECOND_NS = 10**9
SKEW = Contestant("skew")


def trader_with(cash: list[int], every_s: float) -> Trader:
    """A trader with this cash at its decisions, without a position; the clock starts at 5 s."""
    trader = Trader(SKEW.new())
    for i, money in enumerate(cash):
        trader.samples.append((round((5 + i * every_s) * SECOND_NS), 0, money, 0, 20_000))
    return trader


def record_of(trader: Trader) -> LiveRecord:
    nothing: dict[str, float | None] = {"p50": None, "p99": None}
    return LiveRecord(trader, 250_000_000, nothing, nothing, nothing, [])


def test_a_minute_ends_with_the_last_decision_in_it():
    # decisions each 25 s: at 0 25 50 75 100 125
    curves = live_curves(trader_with([100, 110, 130, 160, 200, 900], 25.0), minutes=2)
    assert len(curves.equity) == 2 * POINTS_PER_MINUTE + 1
    assert minute_pnl(curves.equity).tolist() == [30.0, 70.0]
    assert minute_pnl(np.array([curves.equity, curves.equity])).tolist() == [[30.0, 70.0]] * 2


def test_a_run_that_ends_too_soon_is_not_stretched():
    with pytest.raises(AssertionError, match="before its last minute"):
        live_curves(trader_with([0, 0, 0], 25.0), minutes=1)


def test_equal_values_count_half():
    assert percentile(2.0, np.array([1.0, 2.0, 2.0, 3.0])) == 50.0
    assert percentile(0.0, np.array([1.0, 2.0])) == 0.0
    assert percentile(9.0, np.array([1.0, 2.0])) == 100.0


def test_the_verdict_tells_what_lies_within_from_what_does_not():
    task = TaskConfig(episode_steps=240)
    (backtest,) = run_contest([SKEW], task, range(40), curve_points=POINTS_PER_MINUTE)
    pnl = minute_pnl(backtest.equity)
    assert pnl[:, 0].tolist() == pytest.approx(backtest["pnl"].tolist())
    for wanted, within in (
        (float(np.median(pnl)), True),
        (float(pnl.max()) + 5.0, False),
        (float(pnl.min()) - 5.0, False),
    ):
        live = trader_with([0] * 60 + [round(wanted)] * 2, 1.0)
        told = compare_live(record_of(live), backtest, minutes=1)
        assert told["within"] is within
        assert not told["same_pace"]  # a second between decisions, which no backtest has
        assert told["figures"]["pnl_per_minute"]["live"] == round(wanted)
        assert told["minute"]["n_within"] == int(within)
    assert told["figures"]["pnl_per_minute"]["percentile"] == 0.0


async def start(*words: str | Path) -> asyncio.subprocess.Process:
    command = [sys.executable, str(ROOT / "scripts" / "live_vs_backtest.py"), *map(str, words)]
    return await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )


async def test_a_minute_at_twenty_times_the_speed_is_traded_backtested_and_told(tmp_path: Path):
    process = await start(
        *("--strategy", "skew", "--param", "quantity=2", "--minutes", "1", "--speed", "20"),
        *("--backtests", "8", "--processes", "1", "--json", "--report", tmp_path / "r.html"),
    )
    out, err = await process.communicate()
    told = json.loads(out)
    assert process.returncode == (0 if told["within"] and told["same_pace"] else 1), err.decode()
    of = told["figures"]["pnl_per_minute"]
    assert told["within"] == (of["low"] <= of["live"] <= of["high"])
    assert [minute["pnl"] for minute in told["minutes"]] == [of["live"]]
    assert told["live"]["decisions"] > 60
    assert told["live"]["between_decisions_ms"]["p50"] >= 240
    assert told["live"]["view_age_ms"]["p50"] >= 0
    assert told["live"]["errors"] == []
    assert told["figures"]["orders_per_minute"]["live"] > 10
    assert told["figures"]["fills_per_minute"]["live"] > 0
    assert told["backtest_seeds"] == [2, 9]
    page = (tmp_path / "r.html").read_text()
    assert page.count("<svg") == 4
    verdict = " lies within " if told["within"] else "does NOT lie within"
    assert (verdict if told["same_pace"] else ": no comparison.") in page
    for other in ("<script", "src=", "@import", "url(", 'href="http'):
        assert other not in page, "complete in itself"


def serves(pid: str) -> bool:
    """Whether a process is an exchange (git is a child too, for a moment)."""
    try:
        return b"run_interface.py" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False


async def test_an_interrupt_leaves_no_exchange_behind():
    process = await start("--strategy", "skew", "--speed", "20")
    assert process.stderr is not None
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    if not children.exists():
        process.kill()
        await process.communicate()
        pytest.skip("only Linux tells the children of a process")
    async with asyncio.timeout(60):
        while not (exchange := [pid for pid in children.read_text().split() if serves(pid)]):
            await asyncio.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    _, err = await process.communicate()
    assert process.returncode == 130
    assert b"stopped" in err
    assert not Path(f"/proc/{exchange[0]}").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--strategy", "nobody"), "no strategy 'nobody'"),
        (("--strategy", "skew", "--param", "wide=1"), "no parameter 'wide'"),
        (("--strategy", "skew", "--minutes", "0"), "--minutes must be within"),
        (("--strategy", "skew", "--report", "/dev/null/r.html"), "/dev/null"),
        (("--strategy", "rl", "--param", "model_path=none.zip"), "no policy file none.zip"),
    ],
)
async def test_what_cannot_be_is_said_before_anything_is_started(words, said):
    process = await start(*words)
    _, err = await process.communicate()
    assert (process.returncode, said in err.decode()) == (2, True), err.decode()
