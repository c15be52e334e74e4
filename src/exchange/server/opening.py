"""What a venue begins with: its instruments, its markets, and who else trades in them.

The recipe names how they came to be in the words of `run_interface.py`, so that a journal can say it.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from exchange.engine.records import LIVE_MARKET, Markets
from exchange.instrument import Instrument
from exchange.server.journal.file import JournalError, JournalFile
from exchange.server.venue import Advance, Venue
from exchange.simulation.presets import new_simulated_markets
from exchange.simulation.recorded.flow import RecordedFlow, new_recorded_markets
from exchange.simulation.step import advance

Recipe = dict[str, Any]


@dataclass(frozen=True)
class Opening:
    """Markets at their beginning; advance: what the participants do; recipe: in plain data."""

    instruments: Sequence[Instrument]
    markets: Markets
    advance: Advance | None
    recipe: Recipe

    def venue(self) -> Venue:
        """A venue of these markets, which it changes in place."""
        if (
            self.advance is not None
        ):  # a first turn may have to be compiled: not while somebody waits
            self.advance(self.markets[:1].copy(), 0, -1)
        return Venue(self.markets, self.instruments, self.advance)

    def heading(self) -> dict[str, Any]:
        """What a journal has to know of it beside the markets."""
        told = [
            {
                "symbol": own.symbol,
                "tick_size": str(own.tick_size),
                "lot_size": str(own.lot_size),
            }
            for own in self.instruments
        ]
        return {"instruments": told, "recipe": self.recipe}


def simulated(
    symbols: Sequence[str], preset: str, seed: int, maker_fee_ppm: int, taker_fee_ppm: int
) -> Opening:
    """One simulated market a symbol, each with its own seed, and its participants.

    Raises ValueError.
    """
    instruments = [Instrument(symbol) for symbol in symbols]
    fees = {"maker_fee_ppm": maker_fee_ppm, "taker_fee_ppm": taker_fee_ppm}
    seeds = range(seed, seed + len(symbols))
    markets = new_simulated_markets(len(symbols), seeds, preset=preset, dtype=LIVE_MARKET, **fees)
    recipe = {"symbols": list(symbols), "preset": preset, "seed": seed, **fees}
    return Opening(instruments, markets, advance, recipe)


def recorded(
    symbol: str,
    replay: Path,
    file_format: str,
    orderbook: Path | None,
    maker_fee_ppm: int,
    taker_fee_ppm: int,
) -> Opening:
    """A market in which a recording trades. Raises ValueError, RecordingError."""
    flow = RecordedFlow.open(replay, file_format, orderbook)
    fees = {"maker_fee_ppm": maker_fee_ppm, "taker_fee_ppm": taker_fee_ppm}
    markets = new_recorded_markets(flow, LIVE_MARKET, **fees)
    files = [path for path in (replay, orderbook) if path is not None]
    recipe = {
        "symbols": [symbol],
        "replay": str(replay.absolute()),
        "format": file_format,
        "orderbook": None if orderbook is None else str(orderbook.absolute()),
        "sha256": [hashlib.sha256(path.read_bytes()).hexdigest() for path in files],
        **fees,
    }
    instrument = Instrument(symbol, flow.tick_size, flow.lot_size)
    return Opening([instrument], markets, flow.advance, recipe)


def reopened(file: JournalFile) -> Opening:
    """The opening of a journal, as it was when the journal began. Raises JournalError."""
    recipe = file.heading["recipe"]
    instruments = [
        Instrument(own["symbol"], Decimal(own["tick_size"]), Decimal(own["lot_size"]))
        for own in file.heading["instruments"]
    ]
    markets = file.opening_markets()
    if "replay" not in recipe:
        source = advance if recipe.get("preset") is not None else None
        return Opening(instruments, markets, source, recipe)
    again = _record_again(recipe)
    if again.recipe["sha256"] != recipe["sha256"]:
        raise JournalError(
            f"the journal {file.path} needs the recording {recipe['replay']} (and its order book) "
            "as it was: the file has changed"
        )
    return Opening(instruments, markets, again.advance, recipe)


def _record_again(recipe: Recipe) -> Opening:
    book = recipe["orderbook"]
    fees = recipe["maker_fee_ppm"], recipe["taker_fee_ppm"]
    replay = Path(recipe["replay"])
    if not replay.exists():
        raise JournalError(f"the journal needs the recording {replay}, which is not there")
    return recorded(
        recipe["symbols"][0], replay, recipe["format"], None if book is None else Path(book), *fees
    )
