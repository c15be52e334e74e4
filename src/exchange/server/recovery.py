"""A venue that goes on where its journal ends: all of it is applied again, from the beginning.

A snapshot could bring the markets back sooner, but not what the server knows beside them: orders,
fills, client_order_ids, trades and candles are read from the events. So snapshots verify, and replay
restores.
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from exchange.engine.codes import EventKind
from exchange.messages.answers import ScenarioAnswer
from exchange.server.journal.file import JournalError, JournalFile
from exchange.server.journal.program import differences
from exchange.server.journal.replay import Replay
from exchange.server.journal.writer import Journal
from exchange.server.notices import scenario
from exchange.server.opening import Opening, reopened
from exchange.server.orders import Event
from exchange.server.service import Exchange
from exchange.server.venue import Venue

SHOCK_BEGAN = int(EventKind.SHOCK_BEGAN)
LIMITS = {
    "position_max": "--position-max",
    "quantity_max": "--quantity-max",
    "n_open_max": "--open-orders-max",
}


@dataclass(frozen=True)
class Recovered:
    """What a journal has brought back; shocks: those that began, as the feed tells them."""

    replay: Replay
    origin_ns: int  # where the clock stood at the beginning
    shocks: list[ScenarioAnswer]


def open_venue(opening: Opening | None, journal: Path | None) -> tuple[Venue, Recovered | None]:
    """A venue, and its journal if it keeps one; opening: None to go on with an existing journal.

    Raises JournalError, RecordingError.
    """
    if journal is None:
        assert opening is not None
        return opening.venue(), None
    if opening is not None:
        JournalFile.create(journal, opening.heading(), opening.markets).close()
    file = JournalFile(journal)
    try:
        recovered = recover(file)
    except BaseException:
        file.close()
        raise
    return recovered.replay.venue, recovered


def recover(file: JournalFile) -> Recovered:
    """Apply a journal. Raises JournalError when it is damaged, or comes out otherwise than live."""
    opening = reopened(file)
    origin_ns = int(opening.markets["now_ns"][0])
    venue = opening.venue()
    shocks: list[ScenarioAnswer] = []

    def remember(instrument: int, events: Sequence[Event]) -> None:
        symbol = venue.instruments[instrument].symbol
        shocks.extend(scenario(symbol, event) for event in events if event.kind == SHOCK_BEGAN)

    venue.listeners.append(remember)
    replay = Replay(venue, file)
    difference = replay.run()
    venue.listeners.remove(remember)
    changed = differences(replay.starts[-1]["program"]) if replay.starts else []
    if difference is not None:
        raise JournalError(_refusal(file, str(difference), changed))
    if changed:
        print(
            f"onebook: the journal {file.path} was written by another program "
            f"({'; '.join(changed)}). All that it lets be compared came out the same.",
            file=sys.stderr,
        )
    return Recovered(replay, origin_ns, shocks)


def resume(exchange: Exchange, recovered: Recovered, bytes_max: int) -> None:
    """Let a new exchange of the recovered venue go on, and its journal with it."""
    replay = recovered.replay
    exchange.feed.scenarios.extend(recovered.shocks)
    if exchange.lockstep is not None:
        passed_ns = int(exchange.venue.now_ns[0]) - recovered.origin_ns
        exchange.lockstep.step = passed_ns // exchange.settings.step_ns
    exchange.journal = Journal(replay, bytes_max)
    exchange.journal.started(exchange.settings)
    tell_kept_limits(exchange)


def tell_kept_limits(exchange: Exchange) -> None:
    """An account keeps the limits that the journal gave it: say so where this start has others."""
    venue, kept = exchange.venue, []
    rows = range(len(venue.instruments))
    ledgers = [venue.ledger(row, number) for row in rows for number in venue.accounts]
    for name, option in LIMITS.items():
        others = {getattr(ledger, name) for ledger in ledgers} - {getattr(exchange.settings, name)}
        if others:
            kept.append(f"{option} {' or '.join(map(str, sorted(others)))}")
    if kept:
        print(
            f"onebook: the journal's accounts keep their limits ({', '.join(kept)}); "
            "those of this start are for new accounts",
            file=sys.stderr,
        )


def _refusal(file: JournalFile, difference: str, changed: list[str]) -> str:
    if changed:
        return (
            f"the journal {file.path} was written by another program ({'; '.join(changed)}), and "
            f"this one comes out otherwise: {difference}. Go on with the program that wrote it, or "
            "begin a new journal; scripts/replay_journal.py tells how far the two agree."
        )
    return (
        f"the journal {file.path} does not come out as it was live: {difference}. That must not "
        "happen: please keep the file. Begin a new journal to go on."
    )
