"""REST routes and the WebSocket on aiohttp, and a server with an orderly end."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import cast

from aiohttp import web

from exchange.messages.answers import Hello
from exchange.server.connection import SERVER_AWAY
from exchange.server.errors import ApiError, overloaded, unreadable
from exchange.server.lane import AIOHTTP_TELLS, Lane, Outbox
from exchange.server.openapi import openapi
from exchange.server.page import add_page
from exchange.server.rest import BODY_BYTES_MAX, Reply, Request, error_reply, respond
from exchange.server.routes import ROUTES, Route
from exchange.server.service import Exchange
from exchange.server.sockets import serve_socket
from exchange.version import VERSION

CLOSING_S = 2.0  # the time that clients have to take the close frame
REFUSED_S, REFUSED_MAX = 1.0, 1_000  # how long, and how many, refused connections stay half open
JSON_HEADERS = {"Content-Type": "application/json"}
EXCHANGE = web.AppKey("exchange", Exchange)
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def new_app(exchange: Exchange) -> web.Application:
    """The web application of one exchange."""
    app = web.Application(middlewares=[answer_errors], client_max_size=BODY_BYTES_MAX)
    app[EXCHANGE] = exchange
    add_page(app)
    app.router.add_get("/hello", get_hello)
    app.router.add_get("/v1/openapi.json", _openapi_handler())
    app.router.add_get("/v1/ws", get_socket)
    for route in ROUTES:
        app.router.add_route(route.method, route.path, _handler(exchange, route))
    return app


async def get_hello(_request: web.Request) -> web.Response:
    """The cheapest answer there is."""
    return web.Response(body=HELLO, headers=JSON_HEADERS)


HELLO = Hello(hello="onebook", version=VERSION).model_dump_json().encode()


def _openapi_handler() -> Handler:
    described = web.json_response(openapi(ROUTES)).body

    async def get_openapi(_request: web.Request) -> web.Response:
        return web.Response(body=described, headers=JSON_HEADERS)

    return get_openapi


# --- REST -----------------------------------------------------------------------------------------


@web.middleware
async def answer_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Every error in the form that docs/PROTOCOL.md gives it."""
    try:
        return await handler(request)
    except ApiError as error:
        return _as_response(error_reply(error))
    except web.HTTPException as error:
        if error.status < 400:
            raise
        return _as_response(error_reply(_http_error(error)))


def _as_response(reply: Reply) -> web.Response:
    headers = dict(JSON_HEADERS)
    if reply.retry_after is not None:
        headers["Retry-After"] = reply.retry_after
    return web.Response(body=reply.body, status=reply.status, headers=headers)


def _http_error(error: web.HTTPException) -> ApiError:
    """What aiohttp itself refuses."""
    words = {
        404: ("unknown_path", "there is nothing at this path; see /v1/openapi.json"),
        405: ("method_not_allowed", "this path does not take this method"),
        413: ("body_too_large", f"a body has at most {BODY_BYTES_MAX} bytes"),
    }
    code, message = words.get(error.status, ("refused", error.reason))
    limit = str(BODY_BYTES_MAX) if error.status == 413 else None
    return ApiError(error.status, code, message, limit=limit)


def _handler(exchange: Exchange, route: Route) -> Handler:
    """What aiohttp calls for a route."""

    async def handle(request: web.Request) -> web.Response:
        asked = Request(
            request.method,
            request.raw_path,
            request.headers,
            await request.read(),
            request.match_info.get("order_id", ""),
            _query(request),
        )
        reply = respond(exchange, route, asked)
        await exchange.committed()
        return _as_response(reply)

    return handle


def _query(request: web.Request) -> dict[str, str]:
    if len(request.query) != len(set(request.query)):
        raise unreadable("a query parameter stands twice")
    return dict(request.query)


async def get_socket(request: web.Request) -> web.StreamResponse:
    """One WebSocket connection."""
    return await serve_socket(request.app[EXCHANGE], request)


# --- the server -----------------------------------------------------------------------------------


class Server:
    """One exchange listening on one port, and the task that lets its time pass."""

    def __init__(self, exchange: Exchange) -> None:
        self.exchange = exchange
        self.failed: BaseException | None = None  # why time stopped, if it did
        self.stopping = asyncio.Event()
        self._runner = web.AppRunner(
            new_app(exchange), access_log=None, handle_signals=False, shutdown_timeout=CLOSING_S
        )
        self._outbox = Outbox(exchange.commit)
        self._refused: set[asyncio.Transport] = set()
        self._listener: asyncio.Server | None = None
        self._pacer: asyncio.Task[None] | None = None

    async def start(self, host: str, port: int) -> int:
        """Listen and let time pass; returns the port. Raises OSError when it cannot listen."""
        await self._runner.setup()
        assert self._runner.server is not None
        self._listener = await asyncio.get_running_loop().create_server(
            self._new_protocol, host, port, backlog=1024, reuse_address=True
        )
        self._pacer = asyncio.create_task(self._pace())
        self._pacer.add_done_callback(self._pacer_ended)
        return int(self._listener.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        """Take no more connections, tell those there are, let time stop."""
        if self._listener is not None:
            self._listener.close()
        if self._pacer is not None:
            self._pacer.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.wait([self._pacer])
        self.exchange.say_goodbye()
        for connection in list(self.exchange.feed.connections):
            connection.close(SERVER_AWAY, "server going away")
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._all_gone(), CLOSING_S)
        for connection in list(self.exchange.feed.connections):
            connection.transport.abort()
        for refused in list(self._refused):
            refused.abort()
        await self._runner.cleanup()

    async def _all_gone(self) -> None:
        while self.exchange.feed.connections:
            await asyncio.sleep(0.01)

    async def _pace(self) -> None:
        period_s = self.exchange.tick_ns / 1e9
        while True:
            await asyncio.sleep(period_s)
            self.exchange.tick()

    def _pacer_ended(self, task: asyncio.Task[None]) -> None:
        """Without time there is no market: end the process, loudly."""
        if not task.cancelled() and task.exception() is not None:
            self.failed = task.exception()
            self.stopping.set()

    def _new_protocol(self) -> asyncio.BaseProtocol:
        server = self._runner.server
        assert server is not None
        if len(server.connections) >= self.exchange.settings.connections_max:
            return _Refuse(self._refused)
        handler = server()
        return Lane(self.exchange, handler, self._outbox) if AIOHTTP_TELLS else handler


class _Refuse(asyncio.Protocol):
    """Too many connections: says so and hangs up.

    What the client sends is thrown away until it has hung up too, for REFUSED_S at most: to close on
    bytes that nobody has read resets the connection, and with it the answer may be lost.
    """

    def __init__(self, refused: set[asyncio.Transport]) -> None:
        self._refused = refused
        self._end: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Answer before anything is asked."""
        out = self._out = cast(asyncio.Transport, transport)
        if len(self._refused) >= REFUSED_MAX:
            return out.abort()
        self._refused.add(out)
        body = overloaded("too many connections").answer.model_dump_json()
        out.write(
            b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\n"
            b"Connection: close\r\nRetry-After: 1\r\n"
            + f"Content-Length: {len(body)}\r\n\r\n{body}".encode()
        )
        out.write_eof()
        self._end = asyncio.get_running_loop().call_later(REFUSED_S, out.abort)

    def connection_lost(self, _error: Exception | None) -> None:
        """Gone, by itself or because its time is over."""
        self._refused.discard(self._out)
        if self._end is not None:
            self._end.cancel()
