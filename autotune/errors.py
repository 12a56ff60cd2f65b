"""Errors for users: what is wrong, where, what was found and what would fix it.

AutotuneError
├── ConfigError     a key, value or combination of values in the configuration or the call      exit 2
│   └── LockedError another process works in the folder                                         exit 2
├── DataError       a file, column, row or label                                                exit 2
├── ModelError      a base model, tokenizer, adapter or saved artefact                          exit 2
├── Findings        several of the above, shown at once                                         exit 2
├── PluginError     code of a plug-in (autotune.cli.plugin_errors)                              exit 2
├── HubError        the Hub refused or cannot be reached; the trained model is safe             exit 69
├── GateError       the result misses a condition of `gate`; the run is finished and saved      exit 3
├── ClusterError    Slurm refused the job, or cannot be asked                                   exit 69
├── TrainingError   training or its verification failed (NaN, failed round trip)                exit 65
├── Interrupted     a signal, a limit of time, or a pause (Paused); the same command resumes    exit 75
└── DiskError       no space, no permission, a path that cannot be written or read              exit 74
    └── PathError   an invalid path: too long, or a loop of links                               exit 2

Any other exception is a bug in autotune: it keeps its traceback and exits with 70.
"""

import difflib
import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

BUG = 70
"""Exit code of any other exception."""


