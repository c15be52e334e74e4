"""Say why nothing is seen yet: the first start compiles the rules."""

import contextlib
import sys
import threading
from collections.abc import Callable, Iterator

PATIENCE_S = 3.0  # a start that takes longer says why
COMPILING = "Still starting: the first start compiles the rules, a minute or two ..."


@contextlib.contextmanager
def patience(quiet: bool = False) -> Iterator[Callable[[], None]]:
    """Print COMPILING to stderr unless the block has ended, or what it is given been called, by then."""
    waiting = threading.Timer(PATIENCE_S, print, [COMPILING], {"file": sys.stderr, "flush": True})
    waiting.daemon = True
    if not quiet:
        waiting.start()
    try:
        yield waiting.cancel
    finally:
        waiting.cancel()
