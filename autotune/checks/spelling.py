"""The tokenizer and the texts: characters that it does not know, changes, or drops."""

import unicodedata
from collections import Counter
from collections.abc import Iterator, Mapping

import numpy as np
import pyarrow as pa
from datasets import Dataset

from autotune.checks.findings import Area, Finding, Report, note, warning
from autotune.config.columns import Kind
from autotune.data.cache import iter_column
from autotune.errors import listing
from autotune.tasks.base import Task

MAX_UNKNOWN_SHARE = 0.005
"""Share of unknown tokens from which on a finding is a warning."""
SAMPLED_WORDS = 50
"""Number of words in which a character must be unknown to count as unknown."""
LAST_LATIN = "\u00ff"
"""Last letter of the Western European languages, by code point."""
MAX_LISTED = 12
"""Most characters listed in a finding."""


def audit_spelling(
    task: Task,
    rows: Mapping[str, Dataset],
    features: Mapping[str, Dataset],
    report: Report,
    *,
    tiny: bool,
) -> Iterator[Finding]:
    """Yields findings about unknown tokens, changed characters, letters that cannot be written, and dropped words."""
    characters = _characters(task, rows)
    outcomes = {character: _outcome(task, character) for character in characters}
    outcomes |= dict.fromkeys(
        _known_in_words(
            task, rows, {character for character in outcomes if outcomes[character] == "unknown"}
        ),
        "kept",
    )
    unknown = {split: _unknown_share(task, table) for split, table in features.items()}
    lost = Counter(
        {
            character: characters[character]
            for character in outcomes
            if outcomes[character] in ("unknown", "gone")
        }
    )
    lowered = [character for character in outcomes if outcomes[character] == "lowered"]
    unaccented = [character for character in outcomes if outcomes[character] == "bare"]
    changed = Counter(
        {character: characters[character] for character in outcomes if outcomes[character] == "changed"}
    )
    report.figures["tokenizer"] = {
        "unknown_share": unknown,
        "not_known": dict(lost.most_common(MAX_LISTED)),
        "lower_cases": bool(lowered),
        "strips_accents": bool(unaccented),
    }
    yield from _unknown(task, unknown, lost, tiny=tiny)
    if lowered or unaccented:
        effects = " and ".join(
            ["converts upper case to lower case"] * bool(lowered) + ["drops accents"] * bool(unaccented)
        )
        yield note(
            Area.tokenizer,
            f"the tokenizer {effects}: {', '.join(sorted(lowered + unaccented)[:MAX_LISTED])}",
            where=task.base.name,
            fix="a cased Portuguese model, such as model=bertimbau_base, distinguishes São from sao"
            if unaccented
            else None,
        )
    if changed:
        yield note(
            Area.tokenizer,
            "characters that the tokenizer turns into others",
            found=_with_counts(changed),
            count=changed.total(),
        )
    yield from _vanishing_words(
        task, rows, {character for character in outcomes if outcomes[character] == "gone"}
    )


def _roles(task: Task, data: Dataset) -> list[str]:
    """Returns the columns of a split that hold texts and references."""
    return ["text" if column.kind is Kind.words else column.role for column in task.columns
             if column.kind in (Kind.text, Kind.words)
             and (not column.optional or column.role in data.column_names)]  # fmt: skip


def _characters(task: Task, rows: Mapping[str, Dataset]) -> Counter[str]:
    """Returns how often each character occurs in the texts and references of all splits, without whitespace."""
    counts: Counter[str] = Counter()
    for data in rows.values():
        for role in _roles(task, data):
            for text in iter_column(data, role):
                counts.update(text)
    return Counter({character: count for character, count in counts.items() if not character.isspace()})


def _known_in_words(task: Task, rows: Mapping[str, Dataset], suspects: set[str]) -> set[str]:
    """Returns the characters that are known inside words: a longer word piece may hold one without its own piece."""
    words: dict[str, set[str]] = {character: set() for character in suspects}
    remaining = set(suspects)
    for data in rows.values():
        for role in _roles(task, data):
            for text in iter_column(data, role):
                for character in remaining.intersection(text):
                    examples = words[character]
                    examples.update(word for word in text.split() if character in word)
                    if len(examples) >= SAMPLED_WORDS:
                        remaining.discard(character)
                if not remaining:
                    break
    unknown = task.tokenizer.unk_token_id
    return {
        character
        for character, examples in words.items()
        if any(unknown not in ids for ids in task.encoder.ids(sorted(examples)))
    }


