"""A card that people edit on the Hub: ours is a part of it, between two marks, and a push replaces that part alone.

What they write above and below it stays, and so do their metadata. The first mark carries a digest of our part, so
that what they changed inside it is seen, and not lost without a word.
"""

import json
import re
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import yaml

from autotune.config.enums import PeftMethod
from autotune.errors import HubError, listing

FIRST = "<!-- autotune {}: a push writes this part anew; your own text goes above this mark or below the last one -->"
LAST = "<!-- autotune: end -->"
MARKS = re.compile(r"<!-- autotune ([0-9a-f]{16}):[^>]*-->\n(.*?)\n<!-- autotune: end -->", re.S)
MATTER = re.compile(r"---\n(.*?\n)?---(?:\n|$)", re.S)

OURS = (
    "language", "license", "license_name", "library_name", "pipeline_tag", "base_model", "base_model_relation", "datasets",
    "metrics", "model-index",
)  # fmt: skip
"""Metadata that a push writes; tags are everybody's, and all others are people's own."""


@dataclass(frozen=True)
class _Card:
    matter: str
    """The metadata as they are written, with the lines of dashes."""
    values: dict[str, Any]
    before: str
    inside: str | None
    """Between the marks; None where there are none."""
    after: str
    digest: str | None

    @property
    def was_edited(self) -> bool:
        """Whether somebody has changed our part."""
        return self.inside is not None and self.digest != _digest(self.values, self.inside)


def marked(matter: str, text: str) -> str:
    """A card of ours.

    Args:
        matter: the metadata between two lines of dashes.
        text: in Markdown.
    """
    inside = f"\n{text.strip()}\n"
    digest = _digest(_read(matter).values, inside)
    return f"{matter}\n{FIRST.format(digest)}\n{inside}\n{LAST}\n"


def merged(ours: str, theirs: str, *, where: str, overwrite: bool) -> str:
    """The card on the Hub with our part in it, which is put behind what people wrote where there was none.

    Args:
        ours: from `marked`.
        theirs: what is on the Hub.
        where: of the error.
        overwrite: whether what people changed in our part is given up.

    Raises:
        HubError: they did, or they state something else in metadata of ours; or theirs cannot be read.
    """
    new, old = _read(ours), _read(theirs)
    contrary = [key for key in OURS if key in old.values and old.values[key] != new.values.get(key)]
    if not overwrite and (old.was_edited or (old.inside is None and contrary)):
        raise HubError(
            "somebody has edited the part of the model card that a push writes",
            where=f"{where}, README.md",
            found=f"other metadata: {listing(contrary)}" if contrary else "another text between the marks",
            fix="text of yours belongs above or below the marks; hub.overwrite_card=true "
            "(autotune push RUN --overwrite-card) gives these edits up",
        )
    values = new.values | {key: value for key, value in old.values.items() if key not in (*OURS, "tags")}
    values["tags"] = [*new.values["tags"], *_their_tags(old, new)]
    part = ours.removeprefix(new.matter).strip()
    before = old.before if old.inside is not None else f"{old.before.strip()}\n\n"
    text = f"{before}{part}{old.after}".lstrip("\n")
    return f"{_front_matter(values, old, new)}\n{text}"


def _their_tags(old: _Card, new: _Card) -> list[str]:
    """Those that are none of an earlier run's."""
    known = {*new.values["tags"], *PeftMethod}
    tags = old.values.get("tags") or []
    return [tag for tag in (tags if isinstance(tags, list) else [tags]) if tag not in known]


def _front_matter(values: dict[str, Any], old: _Card, new: _Card) -> str:
    """Written anew only where they are neither what was there nor what we have."""
    for card in (old, new):
        if card.values == values:
            return card.matter
    return f"---\n{yaml.safe_dump(values, sort_keys=False, allow_unicode=True)}---\n"


def _read(card: str) -> _Card:
    """Takes a card apart; line ends are those of Unix.

    Raises:
        HubError: its metadata are no YAML.
    """
    text = card.replace("\r\n", "\n")
    head = MATTER.match(text)
    try:
        values = yaml.safe_load(head[1] or "") if head else None
    except yaml.YAMLError as error:
        raise HubError("the metadata of the model card on the Hub cannot be read", found=str(error)[:200],
                       fix="mend README.md on the Hub") from error  # fmt: skip
    values = values if isinstance(values, dict) else {}
    matter = head[0] if head else ""
    body = text[len(matter) :]
    found = MARKS.search(body)
    if found is None:
        return _Card(matter, values, body, None, "\n", None)
    return _Card(matter, values, body[: found.start()], found[2], body[found.end() :], found[1])


def _digest(values: dict[str, Any], inside: str) -> str:
    """Of our part and our metadata, however they are written down."""
    own = {key: values[key] for key in OURS if key in values}
    lines = [line.rstrip() for line in inside.strip().splitlines()]
    return sha256(json.dumps([own, lines], sort_keys=True, default=str).encode()).hexdigest()[:16]
