"""Chooses the task and the column of each role in a table, or asks with a ranking."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from autotune import registry
from autotune.auto.names import PAIRS, points
from autotune.auto.profiles import MIN_WORDS, Profile
from autotune.auto.targets import CLASSES, Target, rank_targets, target_of, yes_count
from autotune.config.columns import Kind
from autotune.config.schema import DatasetConfig
from autotune.data.columns import plain_name
from autotune.errors import AutotuneError, ConfigError, format_text_override, listing, nearest, raise_all

MARGIN = 2
"""Points by which the best must lead the second to be taken without a question."""
MUCH_LONGER = 3
"""A text with this many times the words of every other one is the document."""
MAX_ASKED = 6
"""Most candidates in a question."""
MIN_DISTINCT_PREMISES = 0.1
"""Share of different first texts of pairs: several hypotheses belong to one premise."""


@dataclass(frozen=True)
class Roles:
    """The task of a table and the columns of its roles."""

    target: Target
    texts: Mapping[str, Profile]
    """Column of each role of an input: text, text_pair or document."""
    rivals: tuple[Target, ...]
    """Other targets, the likeliest first."""
    other_texts: tuple[Profile, ...]
    """Columns that are texts, too."""
    by_user: frozenset[str]
    """Roles that the user named."""


def choose_roles(
    columns: Mapping[str, Profile], config: DatasetConfig, task: str | None, where: str
) -> Roles:
    """Returns task and columns.

    Args:
        columns: profile of each column.
        config: the section `dataset`; its columns are taken as named.
        task: task that the user or the data set named.
        where: file, for messages.

    Raises:
        ConfigError: a named column does not exist, or it is not clear which column has a role; with a ranking.
    """
    named = {
        role: getattr(config.columns, role)
        for role in ("text", "text_pair", "label", "labels", "document", "summary", "group")
        if getattr(config.columns, role) is not None
    }
    for role, name in named.items():
        _require(role, name, columns, where)
    kind = _kind_of(task)
    inputs = [named[role] for role in ("text", "text_pair", "group") if role in named]
    free = {name: profile for name, profile in columns.items() if name not in inputs}
    ranked = _fixed_target(named, columns, task, kind) or [
        _for_task(target, task, kind)
        for target in rank_targets(free, kind)
        if _fits(target, kind)
        and all(target.columns.get(role) == named[role] for role in ("document", "summary") if role in named)
    ]
    asked: list[AutotuneError] = []
    if not _is_clear(ranked, columns, named, has_task=task is not None):
        asked.append(_ask_target(ranked, columns, where))
    target = ranked[0] if ranked else None
    texts, others = _choose_texts(columns, target, named, where, asked)
    raise_all(asked)
    assert target is not None, "without a target there is a question"
    return Roles(target, texts, tuple(ranked[1:]), others, frozenset(named))


def _require(role: str, name: str | Sequence[str], columns: Mapping[str, Profile], where: str) -> None:
    for each in [name] if isinstance(name, str) else name:
        if each not in columns:
            near = nearest(each, columns) or next(iter(columns))
            raise ConfigError(
                f"there is no column {each}",
                where=f"dataset.columns.{role}, {where}",
                found=f"columns: {listing(columns, 30)}",
                fix=format_text_override(f"dataset.columns.{role}", near),
            )


def _kind_of(task: str | None) -> Kind | None:
    """Returns what the target of a task holds; None for any task."""
    if task is None:
        return None
    return next(column.kind for column in registry.task(task).columns if column.target)


def _fits(target: Target, kind: Kind | None) -> bool:
    """Whether a target can be one of that kind: whole numbers may be learned as numbers."""
    return kind in (None, target.kind) or (kind is Kind.numbers and target.profile.is_number)


def _for_task(target: Target, task: str | None, kind: Kind | None) -> Target:
    """Returns the target under the user's task."""
    return target if task is None else replace(target, task=task, kind=kind or target.kind)


def _fixed_target(
    named: Mapping[str, str | list[str]], columns: Mapping[str, Profile], task: str | None, kind: Kind | None
) -> list[Target]:
    """Returns the target that the user named; none if the user did not."""
    if isinstance(named.get("label"), str):
        return [_for_task(target_of(columns[str(named["label"])], kind), task, kind)]
    if "labels" in named:
        first = columns[named["labels"][0]]
        counts = {name: yes_count(columns[name]) for name in named["labels"]}
        target = Target(
            "multi_label", Kind.labels, {"labels": list(named["labels"])}, CLASSES, first, "", counts=counts
        )
        return [_for_task(target, task, kind)]
    if "summary" in named and "document" in named:
        summary = columns[str(named["summary"])]
        return [
            Target(
                "summarization",
                Kind.text,
                {role: str(named[role]) for role in ("document", "summary")},
                0,
                summary,
                "",
            )
        ]
    return []


