"""An exchange as a process of its own, which a test can kill and start again on the same port."""

import asyncio
import contextlib
import json
import socket
import sys
from collections.abc import AsyncIterator
from pathlib import Path

SCRIPT = Path(__file__).parents[1] / "scripts" / "run_interface.py"


def free_port() -> int:
    """A port that nobody listens on at this moment."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


@contextlib.asynccontextmanager
async def exchange_process(
    port: int, keys_file: Path, *arguments: str
) -> AsyncIterator[asyncio.subprocess.Process]:
    """A running exchange, killed at the end without a chance to say goodbye."""
    command = ["--port", str(port), "--keys-file", str(keys_file), "--json-ready", *arguments]
    running = await asyncio.create_subprocess_exec(
        *(sys.executable, str(SCRIPT), *command), stdout=asyncio.subprocess.PIPE
    )
    try:
        assert running.stdout is not None
        assert json.loads(await running.stdout.readline())["ready"]
        yield running
    finally:
        with contextlib.suppress(ProcessLookupError):
            running.kill()
        await running.wait()
