"""One exchange: venue, clock, feed, desk and keys put together. Sockets are left to `app`."""

import asyncio
import time
from collections.abc import Callable

from exchange.keys import AccountKey
from exchange.server.auth import KeyRing
from exchange.server.clock import Clock, StandingClock, WallClock
from exchange.server.desk import Desk
from exchange.server.equity import EquityHistory
from exchange.server.errors import ApiError
from exchange.server.feed import Feed
from exchange.server.journal.writer import Journal
from exchange.server.ledger import Limits
from exchange.server.lockstep import Lockstep
from exchange.server.settings import MILLISECOND_NS, Settings
from exchange.server.venue import Venue

TICK_NS = 10 * MILLISECOND_NS  # the longest time that participants or a queued message wait
FLUSH_NS = 2 * MILLISECOND_NS  # the same for messages when changes are not conflated
ACCOUNTS_NS = 50 * MILLISECOND_NS  # between two reports of an account
HEARTBEAT_NS = 1_000 * MILLISECOND_NS
ADMIN = "admin"


class Every:
    """Says once in a while that it is time."""

    def __init__(self, period_ns: int) -> None:
        self.period_ns = period_ns
        self._due_ns = 0

    def due(self, now_ns: int) -> bool:
        """Whether a period is over since this was last true."""
        if now_ns < self._due_ns:
            return False
        self._due_ns = max(self._due_ns + self.period_ns, now_ns - self.period_ns)
        return True


