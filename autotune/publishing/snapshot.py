"""The last weights of a run, on a branch beside the best: while it is going on, and when it is finished.

`python -m autotune.publishing.snapshot RUN` sends them in a process of its own, which needs no torch and which the
training process may end at any time.
"""

import os
import sys
import threading
from dataclasses import dataclass, fields, replace
from pathlib import Path

from autotune.config.load import load_config
from autotune.config.schema import HubConfig, RunConfig
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
    """What the weights in `last/` are."""

    step: int
    total: int
    """Steps that were planned."""
    figure: str | None = None
    """Main figure of validation, while training is going on."""
    value: float | None = None
    best_step: int | None = None
    """The step whose weights are the run's result; None while training is going on."""


def branch(wish: HubConfig) -> str:
    """`last`, or the branch of the run with -last behind it."""
    return "last" if wish.revision == "main" else f"{wish.revision}-last"


def push_last(folder: RunFolder, config: RunConfig) -> Pushed:
    """Sends the folder `last` of a run.

    Raises:
        HubError: it did not succeed.
    """
    wish = replace(config.hub, revision=branch(config.hub), tag=None, create_pr=False)
    return push(wish, str(config.name), lambda repo: contents(folder, config, repo))


def contents(folder: RunFolder, config: RunConfig, repo: str) -> dict[str, Content]:
    """Every file of the branch by its path in the repository."""
    model, adapter = folder.last / folder.model.name, folder.last / folder.adapter.name
    facts = read_facts(folder.path, config, folder.command, model)
    fix = f"rm -r {shell_words(folder.last)}  # the result is pushed without them"
    about = read_record(folder.last / SNAPSHOT, schemas.Snapshot, fix=fix, needed=True) or {}
    names = {field.name for field in fields(Snapshot)}
    snapshot = Snapshot(**{name: value for name, value in about.items() if name in names})
    alone = config.hub.adapter_only or facts.alone
    card = render_last(facts, snapshot, repo, config.hub.revision, branch(config.hub), adapter_only=alone)
    chosen: dict[str, Content] = dict(
        files.files_to_push(model, adapter, adapter_only=config.hub.adapter_only)
    )
    chosen |= {
        files.RECORD: files.record(facts.saved, config, facts.origins),
        files.TRAINING: files.training(config, facts.origins),
        files.CARD: card.encode(),
    }
    if facts.saved.get("serving") and not alone:
        chosen[files.HANDLER] = files.handler()
    return chosen


def main(run: str) -> int:
    """Sends once and says in one line what became of it; ends with the process that holds the other end of stdin."""
    threading.Thread(target=_end_with_stdin, daemon=True).start()
    # Training comes first.
    os.nice(10)
    try:
        pushed = push_last(RunFolder(Path(run), None), load_config(Path(run, CONFIG)))
    except AutotuneError as error:
        sys.stderr.write(redact(f"{error.what}{f' ({error.found})' if error.found else ''}\n"))
        return error.exit_code
    sys.stdout.write(f"{pushed.url}/tree/{pushed.revision}\n")
    return 0


def _end_with_stdin() -> None:
    sys.stdin.read()
    os._exit(1)


if __name__ == "__main__":
    code = main(sys.argv[1])
    sys.stdout.flush()
    os._exit(code)
