"""Ctrl-C in long work: a wish that is granted where the work can be saved, and no worker left over."""

import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import active_children, get_context, parent_process
from typing import Any

from exchange.offspring import end_with_parent

SIGNALS = signal.SIGINT, signal.SIGTERM  # Ctrl-C; what a machine that takes itself back sends


class Interrupt:
    """While it is entered, the first Ctrl-C or SIGTERM sets `requested`; a second one is a
    KeyboardInterrupt.

    A KeyboardInterrupt is raised wherever the program is, and a library's callback may swallow it.
    In a child process nothing changes: its parent decides, and ends it by SIGTERM.
    """

    def __init__(self) -> None:
        self.requested = False
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> "Interrupt":
        if threading.current_thread() is threading.main_thread() and parent_process() is None:
            self._before = {number: signal.signal(number, self._request) for number in SIGNALS}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            if handler is not None:  # one that Python did not install cannot be put back
                signal.signal(number, handler)

    def _request(self, *_: object) -> None:
        if self.requested:
            raise KeyboardInterrupt
        self.requested = True


@contextmanager
def spread_over(n_processes: int) -> Iterator[Callable[..., Any]]:
    """A `map(function, arguments)` over processes, or in this one.

    Ctrl-C is a KeyboardInterrupt here alone; whatever ends the block early ends the workers at once.
    """
    if n_processes == 1:
        yield map
        return
    others = active_children()
    pool = ProcessPoolExecutor(n_processes, get_context("spawn"), initializer=end_with_parent)

    def spread(function: Callable[..., Any], arguments: Any) -> Iterator[Any]:
        # workers start here, and a signal that is blocked while they do stays so for them
        before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
        try:
            return pool.map(function, arguments)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)

    try:
        yield spread
    except BaseException:
        for worker in active_children():
            if worker not in others:
                worker.terminate()
        raise
    finally:
        pool.shutdown(cancel_futures=True)
