"""Merges our card with the one on the Hub: ours is the part between two marks, and a push replaces only that part.

Text above and below the marks and metadata of other keys belong to the user and are kept. The first mark holds a
digest of our part, which reveals edits inside it, so they are not overwritten silently.
"""

import json
import re
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import yaml

from autotune.config.enums import PeftMethod
from autotune.errors import HubError, listing

BEGIN_MARK = "<!-- autotune {}: a push writes this part anew; your own text goes above this mark or below the last one -->"
END_MARK = "<!-- autotune: end -->"
MARKED_PART = re.compile(r"<!-- autotune ([0-9a-f]{16}):[^>]*-->\n(.*?)\n<!-- autotune: end -->", re.S)
FRONT_MATTER = re.compile(r"---\n(.*?\n)?---(?:\n|$)", re.S)

MANAGED_KEYS = (
    "language", "license", "license_name", "library_name", "pipeline_tag", "base_model", "base_model_relation", "datasets",
    "metrics", "model-index",
)  # fmt: skip
"""Metadata keys that a push overwrites. `tags` are merged; every other key belongs to the user."""


@dataclass(frozen=True)
class _Card:
    front_matter: str
    """Metadata as text, including the lines of dashes."""
    values: dict[str, Any]
    """Metadata as parsed YAML."""
    before: str
    inside: str | None
    """Text between the marks; None if there are no marks."""
    after: str
    digest: str | None
    """Digest in the first mark; None if there are no marks."""

    @property
    def was_edited(self) -> bool:
        """Whether somebody has edited our part."""
        return self.inside is not None and self.digest != _digest(self.values, self.inside)


def marked(front_matter: str, text: str) -> str:
    """Returns our card: the metadata, and the text between the marks.

    Args:
        front_matter: metadata between two lines of dashes.
        text: body of the card, in Markdown.
    """
    inside = f"\n{text.strip()}\n"
    digest = _digest(_parse(front_matter).values, inside)
    return f"{front_matter}\n{BEGIN_MARK.format(digest)}\n{inside}\n{END_MARK}\n"


def merged(ours: str, theirs: str, *, where: str, overwrite: bool) -> str:
    """Returns the card on the Hub with our part replaced, or appended if it had none.

    Args:
        ours: our card, from `marked`.
        theirs: the card on the Hub.
        where: the `where` of the error.
        overwrite: whether to discard what people edited in our part.

    Raises:
        HubError: our part was edited, or managed metadata have other values; or the card on the Hub cannot be parsed.
    """
    new, old = _parse(ours), _parse(theirs)
    contrary = [key for key in MANAGED_KEYS if key in old.values and old.values[key] != new.values.get(key)]
    # With marks, the digest covers the managed metadata; without marks, the card is not ours and they must agree.
    if not overwrite and (old.was_edited or (old.inside is None and contrary)):
        raise HubError(
            "the part of the model card that autotune writes was edited",
            where=f"{where}, README.md",
            found=f"other metadata: {listing(contrary)}" if contrary else "another text between the marks",
            fix="put your text above or below the marks; hub.overwrite_card=true "
            "(autotune push RUN --overwrite-card) discards these edits",
        )
    users_values = {key: value for key, value in old.values.items() if key not in (*MANAGED_KEYS, "tags")}
    values = new.values | users_values
    values["tags"] = [*new.values["tags"], *_users_tags(old, new)]
    part = ours.removeprefix(new.front_matter).strip()
    before = old.before if old.inside is not None else f"{old.before.strip()}\n\n"
    text = f"{before}{part}{old.after}".lstrip("\n")
    return f"{_front_matter(values, old, new)}\n{text}"


def _users_tags(old: _Card, new: _Card) -> list[str]:
    """Returns the tags on the Hub that no push wrote, neither this one nor one of a run with another adapter method."""
    our_tags = {*new.values["tags"], *PeftMethod}
    tags = old.values.get("tags") or []
    return [tag for tag in (tags if isinstance(tags, list) else [tags]) if tag not in our_tags]


def _front_matter(values: dict[str, Any], old: _Card, new: _Card) -> str:
    """Returns the metadata as text; reuses the text of a card with equal values, to keep the user's formatting."""
    for card in (old, new):
        if card.values == values:
            return card.front_matter
    return f"---\n{yaml.safe_dump(values, sort_keys=False, allow_unicode=True)}---\n"


def _parse(card: str) -> _Card:
    """Splits a card into its parts; converts line ends to those of Unix.

    Raises:
        HubError: the metadata are not valid YAML.
    """
    text = card.replace("\r\n", "\n")
    header = FRONT_MATTER.match(text)
    try:
        values = yaml.safe_load(header[1] or "") if header else None
    except yaml.YAMLError as error:
        raise HubError("the metadata of the model card on the Hub cannot be read", found=str(error)[:200],
                       fix="correct README.md on the Hub") from error  # fmt: skip
    values = values if isinstance(values, dict) else {}
    front_matter = header[0] if header else ""
    body = text[len(front_matter) :]
    match = MARKED_PART.search(body)
    if match is None:
        return _Card(front_matter, values, body, None, "\n", None)
    return _Card(front_matter, values, body[: match.start()], match[2], body[match.end() :], match[1])


def _digest(values: dict[str, Any], inside: str) -> str:
    """Returns a digest of the managed metadata and our text that does not depend on their formatting."""
    managed = {key: values[key] for key in MANAGED_KEYS if key in values}
    lines = [line.rstrip() for line in inside.strip().splitlines()]
    return sha256(json.dumps([managed, lines], sort_keys=True, default=str).encode()).hexdigest()[:16]
