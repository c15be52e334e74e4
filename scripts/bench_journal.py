#!/usr/bin/env python3
"""What a journal costs: orders a second with and without one, side by side, and replaying them.

    bench_journal.py [--runs 5] [--seconds 1.5] [--json]

Two exchanges run at once and are asked by turns, so that what else the machine does meets both. The
processor time of an order is the server's alone, and hardly feels a busy machine.
"""

import argparse
import asyncio
import json
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

import bench_server
from exchange.server.journal.file import JournalFile
from exchange.server.recovery import recover
from exchange.server.run import new_loop
from exchange_process import Running


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--runs", type=int, default=5, help="of each (default %(default)s)")
    parser.add_argument("--seconds", type=float, default=1.5, help="a run (default %(default)s)")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, asyncio.Runner(loop_factory=new_loop) as runner:
        journal = Path(folder) / "bench.journal"
        figures = runner.run(measure(journal, arguments.runs, arguments.seconds))
        figures |= replay(journal)
    if arguments.json:
        print(json.dumps(figures))
    else:
        for name, figure in figures.items():
            print(f"{name:<24}{figure:>14,.3f}")
    return 0


async def measure(journal: Path, n_runs: int, seconds: float) -> dict[str, float]:
    """Orders a second, and the server's own time for one, without and with a journal."""
    figures: dict[str, list[float]] = {}
    journaled = bench_server.exchange("--journal", str(journal))
    with bench_server.exchange() as plain, journaled as kept:
        for _ in range(n_runs):
            for kind, orders in KINDS.items():
                for name, server in (("plain", plain), ("journaled", kept)):
                    begin_s = cpu_s(server)
                    rate = await orders(server.keys, seconds)
                    cpu_us = (cpu_s(server) - begin_s) / (rate * seconds) * 1e6
                    figures.setdefault(f"{kind}_{name}_per_s", []).append(rate)
                    figures.setdefault(f"{kind}_{name}_cpu_us", []).append(cpu_us)
    return {name: statistics.median(values) for name, values in figures.items()}


KINDS = {"rest": bench_server.rest_orders_per_s, "ws": bench_server.socket_orders_per_s}


def cpu_s(server: Running) -> float:
    """Processor time of an exchange so far (Linux)."""
    fields = Path(f"/proc/{server.pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def replay(journal: Path) -> dict[str, float]:
    """How quickly the session that was just measured comes back, and what it takes on the disk."""
    file = JournalFile(journal)
    begin_s = time.perf_counter()
    n_entries = recover(file).replay.n_entries
    seconds = time.perf_counter() - begin_s
    file.close()
    return {
        "entries": n_entries,
        "replayed_entries_per_s": n_entries / seconds,
        "bytes_per_entry": journal.stat().st_size / n_entries,
    }


if __name__ == "__main__":
    sys.exit(main())
