"""The words that requests and answers share: decimals, symbols, names, sides."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, StringConstraints

Decimal = Annotated[str, StringConstraints(pattern=r"^[0-9]{1,15}(\.[0-9]{1,12})?$", max_length=28)]
Symbol = Annotated[str, StringConstraints(pattern=r"^[A-Z0-9][A-Z0-9_.-]{0,15}$")]

SideName = Literal["buy", "sell"]
TimeInForceName = Literal["gtc", "ioc", "fok", "gtd"]
Role = Literal["trader", "admin"]


class Message(BaseModel):
    """One JSON object on the wire."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")
