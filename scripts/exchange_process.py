"""An exchange as a process of its own, for scripts that need one while they run."""

import asyncio
import contextlib
import json
import signal
import sys
from asyncio.subprocess import PIPE, Process
from pathlib import Path

INTERFACE = Path(__file__).with_name("run_interface.py")
START_TIMEOUT_S = 240  # the first start compiles the rules
STOP_TIMEOUT_S = 20


class NotStarted(Exception):
    """The exchange does not listen; the message says why."""


async def start_exchange(*arguments: str) -> tuple[Process, str]:
    """Start run_interface.py with these arguments; its process and its URL once it listens.

    Raises NotStarted; then no process is left behind.
    """
    command = [sys.executable, str(INTERFACE), *arguments, "--json-ready"]
    process = await asyncio.create_subprocess_exec(*command, stdout=PIPE, start_new_session=True)
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
