"""What sections of the configuration are made of."""

from typing import Annotated

from pydantic import ConfigDict, Field

Positive = Annotated[int, Field(gt=0)]
OptionalPositive = Annotated[int | None, Field(gt=0)]
Fraction = Annotated[float, Field(ge=0, lt=1)]
Share = Annotated[float, Field(gt=0, le=1)]
Seed = Annotated[int, Field(ge=0, lt=2**63)]
"""A seed that every random generator accepts."""

_POSITIVE = "[0-9]*[1-9][0-9]*"
INTERVAL = rf"^({_POSITIVE}(ep|st)|{_POSITIVE}\.[0-9]+ep|[0-9]+\.{_POSITIVE}ep)$"
"""Pattern of an interval above 0: epochs (1ep, 0.5ep) or steps (200st)."""
LANGUAGE = r"^([A-Za-z]{2,8}|x)(-[A-Za-z0-9]{1,8})*$"
"""Pattern of a language tag: the syntax of BCP 47 (RFC 5646)."""
FOLD = r"^[1-9]\d*/[1-9]\d*$"
"""Pattern of a fold: the first of five is 1/5."""
NAME = r"\S"
"""Pattern of a name: not only blanks."""
LanguageTag = Annotated[str, Field(pattern=LANGUAGE)]
Interval = Annotated[str, Field(pattern=INTERVAL)]
Name = Annotated[str, Field(pattern=NAME)]
OptionalName = Annotated[str | None, Field(pattern=NAME)]


class Strict:
    """Base of all sections: pydantic refuses keys that the section does not have."""

    __pydantic_config__ = ConfigDict(extra="forbid")
