"""Who trades, and one trader's own state in one market as plain integers."""

from typing import NamedTuple

from exchange.engine.records import ACCOUNT


class Account(NamedTuple):
    """A trader: its number in every market, its name, whether the leaderboard shows it."""

    number: int
    name: str
    visible: bool


class Ledger(NamedTuple):
    """One ACCOUNT record of one market as plain integers."""

    position: int
    cash: int
    fees: int
    buy_open: int
    sell_open: int
    n_open: int
    n_reduce_only: int
    bid_quote_id: int
    ask_quote_id: int
    bought: int
    sold: int
    n_fills: int
    position_max: int
    quantity_max: int
    n_open_max: int
    loss_max: int


class Limits(NamedTuple):
    """What an account may have in one market; 0 is no limit."""

    position_max: int
    quantity_max: int
    n_open_max: int
    loss_max: int


assert Ledger._fields == ACCOUNT.names
