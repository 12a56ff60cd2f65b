"""Shell completion: what may come next on a command line, found without Hydra and torch, and the scripts that ask for it.

`autotune completion bash` prints a script; the script calls `autotune completion query SHELL LINE`, LINE being the command up
to the cursor, and is given one candidate a line.
"""

import os
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from autotune.cli.command import FILES, Command
from autotune.errors import ConfigError

PATHS = ("dataset.path", "dataset.splits.train", "dataset.splits.validation", "dataset.splits.test", "dataset.label_fixes",
         "model.name_or_path", "runs", "resume")  # fmt: skip

BASH = r"""
_autotune_complete() {
    local line="${COMP_LINE:0:COMP_POINT}" candidate
    COMPREPLY=()
    while IFS= read -r candidate; do COMPREPLY+=("$candidate"); done \
        < <(AUTOTUNE_BREAKS="$COMP_WORDBREAKS" command "${1/#\~/$HOME}" completion query bash "$line" 2>/dev/null)
    compopt -o nospace
}
complete -F _autotune_complete autotune
"""
ZSH = r"""
_autotune_complete() {
    local -a candidates closed open
    candidates=("${(@f)$(command ${(Q)words[1]} completion query zsh "${(j: :)words[1,CURRENT-1]} $PREFIX" 2>/dev/null)}")
    closed=("${(@M)candidates:#* }"); open=("${(@)candidates:#* }")
    (( ${#closed} )) && compadd -Q -- "${(@)closed% }"
    (( ${#open} )) && compadd -Q -S '' -- "${(@)open:#}"
}
(( $+functions[compdef] )) || { autoload -Uz compinit && compinit -u; }
compdef _autotune_complete autotune
"""
FISH = r"""
function _autotune_complete
    set -l line (commandline -cp)
    set -l program (string split -m 1 ' ' -- (string trim -l -- "$line"))[1]
    eval command $program completion query fish (string escape -- "$line") 2>/dev/null
end
complete -c autotune -f -k -a '(_autotune_complete)'
"""
SCRIPTS = {"bash": BASH, "zsh": ZSH, "fish": FISH}


def answer(shell: str, line: str, folders: Sequence[Path]) -> str:
    """The answer to a shell: one candidate per line, as the shell inserts it, with a blank where the word is complete.

    Args:
        shell: bash, zsh or fish.
        line: the command, up to the cursor.
        folders: of configurations.
    """
    *before, word = split(line)
    options = candidates(before[1:], word.text, folders)
    if shell == "fish":  # which quotes by itself, and adds blanks
        return "".join(f"{one.rstrip(' ')}\n" for one in options)
    written = (
        one if word.quote else ESCAPED.sub(r"\\\g<0>", one.rstrip(" ")) + " " * one.endswith(" ")
        for one in options
    )
    cut = word.cut(os.environ.get("AUTOTUNE_BREAKS", "")) if shell == "bash" else 0
    return "".join(f"{one[cut:]}\n" for one in written)


ESCAPED = re.compile(r"[^\w@%+=:,./~\\-]")


@dataclass(frozen=True)
class Word:
    """A word that may not have ended yet."""

    text: str
    """Without quotes."""
    raw: str
    quote: str = ""
    """The quote that is open at its end."""

    def cut(self, breaks: str) -> int:
        """Characters of the candidate that bash takes for words of their own: up to the last = or : outside of quotes."""
        inside = self.raw.find(self.quote) if self.quote else len(self.raw)
        places = [at for at, mark in enumerate(self.raw[:inside]) if mark in "=:" and mark in breaks]
        return places[-1] + 1 if places else 0


def split(line: str) -> list[Any]:
    """The words of a line without quotes, and the last one as `Word`, which is empty behind a blank."""
    words: list[str] = []
    text, raw, quote, escaped = "", "", "", False
    for mark in line.lstrip():
        if mark.isspace() and not (quote or escaped):
            if raw:
                words.append(text)
            text, raw = "", ""
            continue
        raw += mark
        if escaped or (quote and mark not in (quote, "\\")):
            text, escaped = text + mark, False
        elif mark == "\\" and quote != "'":
            escaped = True
        elif mark == quote:
            quote = ""
        elif mark in "'\"" and not quote:
            quote = mark
        else:
            text += mark
    return [*words, Word(text, raw, quote)]


