"""The last stage of a run: pushed, or left with the command that does it. The run is finished before this begins."""

import logging
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from autotune.config.enums import Visibility, WhenOffline
from autotune.config.load import load_config
from autotune.config.rules.hub import push_target
from autotune.config.schema import HubConfig, RunConfig
from autotune.config.secrets import redact
from autotune.errors import AutotuneError, HubError, Interrupted, ModelError, raise_all, shell_words
from autotune.models.files import read_folder, refuse_foreign_code
from autotune.publishing import files
from autotune.publishing.card.facts import read_facts
from autotune.publishing.card.render import render
from autotune.publishing.files import Content
from autotune.publishing.push import Pushed, push
from autotune.publishing.snapshot import push_last
from autotune.publishing.target import find, offline
from autotune.run.folder import RunFolder
from autotune.run.status import CONFIG
from autotune.runtime.files import now

logger = logging.getLogger(__name__)


def push_run(run: str, flags: Mapping[str, Any], *, public: bool, dry_run: bool) -> int:
    """`autotune push`: pushes a finished run; returns the exit code.

    Args:
        run: run folder.
        flags: keys of the section `hub`; None stands for what the run had.
        public: whether everybody may see a new repository, and an existing one may be public.
        dry_run: only says what would be sent.

    Raises:
        ConfigError: there is no such run, it is not finished, or the flags contradict each other.
        HubError: the push did not succeed.
    """
    with RunFolder.open_finished(run) as folder:
        config = with_flags(load_config(folder.path / CONFIG), flags, public=public)
        raise_all(list(push_target(config.hub)))
        for parent in (folder.path, folder.last):
            for part in (folder.model.name, folder.adapter.name):
                refuse_foreign_code(str(parent / part), read_folder(parent / part))
        (preview if dry_run else publish)(folder, config)
    return 0


def publish(folder: RunFolder, config: RunConfig) -> None:
    """Pushes a finished run as the section `hub` wishes; status.json says how that went.

    Raises:
        HubError: it did not succeed; the run is finished and safe, and the error says which command repeats it.
        Interrupted: a signal has come; likewise.
    """
    wish = config.hub
    if wish.visibility is Visibility.none:
        return
    command = retry_command(folder, wish)
    if offline() and wish.when_offline is WhenOffline.queue:
        _note(folder, wish, state="pending", reason="offline", command=command)
        logger.info("the Hub is not asked; when there is a network: %s", command)
        return
    _note(folder, wish, state="pending", reason="begun", command=command)
    try:
        pushed = push(wish, _name(config), lambda repo: contents(folder, config, repo))
        last = push_last(folder, config) if folder.last.exists() and not wish.create_pr else None
    except AutotuneError as error:
        if isinstance(error, Interrupted):
            _tell_interrupted(folder, wish, command)
            raise
        reason = redact(f"{error.what}{f' ({error.found})' if error.found else ''}")
        _note(folder, wish, state="pending", reason=reason, command=command)
        raise HubError(
            f"the run is finished and safe, but it was not pushed: {error.what}",
            where=error.where,
            found=error.found,
            fix=f"{error.fix}; then: {command}" if error.fix else command,
        ) from error
    except BaseException:
        _tell_interrupted(folder, wish, command)
        raise
    _note(folder, wish, state="done", commit=pushed.commit, url=pushed.url, repo=pushed.repo)
    for one in filter(None, (pushed, last)):
        _say(one)


def preview(folder: RunFolder, config: RunConfig) -> None:
    """Says what a push would send, and where to where the Hub can be asked; sends nothing.

    Raises:
        HubError: the Hub refuses already now.
    """
    target = None if offline() else find(config.hub, _name(config))
    repo = target.repo if target is not None else config.hub.repo or _name(config)
    logger.info("would be pushed to %s, %s:", repo, config.hub.visibility)
    for path, content in sorted(contents(folder, config, repo).items()):
        size = len(content) if isinstance(content, bytes) else content.stat().st_size
        logger.info("  %12d  %s", size, path)


def contents(folder: RunFolder, config: RunConfig, repo: str) -> dict[str, Content]:
    """Every file of a push by its path in the repository."""
    facts = read_facts(folder.path, config, folder.command)
    if not facts.metrics:
        raise ModelError(f"there is no {files.METRICS}", where=str(folder.path), fix="train it again")
    alone = config.hub.adapter_only or facts.alone
    chosen: dict[str, Content] = dict(
        files.files_to_push(folder.model, folder.adapter, adapter_only=config.hub.adapter_only)
    )
    chosen |= {
        files.RECORD: files.record(facts.saved, config, facts.origins),
        files.TRAINING: files.training(config, facts.origins),
        files.METRICS: (folder.path / files.METRICS).read_bytes(),
        files.CARD: render(facts, repo, adapter_only=alone).encode(),
    }
    if facts.saved.get("serving") and not alone:
        chosen[files.HANDLER] = files.handler()
    return chosen


def retry_command(folder: RunFolder, wish: HubConfig) -> str:
    """The command that pushes the run as it was wished."""
    words = ["autotune", "push", str(folder.path)]
    for flag, value, standard in (
        ("--repo", wish.repo, None), ("--revision", wish.revision, "main"), ("--tag", wish.tag, None),
    ):  # fmt: skip
        words += [flag, str(value)] if value != standard else []
    words += ["--public"] if wish.visibility is Visibility.public else []
    words += ["--create-pr"] if wish.create_pr else []
    words += ["--adapter-only"] if wish.adapter_only else []
    words += ["--overwrite-card"] if wish.overwrite_card else []
    return shell_words(*words)


def with_flags(config: RunConfig, flags: Mapping[str, Any], *, public: bool) -> RunConfig:
    """The configuration of a finished run with the flags of `autotune push`; private unless something says public.

    Args:
        config: of the run.
        flags: keys of the section `hub`; None stands for what the run had.
        public: `--public`.
    """
    wanted = {key: value for key, value in flags.items() if value is not None}
    said = Visibility.public if public else config.hub.visibility
    visibility = said if said is not Visibility.none else Visibility.private
    return replace(config, hub=replace(config.hub, visibility=visibility, **wanted))


def _note(folder: RunFolder, wish: HubConfig, **facts: Any) -> None:
    about = {"repo": wish.repo, "revision": wish.revision, "visibility": str(wish.visibility), "time": now()}
    folder.update_status(push={**about, **facts})


def _tell_interrupted(folder: RunFolder, wish: HubConfig, command: str) -> None:
    _note(folder, wish, state="pending", reason="interrupted", command=command)
    logger.warning("not pushed; the run is finished and safe. To go on: %s", command)


def _say(pushed: Pushed) -> None:
    seen = "private" if pushed.private else "public"
    if pushed.changed:
        logger.info("pushed to %s (%s, %s) at commit %s", pushed.url, seen, pushed.revision, pushed.commit)
    else:
        logger.info(
            "%s (%s, %s) holds this run already, at commit %s",
            pushed.url,
            seen,
            pushed.revision,
            pushed.commit,
        )


def _name(config: RunConfig) -> str:
    return str(config.name)
