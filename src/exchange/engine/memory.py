"""Fetch records from memory before they are needed: no result changes, only the time spent waiting."""

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, overload

READ, NEAREST, DATA = 0, 3, 1  # arguments of LLVM's prefetch


def fetch(records: Any, i: int) -> None:
    """Bring `records[i]` into the nearest cache; i within the array. Does nothing as plain Python."""


@intrinsic
def _prefetch(typing_context, records, i):  # type: ignore[no-untyped-def]
    def generate(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        array = context.make_array(signature.args[0])(context, builder, arguments[0])
        (stride,) = cgutils.unpack_tuple(builder, array.strides)
        byte, whole = ir.IntType(8).as_pointer(), ir.IntType(32)
        record = builder.gep(builder.bitcast(array.data, byte), [builder.mul(arguments[1], stride)])
        kind = ir.FunctionType(ir.VoidType(), [byte, whole, whole, whole])
        prefetch = builder.module.declare_intrinsic("llvm.prefetch", (byte,), kind)
        builder.call(prefetch, [record, whole(READ), whole(NEAREST), whole(DATA)])
        return context.get_dummy_value()

    return types.void(records, types.int64), generate


@overload(fetch, inline="always")
def _compiled_fetch(records, i):  # type: ignore[no-untyped-def]
    return lambda records, i: _prefetch(records, i)  # noqa: PLW0108  numba needs the function
