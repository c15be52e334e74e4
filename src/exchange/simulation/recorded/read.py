"""A recording from its files, whatever the format."""

from pathlib import Path

from exchange.simulation.recorded.databento import read_databento
from exchange.simulation.recorded.lobster import read_lobster
from exchange.simulation.recorded.messages import Recording, RecordingError
from exchange.simulation.recorded.prepare import prepare
from exchange.simulation.recorded.shanghai import read_shanghai

FORMATS = ("lobster", "databento", "shanghai")


def read_recording(
    messages: str | Path, file_format: str, orderbook: str | Path | None = None
) -> Recording:
    """Read a recording. orderbook: the venue's own book, where it stands in a file of its own.

    Raises RecordingError, with file and line, for what cannot be read or is not of the format.
    """
    path, book = Path(messages), Path(orderbook) if orderbook is not None else None
    if file_format == "lobster":
        return prepare(read_lobster(path, book))
    if file_format == "databento":
        return prepare(read_databento(path, book))
    if file_format != "shanghai":
        raise RecordingError(f"format {file_format!r} is not one of {', '.join(FORMATS)}")
    if book is not None:
        raise RecordingError("a shanghai recording has its book in the same file (S rows)")
    return prepare(read_shanghai(path))
