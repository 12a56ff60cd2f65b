"""Reads numbers in the notation of files."""

import math
import re
from typing import Any

from autotune.config.label_maps import normalize_label
from autotune.errors import DataError

COMMA = re.compile(r"[+-]?\d+,\d+")


def read_number(value: Any, where: str) -> float | None:
    """Returns the number in a cell, also with a decimal comma; None if the cell is empty.

    Raises:
        DataError: the value is not a number, or not finite.
    """
    text = normalize_label(value)
    if text is None:
        return None
    try:
        number = float(text.replace(",", ".") if COMMA.fullmatch(text) else text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise DataError(
            "the cell does not hold a number", where=where, found=repr(value)[:80], fix="a column of numbers"
        )
    return number
