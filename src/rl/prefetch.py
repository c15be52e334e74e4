"""Ask for a market's memory before it is needed: without it a step waits for the outer caches.

Of 256 markets no more than a few lie in a core's own caches. While one market steps, the lines that the
next one will surely touch are fetched; what it will touch by chance (its orders) is left alone.
A prefetch changes no value.
"""

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic, overload

from exchange.engine.kernel import kernel
from exchange.engine.records import EVENT, TRAINING_MARKET
from strategies.history import HISTORY

LINE = 64  # bytes of a cache line
LEVEL_BYTES = TRAINING_MARKET["levels"].base.itemsize
LEVELS_AT = TRAINING_MARKET.fields["levels"][1]  # type: ignore[index]
FLOW_AT = TRAINING_MARKET.fields["flow"][1]  # type: ignore[index]
FLOW = TRAINING_MARKET["flow"]
RATES_AT = FLOW_AT + FLOW.fields["limit_rates"][1]  # type: ignore[index]
STATE_AT = FLOW_AT + FLOW.fields["next_ns"][1]  # type: ignore[index]
CROWD_AT = FLOW_AT + FLOW.fields["crowd_ids"][1]  # type: ignore[index]
EVENTS_AT = TRAINING_MARKET.fields["events"][1]  # type: ignore[index]
EVENT_LINES = 16 * EVENT.itemsize // LINE
N_LEVELS_NEAR = 12  # a side
HEADER_LINES = 3
HISTORY_LINES = HISTORY.itemsize // LINE


def touch(array: Any, row: int, offset: int, n_lines: int) -> None:
    """Fetch `n_lines` cache lines from byte `offset` of a row on. Nothing happens uncompiled."""


@intrinsic
def _prefetch(typing_context, address):
    def generate(context, builder, signature, arguments):
        byte = ir.IntType(8).as_pointer()
        word = ir.IntType(32)
        function_type = ir.FunctionType(ir.VoidType(), [byte, word, word, word])
        function = builder.module.globals.get("llvm.prefetch.p0i8") or builder.module.globals.get(
            "llvm.prefetch.p0"
        )
        if function is None:
            function = ir.Function(builder.module, function_type, "llvm.prefetch.p0")
        pointer = builder.inttoptr(arguments[0], byte)
        read, keep, data = (ir.Constant(word, value) for value in (0, 3, 1))
        builder.call(function, [pointer, read, keep, data])
        return context.get_dummy_value()

    return types.void(types.int64), generate


@overload(touch, inline="always")
def _compiled_touch(array, row, offset, n_lines):
    def compiled(array, row, offset, n_lines):
        address = array.ctypes.data + row * array.strides[0] + offset
        for line in range(n_lines):
            _prefetch(address + line * LINE)

    return compiled


@kernel
def prefetch_header(markets, row):
    """The first lines of a market: clock, best prices, random state."""
    if row < len(markets):
        touch(markets, row, 0, HEADER_LINES)


@kernel
def prefetch_row(markets, histories, episodes, row):
    """What a step of this row will surely need; its header must be near already."""
    if row >= len(markets):
        return
    market = markets[row]
    touch(histories, row, 0, HISTORY_LINES)
    touch(episodes, row, 0, 2)
    touch(markets, row, HEADER_LINES * LINE, (RATES_AT - HEADER_LINES * LINE) // LINE + 1)
    touch(markets, row, STATE_AT, (CROWD_AT - STATE_AT) // LINE + 1)
    best = market.best_bid - N_LEVELS_NEAR
    touch(markets, row, LEVELS_AT + best * LEVEL_BYTES, 2 * N_LEVELS_NEAR * LEVEL_BYTES // LINE + 1)
    touch(markets, row, EVENTS_AT, EVENT_LINES)
