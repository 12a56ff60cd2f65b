"""Schema of autotune.json, which is saved with a model: the part that loading the model needs."""

from typing import Annotated

from pydantic import Field

from autotune.config.enums import Quantization
from autotune.models.spec import Head
from autotune.runtime.records import Record

RECORD = "autotune.json"
FIX = "copy the whole folder of the model again, or train again"


class Origin(Record):
    """Name, revision and licence of the base model."""

    name: str
    revision: str | None = None
    license: str | None = None


class Vocabulary(Record):
    """Sizes of a trimmed vocabulary."""

    tokens: Annotated[int, Field(gt=0)]
    of: Annotated[int, Field(gt=0)]
    """Tokens of the base model."""


class SavedModelRecord(Record):
    """Fields of autotune.json that loading the model needs."""

    base_model: Origin
    head: Annotated[Head, Field(strict=False)]
    max_length: Annotated[int, Field(gt=0)]
    quantization: Annotated[Quantization, Field(strict=False)]
    vocabulary: Vocabulary | None = None
    """Of a model with a trimmed vocabulary."""
