"""REST calls to the exchange, signed when there is a key. Keys and secrets are never printed."""

import json
import time
from typing import Any
from urllib.parse import urlencode

import aiohttp

from strategies.errors import Unreachable, Unreadable, refusal
from strategies.wire import Json, sign

REPLY_TIMEOUT_S = 5.0


class RestClient:
    """One account's REST calls; without a key only public ones are answered."""

    def __init__(self, url: str, key: str | None = None, secret: str | None = None) -> None:
        self.url = url.rstrip("/")
        self._key, self._secret = key, secret
        self._http: aiohttp.ClientSession | None = None
        self._timestamp_ms = 0

    def __repr__(self) -> str:
        return f"RestClient({self.url!r})"

    async def open(self) -> None:
        """Get ready to call; needs a running event loop."""
        self._http = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=REPLY_TIMEOUT_S))

    async def close(self) -> None:
        """Close the connections."""
        if self._http is not None:
            await self._http.close()

    @property
    def has_key(self) -> bool:
        """Whether private calls can be signed."""
        return self._key is not None and self._secret is not None

    async def request(
        self, method: str, path: str, query: Json | None = None, body: Json | None = None
    ) -> Any:
        """One call; the answer's JSON. Raises Refused, Unreachable, Unreadable."""
        assert self._http is not None, "use the client in `async with`"
        if query:
            path += "?" + urlencode(query)
        raw = b"" if body is None else json.dumps(body).encode()
        headers = self._signed_headers(method, path, raw)
        try:
            async with self._http.request(
                method, self.url + path, data=raw or None, headers=headers
            ) as response:
                text, status = await response.read(), response.status
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            what = str(error) or type(error).__name__
            raise Unreachable(f"no answer from {self.url}: {what}") from error
        return _answer(status, text)

    def login_fields(self) -> Json:
        """Key, timestamp and signature of a WebSocket login."""
        assert self._key is not None, "a login needs a key"
        assert self._secret is not None, "a login needs a secret"
        timestamp = self._timestamp()
        signature = sign(self._secret, timestamp, "GET", "/v1/ws")
        return {"key": self._key, "timestamp": timestamp, "signature": signature}

    def _signed_headers(self, method: str, path: str, raw: bytes) -> dict[str, str]:
        headers = {"Content-Type": "application/json"} if raw else {}
        if self._key is not None and self._secret is not None:
            timestamp = self._timestamp()
            headers["X-API-KEY"] = self._key
            headers["X-TIMESTAMP"] = timestamp
            headers["X-SIGNATURE"] = sign(self._secret, timestamp, method, path, raw)
        return headers

    def _timestamp(self) -> str:
        """Unix time in milliseconds, never twice the same: a signature is accepted once."""
        self._timestamp_ms = max(time.time_ns() // 1_000_000, self._timestamp_ms + 1)
        return str(self._timestamp_ms)


def _answer(status: int, text: bytes) -> Any:
    try:
        answer = json.loads(text)
        if status < 400:
            return answer
        error = refusal(answer["error"])
    except (ValueError, KeyError, TypeError, AttributeError) as problem:
        raise Unreadable(f"status {status} with an answer that is not understood") from problem
    raise error
