"""Child processes that do not outlive the one that started them."""

import ctypes
import signal
import sys

DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG of Linux's prctl

_libc = ctypes.CDLL(None) if sys.platform == "linux" else None


def end_with_parent() -> None:
    """To be called in a child process as its first act: SIGTERM when its parent is gone.

    For parents that are killed and cannot end their children themselves. Only Linux knows this;
    elsewhere nothing happens.
    """
    if _libc is not None:
        _libc.prctl(DEATH_SIGNAL, signal.SIGTERM)
