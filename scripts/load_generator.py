"""Raw clients for `bench_server.py`: HTTP and WebSocket spoken directly, at little cost."""

import asyncio
import hashlib
import hmac
import time
from collections.abc import Callable
from typing import cast

from exchange.keys import AccountKey

UPGRADE = (
    b"GET /v1/ws HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
TIME_NS = b'"time_ns":'


class Signer:
    """Signs as docs/PROTOCOL.md says; a timestamp is used once by each account."""

    def __init__(self, key: AccountKey) -> None:
        self.key, self.secret = key.key, key.secret.encode()
        self.last_ms = 0

    def sign(self, signed: bytes) -> tuple[str, str]:
        """Timestamp and signature."""
        self.last_ms = max(self.last_ms + 1, time.time_ns() // 1_000_000)
        stamp = str(self.last_ms)
        return stamp, hmac.new(self.secret, stamp.encode() + signed, hashlib.sha256).hexdigest()


class Client(asyncio.Protocol):
    """A connection whose received bytes gather in `buffer` until a subclass takes them."""

    def __init__(self) -> None:
        self.buffer = b""
        self.transport: asyncio.Transport | None = None
        self.arrived = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the way out."""
        self.transport = cast(asyncio.Transport, transport)

    def write(self, data: bytes) -> None:
        """Send."""
        assert self.transport is not None
        self.transport.write(data)

    def data_received(self, data: bytes) -> None:
        """Gather; for handshakes."""
        self.buffer += data
        self.arrived.set()

    async def handshake(self, request: bytes, wanted: bytes) -> None:
        """Send, and wait until an answer has this in it; then forget the answer."""
        self.write(request)
        while wanted not in self.buffer:
            self.arrived.clear()
            await asyncio.wait_for(self.arrived.wait(), 20)
        self.buffer = b""


class Pinger(Client):
    """Sends a request, waits for its answer, sends the next."""

    def __init__(self, requests: Callable[[], bytes], is_whole: Callable[[bytes], bool]) -> None:
        super().__init__()
        self.requests, self.is_whole = requests, is_whole
        self.count = 0
        self.running = False

    def go(self) -> None:
        """Send the first request."""
        self.running = True
        self.write(self.requests())

    def data_received(self, data: bytes) -> None:
        """Count an answer, send the next request."""
        if not self.running:
            super().data_received(data)
            return
        self.buffer = self.buffer + data if self.buffer else data
        if self.is_whole(self.buffer):
            self.count += 1
            self.buffer = b""
            self.write(self.requests())


class Reader(Client):
    """Counts the frames it is sent; one that `times` them notes how long each was on its way."""

    def __init__(self, times: list[int] | None) -> None:
        super().__init__()
        self.times = times
        self.count = 0
        self.reading = False

    def data_received(self, data: bytes) -> None:
        """Walk the frames; a part of one waits for the rest."""
        if not self.reading:
            super().data_received(data)
            return
        data = self.buffer + data if self.buffer else data
        now_ns = time.monotonic_ns()
        place, end = 0, len(data)
        while end - place >= 4:
            length = data[place + 1]
            start = place + 2
            if length == 126:
                length = data[place + 2] << 8 | data[place + 3]
                start = place + 4
            if start + length > end:
                break
            if self.times is not None:
                stamp = data.index(TIME_NS, start) + len(TIME_NS)
                self.times.append(now_ns - int(data[stamp : data.index(b",", stamp)]))
            self.count += 1
            place = start + length
        self.buffer = data[place:]


def whole_http(data: bytes) -> bool:
    """Whether an answer is complete; anything but success is the end of the measurement."""
    head, separator, body = data.partition(b"\r\n\r\n")
    if not separator:
        return False
    assert head.startswith((b"HTTP/1.1 200", b"HTTP/1.1 201")), data[:400]
    length = int(head.lower().split(b"content-length: ", 1)[1].split(b"\r\n", 1)[0])
    return len(body) >= length


def whole_frame(data: bytes) -> bool:
    """Whether a WebSocket frame is complete; an error in it is the end of the measurement."""
    if len(data) < 4 or len(data) < 4 + int.from_bytes(data[2:4], "big"):
        return False
    assert b'"result"' in data, data[:400]
    return True


def client_frame(payload: bytes) -> bytes:
    """A masked text frame; its mask is all zeros, which leaves the payload as it is."""
    length = len(payload)
    if length < 126:
        return bytes((0x81, 0x80 | length)) + bytes(4) + payload
    return b"\x81\xfe" + length.to_bytes(2, "big") + bytes(4) + payload
