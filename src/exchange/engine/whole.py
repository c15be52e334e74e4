"""Whole numbers as arguments of compiled functions: a float is a TypeError, not cut short in silence.

numba reads an int64 argument by `int(...)`; a `WHOLE` is read by `operator.index(...)`, which costs
the same.
"""

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import NativeValue, intrinsic, models, register_model, unbox


class _Whole(types.Type):  # type: ignore[misc]  # numba has no types
    """An int64 that is to be a Python integer at the call."""

    def __init__(self) -> None:
        super().__init__("Whole")


WHOLE = _Whole()


@register_model(_Whole)
class _WholeModel(models.PrimitiveModel):  # type: ignore[misc]
    def __init__(self, manager, numba_type):
        super().__init__(manager, numba_type, ir.IntType(64))


@unbox(_Whole)
def _read_whole(numba_type, value, c):
    """Read an argument; the error is raised where the function is called."""
    zero = cgutils.get_null_value(c.context.get_argument_type(numba_type))
    place = cgutils.alloca_once_value(c.builder, zero)
    to_index = c.pyapi._get_function(
        ir.FunctionType(c.pyapi.pyobj, [c.pyapi.pyobj]), "PyNumber_Index"
    )
    index = c.builder.call(to_index, [value])
    with c.pyapi.if_object_ok(index):
        c.builder.store(c.pyapi.long_as_longlong(index), place)
        c.pyapi.decref(index)
    return NativeValue(c.builder.load(place), is_error=c.pyapi.c_api_error())


@intrinsic
def plain(_typing_context, whole):
    """A WHOLE as int64."""

    def generate(_context, _builder, _signature, arguments):
        return arguments[0]

    return types.int64(whole), generate
