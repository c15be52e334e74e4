"""Who is calling: API keys, signatures over the raw request, each accepted once, and a rate limit.

Secrets stand in memory and in the keys file only; they are never logged.
"""

import hmac
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field

from exchange.keys import AccountKey
from exchange.messages.base import Role
from exchange.server.errors import ApiError, overloaded

TIMESTAMP_AGE_MS_MAX = 5_000
MARK_AHEAD_MS = 1_000  # a mark is set that far ahead, so one is enough for a second
REPLAYS_MAX = 1_000_000  # signatures remembered; above this, private requests are put off


class RateLimit:
    """A token bucket: `per_s` commands a second, as many at once; 0 is no limit."""

    def __init__(self, per_s: float, monotonic_ns: Callable[[], int]) -> None:
        self.per_s = per_s
        self.tokens = per_s
        self.time_s = 0.0
        self._monotonic_ns = monotonic_ns

    def take(self, n: int) -> None:
        """Take n tokens. Raises ApiError 429, its retry_after_s the seconds until there are n."""
        if self.per_s == 0:
            return
        now_s = self._monotonic_ns() / 1e9
        self.tokens = min(self.per_s, self.tokens + (now_s - self.time_s) * self.per_s)
        self.time_s = now_s
        if self.tokens < n:
            error = ApiError(
                429,
                "rate_limited",
                f"more than {self.per_s:g} commands a second",
                retryable=True,
                limit=f"{self.per_s:g}",
            )
            error.retry_after_s = max((n - self.tokens) / self.per_s, 0.001)
            raise error
        self.tokens -= n


@dataclass(slots=True)
class Caller:
    """An authenticated user: an account's number and role, its secret and its rate limit."""

    account: int
    name: str
    role: Role
    key: str
    secret: bytes = field(repr=False)
    rate: RateLimit


class KeyRing:
    """All API keys, and the signatures seen lately.

    accept_after_ms: timestamps up to this may have been accepted by an earlier process, which had
    the same keys. on_mark: told, before it accepts one, up to which timestamp this one may have.
    """

    def __init__(self, rate_per_s: float, monotonic_ns: Callable[[], int]) -> None:
        self.rate_per_s = rate_per_s
        self._monotonic_ns = monotonic_ns
        self._callers: dict[str, Caller] = {}
        self._seen: set[bytes] = set()
        self._seen_before: set[bytes] = set()
        self._turned_ms = 0
        self.accept_after_ms = 0
        self.on_mark: Callable[[int], None] | None = None
        self._mark_ms = 0

    def issue(self, account: int, name: str, role: Role) -> AccountKey:
        """A new key and secret."""
        key = AccountKey(
            name=name,
            account=account,
            role=role,
            key=f"ob_{secrets.token_hex(12)}",
            secret=secrets.token_urlsafe(32),
        )
        self.add(key)
        return key

    def add(self, key: AccountKey) -> None:
        """Accept this key from now on."""
        self._callers[key.key] = Caller(
            key.account,
            key.name,
            key.role,
            key.key,
            key.secret.encode(),
            RateLimit(self.rate_per_s, self._monotonic_ns),
        )

    def all(self) -> list[AccountKey]:
        """Every key with its secret, in the order of their issue."""
        return [
            AccountKey(
                name=caller.name,
                account=caller.account,
                role=caller.role,
                key=caller.key,
                secret=caller.secret.decode(),
            )
            for caller in self._callers.values()
        ]

    def check(self, key: str, timestamp: str, signature: str, signed: bytes, now_ms: int) -> Caller:
        """Who has signed: `signed` is what the signature covers after the timestamp.

        Raises ApiError 401, 503.
        """
        caller = self._callers.get(key)
        if caller is None:
            raise ApiError(401, "unauthenticated", "this API key is not known", field="key")
        message = timestamp.encode(errors="surrogateescape") + signed
        right = hmac.digest(caller.secret, message, "sha256")
        try:
            given = bytes.fromhex(signature)
        except ValueError:
            given = b""
        if not hmac.compare_digest(right, given):
            raise ApiError(
                401,
                "bad_signature",
                "the signature is not hex(HMAC-SHA256(secret, timestamp + METHOD + path + body))",
                field="signature",
            )
        self._check_time(timestamp, now_ms)
        self._check_new(right, now_ms)
        self._mark(int(timestamp))
        return caller

    def _check_time(self, timestamp: str, now_ms: int) -> None:
        plain = timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= 16
        sent_ms = int(timestamp) if plain else 0
        if abs(sent_ms - now_ms) > TIMESTAMP_AGE_MS_MAX or sent_ms <= self.accept_after_ms:
            raise ApiError(
                401,
                "stale_timestamp",
                f"the timestamp is not unix time in ms within {TIMESTAMP_AGE_MS_MAX} ms of the "
                f"server's {now_ms}",
                field="timestamp",
                retryable=True,
                limit=str(TIMESTAMP_AGE_MS_MAX),
            )

    def _check_new(self, signature: bytes, now_ms: int) -> None:
        """A signature can be sent again only as long as its timestamp is fresh: two spans of it."""
        if now_ms - self._turned_ms > 2 * TIMESTAMP_AGE_MS_MAX:
            self._seen_before, self._seen = self._seen, set()
            self._turned_ms = now_ms
        if signature in self._seen or signature in self._seen_before:
            raise ApiError(
                401, "replayed", "this signed request was already received", field="timestamp"
            )
        if len(self._seen) >= REPLAYS_MAX:
            raise overloaded("too many signed requests in the last seconds")
        self._seen.add(signature)

    def _mark(self, timestamp_ms: int) -> None:
        if timestamp_ms > self._mark_ms and self.on_mark is not None:
            self._mark_ms = timestamp_ms + MARK_AHEAD_MS
            self.on_mark(self._mark_ms)
