"""Cells of CSV files that a spreadsheet would run as a formula (CSV injection, CWE-1236)."""

import re

FORMULA = re.compile(r"'*[=+\-@\t\r]")
"""Start of such a cell, perhaps behind the apostrophes that mark it as text."""
NUMBER = re.compile(r"[+-]?\d+(?:[.,]\d+)?")


def guarded(text: str) -> str:
    """Returns a text that spreadsheets show as it is: with an apostrophe before what would begin a formula."""
    return f"'{text}" if FORMULA.match(text) and not NUMBER.fullmatch(text) else text


def unguarded(text: str) -> str:
    """Returns the text that `guarded` was given."""
    return text[1:] if text.startswith("'") and FORMULA.match(text) else text
