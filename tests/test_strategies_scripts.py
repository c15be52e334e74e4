"""The scripts as their users run them: processes of their own, against a real exchange."""

import asyncio
import json
import re
import sys
from pathlib import Path

import pytest

from exchange.keys import KeysFile, write_keys
from exchange.server.settings import Settings
from live_exchange import LiveExchange, live_exchange

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "scripts"))

import check_papers  # noqa: E402  a script, not a package


def write_keys_of(live: LiveExchange, folder: Path) -> Path:
    path = folder / "keys.json"
    ws_url = live.url.replace("http", "ws") + "/v1/ws"
    write_keys(path, KeysFile(url=live.url, ws_url=ws_url, accounts=live.accounts))
    return path


async def start(*arguments: str | Path) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        str(ROOT / "scripts" / "run_strategy.py"),
        *map(str, arguments),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


async def run(*arguments: str | Path) -> tuple[int, str, str]:
    process = await start(*arguments)
    out, err = await process.communicate()
    assert process.returncode is not None
    return process.returncode, out.decode(), err.decode()


async def test_a_timed_run_prints_one_object_and_leaves_no_orders(tmp_path: Path) -> None:
    async with live_exchange(Settings(speed=20.0)) as live:
        keys = write_keys_of(live, tmp_path)
        status, out, err = await run(
            *("--strategy", "skew", "--param", "half_spread=0.5", "--keys-file", keys),
            *("--duration", "1.5", "--json", "--account", "demo2"),
        )
        ledger = live.exchange.venue.ledger(0, live.accounts[1].account)
    assert (status, err) == (0, "")
    told = json.loads(out)
    assert set(told) >= {
        *("name", "orders", "fills", "pnl", "realized", "unrealized", "fees", "position"),
        *("sharpe", "max_drawdown", "fill_rate", "realized_spread", "latency_ms", "errors"),
    }
    assert told["name"] == "skew"
    assert told["orders"] >= 2
    assert told["pnl"] == pytest.approx(told["realized"] + told["unrealized"] - told["fees"])
    assert (told["position"], told["fills"]) == (ledger.position, ledger.n_fills)
    assert told["errors"] == []
    assert ledger.n_open == 0


async def test_an_interrupt_cancels_the_orders_and_prints_the_summary(tmp_path: Path) -> None:
    async with live_exchange(Settings(speed=20.0)) as live:
        keys = write_keys_of(live, tmp_path)
        process = await start("--strategy", "symmetric", "--keys-file", keys)
        assert process.stdout is not None
        line = (await process.stdout.readline()).decode()
        while "position" not in line:
            line = (await process.stdout.readline()).decode()
        assert re.match(r"symmetric SIM: market [\d.]+ / [\d.]+, quote ", line)
        process.send_signal(2)
        out, err = await process.communicate()
        assert live.exchange.venue.ledger(0, live.accounts[0].account).n_open == 0
    assert (process.returncode, err) == (0, b"")
    assert "symmetric on SIM" in out.decode()
    assert re.search(r"P&L +[+-]\d", out.decode())


FAILING = """
class Failing:
    n_decisions = 0

    def decide(self, view):
        self.n_decisions += 1
        from strategies.strategy import Quote
        return Quote(view.best_bid - 5 // (3 - self.n_decisions), 1)
"""


async def test_a_strategy_that_fails_is_named_and_summed_up_and_leaves_no_orders(
    tmp_path: Path,
) -> None:
    path = tmp_path / "failing.py"
    path.write_text(FAILING)
    async with live_exchange(Settings(speed=20.0)) as live:
        keys = write_keys_of(live, tmp_path)
        status, out, err = await run("--strategy", f"{path}:Failing", "--keys-file", keys)
        ledger = live.exchange.venue.ledger(0, live.accounts[0].account)
    assert status == 4
    assert err == (
        "run_strategy: Failing.decide failed: ZeroDivisionError: integer division or modulo by "
        f"zero ({path}, line 8)\n"
    )
    assert re.search(r"orders, fills, lots +[12], ", out), "the summary is told all the same"
    assert ledger.n_open == 0


