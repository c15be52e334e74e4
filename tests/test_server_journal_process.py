"""A journaled exchange as its users meet it: processes that are killed, started again, and audited."""

import asyncio
import contextlib
import csv
import json
import re
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from exchange.keys import read_keys
from strategies.errors import Refused
from strategies.rest import RestClient

SCRIPTS = Path(__file__).parents[1] / "scripts"
sys.path.insert(0, str(SCRIPTS))

import replay_journal  # noqa: E402  scripts, not packages
import run_interface  # noqa: E402

Json = dict[str, Any]
Call = Callable[..., tuple[int, str, str]]


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Call:
    """A script that ends by itself, in this process: its status, and what it said."""

    def called(script: Any, *arguments: str | Path) -> tuple[int, str, str]:
        capsys.readouterr()
        monkeypatch.setattr(sys, "argv", [script.__file__, *map(str, arguments)])
        status = script.main()
        return status, *capsys.readouterr()

    return called


async def start(script: str, *arguments: str | Path) -> Process:
    command = [sys.executable, str(SCRIPTS / script), *map(str, arguments)]
    return await asyncio.create_subprocess_exec(*command, stdout=PIPE, stderr=PIPE)


async def run(script: str, *arguments: str | Path) -> tuple[int | None, str, str]:
    process = await start(script, *arguments)
    out, err = await process.communicate()
    return process.returncode, out.decode(), err.decode()


@dataclass
class Running:
    """An exchange process and where it listens."""

    process: Process
    url: str
    keys_file: Path

    @contextlib.asynccontextmanager
    async def rest(self, name: str) -> AsyncIterator[RestClient]:
        own = read_keys(self.keys_file).named(name)
        client = RestClient(self.url, own.key, own.secret)
        await client.open()
        try:
            yield client
        finally:
            await client.close()

    async def end(self, what: int) -> str:
        """Signal it and wait; returns what it said on stderr."""
        self.process.send_signal(what)
        _, err = await self.process.communicate()
        return err.decode()


@contextlib.asynccontextmanager
async def exchange(folder: Path, *arguments: str | Path) -> AsyncIterator[Running]:
    """A running exchange that writes the folder's journal."""
    keys = folder / "keys.json"
    files = ("--keys-file", keys, "--journal", folder / "j", "--json-ready")
    process = await start("run_interface.py", *files, *arguments)
    assert process.stdout is not None
    assert process.stderr is not None
    line = await process.stdout.readline()
    if not line:
        pytest.fail((await process.stderr.read()).decode())
    try:
        yield Running(process, json.loads(line)["url"], keys)
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()


async def fills_of(client: RestClient) -> list[Json]:
    return list((await client.request("GET", "/v1/fills", {"after": 0, "limit": 1000}))["fills"])


async def wait_for_fills(client: RestClient, n: int) -> list[Json]:
    async with asyncio.timeout(30):
        while len(found := await fills_of(client)) < n:
            await asyncio.sleep(0.05)
    return found


async def read_report(process: Process, n_fills: int) -> Json:
    """The first report of a strategy with so many fills."""
    assert process.stdout is not None
    async with asyncio.timeout(60):
        async for line in process.stdout:
            report: Json = json.loads(line)
            if report["fills"] >= n_fills:
                return report
    raise AssertionError("the strategy ended")


