"""Pydantic's complaints as answers: which field, and what is wrong with it."""

from pydantic import ValidationError

from exchange.server.errors import ApiError, unreadable

# Parts of an error's place that name a kind of command rather than a field.
OPERATIONS = frozenset({"enter", "replace", "cancel", "cancel_all", "quote"} | {"login", "done"})
OPERATIONS |= {"subscribe", "unsubscribe", "ping"}
MESSAGE_MAX = 200


def complaint(error: ValidationError) -> ApiError:
    """The first thing that is wrong with a request, as 400."""
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    place = [str(part) for part in first["loc"] if part not in OPERATIONS]
    if first["type"].startswith("union_tag"):
        place.append("op")
    return unreadable(first["msg"][:MESSAGE_MAX], ".".join(place) or None)
