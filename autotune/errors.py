"""Errors for people: what is wrong, where, what was found and what would fix it.

AutotuneError
├── ConfigError     a key, value or combination of values in the configuration or the call      exit 2
├── DataError       a file, column, row or label                                                exit 2
├── ModelError      a base model, tokenizer, adapter or saved artefact                          exit 2
├── Findings        several of the above, shown at once                                         exit 2
├── PluginError     code of a plug-in (autotune.cli.plugin_errors)                                  exit 2
├── HubError        the Hub refused or cannot be reached; what was trained is safe              exit 69
├── TrainingError   numbers that went bad after training began (NaN, failed round trip)         exit 65
└── DiskError       no space, no permission, a path that cannot be written or read              exit 74
    └── PathError   a path that can name nothing: too long, links in a circle                   exit 2

Anything that is not an AutotuneError is a bug of ours: it keeps its traceback and exits with 70.
"""

import difflib
import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from typing import Any


class AutotuneError(Exception):
    """A mistake that the user can correct. Shown without a traceback.

    Args:
        what: one sentence that says what is wrong.
        where: file and line, column, or config key.
        found: what stands there now.
        fix: what would fix it; overrides are written so that they can be pasted.
    """

    exit_code = 2

    def __init__(
        self,
        what: str,
        *,
        where: str | None = None,
        found: str | None = None,
        fix: str | None = None,
    ) -> None:
        self.what, self.where, self.found, self.fix = what, where, found, fix
        super().__init__(format_error(what, [("where", where), ("found", found), ("fix", fix)]))

    @property
    def errors(self) -> "Sequence[AutotuneError]":
        """What it consists of: itself, or the errors of `Findings`."""
        return [self]


class ConfigError(AutotuneError):
    """The configuration or the command line is wrong."""


class DataError(AutotuneError):
    """The data are wrong."""


class ModelError(AutotuneError):
    """The base model or a saved artefact is wrong, or does not fit the task."""


class HubError(AutotuneError):
    """The Hub refused, or cannot be reached; what was trained is safe."""

    exit_code = 69


class TrainingError(AutotuneError):
    """Training or the proof of its result went wrong."""

    exit_code = 65


class Interrupted(AutotuneError):
    """A run was asked to leave before its end; the same command goes on with it.

    Args:
        why: name of the signal, or the limit that was reached.
        step: optimizer steps that have been done; None outside of training.
    """

    exit_code = 75

    def __init__(self, why: str, step: int | None = None) -> None:
        self.why = why
        done = "" if step is None else f" after step {step}"
        super().__init__(f"interrupted{done} ({why}); the same command goes on from there")


class DiskError(AutotuneError):
    """The operating system refused to write or to read something."""

    exit_code = 74


class PathError(DiskError):
    """A path can name nothing, so the call is wrong."""

    exit_code = 2


class Findings(AutotuneError):
    """Several errors found in one pass, so that the user corrects them in one go."""

    def __init__(self, errors: Sequence[AutotuneError]) -> None:
        self._errors = list(errors)
        self.exit_code = max((error.exit_code for error in errors), default=AutotuneError.exit_code)
        Exception.__init__(self, "\n".join(str(error) for error in errors))

    @property
    def errors(self) -> Sequence[AutotuneError]:
        """The errors, as they were found."""
        return self._errors


def format_error(what: str, details: Sequence[tuple[str, str | None]]) -> str:
    """A message with its details below it; those that are None are left out."""
    width = max(len(name) for name, _ in details) + 2
    lines = [what]
    for name, value in details:
        if value is not None:
            indented = value.replace("\n", "\n" + " " * (width + 2))
            lines.append(f"  {name + ':':<{width}}{indented}")
    return "\n".join(lines)


def raise_all(errors: Sequence[AutotuneError]) -> None:
    """Raises what was collected: nothing, the one error, or all of them together."""
    if len(errors) == 1:
        raise errors[0]
    if errors:
        raise Findings(errors)


def nearest(name: str, candidates: Iterable[str]) -> str | None:
    """The candidate that most resembles `name`, or None when none comes near."""
    lowered = {candidate.lower(): candidate for candidate in candidates}
    found = difflib.get_close_matches(name.lower(), lowered, n=1, cutoff=0.6)
    return lowered[found[0]] if found else None


def listing(names: Iterable[object], limit: int = 12) -> str:
    """Names joined by commas, cut after `limit` with the number left out."""
    items = [str(name) for name in names]
    rest = f", and {len(items) - limit} more" if len(items) > limit else ""
    return ", ".join(items[:limit]) + rest


_PLAIN = re.compile(r"[^\s,:\[\]{}'\"#]([^,:\[\]{}'\"#]*[^\s,:\[\]{}'\"#])?")
"""What needs no quotes inside a list or a map."""

_OTHER = re.compile(
    r"(?!(0|[1-9]\d*)$)[+-]?(\d[\d_]*\.?[\d_]*|\.\d[\d_]*)(e[+-]?\d+)?"
    r"|[+-]?(inf|nan)|null|true|false|.*,.*|[\[{'\"].*|",
    re.IGNORECASE | re.DOTALL,
)
"""Texts that Hydra would read as something else: numbers, null, several values of a sweep, lists, maps. As a number, 12
is 12; 012 is not."""

_SAFE = re.compile(r"[\w@%+=:,./-]+")
"""What no shell reads as anything but itself; with letters of all languages, which shlex would put into quotes."""


def format_override(key: str, value: Any) -> str:
    """`key=value`, in the shell's quotes where it needs them."""
    return shell_words(f"{key}={value if isinstance(value, str) else _literal(value)}")


def format_text_override(key: str, text: str) -> str:
    """`key=value` where the value is a text, whatever it looks like: the name of a column, of a file, of a split."""
    return shell_words(f"{key}={hydra_quote(text) if _OTHER.fullmatch(text) else text}")


def hydra_quote(text: str) -> str:
    """A text in the quotes of Hydra's grammar, where only a backslash before a quote is special."""
    return "'" + re.sub(r"(\\*)('|$)", lambda found: found[1] * 2 + (found[2] and "\\'"), text) + "'"


def shell_words(*words: object) -> str:
    """Words of a command line, each in the shell's quotes where it needs them."""
    return " ".join(word if _SAFE.fullmatch(word) else shlex.quote(word) for word in map(str, words))


def _literal(value: Any) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return str(value).lower()
        case str():
            return value if _PLAIN.fullmatch(value) else "'" + value.replace("'", "''") + "'"
        case Mapping():
            return "{" + ", ".join(f"{_literal(key)}: {_literal(item)}" for key, item in value.items()) + "}"
        case list() | tuple():
            return "[" + ",".join(map(_literal, value)) + "]"
    return str(value)