async def test_a_killed_exchange_goes_on_with_its_orders_and_its_strategies(
    tmp_path: Path, call: Call
) -> None:
    where = ("--accounts", "3", "--speed", "20", "--symbols", "SIM,ALT", "--taker-fee-ppm", "100")
    order = {
        **{"symbol": "ALT", "side": "buy", "price": "90.00", "quantity": "7"},
        "client_order_id": "mine",
    }
    async with exchange(tmp_path, "--port", "0", *where) as first:
        port = first.url.rsplit(":", 1)[1]
        traders = [
            await start(
                *("run_strategy.py", "--strategy", name, "--account", account),
                *("--symbol", "SIM", "--keys-file", first.keys_file, "--json"),
                *("--report-every", "0.1"),
            )
            for name, account in (("skew", "demo1"), ("symmetric", "demo2"))
        ]
        async with first.rest("demo3") as third, first.rest("demo1") as one:
            entered = await third.request("POST", "/v1/orders", body=order)
            await wait_for_fills(one, 8)
            fills = await fills_of(one)
        await first.end(signal.SIGKILL)
    async with exchange(tmp_path, "--port", port, "--speed", "20", "--accounts", "3") as second:
        async with second.rest("demo3") as third, second.rest("demo1") as one:
            again = await fills_of(one)
            assert again[: len(fills)] == fills, "what was told before the kill still holds"
            assert await third.request("POST", "/v1/orders", body=order) == entered
            with pytest.raises(Refused, match="client_order_id_reused"):
                await third.request("POST", "/v1/orders", body={**order, "quantity": "8"})
            listed = (await third.request("GET", "/v1/orders"))["orders"]
            assert [own["order_id"] for own in listed] == [entered["order_id"]]
            await wait_for_fills(one, len(fills) + 8)
        reports = [await read_report(trader, 4) for trader in traders]
        for trader in traders:
            trader.send_signal(signal.SIGINT)
        ends = [await trader.communicate() for trader in traders]
        said = await second.end(signal.SIGTERM)
        assert (second.process.returncode, said) == (0, "")
    told = [json.loads(out.splitlines()[-1]) for out, _ in ends]
    assert [trader.returncode for trader in traders] == [0, 0], (reports, ends)
    status, out, err = call(replay_journal, tmp_path / "j", "--json")
    assert (status, err) == (0, "")
    report = json.loads(out)
    assert (report["differences"], report["ended_in_order"], report["starts"]) == ([], True, 2)
    assert report["snapshots_compared"] >= 2
    by_name = {account["name"]: account["positions"][0] for account in report["accounts"]}
    for name, summary in zip(("demo1", "demo2"), told, strict=True):
        assert by_name[name]["n_fills"] == summary["fills"], "the strategies missed no fill"
        assert float(by_name[name]["position"]) == summary["position"]
    check_audit(call, tmp_path, report)


def check_audit(call: Call, folder: Path, report: Json) -> None:
    """The other things that replay_journal.py tells of a journal."""
    journal, fills_file = folder / "j", folder / "fills.csv"
    status, out, _ = call(
        *(replay_journal, journal, "--story", "--account", "demo3", "--csv", fills_file)
    )
    assert status == 0
    assert re.search(r"entry \d+: ENTER \(market 1, account 6\): .*client_order_id 'mine'", out)
    assert "demo1" not in out
    assert report["market_hash"] in out
    assert fills_file.read_text() == "", "demo3 had no fill"
    half = report["entries"] // 2
    status, out, _ = call(
        *(replay_journal, journal, "--json", "--until", str(half), "--csv", fills_file)
    )
    partial = json.loads(out)
    assert (status, partial["entries"], partial["partial"]) == (0, half, True)
    with fills_file.open() as file:
        rows = list(csv.DictReader(file))
    n_fills = sum(own["n_fills"] for acc in partial["accounts"] for own in acc["positions"])
    assert len(rows) == n_fills > 0
    now_ns = partial["markets"][0]["time_ns"]
    status, out, _ = call(replay_journal, journal, "--json", "--until", f"{now_ns / 1e9:.3f}s")
    assert abs(json.loads(out)["markets"][0]["time_ns"] - now_ns) <= 1_000_000
    raw = bytearray(journal.read_bytes())
    raw[raw.index(b"mine")] ^= 1
    journal.write_bytes(raw)
    status, out, err = call(replay_journal, journal, "--json")
    assert (status, out) == (1, "")
    assert re.search(r"damaged: block \d+ \(entries \d+ to \d+\) is not as it was written", err)
    status, _, err = call(run_interface, "--port", "0", "--journal", journal)
    assert (status, "damaged" in err, "Traceback" in err) == (2, True, False)


