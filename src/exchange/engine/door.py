"""Commands as calls from Python with plain integers: the quickest way to the engine one at a time.

Passing a record to a compiled function costs about a microsecond a call; an address and integers a
quarter of it. So the functions here take the address of the markets, and `Door` keeps it for them.
"""

from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any

import numba
import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from exchange.engine.accounts import loss_reached
from exchange.engine.codes import RejectReason
from exchange.engine.commands import advance_clock
from exchange.engine.events import emit_rejected
from exchange.engine.kernel import kernel
from exchange.engine.matching import (
    cancel_account_orders,
    cancel_order,
    enter_order,
    quote,
    replace_order,
)
from exchange.engine.records import Markets
