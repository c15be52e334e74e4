"""One exception for every answer that is an error, and the engine's refusals put into words."""

from exchange.engine.codes import RejectReason
from exchange.messages.answers import ErrorAnswer, ErrorDetail


class ApiError(Exception):
    """A request that gets an error for an answer. Raised at the rim, never inside the engine."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        field: str | None = None,
        retryable: bool = False,
        limit: str | None = None,
    ) -> None:
        super().__init__(message)
        self.retry_after_s: float | None = None
        self.status = status
        self.detail = ErrorDetail(
            code=code, message=message, field=field, retryable=retryable, limit=limit
        )

    @property
    def answer(self) -> ErrorAnswer:
        """The body to send."""
        return ErrorAnswer(error=self.detail)


def unreadable(message: str, field: str | None = None) -> ApiError:
    """400: the request cannot be understood."""
    return ApiError(400, "unreadable", message, field=field)


def overloaded(message: str) -> ApiError:
    """503: a limit of the server is reached; the same request may succeed later."""
    return ApiError(503, "overloaded", message, retryable=True)


# What a trader is told, and which field of the request it concerns.
REFUSALS: dict[RejectReason, tuple[str, str | None]] = {
    RejectReason.UNKNOWN_ORDER: ("no such open order of this account", "order_id"),
    RejectReason.INVALID_OPTIONS: ("these options contradict each other", "time_in_force"),
    RejectReason.INVALID_TIME: ("expire_ns is not later than the market's time", "expire_ns"),
    RejectReason.INVALID_LIMITS: ("a limit cannot be negative", None),
    RejectReason.INVALID_QUOTE: ("the bid is at or above the ask", "bid_price"),
    RejectReason.PRICE_OUT_OF_RANGE: ("the price is outside the market's range", "price"),
    RejectReason.PRICE_BAND: ("the price is too far from the last price", "price"),
    RejectReason.QUANTITY_OUT_OF_RANGE: ("the quantity is zero or too large", "quantity"),
    RejectReason.NOTIONAL_MAX: ("quantity times price is too large for one order", "quantity"),
    RejectReason.INVALID_SHOCK: (
        "the magnitude is 0.001 or more (below 0 for news_jump alone) and the shock lasts more than 0",
        "magnitude",
    ),
    RejectReason.TIMETABLE_FULL: ("16 shocks wait or last already", None),
    RejectReason.HALTED: ("the market is halted; cancels are taken", "symbol"),
    RejectReason.BOOK_FULL: ("the book holds no more orders now", None),
    RejectReason.ACCOUNT_QUANTITY_MAX: ("above the account's limit for one order", "quantity"),
    RejectReason.ACCOUNT_OPEN_ORDERS_MAX: ("the account has too many open orders", None),
    RejectReason.ACCOUNT_POSITION_MAX: (
        "with all open orders filled the position would exceed its limit",
        "quantity",
    ),
    RejectReason.ACCOUNT_LOSS_MAX: (
        "the loss limit is reached: only reduce_only orders enter",
        None,
    ),
    RejectReason.ACCOUNT_LEDGER_MAX: ("cash or fees are too large to be counted exactly", None),
    RejectReason.POST_ONLY_WOULD_TRADE: ("a post_only order would trade at once", "price"),
    RejectReason.REDUCE_ONLY: (
        "more than brings the position to zero, other open orders counted",
        "quantity",
    ),
}
RETRYABLE = (RejectReason.HALTED, RejectReason.BOOK_FULL)


def refused(reason: RejectReason, limit: str | None = None) -> ApiError:
    """What the market's refusal is on the wire; limit: the value of the limit it met."""
    message, field = REFUSALS.get(reason, ("the command is refused", None))
    status = {RejectReason.UNKNOWN_ORDER: 404, RejectReason.HALTED: 503}.get(reason, 422)
    return ApiError(
        status,
        reason.name.lower(),
        message,
        field=field,
        retryable=reason in RETRYABLE,
        limit=limit,
    )
