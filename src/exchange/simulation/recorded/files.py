"""Reading recorded files: plain, .gz or .xz, bounded in size, errors with file and line."""

import gzip
import lzma
import re
from collections.abc import Sequence
from pathlib import Path
from typing import IO

import numpy as np

from exchange.simulation.recorded.messages import N_MESSAGES_MAX, Array, RecordingError

N_BYTES_MAX = 4 * 2**30  # of one file, decompressed


def read_lines(path: Path) -> list[bytes]:
    """The lines of a file, without the empty ones at its end. Raises RecordingError."""
    try:
        with _open(path) as file:
            content = file.read(N_BYTES_MAX + 1)
    except (OSError, EOFError, lzma.LZMAError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise RecordingError(f"{path}: cannot be read: {reason}") from None
    if len(content) > N_BYTES_MAX:
        raise RecordingError(f"{path}: more than {N_BYTES_MAX} bytes")
    lines = content.rstrip().splitlines()
    if not lines:
        raise RecordingError(f"{path}: is empty")
    if len(lines) > N_MESSAGES_MAX:
        raise RecordingError(f"{path}: more than {N_MESSAGES_MAX} lines")
    return lines


def _open(path: Path) -> IO[bytes] | gzip.GzipFile:
    if path.suffix == ".gz":
        return gzip.open(path, "rb")
    if path.suffix == ".xz":
        return lzma.open(path, "rb")
    return path.open("rb")


def read_numbers(
    path: Path,
    lines: Sequence[bytes],
    n_columns: int,
    columns: Sequence[int] | None = None,
    line_numbers: Array | None = None,
    dtype: type = np.float64,
) -> Array:
    """Numbers of comma-separated lines, (len(lines), n_columns or len(columns)).

    columns: only these of them. line_numbers: where the lines stand in the file, 1, 2, ... if not
    given.
    """
    if not lines:
        return np.zeros((0, n_columns if columns is None else len(columns)), dtype)
    check_columns(path, lines, n_columns, line_numbers)
    text = b"\n".join(lines).decode("latin-1").split("\n")
    try:
        return np.loadtxt(text, dtype, delimiter=",", comments=None, usecols=columns, ndmin=2)
    except ValueError as error:
        row = re.search(r"at row (\d+)", str(error))
        line = int(row[1]) if row else 0
        raise bad_line(path, line, lines[line], "is not all numbers", line_numbers) from None


def check_columns(
    path: Path, lines: Sequence[bytes], n_columns: int, line_numbers: Array | None = None
) -> None:
    """Raise RecordingError for the first line that has not `n_columns` columns."""
    counts = np.fromiter((line.count(b",") for line in lines), np.int64, len(lines)) + 1
    wrong = np.flatnonzero(counts != n_columns)
    if len(wrong):
        row = int(wrong[0])
        raise bad_line(
            path, row, lines[row], f"has {counts[row]} columns, not {n_columns}", line_numbers
        )


def bad_line(
    path: Path, row: int, line: bytes, problem: str, line_numbers: Array | None = None
) -> RecordingError:
    """The error for the row-th of some lines."""
    number = row + 1 if line_numbers is None else int(line_numbers[row])
    shown = line[:80].decode("latin-1")
    return RecordingError(f"{path}, line {number}: {problem}: {shown!r}")


def whole(
    path: Path, values: Array, unit: float, low: int, high: int, what: str, lines: Array
) -> Array:
    """values / unit as int64, each within low .. high. lines: of the file, for the error."""
    scaled = values / unit
    rounded = np.rint(scaled)
    wrong = np.flatnonzero(
        ~((rounded >= low) & (rounded <= high)) | (np.abs(scaled - rounded) > 1e-6)
    )
    if len(wrong):
        row = int(wrong[0])
        raise RecordingError(
            f"{path}, line {lines[row]}: {what} {values[row]:.12g} is not a multiple of "
            f"{unit:.12g} within {low} .. {high} of it"
        )
    return rounded.astype(np.int64)