async def test_lockstep_goes_on_at_the_step_that_it_had_reached(tmp_path: Path, call: Call) -> None:
    strategy = ("run_strategy.py", "--strategy", "skew", "--lockstep", "--steps", "30", "--json")
    async with exchange(tmp_path, "--port", "0", "--lockstep", "--seed", "7") as first:
        status, _, err = await run(*strategy, "--keys-file", first.keys_file)
        assert (status, err) == (0, "")
        async with first.rest("demo1") as client:
            before = await client.request("GET", "/v1/account")
            book = await client.request("GET", "/v1/book", {"symbol": "SIM"})
        await first.end(signal.SIGKILL)
    async with exchange(tmp_path, "--port", "0", "--lockstep") as second:
        async with second.rest("demo1") as client:
            assert await client.request("GET", "/v1/account") == before
            again = await client.request("GET", "/v1/book", {"symbol": "SIM"})
            assert {**again, "epoch": 0} == {**book, "epoch": 0}
        status, out, _ = await run(*strategy, "--keys-file", second.keys_file)
        assert (status, json.loads(out)["duration_s"]) == (0, 7.5)
        await second.end(signal.SIGTERM)
    status, out, _ = call(replay_journal, tmp_path / "j", "--json")
    report = json.loads(out)
    assert (status, report["differences"]) == (0, [])
    assert report["events"]["TRADED"] > 0


async def test_what_contradicts_the_journal_is_refused(tmp_path: Path, call: Call) -> None:
    async with exchange(tmp_path, "--port", "0", "--lockstep", "--seed", "5") as first:
        status, _, err = call(replay_journal, tmp_path / "j")
        assert (status, "in use by another process" in err) == (2, True)
        await first.end(signal.SIGTERM)
    status, _, err = call(run_interface, "--journal", tmp_path / "j", "--seed", "6")
    assert status == 2
    assert "is the journal of a market with seed 5, not 6: leave --seed out" in err
    status, _, err = call(replay_journal, tmp_path / "keys.json")
    assert (status, "keys.json" in err, "Traceback" in err) == (2, True, False)


# 100 lots bid at 10.00 and 50 offered at 10.02; from 1 s on two sellers come to the bid
LOBSTER = """\
34200.0,1,11,100,100000,1
34200.1,1,12,50,100200,-1
34201.0,4,11,20,100000,1
34202.0,4,11,10,100000,1
34203.0,3,12,50,100200,-1
"""


async def test_a_client_trades_against_a_recording_and_the_session_replays(
    tmp_path: Path, call: Call
) -> None:
    recording = tmp_path / "messages.csv"
    recording.write_text(LOBSTER)
    market = ("--port", "0", "--lockstep", "--replay", recording, "--symbols", "REC")
    async with exchange(tmp_path, *market) as first:
        async with first.rest("admin") as admin, first.rest("demo1") as trader:

            async def pass_time(seconds: float) -> None:
                steps = {"advance_steps": round(4 * seconds)}
                await admin.request("POST", "/v1/admin/clock", body=steps)

            await pass_time(0.5)
            book = await trader.request("GET", "/v1/book", {"symbol": "REC"})
            assert (book["bids"], book["asks"]) == ([["10.00", "100"]], [["10.02", "50"]])
            bid = {"symbol": "REC", "side": "buy", "price": "10.01", "quantity": "25"}
            await trader.request("POST", "/v1/orders", body=bid)
            lift = {"symbol": "REC", "side": "buy", "price": "10.02", "quantity": "5"}
            lifted = await trader.request("POST", "/v1/orders", body=lift)
            assert (lifted["status"], lifted["average_price"]) == ("filled", "10.02")
            await pass_time(1)
            fills = await fills_of(trader)
        await first.end(signal.SIGKILL)
    told = [(f["side"], f["price"], f["quantity"], f["role"]) for f in fills]
    assert told == [("buy", "10.02", "5", "taker"), ("buy", "10.01", "20", "maker")]
    async with exchange(tmp_path, "--port", "0", "--lockstep") as second:
        async with second.rest("admin") as admin, second.rest("demo1") as trader:
            assert await fills_of(trader) == fills
            await admin.request("POST", "/v1/admin/clock", body={"advance_steps": 8})
            assert [f["quantity"] for f in await fills_of(trader)] == ["5", "20", "5"]
            book = await trader.request("GET", "/v1/book", {"symbol": "REC"})
            assert (book["bids"], book["asks"]) == ([["10.00", "95"]], [])
        await second.end(signal.SIGTERM)
    status, out, _ = call(replay_journal, tmp_path / "j", "--json")
    assert (status, json.loads(out)["differences"]) == (0, [])
    recording.write_text(LOBSTER.replace(",20,", ",21,"))
    status, _, err = call(replay_journal, tmp_path / "j")
    assert (status, "the file has changed" in err) == (2, True)
