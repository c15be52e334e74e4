"""The exchange as a process: ready line, keys file, signals, exit codes, API description."""

import contextlib
import json
import runpy
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from exchange.keys import AccountKey, KeysFile, read_keys, write_keys
from exchange.server.kept_keys import hold_keys
from exchange.server.run import EXIT_CANNOT_START, Choices, _serve
from server_kit import serving

SCRIPT = Path(__file__).parents[1] / "scripts" / "run_interface.py"


@contextlib.contextmanager
def interface(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], dict[str, Any]]]:
    """A running exchange process and its ready line."""
    command = [sys.executable, str(SCRIPT), "--port", "0", "--json-ready", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield process, json.loads(process.stdout.readline())
        finally:
            process.kill()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_ends_the_process_in_order(tmp_path: Path, number: signal.Signals):
    keys_file = tmp_path / "keys.json"
    with interface("--symbols", "SIM,ALT", "--accounts", "2", "--keys-file", str(keys_file)) as (
        process,
        ready,
    ):
        assert ready["symbols"] == ["SIM", "ALT"]
        assert ready["pid"] == process.pid
        assert stat.S_IMODE(keys_file.stat().st_mode) == 0o600
        keys = read_keys(keys_file)
        assert keys.url == ready["url"]
        assert [key.name for key in keys.accounts] == ["demo1", "demo2", "admin"]
        async with aiohttp.ClientSession() as http, http.ws_connect(ready["ws_url"]) as client:
            await client.send_json({"op": "subscribe", "channels": ["status"]})
            assert "result" in await client.receive_json(timeout=10)
            process.send_signal(number)
            assert (await client.receive_json(timeout=10))["type"] == "shutdown"
            assert (await client.receive(timeout=10)).type is aiohttp.WSMsgType.CLOSE
            assert client.close_code == 1001
        assert process.wait(timeout=20) == 0


def test_a_port_in_use_is_a_message_and_exit_code_2(tmp_path: Path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        command = [sys.executable, str(SCRIPT), "--port", str(port)]
        command += ["--keys-file", str(tmp_path / "keys.json")]
        ended = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert ended.returncode == 2
    assert "cannot listen on 127.0.0.1" in ended.stderr
    assert "Is another exchange running there?" in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize("host", ["no.such.host.invalid", "192.0.2.1", "a..b"])
async def test_only_a_port_in_use_is_blamed_on_another_exchange(
    host: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    async with serving() as stage:
        choices = Choices(host, 0, 0, tmp_path / "keys.json", False, False, None, 0)
        with hold_keys(choices.keys_file, fresh=False) as keys:
            assert await _serve(stage.exchange, keys, 0, choices) == EXIT_CANNOT_START
    said = capsys.readouterr().err
    assert f"cannot listen on {host}:0: " in said
    assert "another exchange" not in said


@pytest.mark.parametrize(
    "wrong",
    [
        ["--symbols", "sim"],
        ["--symbols", "A,A"],
        ["--speed", "0"],
        ["--speed", "nan"],
        ["--port", "1e3"],
        ["--port", "70000"],
        ["--seed", "-1"],
        ["--accounts", "1000"],
        ["--maker-fee-ppm", "-500"],
        ["--preset", "nonsense"],
    ],
)
def test_wrong_arguments_are_explained(
    wrong: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):
    arguments = [str(SCRIPT), "--keys-file", str(tmp_path / "keys.json"), *wrong]
    monkeypatch.setattr(sys, "argv", arguments)
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(SCRIPT), run_name="__main__")
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert "error" in said or "run_interface:" in said


def test_secrets_do_not_show_in_what_is_printed_of_a_key(tmp_path: Path):
    key = AccountKey(name="a", account=4, role="trader", key="k", secret="very-secret")
    assert "very-secret" not in repr(key) + str(key)
    path = tmp_path / "deep" / "keys.json"
    path.parent.mkdir()
    path.write_text("old, and readable by all")
    path.chmod(0o644)
    write_keys(path, KeysFile(url="u", ws_url="w", accounts=[key]))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert read_keys(path).named("a").secret == "very-secret"
    with pytest.raises(KeyError, match="there are a"):
        read_keys(path).named("b")


async def test_the_description_names_every_route_and_every_schema_it_refers_to():
    async with serving() as stage:
        async with stage.http.get(stage.url + "/v1/openapi.json") as response:
            described = await response.json()
        async with stage.http.get(stage.url + "/") as response:
            assert (response.status, response.content_type) == (200, "text/html")
        async with stage.http.get(stage.url + "/hello") as response:
            assert (await response.json())["hello"] == "onebook"
    named = {
        (method.upper(), path)
        for path, operations in described["paths"].items()
        for method in operations
    }
    page = (Path(__file__).parents[1] / "docs" / "PROTOCOL.md").read_text()
    for method, path in named:
        assert path.split("/{")[0] in page or path.startswith("/v1/admin"), (method, path)
    assert ("POST", "/v1/orders") in named
    assert ("DELETE", "/v1/orders/{order_id}") in named
    assert len(named) >= 22
    text = json.dumps(described)
    schemas = described["components"]["schemas"]
    for reference in text.split('"#/components/schemas/')[1:]:
        assert reference.split('"')[0] in schemas
    assert schemas["EnterOrder"]["additionalProperties"] is False
    for operations in described["paths"].values():
        for operation in operations.values():
            assert operation["summary"]
            assert "default" in operation["responses"]