class AutotuneError(Exception):
    """A mistake that the user can correct. Shown without a traceback.

    Args:
        what: what is wrong, in one sentence.
        where: file and line, column, or config key.
        found: the value that is there now.
        fix: what would fix it; overrides can be pasted as they are.
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
        """The single errors: this one, or all errors of `Findings`."""
        return [self]


class ConfigError(AutotuneError):
    """The configuration or the command line is wrong."""


class LockedError(ConfigError):
    """Another process works in the folder."""


class DataError(AutotuneError):
    """The data are wrong."""


class ModelError(AutotuneError):
    """The base model or a saved artefact is wrong, or does not fit the task."""


class HubError(AutotuneError):
    """The Hub refused, or cannot be reached; the trained model is safe."""

    exit_code = 69


class GateError(AutotuneError):
    """The result misses a condition of `gate`; the run is finished and saved."""

    exit_code = 3


class ClusterError(AutotuneError):
    """Slurm refused the job, or cannot be asked."""

    exit_code = 69


class TrainingError(AutotuneError):
    """Training, or the verification of its result, failed."""

    exit_code = 65


class Interrupted(AutotuneError):
    """The run was stopped before its end; the same command resumes it.

    Args:
        why: name of the signal, or the limit that was reached.
        step: optimizer steps done so far; None outside of training.
    """

    exit_code = 75

    def __init__(self, why: str, step: int | None = None) -> None:
        self.why = why
        done = "" if step is None else f" after step {step}"
        super().__init__(f"interrupted{done} ({why}); the same command resumes from there")


class Paused(Interrupted):
    """The run has reached `trainer.pause_at`.

    Args:
        share: value of the key.
        step: optimizer steps done so far.
    """

    def __init__(self, share: float, step: int) -> None:
        self.why = f"trainer.pause_at={share:g}"
        AutotuneError.__init__(
            self,
            f"paused after step {step} ({self.why}); with a later share, or null, the same command resumes from there",
        )


class DiskError(AutotuneError):
    """The operating system refused to read or write something."""

    exit_code = 74


class PathError(DiskError):
    """A path is invalid, so the call is wrong."""

    exit_code = 2


class Findings(AutotuneError):
    """Several errors found in one pass, so that the user can correct them all at once."""

    def __init__(self, errors: Sequence[AutotuneError]) -> None:
        self._errors = list(errors)
        self.exit_code = max((error.exit_code for error in errors), default=AutotuneError.exit_code)
        Exception.__init__(self, "\n".join(str(error) for error in errors))

    @property
    def errors(self) -> Sequence[AutotuneError]:
        """The errors, in the order in which they were found."""
        return self._errors


def format_error(what: str, details: Sequence[tuple[str, str | None]]) -> str:
    """Returns a message with its details below it, one per line; details that are None are left out."""
    width = max(len(name) for name, _ in details) + 2
    lines = [what]
    for name, value in details:
        if value is not None:
            indented = value.replace("\n", "\n" + " " * (width + 2))
            lines.append(f"  {name + ':':<{width}}{indented}")
    return "\n".join(lines)


def raise_all(errors: Sequence[AutotuneError]) -> None:
    """Raises the collected errors: the only one as it is, several as `Findings`; nothing if there are none."""
    if len(errors) == 1:
        raise errors[0]
    if errors:
        raise Findings(errors)


def nearest(name: str, candidates: Iterable[str]) -> str | None:
    """Returns the candidate most similar to `name`, or None if none is similar enough."""
    lowered = {candidate.lower(): candidate for candidate in candidates}
    matches = difflib.get_close_matches(name.lower(), lowered, n=1, cutoff=0.6)
    return lowered[matches[0]] if matches else None


def listing(names: Iterable[object], limit: int = 12) -> str:
    """Joins names with commas; after `limit` names, only the number of the rest follows."""
    items = [str(name) for name in names]
    rest = f", and {len(items) - limit} more" if len(items) > limit else ""
    return ", ".join(items[:limit]) + rest


_UNQUOTED = re.compile(r"[^\s,:\[\]{}'\"#]([^,:\[\]{}'\"#]*[^\s,:\[\]{}'\"#])?")
"""Text that needs no quotes inside a list or map."""

_NOT_TEXT = re.compile(
    r"(?!(0|[1-9]\d*)$)[+-]?(\d[\d_]*\.?[\d_]*|\.\d[\d_]*)(e[+-]?\d+)?"
    r"|[+-]?(inf|nan)|null|true|false|.*,.*|[\[{'\"].*|",
    re.IGNORECASE | re.DOTALL,
)
"""Texts that Hydra would read as something else: numbers, null, values of a sweep, lists, maps. A plain integer such as
12 is left out, as it turns back into the same text; 012 would become 12."""

_SHELL_SAFE = re.compile(r"[\w@%+=:,./-]+")
"""Words that no shell needs quoted. Includes letters of all languages, which shlex would quote."""


def format_override(key: str, value: Any) -> str:
    """Returns `key=value`, quoted for the shell where necessary."""
    return shell_words(f"{key}={value if isinstance(value, str) else _literal(value)}")


def format_text_override(key: str, text: str) -> str:
    """Returns `key=value` for a value that must stay text (the name of a column, file or split), whatever it looks like."""
    return shell_words(f"{key}={hydra_quote(text) if _NOT_TEXT.fullmatch(text) else text}")


def hydra_quote(text: str) -> str:
    """Quotes a text for Hydra's grammar, where a backslash is special only before a quote."""
    return "'" + re.sub(r"(\\*)('|$)", lambda match: match[1] * 2 + (match[2] and "\\'"), text) + "'"


def hydra_unquote(text: str) -> str:
    """Returns the text that `hydra_quote` has quoted; any other text as it is."""
    if len(text) < 2 or not text.startswith("'") or not text.endswith("'"):
        return text
    return re.sub(r"(\\+)('|$)", lambda match: match[1][: len(match[1]) // 2] + match[2], text[1:-1])


def shell_words(*words: object) -> str:
    """Joins words to a command line, each quoted for the shell where necessary."""
    return " ".join(word if _SHELL_SAFE.fullmatch(word) else shlex.quote(word) for word in map(str, words))


def _literal(value: Any) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return str(value).lower()
        case str():
            return value if _UNQUOTED.fullmatch(value) else "'" + value.replace("'", "''") + "'"
        case Mapping():
            return "{" + ", ".join(f"{_literal(key)}: {_literal(item)}" for key, item in value.items()) + "}"
        case list() | tuple():
            return "[" + ",".join(map(_literal, value)) + "]"
    return str(value)