def _is_clear(
    ranked: Sequence[Target], columns: Mapping[str, Profile], named: Mapping[str, object], *, has_task: bool
) -> bool:
    """Whether the first target leads by the margin and is no doubtful one, unless it is all there is."""
    if {"label", "labels"} & set(named) or {"document", "summary"} <= set(named):
        return True
    if not ranked:
        return False
    leads = len(ranked) == 1 or ranked[0].score - ranked[1].score >= MARGIN
    is_only_column = len(columns) == 2 and ranked[0].kind is Kind.label
    return leads and (ranked[0].score >= CLASSES or is_only_column or has_task)


def _choose_texts(
    columns: Mapping[str, Profile],
    target: Target | None,
    named: Mapping[str, str | list[str]],
    where: str,
    asked: list[AutotuneError],
) -> tuple[dict[str, Profile], tuple[Profile, ...]]:
    """Returns the input columns by role and the other texts; adds a question if it is not clear which is which."""
    answers = {
        name for names in (target.columns.values() if target is not None else ()) for name in _listed(names)
    }
    if target is not None and target.kind is Kind.text:
        document = columns[str(target.columns["document"])]
        return {"document": document}, tuple(text for text in _texts(columns, answers))
    chosen = {role: columns[str(named[role])] for role in ("text", "text_pair") if role in named}
    texts = _texts(columns, answers | {profile.name for profile in chosen.values()})
    if "text" in chosen:
        return chosen, tuple(texts)
    pair = None if chosen else _pair(columns, answers)
    if pair is not None:
        return dict(zip(("text", "text_pair"), pair, strict=True)), tuple(
            text for text in texts if text not in pair
        )
    longest = max((text.median_words for text in texts), default=0)
    scores = {text.name: points(text.name, "text") + (text.median_words == longest) for text in texts}
    texts.sort(key=lambda text: (-scores[text.name], -text.median_words))
    if not texts:
        asked.append(_no_text(columns, answers, where))
        return {}, ()
    if len(texts) > 1 and scores[texts[0].name] - scores[texts[1].name] < MARGIN:
        asked.append(_ask_text(texts, where))
    return {"text": texts[0], **chosen}, tuple(texts[1:])


def _listed(names: str | list[str]) -> list[str]:
    return [names] if isinstance(names, str) else names


def _texts(columns: Mapping[str, Profile], answers: set[str]) -> list[Profile]:
    return [profile for name, profile in columns.items() if profile.is_text and name not in answers]


def _pair(columns: Mapping[str, Profile], answers: set[str]) -> tuple[Profile, Profile] | None:
    """Returns the two texts of pairs whose columns are named so; None if there are none."""
    plain = {plain_name(name): profile for name, profile in columns.items() if name not in answers}
    for first, second in PAIRS:
        pair = plain.get(first), plain.get(second)
        if pair[0] is not None and pair[1] is not None and all(map(_is_text_of_pair, (pair[0], pair[1]))):
            return pair[0], pair[1]
    return None


def _is_text_of_pair(profile: Profile) -> bool:
    is_distinct = len(profile.counts) >= MIN_DISTINCT_PREMISES * profile.filled
    return profile.is_plain and not profile.is_number and profile.median_words >= MIN_WORDS and is_distinct


def _ask_target(ranked: Sequence[Target], columns: Mapping[str, Profile], where: str) -> ConfigError:
    if not ranked:
        rest = [
            f"{name}: {len(profile.counts)} values, such as {listing(profile.examples())}"
            for name, profile in columns.items()
        ]
        return ConfigError(
            "no column looks like what is to be learned: a few classes, lists of them, numbers, or summaries",
            where=where,
            found="\n".join(rest[:30]),
            fix="dataset.columns.label=COLUMN",
        )
    best = ranked[:MAX_ASKED]
    return ConfigError(
        "it is not clear which column is to be learned",
        where=where,
        found="\n".join(target.shown for target in best),
        fix="\n".join(" ".join(target.overrides()) for target in best),
    )


def _ask_text(texts: Sequence[Profile], where: str) -> ConfigError:
    best = texts[:MAX_ASKED]
    fixes = [format_text_override("dataset.columns.text", text.name) for text in best]
    pair = " ".join((fixes[0], format_text_override("dataset.columns.text_pair", best[1].name)))
    return ConfigError(
        "it is not clear which column is the text",
        where=where,
        found="\n".join(
            f"{text.name}: {text.median_words:g} words in the median, such as {listing(text.examples(1))}"
            for text in best
        ),
        fix="\n".join([*fixes, pair]),
    )


def _no_text(columns: Mapping[str, Profile], answers: set[str], where: str) -> ConfigError:
    rest = sorted(
        (profile for name, profile in columns.items() if name not in answers),
        key=lambda item: -item.median_words,
    )
    return ConfigError(
        f"no column looks like a text: {MIN_WORDS} or more words, and mostly different cells",
        where=where,
        found="\n".join(
            f"{profile.name}: {len(profile.counts)} values, such as {listing(profile.examples())}"
            for profile in rest[:MAX_ASKED]
        )
        or f"columns: {listing(columns)}",
        fix=format_text_override("dataset.columns.text", rest[0].name if rest else "COLUMN"),
    )
