"""An exchange as a process of its own, for scripts that need one while they run."""

import asyncio
import contextlib
import json
import signal
import subprocess
import sys
import tempfile
from asyncio.subprocess import PIPE, Process
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from exchange.keys import KeysFile, read_keys
from exchange.offspring import end_with_parent

INTERFACE = Path(__file__).with_name("run_interface.py")
START_TIMEOUT_S = 240  # the first start compiles the rules
STOP_TIMEOUT_S = 20


class NotStarted(Exception):
    """The exchange does not listen; the message says why."""


@dataclass(frozen=True)
class Running:
    """An exchange that a benchmark asks."""

    keys: KeysFile
    pid: int


@contextlib.contextmanager
def running_exchange(*arguments: str) -> Iterator[Running]:
    """A run_interface.py with these arguments, on any free port, until the block ends."""
    with tempfile.TemporaryDirectory() as folder:
        keys_file = Path(folder) / "keys.json"
        where = ["--port", "0", "--json-ready", "--keys-file", str(keys_file)]
        with ready_process(str(INTERFACE), *where, *arguments) as ready:
            yield Running(read_keys(keys_file), ready["pid"])


@contextlib.contextmanager
def ready_process(*command: str) -> Iterator[Any]:
    """A Python process until the block ends: the JSON line that it prints once it is ready.

    Raises NotStarted.
    """
    program = (sys.executable, *command)
    # no thread of ours runs yet that could hold a lock in the child
    with subprocess.Popen(program, stdout=PIPE, preexec_fn=end_with_parent) as child:  # noqa: PLW1509
        try:
            assert child.stdout is not None
            line = child.stdout.readline()
            if not line:
                raise NotStarted(f"{command[0]} ended while starting; its message is above")
            yield json.loads(line)
        finally:
            child.terminate()


async def start_exchange(*arguments: str) -> tuple[Process, str]:
    """Start run_interface.py with these arguments; its process and its URL once it listens.

    Raises NotStarted; then no process is left behind.
    """
    process = await start_child(str(INTERFACE), *arguments, "--json-ready")
    assert process.stdout is not None
    try:
        line = await asyncio.wait_for(process.stdout.readline(), START_TIMEOUT_S)
    except TimeoutError:
        await stop(process, signal.SIGKILL)
        raise NotStarted(f"the exchange did not start within {START_TIMEOUT_S} s") from None
    except asyncio.CancelledError:
        await stop(process, signal.SIGTERM)
        raise
    if not line:
        await process.wait()
        raise NotStarted("the exchange ended while starting; its message is above")
    return process, str(json.loads(line)["url"])


async def start_child(*command: str) -> Process:
    """Start a Python process whose output is read. Ctrl-C does not reach it: end it with `stop`."""
    return await asyncio.create_subprocess_exec(
        *(sys.executable, *command),
        stdout=PIPE,
        start_new_session=True,
        preexec_fn=end_with_parent,
    )


async def stop(process: Process, what: int) -> None:
    """Signal a process and wait for its orderly end; kill it if it does not come."""
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(what)
    try:
        await asyncio.wait_for(process.wait(), STOP_TIMEOUT_S)
    except TimeoutError:
        process.kill()
        await process.wait()
