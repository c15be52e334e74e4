"""WebSocket connections: the handshake, then every message goes straight from the read to the session.

aiohttp's own WebSocket wakes a task for each message; here a message is answered where it is read.
"""

import asyncio
import base64
import binascii
import hashlib

from aiohttp import web

from exchange.server.connection import Connection
from exchange.server.errors import ApiError, overloaded
from exchange.server.frames import (
    BINARY,
    CLOSE,
    NOT_UTF8,
    PING,
    PING_FRAME,
    TEXT,
    BadFrame,
    FrameReader,
    pong_frame,
)
from exchange.server.service import Exchange
from exchange.server.session import Session

QUIET_S = 15.0  # a client that was silent for two of these is pinged, after a third it is gone
ACCEPT_SUFFIX = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455, 1.3
CLOSED_NORMALLY = 1000


async def serve_socket(exchange: Exchange, request: web.Request) -> web.StreamResponse:
    """One WebSocket connection, from its handshake to its end. Raises ApiError 400, 503."""
    headers = handshake(request)
    if len(exchange.feed.connections) >= exchange.settings.sockets_max:
        raise overloaded("too many WebSocket connections")
    response = web.StreamResponse(status=101, headers=headers)
    await response.prepare(request)
    transport = request.transport
    if transport is None:
        return response
    connection = Connection(transport, exchange.next_connection())
    exchange.feed.connections[connection] = None
    session = Session(exchange, connection)
    inbox = Inbox(session, connection)
    try:
        request.protocol.keep_alive(False)
        request.protocol.set_parser(inbox)  # type: ignore[arg-type]
        transport.set_protocol(inbox)
        await inbox.ended
    finally:
        inbox.stop()
        session.close()
    return response


def handshake(request: web.Request) -> dict[str, str]:
    """The headers that accept a client's upgrade. Raises ApiError 400."""
    headers = request.headers
    upgrades = headers.get("Connection", "").lower().replace(" ", "").split(",")
    if headers.get("Upgrade", "").lower() != "websocket" or "upgrade" not in upgrades:
        raise ApiError(400, "unreadable", "this path takes WebSocket connections")
    key = headers.get("Sec-WebSocket-Key", "")
    try:
        fits = len(base64.b64decode(key, validate=True)) == 16
    except (binascii.Error, ValueError):
        fits = False
    if not fits or headers.get("Sec-WebSocket-Version") != "13":
        raise ApiError(400, "unreadable", "WebSocket version 13 and a key of 16 bytes are needed")
    digest = hashlib.sha1(key.encode() + ACCEPT_SUFFIX).digest()
    return {
        "Upgrade": "websocket",
        "Connection": "upgrade",
        "Sec-WebSocket-Accept": base64.b64encode(digest).decode(),
    }


class Inbox(asyncio.Protocol):
    """What one client sends: the bytes that came with the handshake by aiohttp, then all others.

    The protocol of the connection from then on; of its end aiohttp still has to hear.
    """

    def __init__(self, session: Session, connection: Connection) -> None:
        self.session, self.connection = session, connection
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._frames = FrameReader(self._obey)
        self._before = connection.transport.get_protocol()
        self._heard = False
        self._n_quiet = 0  # periods
        self._timer = asyncio.get_running_loop().call_later(QUIET_S, self._listen)

    def data_received(self, data: bytes) -> None:
        """Obey every message that these bytes complete."""
        self._heard = True
        try:
            self._frames.read(data)
        except BadFrame as error:
            self.connection.close(error.code, error.reason)

    def connection_lost(self, exc: Exception | None) -> None:
        """The end: aiohttp puts its own things in order, and calls `feed_eof`."""
        self._before.connection_lost(exc)

    # As aiohttp calls a parser.

    def feed_data(self, data: bytes) -> tuple[bool, bytes]:
        """Bytes that came before the answer to the handshake."""
        self.data_received(data)
        return False, b""

    def feed_eof(self) -> None:
        """The connection is lost."""
        if not self.ended.done():
            self.ended.set_result(None)

    def stop(self) -> None:
        """No more pings."""
        self._timer.cancel()

    def _obey(self, kind: int, payload: bytes) -> None:
        if kind == CLOSE:
            self._close()
        elif self.connection.closing:
            return  # whoever has been told goodbye gets no more answers, so nothing is obeyed either
        elif kind == TEXT:
            try:
                text = payload.decode()
            except UnicodeDecodeError:
                raise BadFrame(NOT_UTF8, "text is not UTF-8") from None
            self.session.receive(text)
        elif kind == BINARY:
            self.session.refuse_binary()
        elif kind == PING:
            self.connection.send(pong_frame(payload))

    def _close(self) -> None:
        """The client's goodbye, or its answer to ours."""
        self.connection.close(CLOSED_NORMALLY, "")
        self.connection.transport.close()

    def _listen(self) -> None:
        """Ping a silent client; hang up when that is not answered either."""
        self._n_quiet = 0 if self._heard else self._n_quiet + 1
        self._heard = False
        if self._n_quiet == 2:
            self.connection.transport.write(PING_FRAME)
        if self._n_quiet > 2:
            self.connection.transport.abort()
            return
        self._timer = asyncio.get_running_loop().call_later(QUIET_S, self._listen)
