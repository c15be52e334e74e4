"""All that a client knows of one market; the client fills it, strategies and reports read it."""

import asyncio
from decimal import Decimal

from exchange.instrument import Instrument
from strategies.blotter import Blotter
from strategies.book import ClientBook, new_depth
from strategies.wire import Json


class Desk:
    """One market: its book, the own orders and account there, the lockstep step it stands at.

    `changed` is set whenever something is new.
    """

    def __init__(self, description: Json) -> None:
        self.instrument = Instrument(
            description["symbol"],
            Decimal(description["tick_size"]),
            Decimal(description["lot_size"]),
        )
        self.symbol = self.instrument.symbol
        self.step_ns = int(description["step_ns"])
        self.book = ClientBook(self.instrument)
        self.blotter = Blotter(self.instrument)
        self.depth = new_depth()
        self.fills_from = -1  # the account was first looked at after this fill; -1: not yet
        self.n_broken = 0  # broken book messages one after another
        self.step = -1  # the newest complete lockstep step
        self.n_steps_told = 0  # a step is told again on a new connection: it wants an answer again
        self.changed = asyncio.Event()
