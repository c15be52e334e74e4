"""Small venues that keep a journal, random commands for them, and what must come out the same."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from exchange.engine.codes import N_PARTICIPANTS, Option, ShockKind, TimeInForce
from exchange.engine.records import TRAINING_MARKET
from exchange.instrument import Instrument
from exchange.server.journal.file import JournalFile
from exchange.server.journal.replay import Replay
from exchange.server.journal.state import states
from exchange.server.journal.writer import Journal
from exchange.server.ledger import Limits
from exchange.server.opening import Opening, reopened
from exchange.server.recovery import Recovered, recover
from exchange.server.settings import Settings
from exchange.server.venue import ClientOrderIdReused, Refused, Venue
from exchange.simulation.presets import new_simulated_markets
from exchange.simulation.step import advance

SECOND_NS = 10**9
BYTES_MAX = 10**9
N_TRADERS = 3


def opening(preset: str = "default", n: int = 2, seed: int = 0, **more: Any) -> Opening:
    """Small markets with participants, from the seeds that begin at this one."""
    seeds = range(seed, seed + n)
    markets = new_simulated_markets(n, seeds, preset=preset, dtype=TRAINING_MARKET, **more)
    instruments = [Instrument(f"S{row}") for row in range(n)]
    recipe = {"symbols": [own.symbol for own in instruments], "preset": preset}
    return Opening(instruments, markets, advance, recipe)


def begin(path: Path, own: Opening, bytes_max: int = BYTES_MAX) -> tuple[Venue, Journal]:
    """A live venue that keeps a journal, with its traders."""
    JournalFile.create(path, own.heading(), own.markets).close()
    venue, journal = go_on(recover(JournalFile(path)), bytes_max)
    for name in range(N_TRADERS):
        venue.open_account(f"t{name}", True)
    return venue, journal


def go_on(recovered: Recovered, bytes_max: int = BYTES_MAX) -> tuple[Venue, Journal]:
    """The venue of the next process, and its journal."""
    journal = Journal(recovered.replay, bytes_max)
    journal.started(Settings())
    return recovered.replay.venue, journal


def assert_same(ours: Venue, theirs: Venue) -> None:
    """The markets to the byte, and all that is known beside them."""
    assert states(ours.markets) == states(theirs.markets)
    assert ours.accounts == theirs.accounts
    for number, log in ours.log.accounts.items():
        again = theirs.log.accounts[number]
        assert (again.open, again.ended) == (log.open, log.ended)
        assert (again.by_client_id, again.fills) == (log.by_client_id, log.fills)
        assert (again.cash, again.positions) == (log.cash, log.positions)
        assert again.spread_twice == log.spread_twice
    for tape, other in zip(ours.tapes, theirs.tapes, strict=True):
        assert (other.trades, other.n_trades, other.volume) == (
            tape.trades,
            tape.n_trades,
            tape.volume,
        )


# --- a story by chance ----------------------------------------------------------------------------


def act(venue: Venue, rng: np.random.Generator) -> None:
    """One command by chance, some of them refused."""
    row = int(rng.integers(len(venue.instruments)))
    account = N_PARTICIPANTS + int(rng.integers(N_TRADERS))
    last, now_ns = int(venue.last_price[row]), int(venue.now_ns[row])
    price = last + int(rng.integers(-4, 5))
    quantity = int(rng.integers(1, 9))
    open_orders = [*venue.orders(account).open]
    acts: list[tuple[float, Callable[[], object]]] = [
        (6, lambda: venue.advance(row, now_ns + int(rng.integers(1, SECOND_NS)))),
        (6, lambda: enter(venue, rng, account, row, price, quantity)),
        (3, lambda: venue.quote(account, row, (last - 2, 3), (last + 2, quantity), 0)),
        (1, lambda: quote_for_a_while(venue, rng, account, row)),
        (1, lambda: venue.cancel_all(account, row)),
        (0.5, lambda: venue.set_limits(account, row, Limits(quantity * 4, 20, 5, 1000))),
        (0.3, lambda: venue.halt(row)),
        (1, lambda: venue.resume(row)),
        (0.3, lambda: stress(venue, rng, row, now_ns)),
        (0.3, lambda: venue.show(account, bool(rng.integers(2)))),
    ]
    if open_orders:
        order_id = int(rng.choice(open_orders))
        acts += [
            (2, lambda: venue.cancel(account, order_id)),
            (2, lambda: venue.replace(account, order_id, price, quantity)),
        ]
    weights = np.array([weight for weight, _ in acts])
    chosen = acts[int(rng.choice(len(acts), p=weights / weights.sum()))][1]
    try:
        chosen()
    except (Refused, ClientOrderIdReused):
        return


def enter(
    venue: Venue, rng: np.random.Generator, account: int, row: int, price: int, quantity: int
) -> None:
    """An order: some expire, some are refused, some come a second time."""
    now_ns = int(venue.now_ns[row])
    options, expire_ns = (
        (0, 0),
        (int(TimeInForce.IOC) | Option.MARKET, 0),
        (int(TimeInForce.GTD), now_ns + int(rng.integers(1, SECOND_NS))),
        (Option.POST_ONLY, 0),
        (Option.REDUCE_ONLY, 0),
    )[int(rng.integers(5))]
    price = 0 if options & Option.MARKET else price
    side = int(rng.integers(2))
    named = f"c{int(rng.integers(200))}" if rng.random() < 0.5 else None
    venue.enter(account, (row, side, price, quantity, int(options), expire_ns), named)


def quote_for_a_while(venue: Venue, rng: np.random.Generator, account: int, row: int) -> None:
    """A quote that expires; or is refused, as its time has passed or its options mean nothing."""
    last = int(venue.last_price[row])
    expire_ns = int(venue.now_ns[row]) + int(rng.integers(-SECOND_NS, SECOND_NS))
    options = int(rng.choice([int(TimeInForce.GTD), 1_000]))
    venue.quote(account, row, (last - 1, 2), (last + 1, 2), options, expire_ns)


def stress(venue: Venue, rng: np.random.Generator, row: int, now_ns: int) -> None:
    kind = int(rng.choice([int(kind) for kind in ShockKind]))
    begin_ns = now_ns + int(rng.integers(0, SECOND_NS))
    venue.schedule(row, kind, 1_000, begin_ns, begin_ns + int(rng.integers(1, 3 * SECOND_NS)))


def a_session(path: Path, n: int = 60) -> None:
    """A journal that ended in order."""
    venue, journal = begin(path, opening())
    wanted = (0, 0, int(venue.last_price[0]) - 1, 5, 0, 0)
    venue.enter(N_PARTICIPANTS, wanted, "the-needle")
    journal.commit()
    rng = np.random.default_rng(5)
    for _ in range(n):
        act(venue, rng)
        journal.commit()
    journal.close()


def replayed(path: Path) -> Replay:
    file = JournalFile(path)
    try:
        replay = Replay(reopened(file).venue(), file)
        replay.run()
        return replay
    finally:
        file.close()
