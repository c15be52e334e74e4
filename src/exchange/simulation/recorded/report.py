"""Replays a recording through the engine and says how much of it came out as at the venue."""

from collections import Counter
from dataclasses import dataclass, replace
from time import perf_counter
from typing import Any

import numpy as np

from exchange.engine.records import LIVE_MARKET, Markets, new_markets
from exchange.simulation.recorded.apply import COUNTS, new_orders, open_market
from exchange.simulation.recorded.compare import (
    compare_snapshots,
    matched_levels,
    new_comparison,
)
from exchange.simulation.recorded.messages import (
    Array,
    MessageFlag,
    MessageKind,
    Recording,
    RecordingError,
    new_messages,
)
from exchange.simulation.recorded.prepare import as_input
from exchange.simulation.recorded.rebuild import REBUILD_STATE, Rebuild, rebuild
from exchange.simulation.recorded.send import Outcome, Send, new_send, send_flow

N_CORRECTIONS_PER_MESSAGE = 4


@dataclass
class Rebuilt:
    """A recording rebuilt message by message."""

    rows: int  # rows of the venue's book compared
    matched: list[int]  # of them the same at each level, best first
    n_adopted: int  # levels taken over from the recorded book as they slid into view
    counts: Array  # COUNTS
    seconds: float
    markets: Markets
    complete: Recording  # with what was adopted as messages of its own


@dataclass
class Sent:
    """A recording sent as orders."""

    flow: Array  # the messages of `as_input`
    fills: Array
    outcomes: Array  # Outcome of each message, NONE unless a TAKE
    rows: int  # snapshots compared
    matched: list[int]  # of them the same at each level
    counts: Array  # COUNTS
    seconds: float
    markets: Markets

    @property
    def n_aggressors(self) -> int:
        """Aggressive orders."""
        return int((self.outcomes != Outcome.NONE).sum())

    @property
    def n_exact(self) -> int:
        """Aggressive orders that traded with the venue's resting orders, in the venue's order."""
        return int((self.outcomes == Outcome.EXACT).sum())


def rebuild_recording(recording: Recording) -> Rebuilt:
    """Apply every message as the venue printed it and compare with the venue's own book."""
    adopts = recording.unannounced is not None
    _rebuild(recording, recording.messages[:0], adopts)  # compiles
    markets, work, rows, seconds = _rebuild(recording, recording.messages, adopts)
    if rows < 0:
        raise RecordingError(f"{recording.name}: its book does not belong to its messages")
    return Rebuilt(
        rows=len(work.book.n_trades) or rows,
        matched=matched_levels(work.book),
        n_adopted=int(work.state["n_adopted"][0]),
        counts=work.orders.counts,
        seconds=seconds,
        markets=markets,
        complete=_completed(recording, work) if adopts else recording,
    )


def _rebuild(
    recording: Recording, messages: Array, adopts: bool
) -> tuple[Markets, Rebuild, int, float]:
    markets, work = _new_market(recording), _rebuild_work(recording)
    began = perf_counter()
    open_market(markets, 0, recording.opening, work.orders)
    compare_snapshots(markets[0], work.book, recording.n_trades_before)
    rows = rebuild(markets, messages, adopts, work)
    return markets, work, int(rows), perf_counter() - began


def send_recording(recording: Recording, *, corrects: bool) -> Sent:
    """Send the recording as orders and compare their trades with the venue's fills.

    corrects: an aggressive order that would trade otherwise is counted so, and the venue's fills
    are booked in its stead; else the book goes its own way from the first difference on.
    """
    flow, fills = as_input(recording)
    _send(recording, flow[:0], fills, corrects)  # compiles
    markets, work, seconds = _send(recording, flow, fills, corrects)
    n_snapshots = len(work.book.n_trades)
    return Sent(
        flow=flow,
        fills=fills,
        outcomes=work.outcomes,
        rows=n_snapshots,
        matched=matched_levels(work.book) if n_snapshots else [],
        counts=work.orders.counts,
        seconds=seconds,
        markets=markets,
    )


def _send(
    recording: Recording, flow: Array, fills: Array, corrects: bool
) -> tuple[Markets, Send, float]:
    markets, orders = _new_market(recording), new_orders(recording.n_orders)
    work = new_send(orders, new_comparison(recording.book), fills, len(flow))
    began = perf_counter()
    open_market(markets, 0, recording.opening, orders)
    compare_snapshots(markets[0], work.book, recording.n_trades_before)
    send_flow(markets, flow, work, corrects)
    return markets, work, perf_counter() - began


