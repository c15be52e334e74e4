"""One WebSocket connection's way out: a bounded outbox that a slow reader cannot make grow.

Frames are written to the transport as they are, since most were built for all readers at once.
The book, of which only the newest state matters, is dropped while the reader is slow, and made good
by a snapshot.
"""

import asyncio
import socket
from collections.abc import Callable

from exchange.server.auth import Caller
from exchange.server.frames import close_frame

SOFT_BYTES = 256 * 1024  # above this in the transport, the book is dropped and the rest waits
HARD_BYTES = 1024 * 1024  # above this waiting, the reader is cut off
SOCKET_BUFFER_BYTES = 256 * 1024  # the kernel's share, else it would hold seconds of old news
SLOW_NS_MAX = 10_000_000_000  # a reader that is slow for so long is cut off
CLOSE_GRACE_S = 3.0  # a reader that does not take the close frame by then is dropped

TOO_SLOW, SERVER_AWAY = 4008, 1001
LOGIN_FAILED, UNREADABLE = 4001, 4000


class Connection:
    """What is to be sent to one client, and what it wants to hear."""

    def __init__(self, transport: asyncio.Transport, number: int) -> None:
        self.transport = transport
        self.number = number
        self.caller: Caller | None = None
        self.cancel_on_disconnect = False
        self.lockstep = False
        self.subscriptions: set[tuple[str, int]] = set()
        self.closing = False
        self.slow_since_ns = 0  # 0: not slow
        self.stale: set[int] = set()  # instruments whose book was dropped
        self._outbox: list[bytes] = []
        self._n_bytes = 0
        own = transport.get_extra_info("socket")
        if own is not None:
            own.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SOCKET_BUFFER_BYTES)

    @property
    def slow(self) -> bool:
        """Whether the reader is behind."""
        return self.slow_since_ns != 0

    @property
    def waiting(self) -> bool:
        """Whether there is something to flush."""
        return bool(self._outbox or self.stale)

    def send(self, frame: bytes) -> None:
        """Queue a frame that must arrive; a reader without room for it is cut off."""
        if self.closing:
            return
        self._outbox.append(frame)
        self._n_bytes += len(frame)
        if self._n_bytes > HARD_BYTES:
            self.close(TOO_SLOW, "too slow")

    def send_book(self, instrument: int, frame: bytes) -> None:
        """Queue a change of the book, unless the reader is slow: then it gets a snapshot later."""
        if self.slow or self.stale:
            self.stale.add(instrument)
        else:
            self.send(frame)

    def flush(self, now_ns: int, snapshot: Callable[[int], bytes]) -> None:
        """Write what waits, if the reader keeps up. now_ns: monotonic."""
        if self.closing or self.transport.is_closing():
            self._outbox.clear()
            self.stale.clear()
            return
        if self.transport.get_write_buffer_size() > SOFT_BYTES:
            self._hold(now_ns)
            return
        self.slow_since_ns = 0
        if self.stale:
            self._outbox.extend(snapshot(instrument) for instrument in sorted(self.stale))
            self.stale.clear()
        if self._outbox:
            self.transport.write(b"".join(self._outbox))
            self._outbox.clear()
            self._n_bytes = 0

    def _hold(self, now_ns: int) -> None:
        self.slow_since_ns = self.slow_since_ns or now_ns
        if now_ns - self.slow_since_ns > SLOW_NS_MAX:
            self.close(TOO_SLOW, "too slow")

    def close(self, code: int, reason: str) -> None:
        """Send what waits (unless too slow for it) and the close frame; the reader has a grace."""
        if self.closing:
            return
        self.closing = True
        if not self.transport.is_closing():
            waiting = b"" if code == TOO_SLOW else b"".join(self._outbox)
            self.transport.write(waiting + close_frame(code, reason))
            asyncio.get_running_loop().call_later(CLOSE_GRACE_S, self.transport.abort)
        self._outbox.clear()
        self.stale.clear()
