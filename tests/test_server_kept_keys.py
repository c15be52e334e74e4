"""Keys outlive the exchange's process: clients log in again, and no signed request counts twice."""

import asyncio
import contextlib
import os
import stat
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from exchange.engine.records import LIVE_MARKET, new_markets
from exchange.instrument import Instrument
from exchange.keys import AccountKey, KeysFile, read_keys, write_keys
from exchange.server.errors import ApiError
from exchange.server.kept_keys import KeysFileError, hold_keys
from exchange.server.service import Exchange
from exchange.server.settings import Settings
from exchange.server.venue import Venue
from process_kit import exchange_process, free_port
from strategies.client import ExchangeClient
from strategies.rest import RestClient
from strategies.wire import sign

URL, WS_URL = "http://127.0.0.1:8600", "ws://127.0.0.1:8600/v1/ws"


def new_exchange() -> Exchange:
    return Exchange(Venue(new_markets(1, dtype=LIVE_MARKET), [Instrument("SIM")]), Settings())


def start(path: Path, n_accounts: int = 2, *, fresh: bool = False) -> tuple[Exchange, KeysFile]:
    """What an exchange does at its start and until its end, without sockets."""
    exchange = new_exchange()
    with hold_keys(path, fresh=fresh) as keys:
        keys.admit(exchange, n_accounts)
        return exchange, keys.publish(exchange, URL, WS_URL)


def names(file: KeysFile) -> dict[str, int]:
    return {own.name: own.account for own in file.accounts}


def test_a_second_start_finds_keys_names_and_numbers_as_they_were(tmp_path: Path):
    path = tmp_path / "state" / "keys.json"
    exchange, first = start(path)
    exchange.open_account("late", False)  # by an administrator, while it runs
    exchange.show_account(first.named("demo2").account, False)

    again, second = start(path, 3)

    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert second.accounts[:3] == first.accounts
    assert list(names(second)) == ["demo1", "demo2", "admin", "late", "demo3"]
    assert len(set(names(second).values())) == 5
    assert second == read_keys(path)
    shown = {account.name: account.visible for account in again.venue.accounts.values()}
    assert shown == {"demo1": True, "demo2": False, "late": False, "demo3": True}
    ledger = again.venue.ledger(0, names(second)["late"])
    assert ledger.position_max == again.settings.position_max


def test_new_keys_are_made_when_wanted_and_the_old_ones_are_no_longer_known(tmp_path: Path):
    _, first = start(tmp_path / "keys.json")

    exchange, second = start(tmp_path / "keys.json", fresh=True)

    assert not {own.key for own in first.accounts} & {own.key for own in second.accounts}
    assert {own.key for own in exchange.keys.all()} == {own.key for own in second.accounts}


def test_accounts_that_are_there_already_keep_their_keys_or_get_some(tmp_path: Path):
    _, first = start(tmp_path / "keys.json")
    exchange = new_exchange()
    demo2 = first.named("demo2").account
    for name, number in [("demo2", demo2), ("other", demo2 + 5)]:  # as from a journal
        exchange.venue.open_account(name, True, number)

    with hold_keys(tmp_path / "keys.json", fresh=False) as keys:
        keys.admit(exchange, 2)

    known = {own.name: own for own in exchange.keys.all()}
    assert known["demo2"] == first.named("demo2")
    assert known["other"].account == demo2 + 5


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "not a keys file"),
        ('{"url": "u"', "not a keys file"),
        ("[1, 2]", "not a keys file"),
        (
            '{"url": "u", "ws_url": "w", "accounts": [{"name": "a", "secret": "hush"}]}',
            "accounts.0",
        ),
    ],
)
@pytest.mark.parametrize("fresh", [False, True])
def test_a_file_that_holds_no_keys_is_told_without_its_content_and_never_replaced(
    content: str, words: str, fresh: bool, tmp_path: Path
):
    path = tmp_path / "keys.json"
    path.write_text(content)
    path.chmod(0o600)
    with pytest.raises(KeysFileError, match=words) as told, hold_keys(path, fresh=fresh):
        pass
    assert "--new-keys" not in str(told.value)
    assert "hush" not in str(told.value)
    assert path.read_text() == content
    assert [*tmp_path.iterdir()] == [path], "no lock file beside what is not ours"


