"""Commands as calls from Python with plain integers: the quickest way to the engine one at a time.

Passing a record to a compiled function costs about a microsecond a call, an address and integers a
fifth of it. So the compiled functions here take the address of a venue's markets, and `Door` keeps
it for them.
"""

from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any

import numba
import numpy as np
from numba import types
from numba.extending import intrinsic

from exchange.engine import commands
from exchange.engine.codes import RejectReason
from exchange.engine.commands import begin
from exchange.engine.kernel import entry_point, kernel
from exchange.engine.records import Markets
from exchange.engine.whole import WHOLE, plain

Call = Callable[..., int]
UNKNOWN_INSTRUMENT = int(RejectReason.UNKNOWN_INSTRUMENT)


class Door:
    """The commands of one venue as functions of plain integers; `events` reads what happened.

    Each returns the order's id, 0, or -RejectReason; arguments are integers, a float is a TypeError.
    The markets must outlive the door and stay in place; a door of a batch of venues is one a venue.

    - `enter(instrument, account, side, price, quantity, options, expire_ns)`
    - `cancel(instrument, account, order_id)`
    - `replace(instrument, account, order_id, price, quantity)`
    - `quote(instrument, account, bid_price, bid_quantity, ask_price, ask_quantity, options,
      expire_ns)`
    - `cancel_all(instrument, account)`
    - `advance(instrument, time_ns)`: the clock alone, without participants
    """

    def __init__(self, markets: Markets) -> None:
        assert markets.flags.c_contiguous, "a door's markets lie side by side: not every second one"
        self.markets = markets
        calls = _plain_calls(markets) if numba.config.DISABLE_JIT else _bound_calls(markets)
        self.enter, self.cancel, self.replace, self.quote, self.cancel_all, self.advance = calls

    def apply(self, command: Any) -> int:
        """Apply one COMMAND record, as `apply_command`."""
        return int(commands.apply_command(self.markets, command))

    def events(self, instrument: int) -> Any:
        """A copy of the events of the last command to this market, (n,) of EVENT."""
        market = self.markets[instrument]
        return market.events[: market.n_events].copy()


def _bound_calls(markets: Markets) -> list[Call]:
    address, n = markets.ctypes.data, len(markets)
    calls = [entry_point(call, call.signatures[0]) for call in _compiled_calls(markets.dtype)]
    return [partial(call, address, n) for call in calls]


def _plain_calls(markets: Markets) -> list[Call]:
    """The same without compiling, for a debugger (`NUMBA_DISABLE_JIT=1`)."""

    def bound(function: Call) -> Call:
        def call(instrument: int, *integers: int) -> int:
            if not commands.begin(markets, instrument):
                return -UNKNOWN_INSTRUMENT
            return int(function(markets, instrument, *integers))

        return call

    return [bound(function) for function in _functions()]


def _functions() -> list[Any]:
    return [
        commands.enter,
        commands.cancel,
        commands.replace,
        commands.quote_both,
        commands.cancel_all,
        commands.advance,
    ]


@intrinsic
def _pointer(typing_context, address):
    """An integer address as a pointer."""

    def generate(context, builder, signature, arguments):
        return builder.inttoptr(arguments[0], context.get_value_type(signature.return_type))

    return types.voidptr(types.int64), generate


def _signature(n_integers: int) -> Any:
    """The address and number of the markets, then whole numbers."""
    return types.int64(types.int64, types.int64, *[WHOLE] * n_integers)


@lru_cache
def _compiled_calls(dtype: np.dtype[Any]) -> list[Any]:
    """Compile the calls for markets of one dtype, or load them from the cache."""

    @kernel(signature=_signature(7))
    def enter(address, n, instrument, account, side, price, quantity, options, expire_ns):
        markets = numba.carray(_pointer(address), n, dtype)
        if not begin(markets, plain(instrument)):
            return -UNKNOWN_INSTRUMENT
        return commands.enter(
            markets,
            plain(instrument),
            plain(account),
            plain(side),
            plain(price),
            plain(quantity),
            plain(options),
            plain(expire_ns),
        )

    @kernel(signature=_signature(3))
    def cancel(address, n, instrument, account, order_id):
        markets = numba.carray(_pointer(address), n, dtype)
        if not begin(markets, plain(instrument)):
            return -UNKNOWN_INSTRUMENT
        return commands.cancel(
            markets,
            plain(instrument),
            plain(account),
            plain(order_id),
        )

    @kernel(signature=_signature(5))
    def replace(address, n, instrument, account, order_id, price, quantity):
        markets = numba.carray(_pointer(address), n, dtype)
        if not begin(markets, plain(instrument)):
            return -UNKNOWN_INSTRUMENT
        return commands.replace(
            markets,
            plain(instrument),
            plain(account),
            plain(order_id),
            plain(price),
            plain(quantity),
        )

    @kernel(signature=_signature(8))
    def quote(
        address, n, instrument, account, bid, bid_quantity, ask, ask_quantity, options, expire_ns
    ):
        markets = numba.carray(_pointer(address), n, dtype)
        if not begin(markets, plain(instrument)):
            return -UNKNOWN_INSTRUMENT
        return commands.quote_both(
            markets,
            plain(instrument),
            plain(account),
            plain(bid),
            plain(bid_quantity),
            plain(ask),
            plain(ask_quantity),
            plain(options),
            plain(expire_ns),
        )

    @kernel(signature=_signature(2))
    def cancel_all(address, n, instrument, account):
        markets = numba.carray(_pointer(address), n, dtype)
        if not begin(markets, plain(instrument)):
            return -UNKNOWN_INSTRUMENT
        return commands.cancel_all(
            markets,
            plain(instrument),
            plain(account),
        )

    @kernel(signature=_signature(2))
    def advance(address, n, instrument, time_ns):
        markets = numba.carray(_pointer(address), n, dtype)
        if not begin(markets, plain(instrument)):
            return -UNKNOWN_INSTRUMENT
        return commands.advance(
            markets,
            plain(instrument),
            plain(time_ns),
        )

    return [enter, cancel, replace, quote, cancel_all, advance]
