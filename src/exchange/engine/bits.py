"""Lowest and highest set bit of a 64-bit word: one machine instruction each when compiled."""

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic, overload


def lowest_bit(word: Any) -> int:
    """Place of the lowest set bit of a uint64 that is not 0."""
    return (int(word) & -int(word)).bit_length() - 1


def highest_bit(word: Any) -> int:
    """Place of the highest set bit of a uint64 that is not 0."""
    return int(word).bit_length() - 1


@intrinsic
def _trailing_zeros(typing_context, word):  # type: ignore[no-untyped-def]
    def generate(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        return builder.cttz(arguments[0], ir.Constant(ir.IntType(1), 1))

    return types.int64(types.uint64), generate


@intrinsic
def _leading_zeros(typing_context, word):  # type: ignore[no-untyped-def]
    def generate(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        return builder.ctlz(arguments[0], ir.Constant(ir.IntType(1), 1))

    return types.int64(types.uint64), generate


@overload(lowest_bit, inline="always")
def _compiled_lowest_bit(word):  # type: ignore[no-untyped-def]
    return lambda word: _trailing_zeros(word)  # noqa: PLW0108  numba needs the function


@overload(highest_bit, inline="always")
def _compiled_highest_bit(word):  # type: ignore[no-untyped-def]
    return lambda word: 63 - _leading_zeros(word)
