"""A REST request becomes a reply: who asks, by which route, and what it says. Reads no socket.

Both ways in, aiohttp's handlers in `app` and the shorter one in `lane`, end here.
"""

import logging
from collections.abc import Mapping
from typing import NamedTuple

from pydantic import ValidationError

from exchange.server.auth import Caller
from exchange.server.errors import ApiError, unreadable
from exchange.server.reading import complaint
from exchange.server.routes import ROUTES, Route
from exchange.server.service import Exchange

BODY_BYTES_MAX = 64 * 1024
NOTHING: Mapping[str, str] = {}


class Request(NamedTuple):
    """One request; path as it was sent, query included. Names of headers are in lower case."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    order_id: str = ""  # from the path, where it names one
    query: Mapping[str, str] = NOTHING


class Reply(NamedTuple):
    """What is sent back, as JSON."""

    status: int
    body: bytes
    retry_after: str | None = None


def respond(exchange: Exchange, route: Route, request: Request) -> Reply:
    """Ask the exchange; every error in the form that docs/PROTOCOL.md gives it."""
    try:
        return Reply(route.status, _ask(exchange, route, request))
    except ApiError as error:
        return error_reply(error)
    except ValidationError as error:
        return error_reply(complaint(error))
    except Exception:  # a fault of ours: the client gets an answer, the operator the traceback
        logging.getLogger(__name__).exception("%s %s failed", request.method, route.path)
        return error_reply(
            ApiError(500, "internal_error", "the exchange failed at this; see its log")
        )


def error_reply(error: ApiError) -> Reply:
    """An ApiError as it is sent."""
    wait_s = error.retry_after_s
    retry_after = None if wait_s is None else str(max(round(wait_s), 1))
    return Reply(error.status, error.answer.model_dump_json().encode(), retry_after)


def _ask(exchange: Exchange, route: Route, request: Request) -> bytes:
    arguments: list[object] = []
    if route.who != "anybody":
        caller = _authenticate(exchange, route, request)
        if route.command:
            caller.rate.take(1)
        arguments.append(caller)
    if route.has_order_id:
        arguments.append(_order_id(request.order_id))
    if route.query is not None:
        arguments.append(route.query.model_validate(request.query))
    elif "?" in request.path:
        raise unreadable("this path takes no query")
    if route.body is not None:
        arguments.append(route.body.model_validate_json(request.body))
    answer = route.handler(exchange, *arguments)
    if route.command:
        exchange.after_command()
    if isinstance(answer, bytes):
        return answer
    return (answer if isinstance(answer, str) else answer.model_dump_json()).encode()


def _authenticate(exchange: Exchange, route: Route, request: Request) -> Caller:
    headers = request.headers
    key, timestamp = headers.get("x-api-key"), headers.get("x-timestamp")
    signature = headers.get("x-signature")
    if key is None or timestamp is None or signature is None:
        raise ApiError(
            401, "unauthenticated", "send X-API-KEY, X-TIMESTAMP and X-SIGNATURE with this request"
        )
    signed = f"{request.method}{request.path}".encode(errors="surrogateescape") + request.body
    caller = exchange.keys.check(key, timestamp, signature, signed, exchange.unix_ms())
    if caller.role != route.who:
        raise ApiError(403, "forbidden", f"this is for the role {route.who!r}")
    return caller


def _order_id(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 16):
        raise unreadable("an order id is a whole number", "order_id")
    return int(text)


# Which route a method and a path without a query lead to; an order id stands as {order_id}.
BY_PATH: dict[tuple[str, str], Route] = {(route.method, route.path): route for route in ROUTES}


def find_route(method: str, path: str) -> tuple[Route | None, str]:
    """The route of a plain path, and the order id in it if there is one."""
    route = BY_PATH.get((method, path))
    if route is not None:
        return route, ""
    folder, _, last = path.rpartition("/")
    return BY_PATH.get((method, folder + "/{order_id}")) if last.isdigit() else None, last
