"""What sections of the configuration are made of."""

from typing import Annotated

from pydantic import ConfigDict, Field

Positive = Annotated[int, Field(gt=0)]
OptionalPositive = Annotated[int | None, Field(gt=0)]
Fraction = Annotated[float, Field(ge=0, lt=1)]


class Strict:
    """Base of all sections: pydantic refuses keys that the section does not have."""

    __pydantic_config__ = ConfigDict(extra="forbid")