def test_keys_that_others_may_have_read_are_not_taken(tmp_path: Path):
    path = tmp_path / "keys.json"
    start(path)
    path.chmod(0o640)
    with pytest.raises(KeysFileError, match="chmod 600"), hold_keys(path, fresh=False):
        pass
    _, made = start(path, fresh=True)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert made.accounts


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_file_of_another_user_is_not_taken(tmp_path: Path):
    path = tmp_path / "keys.json"
    start(path)
    os.chown(path, 12345, 12345)
    with pytest.raises(KeysFileError, match="another user"), hold_keys(path, fresh=False):
        pass


def test_numbers_of_simulated_participants_and_doubles_are_refused(tmp_path: Path):
    path = tmp_path / "keys.json"
    own = AccountKey(name="a", account=1, role="trader", key="k", secret="s")
    write_keys(path, KeysFile(url=URL, ws_url=WS_URL, accounts=[own]))
    with pytest.raises(KeysFileError, match="simulated"), hold_keys(path, fresh=False):
        pass
    with hold_keys(path, fresh=True) as keys:
        assert keys.kept is None
    with pytest.raises(ValueError, match="two accounts have the same name"):
        KeysFile(url=URL, ws_url=WS_URL, accounts=[own, own])


def test_one_exchange_holds_a_keys_file_at_a_time(tmp_path: Path):
    path = tmp_path / "keys.json"
    held, refused = hold_keys(path, fresh=False), f"process {os.getpid()}"
    with held, pytest.raises(KeysFileError, match=refused):
        start(path)
    start(path)


def test_what_one_process_accepted_the_next_one_does_not(tmp_path: Path):
    path = tmp_path / "keys.json"
    exchange = new_exchange()
    with hold_keys(path, fresh=False) as keys:
        keys.admit(exchange, 1)
        own = keys.publish(exchange, URL, WS_URL).named("demo1")
        now_ms = exchange.unix_ms()
        stamp = str(now_ms + 4_000)  # a client whose clock is ahead
        exchange.keys.check(own.key, stamp, sign(own.secret, stamp, "GET", "/"), b"GET/", now_ms)

    again = new_exchange()
    with hold_keys(path, fresh=False) as keys:
        keys.admit(again, 1)
        with pytest.raises(ApiError) as refused:
            again.keys.check(
                own.key, stamp, sign(own.secret, stamp, "GET", "/"), b"GET/", now_ms + 1
            )
        assert refused.value.detail.code == "stale_timestamp"
        later = str(now_ms + 5_001)
        signature = sign(own.secret, later, "GET", "/")
        assert again.keys.check(own.key, later, signature, b"GET/", now_ms + 5_001).name == "demo1"


async def replay(http: aiohttp.ClientSession, url: str, headers: dict[str, str]) -> Any:
    async with http.get(f"{url}/v1/account", headers=headers) as answer:
        return answer.status, await answer.json()


async def test_a_client_logs_in_again_after_the_process_was_killed(tmp_path: Path):
    keys_file, port = tmp_path / "keys.json", free_port()
    url = f"http://127.0.0.1:{port}"
    async with aiohttp.ClientSession() as http, contextlib.AsyncExitStack() as stack:
        async with exchange_process(port, keys_file):
            own = read_keys(keys_file).named("demo1")
            client = await stack.enter_async_context(ExchangeClient(url, own.key, own.secret))
            desk = await client.open("SIM")
            order = {
                "op": "enter",
                "symbol": "SIM",
                "side": "buy",
                "price": "50.00",
                "quantity": "1",
            }
            await client.send(order)
            headers = RestClient(url, own.key, own.secret)._signed_headers(
                "GET", "/v1/account", b""
            )
            assert (await replay(http, url, headers))[0] == 200
        async with exchange_process(port, keys_file):
            status, answer = await replay(http, url, headers)
            assert (status, answer["error"]["code"]) == (401, "stale_timestamp")
            async with asyncio.timeout(20):
                while not (client.connected(desk) and not desk.blotter.orders):
                    await client.wait(desk, 20)
            await client.send(order)
            assert (await client.rest.request("GET", "/v1/account"))["name"] == "demo1"