def explain(sent: Sent) -> dict[str, int]:
    """Why aggressive orders did not trade as at the venue, counted; the first that applies.

    - hidden_quantity: one of its makers had more lots than it showed (an iceberg)
    - out_of_sight: a price it traded at had been outside the recorded levels: what rests there, and
      in which order, the file does not say
    - older_order_skipped: the venue passed over an order that came earlier at that price
    - the rest by its Outcome
    """
    unseen = _adopted_levels(sent.flow)
    counted: Counter[str] = Counter()
    for row in np.flatnonzero(sent.outcomes > Outcome.EXACT).tolist():
        take = sent.flow[row]
        fills = sent.fills[take["first_fill"] :][: take["n_fills"]]
        if (fills["flags"] & MessageFlag.HIDDEN).any():
            counted["hidden_quantity"] += 1
        elif any(unseen.get((int(f["side"]), int(f["price"])), row) < row for f in fills):
            counted["out_of_sight"] += 1
        elif sent.outcomes[row] == Outcome.OTHER_ORDER:
            counted["older_order_skipped"] += 1
        else:
            counted[Outcome(int(sent.outcomes[row])).name.lower()] += 1
    return dict(counted.most_common())


def _adopted_levels(flow: Array) -> dict[tuple[int, int], int]:
    """Where in the flow each (side, price) was first adopted."""
    rows = np.flatnonzero((flow["line"] == 0) & (flow["kind"] != MessageKind.TAKE))[::-1]
    sides, prices = flow["side"][rows].tolist(), flow["price"][rows].tolist()
    return dict(zip(zip(sides, prices, strict=True), rows.tolist(), strict=True))


def _completed(recording: Recording, work: Rebuild) -> Recording:
    """The recording with what was adopted as messages of its own, and no book to adopt from."""
    corrections = work.corrections[: work.state["n_corrections"][0]].copy()
    after = corrections["expected"].astype(np.int64)
    corrections["expected"] = -1
    first, later, after = corrections[after < 0], corrections[after >= 0], after[after >= 0]
    messages = recording.messages.copy()
    messages["expected"] = -1
    for field in ("time_ns", "n_trades"):
        later[field] = messages[field][after]
    return replace(
        recording,
        opening=np.concatenate((recording.opening, first)),
        messages=np.insert(messages, after + 1, later),
        n_orders=int(work.state["n_orders"][0]),
        unannounced=None,
        book=None,
    )


def _rebuild_work(recording: Recording) -> Rebuild:
    unannounced = new_messages(0) if recording.unannounced is None else recording.unannounced
    keys = (unannounced["order"], unannounced["price"], unannounced["side"])
    unannounced = unannounced[np.lexsort(keys)]
    adopts = recording.unannounced is not None
    n_corrections = N_CORRECTIONS_PER_MESSAGE * len(recording.messages) + 10_000 if adopts else 1
    n_orders = recording.n_orders + n_corrections
    last_lines = np.zeros(n_orders + 1, np.int32)
    np.maximum.at(last_lines, recording.messages["order"], recording.messages["line"])
    state = np.zeros(1, REBUILD_STATE)
    state["n_orders"] = recording.n_orders
    return Rebuild(
        state=state,
        orders=new_orders(n_orders),
        book=new_comparison(recording.book),
        last_lines=last_lines,
        unannounced=unannounced,
        placed=np.zeros(len(unannounced), bool),
        corrections=new_messages(n_corrections),
    )


def _new_market(recording: Recording) -> Markets:
    return new_markets(1, dtype=LIVE_MARKET, open_price=recording.open_price)


def rebuild_report(rebuilt: Rebuilt, recording: Recording) -> dict[str, Any]:
    """What `replay_recorded.py` prints without --as-input."""
    return {
        "rows": rebuilt.rows,
        "matched": rebuilt.matched,
        "adopted_levels": rebuilt.n_adopted,
        **_common(recording, rebuilt.counts, rebuilt.seconds),
    }


def input_report(exact: Sent, drifting: Sent, recording: Recording) -> dict[str, Any]:
    """What `replay_recorded.py --as-input` prints.

    exact: sent with corrections; drifting: without.
    """
    return {
        "rows": drifting.rows,
        "matched": drifting.matched,
        "aggressors": exact.n_aggressors,
        "exact": exact.n_exact,
        "exact_uncorrected": drifting.n_exact,
        "explained": explain(exact),
        **_common(recording, drifting.counts, drifting.seconds),
    }


def _common(recording: Recording, counts: Array, seconds: float) -> dict[str, Any]:
    n = len(recording.messages)
    return {
        "messages": n,
        "opening_orders": len(recording.opening),
        "tick_size": str(recording.tick_size),
        "open_price": recording.open_price,
        "counts": {name: int(counts[name][0]) for name in COUNTS.names or ()},
        "notes": recording.notes,
        "seconds": round(seconds, 6),
        "rows_per_s": round(n / max(seconds, 1e-9)),
    }
