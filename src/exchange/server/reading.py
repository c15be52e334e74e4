"""Pydantic's complaints as answers: which field, and what is wrong with it."""

from typing import get_args

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from exchange.messages.base import Decimal
from exchange.server.errors import ApiError, unreadable

# Parts of an error's place that name a kind of command rather than a field.
OPERATIONS = frozenset({"enter", "replace", "cancel", "cancel_all", "quote"} | {"login", "done"})
OPERATIONS |= {"subscribe", "unsubscribe", "ping"}
MESSAGE_MAX = 200
DECIMAL_PATTERN = get_args(Decimal)[1].pattern
# The common kinds in words; the others keep pydantic's.
WORDS = {
    "decimal": "{field} must be a decimal such as 12 or 0.25: no sign, up to 15 digits, "
    "up to 12 after the point",
    "missing": "{field} is missing",
    "extra_forbidden": "{field} is not a field of this request",
    "literal_error": "{field} must be {expected}",
    "string_type": "{field} must be a string, in quotes",
    "string_too_long": "{field} has more than {max_length} characters",
    "int_type": "{field} must be a whole number",
    "bool_type": "{field} must be true or false",
}


def complaint(error: ValidationError) -> ApiError:
    """The first thing that is wrong with a request, as 400."""
    first = error.errors(include_url=False, include_input=False)[0]
    place = [str(part) for part in first["loc"] if part not in OPERATIONS]
    if first["type"].startswith("union_tag"):
        place.append("op")
    field = ".".join(place) or None
    return unreadable(_in_words(first, field or "the request")[:MESSAGE_MAX], field)


def _in_words(error: ErrorDetails, field: str) -> str:
    context = error.get("ctx", {})
    kind = "decimal" if context.get("pattern") == DECIMAL_PATTERN else error["type"]
    return WORDS[kind].format(field=field, **context) if kind in WORDS else error["msg"]
