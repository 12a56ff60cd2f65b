"""Recognizes web addresses that were pasted instead of an id or a path."""

import re
from typing import NamedTuple

HUB_ADDRESS = re.compile(
    r"(?:(?:https?://)?(?:www\.)?(?:huggingface\.co|hf\.co)/|hf://)(?P<path>[^?#\s]+)", re.I
)
URL = re.compile(r"[a-z][a-z0-9+.-]+://", re.I)
HUB_PAGES = ("tree", "blob", "resolve", "raw", "viewer", "discussions", "commits", "commit")
"""Path segments that may follow the id in the address of a page of the Hub."""


class HubAddress(NamedTuple):
    """A page of the Hub."""

    kind: str
    """datasets, spaces or models."""
    id: str


def hub_address(text: str) -> HubAddress | None:
    """Returns the page of the Hub whose address the text is, or None."""
    match = HUB_ADDRESS.fullmatch(text.strip())
    parts = [part for part in match["path"].split("/") if part] if match is not None else []
    kind = parts.pop(0) if parts and parts[0] in ("datasets", "spaces", "models") else "models"
    if not parts:
        return None
    return HubAddress(kind, "/".join(parts[:1] if parts[1:2] and parts[1] in HUB_PAGES else parts[:2]))
