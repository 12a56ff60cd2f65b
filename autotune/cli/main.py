"""The entry point: finds the command, prints errors, and chooses the exit code.

Hydra and torch are imported by the commands that need them, so `autotune --help` answers at once.
"""

import sys
from collections.abc import Sequence
from contextlib import redirect_stderr, redirect_stdout
from typing import TextIO, cast

from autotune import __version__, registry
from autotune.cli import environment, failures
from autotune.cli.commands import COMMANDS
from autotune.cli.flags import take_switch, take_values
from autotune.config.secrets import RedactedStream
from autotune.errors import ConfigError, nearest, shell_words
from autotune.runtime import external, launcher, streams
from autotune.runtime.files import scratch
from autotune.runtime.language import check_language
from autotune.runtime.streams import Stream

USAGE = "usage: autotune [COMMAND] …\n\n"
NOTES = """
  RUN is a run folder, the folder of a saved model, or hub:ORG/NAME[@REVISION]
  autotune COMMAND --help   an example, then groups, options and keys, or arguments
  --multirun, -m            one run per combination: seed=1,2,3; seeds=5 and folds=5 need no flag
  --config-dir DIR          your own options: DIR/dataset/mine.yaml is dataset=mine
  --plugin FILE             import a Python file that registers a task
  --debug                   tracebacks for errors of any kind

  autotune task=ner         a tiny model on sample data, offline

exit codes: 0 done, 2 configuration, data or call, 3 over budget or gate missed, 65 bad numbers, 69 the Hub (the model
            is safe) or Slurm refused or is away, 70 our bug, 74 the system refused, 75 interrupted, 130 Ctrl-C
"""
BROKEN_PIPE = 141


def help_text() -> str:
    """Returns what `autotune --help` prints."""
    calls = [f"  autotune {command.name} {command.usage}" for command in COMMANDS.values()]
    width = max(map(len, calls)) + 2
    lines = [
        f"{call:<{width}}{command.help}\n" for call, command in zip(calls, COMMANDS.values(), strict=True)
    ]
    return USAGE + "".join(lines) + NOTES


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command line and returns the exit code.

    Args:
        argv: words after `autotune`; None: those of the process.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    streams.open_descriptors()
    out = cast(TextIO, RedactedStream(Stream(sys.stdout, "standard output", needed=True)))
    err = cast(TextIO, RedactedStream(Stream(sys.stderr, "standard error", needed=False)))
    with redirect_stdout(out), redirect_stderr(err):
        environment.set_defaults()
        environment.ignore_warnings()
        failures.tracebacks.set(take_switch(words, "--debug"))
        try:
            check_language()
            external.recognize()
            code = _dispatch(words)
            out.flush()
            return code
        except BrokenPipeError:
            cast(Stream, out).mute()
            return BROKEN_PIPE
        except SystemExit as leaving:
            return leaving.code if isinstance(leaving.code, int) else int(leaving.code is not None)
        except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - the place that tells a bug from a mistake
            return failures.show_error(error)


def _dispatch(words: list[str]) -> int:
    plugins = take_values(words, "--plugin")
    first = words[0] if words else ""
    if first in ("--help", "-h", "help"):
        sys.stdout.write(help_text())
        return 0
    if first == "--version":
        sys.stdout.write(f"autotune {__version__}\n")
        return 0
    name = "train"
    if first and first[0] not in "-+~" and "=" not in first:
        if first not in COMMANDS:
            near = nearest(first, COMMANDS)
            raise ConfigError(
                f"unknown command {first!r}",
                found=f"commands: {', '.join(COMMANDS)}",
                fix=f"autotune {near} …" if near else "autotune --help",
            )
        name = words.pop(0)
    else:
        _refuse_late_command(words, plugins)
    command = COMMANDS[name]
    if not command.distributed and launcher.world_size() > 1:
        raise ConfigError(
            "only training is shared by several processes",
            where=f"autotune {name}",
            found=f"a launcher started {launcher.world_size()}",
            fix=f"autotune {name} … without torchrun, srun or accelerate launch",
        )
    for plugin in plugins:
        registry.load_plugin(plugin)
    if command.writes_scratch:
        scratch().cleanup()  # fails now rather than after hours of training
    with environment.console_logging(sys.stdout if command.logs_to_stdout else sys.stderr):
        return command.run(words, plugins)


def _refuse_late_command(words: list[str], plugins: list[str]) -> None:
    """Raises ConfigError if a command follows flags or overrides."""
    flags = COMMANDS["train"].flags
    values = [word for flag, word in zip(words, words[1:], strict=False) if flags.get(flag)]
    late = next((word for word in words if word in COMMANDS and word not in values), None)
    if late is not None:
        rest = [word for word in words if word != late]
        loaded = [word for plugin in plugins for word in ("--plugin", plugin)]
        raise ConfigError(
            "the command comes first",
            where=late,
            fix=shell_words("autotune", late, *loaded, *rest),
        )
