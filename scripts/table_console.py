"""Where scripts print their tables: as wide as the terminal, or wide enough for a file or a pipe."""

import sys

from rich.console import Console

PLAIN_WIDTH = 160


def table_console(*, stderr: bool = False) -> Console:
    """A console on standard output or error whose tables are not cut where no terminal is."""
    stream = sys.stderr if stderr else sys.stdout
    return Console(stderr=stderr, width=None if stream.isatty() else PLAIN_WIDTH)
