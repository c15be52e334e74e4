"""The short way in for REST: a whole, plain request of a known route is answered where it is read.

aiohttp gives every request a task, a stream for its body and a dozen objects; an order needs none of
them. Whatever is not plain goes to aiohttp untouched: `docs/ARCHITECTURE.md` says what that is. The
answers are the same bytes either way.
"""

import asyncio
import re
from collections.abc import Callable
from email.utils import formatdate
from functools import lru_cache
from http import HTTPStatus
from typing import cast

from aiohttp.http import SERVER_SOFTWARE
from aiohttp.web import RequestHandler

from exchange.server.rest import BODY_BYTES_MAX, Reply, Request, find_route, respond
from exchange.server.service import Exchange

HEAD_BYTES_MAX = 8_000
HEAD = re.compile(
    rb"(GET|POST|PUT|DELETE) (/[!->@-~]*) HTTP/1\.1\r\n"  # no query
    rb"((?:[A-Za-z0-9-]+: [!-~](?:[ -~]*[!-~])?\r\n)+)\r\n"
)
# What says how a body is sent, or asks something of the connection, is for aiohttp.
UNUSUAL = frozenset(
    {"transfer-encoding", "content-encoding", "connection", "upgrade", "expect", "te", "trailer"}
)
QUIET_S_MAX = 1_800.0  # aiohttp closes connections that it has not heard of for twice as long
# Whether aiohttp is idle is read from a private attribute; without it every request goes through aiohttp.
AIOHTTP_TELLS = hasattr(RequestHandler, "_waiter")
MORE = object()  # the request is plain so far, but not whole yet


class Outbox:
    """Answers that wait until the requests at hand are all read: to write each at once costs more.

    A write wakes the client's process, and whoever is woken sixteen times in a row does less.
    """

    def __init__(self, commit: Callable[[], None]) -> None:
        """commit: what has to be done before anything is told."""
        self._commit = commit
        self._answers: list[tuple[asyncio.Transport, bytes]] = []

    def post(self, transport: asyncio.Transport, answer: bytes) -> None:
        """Write this before the loop turns."""
        if not self._answers:
            asyncio.get_running_loop().call_soon(self._flush)
        self._answers.append((transport, answer))

    def _flush(self) -> None:
        self._commit()
        for transport, answer in self._answers:
            if not transport.is_closing():
                transport.write(answer)
        self._answers.clear()


class Lane(asyncio.Protocol):
    """One connection: plain requests are answered here, all else is handed on to aiohttp.

    After the first bytes that are not whole plain requests the connection is aiohttp's for good, as
    only its parser knows then where the next request begins.
    """

    def __init__(self, exchange: Exchange, handler: RequestHandler, outbox: Outbox) -> None:
        self._exchange, self._handler, self._outbox = exchange, handler, outbox
        self._transport: asyncio.Transport | None = None
        self._held = b""  # the beginning of a plain request
        self._given_away = False
        self._writing = True  # False: the client reads too slowly
        self._handed_s = 0.0  # when aiohttp last heard of this connection, loop time
        self._time_s: Callable[[], float] = asyncio.get_running_loop().time

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._transport = cast(asyncio.Transport, transport)
        self._handed_s = self._time_s()
        self._handler.connection_made(transport)

    def data_received(self, data: bytes) -> None:
        """Answer, or hand on."""
        if self._given_away:
            self._handler.data_received(data)
            return
        if self._held:
            data, self._held = self._held + data, b""
        request = read_request(data)
        if request is MORE:
            self._held = data
        elif request is None:
            self._given_away = True
            self._hand_on(data)
        else:
            self._answer(cast(Request, request), data)

    def eof_received(self) -> None:
        """The client sends no more; a request it has not finished is for aiohttp to judge."""
        self._release()
        self._handler.eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        """The end."""
        self._held = b""
        self._handler.connection_lost(exc)

    def pause_writing(self) -> None:
        """The client reads too slowly: aiohttp waits for it, the lane does not."""
        self._writing = False
        self._handler.pause_writing()

    def resume_writing(self) -> None:
        """The client has read."""
        self._writing = True
        self._handler.resume_writing()

    # --- parts ------------------------------------------------------------------------------------

    def _answer(self, request: Request, data: bytes) -> None:
        route, order_id = find_route(request.method, request.path)
        if route is None or not self._free():
            self._hand_on(data)
            return
        if order_id:
            request = request._replace(order_id=order_id)
        assert self._transport is not None
        reply = respond(self._exchange, route, request)
        self._outbox.post(self._transport, http_answer(reply, self._time_s()))

    def _free(self) -> bool:
        """Whether aiohttp owes this connection nothing and need not hear of it again."""
        waiter = self._handler._waiter
        idle = waiter is not None and not waiter.done()
        return idle and self._writing and self._time_s() - self._handed_s < QUIET_S_MAX

    def _hand_on(self, data: bytes) -> None:
        self._handed_s = self._time_s()
        self._handler.data_received(data)

    def _release(self) -> None:
        if self._held:
            self._given_away = True
            data, self._held = self._held, b""
            self._hand_on(data)


def read_request(data: bytes) -> Request | object | None:
    """The one plain request that these bytes are; MORE when its end is missing, None for others."""
    end = data.find(b"\r\n\r\n") + 4
    if end < 4 or end > HEAD_BYTES_MAX:
        return None
    found = HEAD.fullmatch(data, 0, end)
    if found is None:
        return None
    method, path, lines = found[1].decode(), found[2].decode(), found[3].decode()
    pairs = [line.split(": ", 1) for line in lines[:-2].split("\r\n")]
    headers = {name.lower(): value for name, value in pairs}
    if len(headers) != len(pairs) or "host" not in headers or not UNUSUAL.isdisjoint(headers):
        return None
    missing = _body_length(method, headers) - (len(data) - end)
    if missing > 0:
        return MORE
    return Request(method, path, headers, data[end:]) if missing == 0 else None


def _body_length(method: str, headers: dict[str, str]) -> int:
    """Bytes of the body; negative when they are not said plainly."""
    length = headers.get("content-length")
    if length is None:
        return 0 if method in ("GET", "DELETE") else -1
    if not (length.isdigit() and len(length) <= 5 and int(length) <= BODY_BYTES_MAX):
        return -1
    return int(length)


def http_answer(reply: Reply, now_s: float) -> bytes:
    """The reply as aiohttp would send it."""
    status, body, retry_after = reply
    more = "" if retry_after is None else f"Retry-After: {retry_after}\r\n"
    head = f"{_status_lines(status)}{more}Content-Length: {len(body)}\r\n{_date_lines(int(now_s))}"
    return head.encode() + body


@lru_cache
def _status_lines(status: int) -> str:
    return f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\nContent-Type: application/json\r\n"


@lru_cache(maxsize=1)
def _date_lines(_now_s: int) -> str:
    """The same for a second."""
    return f"Date: {formatdate(usegmt=True)}\r\nServer: {SERVER_SOFTWARE}\r\n\r\n"
