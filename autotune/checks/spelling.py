"""The tokenizer against the texts: what it does not know, cannot write back, or drops."""

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

UNKNOWN_SHARE = 0.005
"""From this share of unknown tokens on, a person should look."""
SAMPLED_WORDS = 50
"""A character that is unknown in so many words is unknown."""
LAST_LATIN = "\u00ff"
"""The letters of Western European languages end here."""
WORST = 12
"""So many characters are named."""


def audit_spelling(
    task: Task,
    rows: Mapping[str, Dataset],
    features: Mapping[str, Dataset],
    report: Report,
    *,
    tiny: bool,
) -> Iterator[Finding]:
    """Unknown tokens, characters that do not survive, letters that cannot be written, words that vanish."""
    characters = _characters(task, rows)
    fate = {character: _fate(task, character) for character in characters}
    fate |= dict.fromkeys(
        _known_in_words(task, rows, {one for one in fate if fate[one] == "unknown"}), "kept"
    )
    unknown = {split: _unknown_share(task, table) for split, table in features.items()}
    lost = Counter(
        {character: characters[character] for character in fate if fate[character] in ("unknown", "gone")}
    )
    lowered = [character for character in fate if fate[character] == "lowered"]
    bare = [character for character in fate if fate[character] == "bare"]
    changed = Counter(
        {character: characters[character] for character in fate if fate[character] == "changed"}
    )
    report.figures["tokenizer"] = {
        "unknown_share": unknown,
        "not_known": dict(lost.most_common(WORST)),
        "lower_cases": bool(lowered),
        "strips_accents": bool(bare),
    }
    yield from _unknown(task, unknown, lost, tiny=tiny)
    if lowered or bare:
        does = " and ".join(
            ["turns capitals into small letters"] * bool(lowered) + ["drops accents"] * bool(bare)
        )
        yield note(
            Area.tokenizer,
            f"the tokenizer {does}: {', '.join(sorted(lowered + bare)[:WORST])}",
            where=task.base.name,
            fix="a cased Portuguese model, such as model=bertimbau_base, tells São from sao"
            if bare
            else None,
        )
    if changed:
        yield note(
            Area.tokenizer,
            "characters that the tokenizer turns into others",
            found=_named(changed),
            count=changed.total(),
        )
    yield from _vanishing_words(task, rows, {one for one in fate if fate[one] == "gone"})


def _roles(task: Task) -> list[str]:
    """Columns that hold texts and references."""
    return ["text" if column.kind is Kind.words else column.role for column in task.columns
             if column.kind in (Kind.text, Kind.words)]  # fmt: skip


def _characters(task: Task, rows: Mapping[str, Dataset]) -> Counter[str]:
    """How often each character stands in the texts and references of all splits; blanks left out."""
    counts: Counter[str] = Counter()
    for data in rows.values():
        for role in _roles(task):
            for text in iter_column(data, role):
                counts.update(text)
    return Counter({one: count for one, count in counts.items() if not one.isspace()})


def _known_in_words(task: Task, rows: Mapping[str, Dataset], suspects: set[str]) -> set[str]:
    """Which characters are known after all: word pieces of several letters may hold what has no piece of its own."""
    words: dict[str, set[str]] = {one: set() for one in suspects}
    wanted = set(suspects)
    for data in rows.values():
        for role in _roles(task):
            for text in iter_column(data, role):
                for character in wanted.intersection(text):
                    own = words[character]
                    own.update(word for word in text.split() if character in word)
                    if len(own) >= SAMPLED_WORDS:
                        wanted.discard(character)
                if not wanted:
                    break
    unknown = task.tokenizer.unk_token_id
    return {
        character
        for character, own in words.items()
        if any(unknown not in ids for ids in task.encoder.ids(sorted(own)))
    }


def _fate(task: Task, character: str) -> str:
    """What becomes of a character inside a word: kept, lowered, bare (without its accent), changed, unknown, gone."""
    tokenizer = task.tokenizer
    alone = task.encoder.ids([character])[0]
    inside = task.encoder.ids([f"a{character}a"])[0]
    if tokenizer.unk_token_id is not None and tokenizer.unk_token_id in (*alone, *inside):
        return "unknown"
    written = tokenizer.decode(inside, skip_special_tokens=False, clean_up_tokenization_spaces=False)
    plain = "".join(written.split())
    if character in plain[1:-1]:
        return "kept"
    if not alone or plain == "aa":
        return "gone"
    if character.lower() in plain[1:-1]:
        return "lowered"
    base = unicodedata.normalize("NFD", character)[0]
    return "bare" if base.lower() in plain[1:-1].lower() and base != character else "changed"


def _unknown_share(task: Task, features: Dataset) -> float:
    """Share of unknown tokens among all of a split, references included."""
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
    """A tiny model's vocabulary is made of train alone, so what it lacks is no fault."""
    letters = Counter(
        {one: count for one, count in lost.items() if unicodedata.category(one) in ("Lu", "Ll")}
    )
    worst = max(shares.values())
    by_split = ", ".join(f"{split} {share:.2%}" for split, share in shares.items())
    latin = [one for one in letters if one <= LAST_LATIN]
    if latin:
        yield (note if tiny else warning)(
            Area.tokenizer,
            f"the vocabulary has no {', '.join(sorted(latin)[:WORST])}: these letters can be neither read nor written",
            where=task.base.name,
            found=f"in the texts: {_named(letters)}",
            fix=f"a base model with a Portuguese vocabulary: {task.alternatives}",
            count=letters.total(),
        )
    if lost:
        yield (warning if worst >= UNKNOWN_SHARE and not tiny else note)(
            Area.tokenizer,
            f"unknown tokens: {by_split}",
            where=task.base.name,
            found=f"characters that the vocabulary lacks: {_named(lost)}",
            count=lost.total(),
        )


def _vanishing_words(task: Task, rows: Mapping[str, Dataset], gone: set[str]) -> Iterator[Finding]:
    """Words of nothing but characters that the tokenizer drops; tasks that need them keep them as unknown."""
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
            found="of " + listing(f"U+{ord(one):04X}" for one in sorted(gone)),
            count=count,
        )


def _named(counts: Counter[str]) -> str:
    """Characters with their counts; by their numbers where they cannot be seen."""
    return listing(
        (
            f"{one if one.isprintable() else f'U+{ord(one):04X}'} ({count})"
            for one, count in counts.most_common()
        ),
        WORST,
    )