async def test_who_trades_on_an_account_that_is_in_use_is_told_so(tmp_path: Path) -> None:
    async with live_exchange(Settings(speed=20.0)) as live:
        keys = write_keys_of(live, tmp_path)
        first = await start("--strategy", "symmetric", "--keys-file", keys)
        account = live.accounts[0].account
        while live.exchange.venue.ledger(0, account).n_open == 0:
            await asyncio.sleep(0.02)
        _, _, err = await run("--strategy", "skew", "--keys-file", keys, "--duration", "0.2")
        first.terminate()
        await first.communicate()
    assert "this account has orders in SIM already" in err
    assert "--account" in err


async def test_a_lockstep_run_of_some_steps_ends_by_itself(tmp_path: Path) -> None:
    async with live_exchange(Settings(lockstep=True)) as live:
        keys = write_keys_of(live, tmp_path)
        arguments = ("--strategy", "skew", "--keys-file", keys, "--json", "--report-every", "0.01")
        status, out, _ = await run(*arguments, "--lockstep", "--steps", "40")
        assert status == 0
        told = [json.loads(line) for line in out.splitlines()]
        assert told[-1]["duration_s"] == 10.0
        status, _, err = await run(*arguments)
        assert (status, "lockstep mode: see --lockstep" in err) == (2, True)


async def test_what_is_wrong_is_said_in_one_line(tmp_path: Path) -> None:
    async with live_exchange() as live:
        keys = write_keys_of(live, tmp_path)
        wrong = tmp_path / "wrong.json"
        wrong.write_text(keys.read_text().replace(live.accounts[0].secret, "nonsense"))
        here = ("--strategy", "skew", "--keys-file")
        cases = [
            ((*here, keys, "--symbol", "XYZ"), 2, "no symbol 'XYZ'; there are SIM"),
            ((*here, wrong), 3, "does not accept this key"),
            ((*here, keys, "--account", "nobody"), 2, "there are demo1, demo2, demo3"),
            ((*here, tmp_path / "none.json"), 2, "start the exchange with scripts/run_interface"),
            ((*here, keys, "--param", "skwe=1"), 2, "it has: half_spread"),
            ((*here, keys, "--url", "http://127.0.0.1:9"), 1, "Start it with scripts/run_interf"),
            ((*here, keys, "--url", "127.0.0.1:9"), 2, "has to begin with http://"),
            ((*here, keys, "--duration", "-1"), 2, "--duration must be above 0"),
        ]
        answers = await asyncio.gather(*(run(*arguments) for arguments, _, _ in cases))
    for (arguments, status, message), (code, _, err) in zip(cases, answers, strict=True):
        assert (code, message in err) == (status, True), (arguments, err)
        assert "Traceback" not in err


async def test_the_example_in_the_docs_runs(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "STRATEGIES.md").read_text()
    example = re.findall(r"```python\n(.*?)```", page, re.DOTALL)[0]
    assert len([line for line in example.splitlines() if line.strip()]) <= 12
    path = tmp_path / "my_strategy.py"
    path.write_text(example)
    async with live_exchange(Settings(lockstep=True)) as live:
        keys = write_keys_of(live, tmp_path)
        status, out, err = await run(
            *("--strategy", f"{path}:MyStrategy", "--param", "quantity=2", "--keys-file", keys),
            *("--lockstep", "--steps", "200", "--json"),
        )
    assert (status, err) == (0, "")
    assert json.loads(out)["fills"] > 0


def test_the_papers_figures_come_out_of_the_shipped_classes() -> None:
    report = check_papers.check_papers(n_paths=3_000, seed=1)
    assert report["agree"], report
    inventory = report["avellaneda_stoikov"]["inventory"]
    assert inventory["figures"] == pytest.approx([64.87, 6.50, 2.93], rel=0.05)


def test_a_wrong_formula_would_be_found() -> None:
    def lopsided(mid: float, position: int, time_left: float) -> tuple[float, float]:
        bid, ask = check_papers.paper_strategies()["inventory"](mid, position, time_left)
        return bid + 0.1 * position, ask + 0.1 * position

    _, deviation, position = check_papers.simulate(lopsided, 2_000, 1).figures()
    assert position > 3.3
    assert deviation > 7.2
