"""Ctrl-C as a wish, not an exception: long work ends where it can be saved."""

import signal
import threading
from typing import Any


class Interrupt:
    """While it is entered, the first Ctrl-C sets `requested`; a second one is a KeyboardInterrupt.

    A KeyboardInterrupt is raised wherever the program is, and a library's callback may swallow it.
    """

    def __init__(self) -> None:
        self.requested = False
        self._before: Any = None

    def __enter__(self) -> "Interrupt":
        if threading.current_thread() is threading.main_thread():
            self._before = signal.signal(signal.SIGINT, self._request)
        return self

    def __exit__(self, *_: object) -> None:
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)

    def _request(self, *_: object) -> None:
        if self.requested:
            raise KeyboardInterrupt
        self.requested = True
