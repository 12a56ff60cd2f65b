"""Pushes the latest weights of a run to a branch of their own, during training and after it.

`python -m autotune.publishing.snapshot RUN` does so in a separate process, which does not need torch and which the
training process may kill at any time.
"""

import os
import sys
import threading
from dataclasses import dataclass, fields, replace
from pathlib import Path

from autotune.config.hub import HubConfig
from autotune.config.load import load_config
from autotune.config.schema import RunConfig
from autotune.config.secrets import redact
from autotune.errors import AutotuneError, shell_words
from autotune.publishing import files, schemas
from autotune.publishing.card.facts import read_facts
from autotune.publishing.card.render import render_last
from autotune.publishing.files import Content
from autotune.publishing.push import Pushed, push
from autotune.run.folder import RunFolder
from autotune.run.status import CONFIG
from autotune.runtime.records import read_record

SNAPSHOT = "snapshot.json"


@dataclass(frozen=True)
class Snapshot:
    """Describes the weights in `last/`."""

    step: int
    total: int
    """Planned number of steps."""
    figure: str | None = None
    """Name of the main validation metric; None once training has ended."""
    value: float | None = None
    """Score of these weights on that metric."""
    best_step: int | None = None
    """Step whose weights are the run's result; None during training."""


def branch(hub_config: HubConfig) -> str:
    """Returns the branch of the last weights: `last`, or the run's branch with the suffix `-last`."""
    return "last" if hub_config.revision == "main" else f"{hub_config.revision}-last"


def push_last(folder: RunFolder, config: RunConfig) -> Pushed:
    """Pushes the folder `last` of a run.

    Raises:
        HubError: the push failed.
    """
    hub_config = replace(config.hub, revision=branch(config.hub), tag=None, create_pr=False)
    return push(hub_config, str(config.name), lambda repo: contents(folder, config, repo))


def contents(folder: RunFolder, config: RunConfig, repo: str) -> dict[str, Content]:
    """Returns every file of the branch by its path in the repository."""
    model, adapter = folder.last / folder.model.name, folder.last / folder.adapter.name
    facts = read_facts(folder.path, config, folder.command, model)
    fix = f"rm -r {shell_words(folder.last)}  # the result is pushed without them"
    record = read_record(folder.last / SNAPSHOT, schemas.Snapshot, fix=fix, needed=True) or {}
    names = {field.name for field in fields(Snapshot)}
    snapshot = Snapshot(**{name: value for name, value in record.items() if name in names})
    adapter_only = config.hub.adapter_only or facts.is_adapter_only
    card = render_last(
        facts, snapshot, repo, config.hub.revision, branch(config.hub), adapter_only=adapter_only
    )
    repo_files: dict[str, Content] = dict(
        files.files_to_push(model, adapter, adapter_only=config.hub.adapter_only)
    )
    repo_files |= {
        files.RECORD: files.public_record(facts.saved, config, facts.origins),
        files.TRAINING: files.training_config(config, facts.origins),
        files.CARD: card.encode(),
    }
    if facts.saved.get("serving") and not adapter_only:
        repo_files[files.HANDLER] = files.handler_code()
    return repo_files


def main(run: str) -> int:
    """Pushes once and prints one line with the address or the error; returns the exit code.

    Exits when the process at the other end of stdin does.
    """
    threading.Thread(target=_exit_with_parent, daemon=True).start()
    # Training has priority for the CPU.
    os.nice(10)
    try:
        pushed = push_last(RunFolder(Path(run), None), load_config(Path(run, CONFIG)))
    except AutotuneError as error:
        sys.stderr.write(redact(f"{error.what}{f' ({error.found})' if error.found else ''}\n"))
        return error.exit_code
    sys.stdout.write(f"{pushed.url}/tree/{pushed.revision}\n")
    return 0


def _exit_with_parent() -> None:
    """Waits for the end of stdin, which is when the parent process exits, and ends this process at once."""
    sys.stdin.read()
    os._exit(1)


if __name__ == "__main__":
    code = main(sys.argv[1])
    sys.stdout.flush()
    # Not sys.exit: interpreter shutdown fails while the daemon thread is blocked in stdin.read.
    os._exit(code)
