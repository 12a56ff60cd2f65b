"""Web addresses that were pasted where an id or a path is wanted."""

import re
from typing import NamedTuple

HUB = re.compile(r"(?:(?:https?://)?(?:www\.)?(?:huggingface\.co|hf\.co)/|hf://)(?P<path>[^?#\s]+)", re.I)
URL = re.compile(r"[a-z][a-z0-9+.-]+://", re.I)
PAGES = ("tree", "blob", "resolve", "raw", "viewer", "discussions", "commits", "commit")
"""What may follow the id in the address of a page of the Hub."""


class HubAddress(NamedTuple):
    """A page of the Hub."""

    kind: str
    """datasets, spaces or models."""
    id: str


def hub_address(text: str) -> HubAddress | None:
    """The page of the Hub that a text is the address of, or None."""
    found = HUB.fullmatch(text.strip())
    parts = [part for part in found["path"].split("/") if part] if found is not None else []
    kind = parts.pop(0) if parts and parts[0] in ("datasets", "spaces", "models") else "models"
    if not parts:
        return None
    return HubAddress(kind, "/".join(parts[:1] if parts[1:2] and parts[1] in PAGES else parts[:2]))
