"""A real exchange on a real port inside the test's own process, so that its markets can be read."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from exchange.engine.records import TRAINING_MARKET
from exchange.instrument import Instrument
from exchange.keys import AccountKey
from exchange.server.app import Server
from exchange.server.service import Exchange
from exchange.server.settings import Settings
from exchange.server.venue import Venue
from exchange.simulation.presets import new_simulated_markets
from exchange.simulation.step import advance
from strategies.client import ExchangeClient

HOST = "127.0.0.1"


@dataclass
class LiveExchange:
    """The running exchange, where it listens and the keys of its traders."""

    exchange: Exchange
    server: Server
    port: int
    accounts: list[AccountKey]

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"

    def client(self, row: int = 0, url: str | None = None, **options: Any) -> ExchangeClient:
        """A client for one of the accounts, not yet connected."""
        own = self.accounts[row]
        return ExchangeClient(url or self.url, own.key, own.secret, **options)


@asynccontextmanager
async def live_exchange(
    settings: Settings | None = None,
    *,
    preset: str = "default",
    symbols: Sequence[str] = ("SIM",),
    n_accounts: int = 3,
    seed: int = 7,
    port: int = 0,
    **overrides: Any,
) -> AsyncIterator[LiveExchange]:
    """An exchange with small markets; settings and parameters as for a real one."""
    seeds = range(seed, seed + len(symbols))
    markets = new_simulated_markets(
        len(symbols), seeds, preset=preset, dtype=TRAINING_MARKET, **overrides
    )
    instruments = [Instrument(symbol) for symbol in symbols]
    exchange = Exchange(Venue(markets, instruments, advance), settings or Settings())
    accounts = [exchange.open_account(f"demo{n + 1}", True) for n in range(n_accounts)]
    server = Server(exchange)
    port = await server.start(HOST, port)
    try:
        yield LiveExchange(exchange, server, port, accounts)
    finally:
        await server.stop()
    if server.failed is not None:
        raise server.failed