class Exchange:
    """A running market and everything that its users can ask of it."""

    def __init__(
        self,
        venue: Venue,
        settings: Settings,
        *,
        monotonic_ns: Callable[[], int] = time.monotonic_ns,
        unix_ms: Callable[[], int] = lambda: time.time_ns() // MILLISECOND_NS,
    ) -> None:
        self.venue, self.settings = venue, settings
        self.monotonic_ns, self.unix_ms = monotonic_ns, unix_ms
        self.epoch = unix_ms()
        self.feed = Feed(venue, self.epoch)
        self.equity = EquityHistory(venue)
        self.keys = KeyRing(settings.rate_per_s, monotonic_ns)
        self.journal: Journal | None = None
        self._waiting: list[asyncio.Future[None]] = []  # for the next commit
        self.lockstep: Lockstep | None = None
        self.clock: Clock
        self.wall_clock: WallClock | None = None
        if settings.lockstep:
            self.clock = StandingClock(venue)
            self.lockstep = Lockstep(venue, self.feed, settings.step_ns, settings.lockstep_clients)
            self.lockstep.after_step.append(self.check_dead_men)
        else:
            self.clock = self.wall_clock = WallClock(venue, settings.speed, monotonic_ns)
        self.desk = Desk(venue, self.clock, unix_ms)
        self.account_listeners: list[Callable[[], None]] = []  # an account was opened or changed
        self._dead_men: dict[int, int] = {}  # account -> when its orders are canceled (timer_ns)
        self._publish = Every(settings.publish_ns)
        self._accounts = Every(ACCOUNTS_NS)
        self._heartbeat = Every(HEARTBEAT_NS)
        self._tells_each_change = settings.publish_ns == 0 and not settings.lockstep
        self._flush_scheduled = False
        self._n_connections = 0

    # --- accounts ---------------------------------------------------------------------------------

    def open_account(self, name: str, visible: bool) -> AccountKey:
        """A new trader with the default limits. Raises ApiError 409, 422."""
        if name == ADMIN or any(own.name == name for own in self.venue.accounts.values()):
            raise ApiError(409, "name_taken", f"there is an account {name!r}", field="name")
        key = self.keys.issue(self._open(name, visible, None), name, "trader")
        self._tell_accounts()
        return key

    def _open(self, name: str, visible: bool, number: int | None) -> int:
        """An account with the default limits; its number."""
        account = self.venue.open_account(name, visible, number)
        if account is None:
            n_max = self.venue.markets.dtype["accounts"].shape[0]
            raise ApiError(422, "accounts_max", "no account is left", limit=str(n_max))
        own = self.settings
        limits = Limits(own.position_max, own.quantity_max, own.n_open_max, own.loss_max)
        for row in range(len(self.venue.instruments)):
            self.venue.set_limits(account.number, row, limits)
        return account.number

    def open_admin(self) -> AccountKey:
        """The key for administration; it cannot trade."""
        return self.keys.issue(0, ADMIN, "admin")

    def readmit(self, key: AccountKey, visible: bool) -> None:
        """Accept a key of an earlier process; its account keeps number and name.

        Raises ApiError 409, 422.
        """
        known = self.venue.accounts.get(key.account)
        if known is not None and known.name != key.name:
            raise ApiError(409, "name_taken", f"its number belongs to {known.name!r}", field="name")
        if known is None and key.role == "trader":
            self._open(key.name, visible, key.account)
        self.keys.add(key)

    def issue_missing_keys(self) -> None:
        """A key for every account that has none, and for administration."""
        named = {key.name for key in self.keys.all()}
        for account in self.venue.accounts.values():
            if account.name not in named:
                self.keys.issue(account.number, account.name, "trader")
        if ADMIN not in named:
            self.open_admin()

    def show_account(self, account: int, visible: bool) -> None:
        """Whether the leaderboard shows an account."""
        self.venue.show(account, visible)
        self._tell_accounts()

    def _tell_accounts(self) -> None:
        for listener in self.account_listeners:
            listener()

    def cancel_everything(self, account: int) -> None:
        """Cancel all orders of an account in all markets, as soon as the journal takes commands."""
        if self.held:
            self._dead_men[account] = 0
            return
        self.clock.catch_up()
        for row in range(len(self.venue.instruments)):
            self.venue.cancel_all(account, row)

    def next_connection(self) -> int:
        """The number of a new connection."""
        self._n_connections += 1
        return self._n_connections

    # --- dead-man timers --------------------------------------------------------------------------

    def arm_dead_man(self, account: int, timeout_ms: int) -> None:
        """Cancel the account's orders unless this is called again in time; 0 disarms."""
        self._dead_men.pop(account, None)
        if timeout_ms > 0:
            self._dead_men[account] = self.clock.timer_ns() + timeout_ms * MILLISECOND_NS

    def check_dead_men(self) -> None:
        """Cancel the orders of those who have not called in time."""
        if not self._dead_men or self.held:
            return
        now_ns = self.clock.timer_ns()
        late = sorted(account for account, due_ns in self._dead_men.items() if due_ns <= now_ns)
        for account in late:
            del self._dead_men[account]
            self.cancel_everything(account)

    # --- the journal ------------------------------------------------------------------------------

    @property
    def held(self) -> bool:
        """Whether the market stands still because the journal cannot be written."""
        return self.journal is not None and self.journal.stopped is not None

    def commit(self) -> None:
        """Make what has happened part of the journal: before anybody is told of it."""
        if self.journal is not None:
            self.journal.commit()
            self._hold_time()

    async def committed(self) -> None:
        """Wait until what has happened is in the journal: one commit for all who wait at once."""
        if self.journal is None:
            return
        loop = asyncio.get_running_loop()
        if not self._waiting:
            loop.call_soon(self._commit_for_all)
        own = loop.create_future()  # its own: a client that is gone cancels it
        self._waiting.append(own)
        await own

    def _commit_for_all(self) -> None:
        waiting, self._waiting = self._waiting, []
        self.commit()
        for own in waiting:
            if not own.done():
                own.set_result(None)

    def _hold_time(self) -> None:
        if self.wall_clock is not None:
            self.wall_clock.held = self.held
        elif self.lockstep is not None and self.lockstep.held != self.held:
            self.lockstep.held = self.held
            self.lockstep.step_if_all_done()

    # --- time -------------------------------------------------------------------------------------

    @property
    def tick_ns(self) -> int:
        """How often `tick` wants to be called."""
        return min(TICK_NS, self.settings.publish_ns or FLUSH_NS)

    def tick(self) -> None:
        """Let time pass and tell what it brought."""
        now_ns = self.monotonic_ns()
        self.clock.catch_up()
        if self.lockstep is None:
            self.check_dead_men()
        if self.journal is not None:
            self.journal.tick()
            self._hold_time()
        if self.lockstep is None:
            if self._publish.due(now_ns):
                self.feed.publish()
            self.feed.deliver_reports()
            if self._accounts.due(now_ns):  # in lockstep they belong to the end of a step
                self.feed.publish_accounts()
        if self._heartbeat.due(now_ns):
            self.feed.publish_heartbeat(self.unix_ms())
            self.equity.take()
        self.feed.flush(now_ns)

    def after_command(self) -> None:
        """Tell what a command brought, once the work at hand is done."""
        if self._tells_each_change:
            self.feed.publish()
        self.feed.deliver_reports()
        self.flush_soon()

    def flush_soon(self) -> None:
        """Write to those who wait, once for all that is handled before the loop turns."""
        if not self._flush_scheduled and self.feed.urgent:
            self._flush_scheduled = True
            asyncio.get_running_loop().call_soon(self._flush_urgent)

    def _flush_urgent(self) -> None:
        self._flush_scheduled = False
        self.commit()
        self.feed.flush_urgent(self.monotonic_ns())

    def say_goodbye(self) -> None:
        """The last words before the connections are closed."""
        self.commit()
        self.feed.publish()
        self.feed.deliver_reports()
        self.feed.publish_status({"type": "shutdown"})
        self.feed.flush(self.monotonic_ns())
