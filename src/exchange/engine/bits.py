"""Bits of 64-bit words: a few machine instructions each when compiled."""

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic, overload

ONE = np.uint64(1)


def lowest_bit(word: Any) -> int:
    """Place of the lowest set bit of a uint64 that is not 0."""
    return (int(word) & -int(word)).bit_length() - 1


def highest_bit(word: Any) -> int:
    """Place of the highest set bit of a uint64 that is not 0."""
    return int(word).bit_length() - 1


def without_lowest_bit(word: Any) -> Any:
    """A uint64 with its lowest set bit cleared; 0 stays 0."""
    return np.uint64(int(word) & (int(word) - 1))


def reversed_bits(word: Any) -> Any:
    """A uint64 whose bit i is bit 63 - i of another."""
    return np.uint64(int(f"{int(word):064b}"[::-1], 2))


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


@intrinsic
def _reversed(typing_context, word):  # type: ignore[no-untyped-def]
    def generate(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        return builder.bitreverse(arguments[0])

    return types.uint64(types.uint64), generate


@overload(lowest_bit, inline="always")
def _compiled_lowest_bit(word):  # type: ignore[no-untyped-def]
    return lambda word: _trailing_zeros(word)  # noqa: PLW0108  numba needs the function


@overload(highest_bit, inline="always")
def _compiled_highest_bit(word):  # type: ignore[no-untyped-def]
    return lambda word: 63 - _leading_zeros(word)


@overload(without_lowest_bit, inline="always")
def _compiled_without_lowest_bit(word):  # type: ignore[no-untyped-def]
    return lambda word: word & (word - ONE)


@overload(reversed_bits, inline="always")
def _compiled_reversed_bits(word):  # type: ignore[no-untyped-def]
    return lambda word: _reversed(word)  # noqa: PLW0108
