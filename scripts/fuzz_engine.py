"""Send random commands to the engine and to the reference book, and compare every event.

The commands come in stretches with a market of their own; each is drawn from (seed, stretch), so a
difference is found again without running what came before it. Exits 1 on the first difference.
"""

import argparse
import json
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import Progress

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from exchange.engine.commands import apply_commands
from exchange.engine.invariants import check_venue
from exchange.engine.records import COMMAND, EVENT, Markets
from exchange.offspring import end_with_parent
from random_commands import Commands, random_commands, random_markets, random_weather
from reference_book import ReferenceVenue
from reference_compare import check_same_state, learn_ids, named, numbered, same_results

STRETCH = 25_000  # commands to one venue
CHUNK_MAX = 250  # commands drawn at once, from the markets as they then stand
CHECKED_STATES = 50  # one chunk in so many ends with a look at all queues, accounts and invariants
N_EVENTS = 100_000


@dataclass(frozen=True)
class Difference:
    """What to print about the first command that the two disagree on."""

    seed: int
    stretch: int
    index: int  # of the command in its stretch
    text: str


def main() -> int:
    arguments = parse_arguments()
    started = time.perf_counter()
    compared, difference = fuzz(
        arguments.commands, arguments.seed, arguments.instruments, arguments.processes
    )
    seconds = time.perf_counter() - started
    if arguments.json:
        answer = {
            "commands": compared,
            "differences": int(difference is not None),
            "seed": arguments.seed,
            "seconds": round(seconds, 2),
        }
        print(json.dumps(answer))
    else:
        print(f"compared {compared:,} commands in {seconds:.1f} s, seed {arguments.seed}")
    if difference is None:
        return 0
    print(
        f"first difference: seed {difference.seed}, stretch {difference.stretch}, "
        f"command {difference.index} of it\n{difference.text}",
        file=sys.stderr,
    )
    return 1


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--commands", type=_positive, default=1_000_000, metavar="N")
    parser.add_argument("--seed", type=_positive, default=1, metavar="S")
    parser.add_argument("--instruments", type=_positive, default=2, metavar="K")
    parser.add_argument("--processes", type=_positive, default=1, metavar="P")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    return parser.parse_args()


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is not 1 or more")
    return number


def fuzz(
    n_commands: int, seed: int, n_instruments: int, processes: int
) -> tuple[int, Difference | None]:
    """Compare n commands; returns how many were, and the first difference."""
    n_stretches = -(-n_commands // STRETCH)
    jobs = (
        (seed, stretch, n_instruments, min(STRETCH, n_commands - stretch * STRETCH))
        for stretch in range(n_stretches)
    )
    compared = 0
    console = Console(stderr=True)
    with Progress(console=console, transient=True) as progress:
        bar = progress.add_task("commands compared", total=n_commands)
        for n, difference in results_in_order(jobs, processes):
            compared += n
            progress.update(bar, completed=compared)
            if difference is not None:
                return compared, difference
    return compared, None


Job = tuple[int, int, int, int]
Result = tuple[int, Difference | None]


def results_in_order(jobs: Iterator[Job], processes: int) -> Iterator[Result]:
    """Each stretch's result; with several processes a few are at work ahead."""
    if processes == 1:
        yield from (compare_stretch(job) for job in jobs)
        return
    with ProcessPoolExecutor(processes, initializer=end_with_parent) as pool:
        ahead = [pool.submit(compare_stretch, job) for job in islice(jobs, 2 * processes)]
        while ahead:
            yield ahead.pop(0).result()
            ahead.extend(pool.submit(compare_stretch, job) for job in islice(jobs, 1))


def compare_stretch(job: Job) -> Result:
    """Compare one stretch from a fresh venue: commands compared, the first difference."""
    seed, stretch, n_instruments, n_commands = job
    rng = np.random.default_rng((seed, stretch))
    markets = random_markets(rng, n_instruments)
    venue = ReferenceVenue(markets)
    weather = random_weather(rng, markets)
    done, n_chunks = 0, 0
    while done < n_commands:
        n = min(int(rng.integers(1, CHUNK_MAX + 1)), n_commands - done)
        commands = random_commands(rng, markets, n, weather)
        found = compare_chunk(markets, venue, commands)
        n_chunks += 1
        if found is None and (n_chunks % CHECKED_STATES == 0 or done + n == n_commands):
            found = compare_state(markets, venue, n)
        if found is not None:
            index, text = found
            return done + index, Difference(seed, stretch, done + index, text)
        done += n
    return done, None


def compare_chunk(
    markets: Markets, venue: ReferenceVenue, commands: Commands
) -> tuple[int, str] | None:
    """Apply commands to both; the place and a picture of the first difference, if any."""
    before = markets.copy()
    learn_ids(venue, markets)
    expected = [venue.apply(command) for command in commands.tolist()]
    n_orders = venue.books[0].n_orders
    events, results = apply_all(markets, commands)
    if numbered(events, n_orders) == [event for _, events in expected for event in events]:
        if same_results(results, [result for result, _ in expected], n_orders):
            return None
    return first_difference(before, commands, expected, n_orders)


def apply_all(markets: Markets, commands: Commands) -> tuple[Any, Any]:
    """Apply an array of commands in as many calls as its events need; all events and results."""
    events = np.empty(N_EVENTS, EVENT)
    results = np.zeros(len(commands), np.int64)
    parts, done = [], 0
    while done < len(commands):
        applied, written = apply_commands(markets, commands[done:], events, results[done:])
        assert applied > 0, "an empty event buffer does not hold one command's events"
        parts.append(events[:written].copy())
        done += applied
    return np.concatenate(parts), results


def first_difference(
    markets: Markets, commands: Commands, expected: list[tuple[int, Any]], n_orders: int
) -> tuple[int, str]:
    """Go through the chunk again, one command at a time."""
    for i, (result, events) in enumerate(expected):
        engine_events, engine_result = apply_all(markets, commands[i : i + 1])
        got = numbered(engine_events, n_orders)
        if got != events or not same_results(engine_result, [result], n_orders):
            return i, picture(commands[i], (int(engine_result[0]), got), (result, events))
    return len(commands), "only the whole array differs, not its commands one by one"


def picture(command: Any, got: tuple[int, Any], expected: tuple[int, Any]) -> str:
    fields = dict(zip(COMMAND.names or (), command.tolist(), strict=True))
    lines = [f"command: {fields}"]
    for who, (result, events) in (("engine", got), ("reference", expected)):
        lines.append(f"{who} returns {result} and tells:")
        lines += [f"  {named(event)}" for event in events] or ["  nothing"]
    return "\n".join(lines)


def compare_state(markets: Markets, venue: ReferenceVenue, n: int) -> tuple[int, str] | None:
    try:
        check_venue(markets)
        check_same_state(markets, venue)
    except AssertionError as error:
        return n, f"the events are the same, the state is not: {error}"
    return None


if __name__ == "__main__":
    sys.exit(main())