def candidates(given: Sequence[str], word: str, folders: Sequence[Path]) -> Iterator[str]:
    """What a word may become; a blank stands behind those that are complete.

    Args:
        given: words between `autotune` and this one.
        word: as far as it is typed.
        folders: of configurations.
    """
    from autotune.cli.commands import COMMANDS

    command = COMMANDS[given[0] if given and given[0] in COMMANDS else "train"]
    flags, last = command.flags, given[-1] if given else ""
    named = (
        Path(place).expanduser()
        for flag, place in zip(given, given[1:], strict=False)
        if flag == "--config-dir"
    )
    folders = [*folders, *named]
    flag, equals, value = word.partition("=")
    if flags.get(last):
        yield from _values(flags[last], word)
    elif word.startswith("-"):
        yield from (f"{flag}={one}" for one in (_values(flags.get(flag, ""), value) if equals else ()))
        yield from (f"{name} " for name in (() if equals else flags) if name.startswith(word))
    elif equals:
        yield from (f"{flag}={one}" for one in _of_key(flag.lstrip("+~"), value, folders))
    elif command.words:
        yield from _values(command.words, word)
    else:
        yield from (f"{name} " for name in (() if given else COMMANDS) if name.startswith(word))
        yield from _names(word, folders)
        if command.takes_files:
            yield from _files(word)


def _values(kind: str, word: str) -> Iterator[str]:
    """Values of a flag."""
    if kind == FILES:
        yield from _files(word)
    elif kind != "-":
        yield from (f"{one} " for one in kind.split() if one.startswith(word))


def _of_key(key: str, value: str, folders: Sequence[Path]) -> Iterator[str]:
    """Values of a key: options of a group, files, or the names that it takes."""
    names = sorted({file.stem for folder in folders for file in (folder / key).glob("*.yaml")})
    if not names:
        from autotune.config.keys import keys
        from autotune.config.proposals import names_of

        names = names_of(key) if key in keys() else []
    yield from (f"{name} " for name in names if name.startswith(value))
    if key in PATHS:
        yield from _files(value)


def _names(word: str, folders: Sequence[Path]) -> Iterator[str]:
    """Groups and keys; as long as no section is typed, sections stand for their keys."""
    from autotune.config.keys import keys

    begun = word[: len(word) - len(word.lstrip("+~"))]
    bare = word[len(begun) :]
    groups = {
        entry.name for folder in folders if folder.is_dir() for entry in folder.iterdir() if entry.is_dir()
    }
    names = {f"{group}=" for group in groups}
    for key in keys():
        rest = key[len(bare) :] if key.startswith(bare) else ""
        section, dot, _ = rest.partition(".")
        names.add(f"{bare}{section}{dot}" if dot else f"{key}=")
    yield from (f"{begun}{name}" for name in sorted(names) if name.startswith(bare))


def _files(word: str) -> Iterator[str]:
    """Files and folders that begin like this; a folder ends with a slash."""
    name = word.rpartition("/")[2]
    head = word.removesuffix(name)
    folder = Path(head or ".").expanduser()
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError:
        return
    for entry in entries:
        if entry.name.startswith(name) and (name or not entry.name.startswith(".")):
            yield head + entry.name + ("/" if entry.is_dir() else " ")


def run(words: list[str], _: Sequence[str]) -> int:
    """Prints a shell's script, or answers it."""
    from autotune.runtime.places import config_folder

    match words:
        case [("bash" | "zsh" | "fish") as shell]:
            sys.stdout.write(SCRIPTS[shell])
        case ["query", ("bash" | "zsh" | "fish") as shell, line]:
            own = os.environ.get("AUTOTUNE_CONFIGS")
            sys.stdout.write(answer(shell, line, [config_folder(), *([Path(own)] if own else [])]))
        case _:
            raise ConfigError(
                "completion is for bash, zsh and fish",
                where="autotune completion",
                fix='eval "$(autotune completion bash)"',
            )
    return 0


COMMAND = Command(
    "completion",
    "SHELL",
    'shell completion: eval "$(autotune completion bash)"',
    run,
    "fish | source",
    words="bash zsh fish",
    writes_scratch=False,
)
