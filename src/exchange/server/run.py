"""An exchange process from start to end: markets, accounts, keys file, sockets, signals."""

import asyncio
import errno
import gc
import json
import os
import signal
import sys
from dataclasses import dataclass
from pathlib import Path

from exchange.keys import KeysFile
from exchange.server.app import Server
from exchange.server.journal.file import JournalError
from exchange.server.kept_keys import KeptKeys, KeysFileError, hold_keys
from exchange.server.opening import Opening
from exchange.server.recovery import open_venue, resume
from exchange.server.service import Exchange
from exchange.server.settings import Settings
from exchange.simulation.recorded.messages import RecordingError

EXIT_CANNOT_START = 2
LOCAL_HOSTS = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True)
class Choices:
    """What the command line says beside `Settings`."""

    host: str
    port: int
    n_accounts: int
    keys_file: Path
    new_keys: bool
    json_ready: bool
    journal: Path | None
    journal_bytes_max: int


def run(opening: Opening | None, settings: Settings, choices: Choices) -> int:
    """Serve until SIGINT or SIGTERM; returns the exit code.

    opening: None to go on where the journal in `choices` ends.
    """
    try:
        with hold_keys(choices.keys_file, fresh=choices.new_keys) as keys:
            venue, recovered = open_venue(opening, choices.journal)
            exchange = Exchange(venue, settings)
            if recovered is not None:
                resume(exchange, recovered, choices.journal_bytes_max)
            accept_after_ms = keys.admit(exchange, choices.n_accounts)
            calm_garbage_collection()
            with asyncio.Runner(loop_factory=new_loop) as runner:
                return runner.run(_serve(exchange, keys, accept_after_ms, choices))
    except (KeysFileError, JournalError, RecordingError) as error:
        print(f"run_interface: {error}", file=sys.stderr)
        return EXIT_CANNOT_START


def new_loop() -> asyncio.AbstractEventLoop:
    """An event loop, uvloop's where there is one."""
    try:
        import uvloop  # noqa: PLC0415  absent on Windows
    except ImportError:
        return asyncio.new_event_loop()
    loop: asyncio.AbstractEventLoop = uvloop.new_event_loop()
    return loop


def calm_garbage_collection() -> None:
    """Look for cycles rarely: there are next to none, and a search stops the market meanwhile."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)


async def _serve(exchange: Exchange, keys: KeptKeys, accept_after_ms: int, choices: Choices) -> int:
    await asyncio.sleep(max(0.0, (accept_after_ms - exchange.unix_ms()) / 1_000))
    server = Server(exchange)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, server.stopping.set)
    try:
        port = await server.start(choices.host, choices.port)
    except (OSError, UnicodeError) as error:  # UnicodeError: what cannot be a host's name
        reason = f"{getattr(error, 'strerror', error)}."
        if getattr(error, "errno", None) == errno.EADDRINUSE:
            reason += " Is another exchange running there? Choose another --port."
        print(
            f"run_interface: cannot listen on {choices.host}:{choices.port}: {reason}",
            file=sys.stderr,
        )
        await server.stop()
        close_journal(exchange, failed=False)
        return EXIT_CANNOT_START
    announce(exchange, keys, choices, port)
    await server.stopping.wait()
    await server.stop()
    close_journal(exchange, failed=server.failed is not None)
    if server.failed is not None:
        raise server.failed
    return 0


def close_journal(exchange: Exchange, *, failed: bool) -> None:
    """The journal's orderly end; after a failure nobody knows what has been applied."""
    if exchange.journal is not None:
        if failed:
            exchange.journal.abandon()
        else:
            exchange.journal.close()


def announce(exchange: Exchange, keys: KeptKeys, choices: Choices, port: int) -> None:
    """Write the keys file and say where the exchange is."""
    host = f"[{choices.host}]" if ":" in choices.host else choices.host
    file = keys.publish(exchange, f"http://{host}:{port}", f"ws://{host}:{port}/v1/ws")
    if choices.host not in LOCAL_HOSTS:
        print(
            f"WARNING: listening on {choices.host}: everybody who can reach this machine can "
            "connect, unencrypted. Put a TLS proxy in front.",
            file=sys.stderr,
        )
    if choices.json_ready:
        ready = {
            "ready": True,
            "url": file.url,
            "ws_url": file.ws_url,
            "keys_file": str(choices.keys_file),
            "pid": os.getpid(),
            "epoch": exchange.epoch,
            "symbols": [own.symbol for own in exchange.venue.instruments],
        }
        print(json.dumps(ready), flush=True)
        return
    print(f"OneBook is open at {file.url} (stop it with Ctrl-C)")
    print(f"  page      {page_address(file)}")
    print(f"  clock     {exchange.clock.mode}, speed {exchange.clock.speed:g}")
    print(f"  symbols   {', '.join(own.symbol for own in exchange.venue.instruments)}")
    kept = "kept from the last start" if keys.kept is not None else "new"
    print(f"  keys in   {choices.keys_file} ({kept})")
    if choices.journal is not None:
        print(f"  journal   {choices.journal}")
    print("  account   key                          secret")
    for key in file.accounts:
        print(f"  {key.name:<9} {key.key:<28} {key.secret}")
    sys.stdout.flush()


def page_address(file: KeysFile) -> str:
    """The trading page with the first trader's keys and the administrator's in its fragment."""
    parts = []
    for role, prefix in (("trader", ""), ("admin", "admin_")):
        own = next((account for account in file.accounts if account.role == role), None)
        if own is not None:
            parts.append(f"{prefix}key={own.key}&{prefix}secret={own.secret}")
    return f"{file.url}/#{'&'.join(parts)}"