def _outcome(task: Task, character: str) -> str:
    """Returns what the tokenizer does to a character inside a word.

    One of kept, lowered, bare (without its accent), changed, unknown, gone.
    """
    tokenizer = task.tokenizer
    alone = task.encoder.ids([character])[0]
    # Between two letters, too: a subword vocabulary may know a character only at the beginning of a word.
    inside = task.encoder.ids([f"a{character}a"])[0]
    if tokenizer.unk_token_id is not None and tokenizer.unk_token_id in (*alone, *inside):
        return "unknown"
    written = tokenizer.decode(inside, skip_special_tokens=False, clean_up_tokenization_spaces=False)
    decoded = "".join(written.split())
    if character in decoded[1:-1]:
        return "kept"
    if not alone or decoded == "aa":
        return "gone"
    if character.lower() in decoded[1:-1]:
        return "lowered"
    base = unicodedata.normalize("NFD", character)[0]
    return "bare" if base.lower() in decoded[1:-1].lower() and base != character else "changed"


def _unknown_share(task: Task, features: Dataset) -> float:
    """Returns the share of unknown tokens in a split, including references."""
    unknown, total = 0, 0
    if task.tokenizer.unk_token_id is None:
        return 0.0
    names = [name for name in ("input_ids", "target_ids") if name in features.column_names]
    for name in names:
        for chunk in features.data.table[name].chunks:
            ids = pa.compute.list_flatten(chunk).to_numpy(zero_copy_only=False)
            unknown += int(np.count_nonzero(ids == task.tokenizer.unk_token_id))
            total += len(ids)
    return unknown / max(1, total)


def _unknown(task: Task, shares: Mapping[str, float], lost: Counter[str], *, tiny: bool) -> Iterator[Finding]:
    """Yields findings about letters and tokens that the vocabulary lacks.

    They are notes for a tiny model: its vocabulary is built from train alone, so gaps are expected.
    """
    letters = Counter(
        {
            character: count
            for character, count in lost.items()
            if unicodedata.category(character) in ("Lu", "Ll")
        }
    )
    worst = max(shares.values())
    by_split = ", ".join(f"{split} {share:.2%}" for split, share in shares.items())
    latin = [character for character in letters if character <= LAST_LATIN]
    if latin:
        yield (note if tiny else warning)(
            Area.tokenizer,
            f"the vocabulary has no {', '.join(sorted(latin)[:MAX_LISTED])}: these letters can be neither read nor written",
            where=task.base.name,
            found=f"in the texts: {_with_counts(letters)}",
            fix=f"a base model with a Portuguese vocabulary: {task.examples.models}",
            count=letters.total(),
        )
    if lost:
        yield (warning if worst >= MAX_UNKNOWN_SHARE and not tiny else note)(
            Area.tokenizer,
            f"unknown tokens: {by_split}",
            where=task.base.name,
            found=f"characters that the vocabulary lacks: {_with_counts(lost)}",
            count=lost.total(),
        )


def _vanishing_words(task: Task, rows: Mapping[str, Dataset], gone: set[str]) -> Iterator[Finding]:
    """Yields a finding about words made only of characters that the tokenizer drops; tasks keep them as unknown tokens."""
    if not gone or not any(column.kind is Kind.words for column in task.columns):
        return
    count = sum(
        1
        for data in rows.values()
        for tokens in iter_column(data, "tokens")
        for word in tokens
        if set(word) <= gone
    )
    if count:
        yield note(
            Area.tokenizer,
            f"{count} words have no word piece; they are kept as the unknown token, and scored",
            found="of " + listing(f"U+{ord(character):04X}" for character in sorted(gone)),
            count=count,
        )


def _with_counts(counts: Counter[str]) -> str:
    """Returns characters with their counts; code points in place of those that cannot be printed."""
    return listing(
        (
            f"{character if character.isprintable() else f'U+{ord(character):04X}'} ({count})"
            for character, count in counts.most_common()
        ),
        MAX_LISTED,
    )
