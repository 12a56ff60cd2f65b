"""`autotune submit`."""

import sys
from collections.abc import Sequence
from pathlib import Path

from autotune.cli.command import COMPOSED, FILES, Command
from autotune.cli.environment import set_offline_mode
from autotune.cli.flags import take_switch, take_values
from autotune.config.secrets import holds_token, secret_in
from autotune.errors import ConfigError, raise_all

HELP = """example: autotune submit {example}

  --dry-run       print the batch script; nothing is written or sent
  --setup FILE    shell commands that the job runs first, such as module load
  Without --dry-run, the job id is printed. Groups, options and keys are those of training:

"""


def run(words: list[str], plugins: Sequence[str]) -> int:
    """Sends the runs that the words ask for to Slurm, several as one array job."""
    if {"--help", "-h"} & set(words):
        sys.stdout.write(HELP.format(example=COMMAND.example))
    dry_run = take_switch(words, "--dry-run")
    files = take_values(words, "--setup")
    setup = "\n".join(map(_setup, files))
    from autotune.config.rules.hub import distinct_push_targets
    from autotune.pipeline.submit import submit
    from autotune.run.resume import members

    runs = members(words)
    if not runs:
        return 0
    configs = [member.config for member in runs]
    raise_all(list(distinct_push_targets(configs)))
    if not dry_run:
        set_offline_mode(configs)
    before = [word for flag, values in (("--plugin", plugins), ("--setup", files)) for file in values
              for word in (flag, file)]  # fmt: skip
    return submit(runs, ["submit", *before], plugins, setup, dry_run=dry_run)


def _setup(file: str) -> str:
    """Returns the shell commands of a file, which become part of the batch script."""
    from autotune.config.rules import secret_refused, token_refused

    try:
        text = Path(file).expanduser().read_text(encoding="utf-8")
    except (OSError, UnicodeError) as error:
        raise ConfigError("the file cannot be read", where=f"--setup {file}", found=str(error)) from error
    if holds_token(text):
        raise token_refused(f"--setup {file}")
    if name := secret_in(text):
        raise secret_refused(f"--setup {file}", name)
    return text


COMMAND = Command(
    "submit",
    "cluster=slurm [slurm.…] [key=value …]",
    "send the run to Slurm; with -m an array job",
    run,
    "cluster=slurm slurm.partition=gpu slurm.time=4:00:00 task=ner dataset=lener_br model=bertimbau_base",
    COMPOSED | {"--dry-run": "", "--setup": FILES},
    writes_scratch=False,
)
