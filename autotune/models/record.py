"""autotune.json, which is saved beside a model: what the model alone needs of it."""

from typing import Annotated

from pydantic import Field

from autotune.config.enums import Quantization
from autotune.models.spec import Head
from autotune.runtime.records import Record

RECORD = "autotune.json"
FIX = "copy the whole folder of the model again, or train again"


class Origin(Record):
    """The base model."""

    name: str
    revision: str | None = None
    license: str | None = None


class SavedModelRecord(Record):
    """autotune.json, as far as the model alone needs it."""

    base_model: Origin
    head: Annotated[Head, Field(strict=False)]
    max_length: Annotated[int, Field(gt=0)]
    quantization: Annotated[Quantization, Field(strict=False)]
