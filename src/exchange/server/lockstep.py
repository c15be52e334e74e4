"""Lockstep: the market takes one step when every strategy that logged in for it has answered.

Commands are queued until then and applied in the order of account numbers, so a session depends on
seeds and answers only, and not on how fast anybody's machine is.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from exchange.server.connection import Connection
from exchange.server.errors import ApiError
from exchange.server.feed import Feed
from exchange.server.frames import text_frame
from exchange.server.venue import Venue

COMMANDS_MAX = 1_000  # queued by one connection in one step

Work = Callable[[], None]


@dataclass
class Member:
    """One strategy's connection: symbols it follows, those it has not finished, its commands."""

    followed: set[int] = field(default_factory=set)
    unfinished: set[int] = field(default_factory=set)
    queue: list[Work] = field(default_factory=list)
    later: list[Work] = field(default_factory=list)  # sent after `done`: for the next step


class Lockstep:
    """Who takes part, what they want done, and the steps taken so far."""

    def __init__(self, venue: Venue, feed: Feed, step_ns: int, n_clients: int) -> None:
        """n_clients: how many must have joined before the first step."""
        self.venue, self.feed = venue, feed
        self.step_ns, self.n_clients = step_ns, n_clients
        self.step = 0
        self.held = False  # the journal cannot take what would happen
        self._begun = False
        self.after_step: list[Work] = []
        self._members: dict[Connection, Member] = {}
        self._leaving: list[tuple[tuple[int, int], Work]] = []

    def follow(self, connection: Connection, instrument: int) -> None:
        """A subscription has begun: the connection is waited for, in this step already."""
        member = self._members.setdefault(connection, Member())
        if instrument not in member.followed:
            member.followed.add(instrument)
            member.unfinished.add(instrument)
            connection.send(self._step_frame(instrument))

    def takes_part(self, connection: Connection) -> bool:
        """Whether its commands wait for the end of the step."""
        return connection in self._members

    def queue(self, connection: Connection, work: Work) -> None:
        """Do this when the step ends. Raises ApiError when the queue is full."""
        member = self._members[connection]
        queue = member.queue if member.unfinished else member.later
        if len(queue) >= COMMANDS_MAX:
            raise ApiError(
                429,
                "rate_limited",
                "too many commands in one step",
                retryable=True,
                limit=str(COMMANDS_MAX),
            )
        queue.append(work)

    def done(self, connection: Connection, instrument: int | None, reply: Work) -> None:
        """The connection has no more commands for this step (in this symbol; None: in any).

        reply: its answer, in turn after those of the commands before it.
        """
        member = self._members.get(connection)
        if member is None:
            raise ApiError(
                409, "not_in_lockstep", 'log in with "lockstep": true and subscribe to a symbol'
            )
        (member.queue if member.unfinished else member.later).append(reply)
        if instrument is None:
            member.unfinished.clear()
        else:
            member.unfinished.discard(instrument)
        self.step_if_all_done()

    def leave(self, connection: Connection, work: Work | None) -> None:
        """The connection is gone; its unfinished commands are dropped. work: done in its turn."""
        member = self._members.pop(connection, None)
        if work is not None:
            if member is None or not self._members:
                work()
            else:
                self._leaving.append((_turn(connection), work))
        if member is not None:
            self.step_if_all_done()

    @property
    def waiting(self) -> bool:
        """Whether there are strategies that the next step waits for."""
        return bool(self._members)

    def take_step(self) -> None:
        """Apply what is queued, then let one step of market time pass and tell of it."""
        self._apply_queues()
        self._begun = True
        self.step += 1
        for row in range(len(self.venue.instruments)):
            self.venue.advance(row, int(self.venue.now_ns[row]) + self.step_ns)
        for work in self.after_step:
            work()
        self.feed.publish(always=True)
        self.feed.deliver_reports()
        self.feed.publish_accounts()
        for connection, member in self._members.items():
            member.unfinished = set(member.followed)
            for row in sorted(member.followed):
                connection.send(self._step_frame(row))

    def step_if_all_done(self) -> None:
        """Take the next step unless somebody has still to answer."""
        started = self._begun or len(self._members) >= self.n_clients
        ready = self._members and started and not self.held
        if ready and not any(m.unfinished for m in self._members.values()):
            self.take_step()

    def _apply_queues(self) -> None:
        turns = [(_turn(c), work) for c, m in self._members.items() for work in m.queue]
        for _, work in sorted(turns + self._leaving, key=lambda turn: turn[0]):
            work()
        self._leaving.clear()
        for member in self._members.values():
            member.queue, member.later = member.later, []

    def _step_frame(self, instrument: int) -> bytes:
        symbol, now_ns = self.venue.instruments[instrument].symbol, self.venue.now_ns[instrument]
        return text_frame(
            f'{{"channel":"step","type":"step","symbol":"{symbol}","step":{self.step},'
            f'"time_ns":{now_ns}}}'.encode()
        )


def _turn(connection: Connection) -> tuple[int, int]:
    """Account numbers decide; of one account's connections the older is first."""
    caller = connection.caller
    return (caller.account if caller is not None else 0, connection.number)
