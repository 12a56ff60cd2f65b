"""Rules for the section `slurm`: values that sbatch would refuse hours later, or that could carry a command."""

import re
from collections.abc import Iterator

from autotune.config.schema import RunConfig
from autotune.errors import AutotuneError, ConfigError, listing

TIME = re.compile(r"(?:(\d{1,3})-)?(\d{1,4})(?::([0-5]\d)(?::([0-5]\d))?)?")
MEMORY = re.compile(r"\d+[KMGT]?")
VALUE = re.compile(r"[^\s\\]([^\x00-\x1f\x7f\\]*[^\s\\])?")
"""One line; a backslash would escape what follows it in the batch script."""
OPTIONS = (
    "--begin", "--comment", "--cores-per-socket", "--cpus-per-gpu", "--dependency", "--distribution", "--exclude", "--exclusive",
    "--gpu-bind", "--gpu-freq", "--gres", "--hint", "--hold", "--licenses", "--mail-type", "--mail-user", "--mem-per-cpu",
    "--mem-per-gpu", "--mincpus", "--network", "--nice", "--nodelist", "--priority", "--reservation", "--sockets-per-node",
    "--spread-job", "--switches", "--threads-per-core", "--tmp", "--use-min-nodes", "--wait-all-nodes", "--wckey",
)  # fmt: skip
"""Options of sbatch that `slurm.options` may hold: where, when and on whose account a job runs. Not those that choose what
runs or the environment of it (--export, --wrap, --chdir …), as a configuration may come from somebody else."""


def values(config: RunConfig) -> Iterator[AutotuneError]:
    """Checks that each value is one line, and the format of the memory."""
    if config.slurm is None:
        return
    for key in ("partition", "account", "qos", "constraint"):
        value = getattr(config.slurm, key)
        if value is not None and not VALUE.fullmatch(value):
            yield ConfigError(
                "Slurm takes one line of text here, without blanks at its ends and without backslashes",
                where=f"slurm.{key}",
                found=repr(value),
                fix=f"slurm.{key}=null",
            )
    if config.slurm.mem is not None and not MEMORY.fullmatch(config.slurm.mem):
        yield ConfigError(
            "memory is a number of megabytes, or has one of the units K, M, G and T",
            where="slurm.mem",
            found=repr(config.slurm.mem),
            fix="slurm.mem=32G",
        )


def time_limit(config: RunConfig) -> Iterator[AutotuneError]:
    """Checks the time limit, and that it leaves time to train before the signal to save."""
    if config.slurm is None or config.slurm.time is None:
        return
    seconds = seconds_of(config.slurm.time)
    if not seconds:
        yield ConfigError(
            "a time limit is HOURS:MM:SS, DAYS-HOURS or DAYS-HOURS:MM:SS, in a YAML file in quotes",
            where="slurm.time",
            found=config.slurm.time,
            fix="slurm.time=4:00:00",
        )
    elif seconds <= config.slurm.signal_seconds + 60:
        yield ConfigError(
            "the run would be asked to save as soon as it starts: Slurm may signal 60 seconds early",
            where="slurm.time",
            found=f"{config.slurm.time}, with slurm.signal_seconds={config.slurm.signal_seconds}",
            fix="slurm.time=1:00:00",
        )


def seconds_of(time: str) -> int:
    """Returns the seconds of a time limit; 0 if it has another form, or one that people mistake.

    A plain number is minutes to Slurm, and 4:00 is four minutes; YAML reads 4:00:00 without quotes as the number 14400.
    """
    match = TIME.fullmatch(time)
    if match is None or (match[1] is None and match[4] is None):
        return 0
    days, hours, minutes, seconds = (int(number or 0) for number in match.groups())
    return ((days * 24 + hours) * 60 + minutes) * 60 + seconds


def options(config: RunConfig) -> Iterator[AutotuneError]:
    """Checks that `slurm.options` holds only options of sbatch that choose where, when and on whose account a job runs."""
    for option in config.slurm.options if config.slurm is not None else ():
        if option.partition("=")[0] not in OPTIONS:
            yield ConfigError(
                "slurm.options takes only options that say where, when and on whose account a job runs",
                where="slurm.options",
                found=option,
                fix=f"one of {listing(OPTIONS, len(OPTIONS))}; or a key of slurm, or shell commands in the file of --setup",
            )
        elif not VALUE.fullmatch(option):
            yield ConfigError(
                "an option of sbatch is one line of text: --NAME=VALUE, without backslashes",
                where="slurm.options",
                found=repr(option),
                fix="slurm.options=[]",
            )
