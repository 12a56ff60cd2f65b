"""Numbers as files write them."""

import math
import re
from typing import Any

from autotune.config.label_maps import normalize_label
from autotune.errors import DataError

COMMA = re.compile(r"[+-]?\d+,\d+")


def read_number(value: Any, where: str) -> float | None:
    """The number of a cell; None where it is empty. A decimal comma is read.

    Raises:
        DataError: it is not a number, or not finite.
    """
    text = normalize_label(value)
    if text is None:
        return None
    try:
        found = float(text.replace(",", ".") if COMMA.fullmatch(text) else text)
    except ValueError:
        found = math.nan
    if not math.isfinite(found):
        raise DataError(
            "the cell does not hold a number", where=where, found=repr(value)[:80], fix="a column of numbers"
        )
    return found
