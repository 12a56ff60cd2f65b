"""The last stage of a run: pushes it, or logs the command that will. The run is already finished at this point."""

import logging
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from autotune.config.enums import Visibility, WhenOffline
from autotune.config.hub import HubConfig
from autotune.config.load import load_config
from autotune.config.rules.hub import push_target
from autotune.config.schema import RunConfig
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
    """Runs `autotune push` for a finished run; returns the exit code.

    Args:
        run: run folder.
        flags: keys of the section `hub`; None keeps the value of the run's configuration.
        public: whether a new repository is created as public, and an existing one may be public.
        dry_run: whether to log what would be sent, and send nothing.

    Raises:
        ConfigError: another process works in the folder, or the flags contradict each other.
        ModelError: there is no such run, it is not finished, or its saved model is damaged.
        HubError: the push failed.
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
    """Pushes a finished run as the section `hub` says, and records the result in status.json.

    Raises:
        HubError: the push failed; the run is finished and safe, and the error names the command that repeats the push.
        Interrupted: a signal has arrived; the run is finished and safe, and a warning names the command.
    """
    hub_config = config.hub
    if hub_config.visibility is Visibility.none:
        return
    command = retry_command(folder, hub_config)
    if offline() and hub_config.when_offline is WhenOffline.queue:
        _record_push(folder, hub_config, state="pending", reason="offline", command=command)
        logger.info("offline; once there is a network: %s", command)
        return
    # Recorded before the push: if the process is killed, status.json already holds the command that repeats it.
    _record_push(folder, hub_config, state="pending", reason="begun", command=command)
    try:
        pushed = push(hub_config, _run_name(config), lambda repo: contents(folder, config, repo))
        last = push_last(folder, config) if folder.last.exists() and not hub_config.create_pr else None
    except AutotuneError as error:
        if isinstance(error, Interrupted):
            _report_interrupted(folder, hub_config, command)
            raise
        reason = redact(f"{error.what}{f' ({error.found})' if error.found else ''}")
        _record_push(folder, hub_config, state="pending", reason=reason, command=command)
        raise HubError(
            f"the run is finished and safe, but it was not pushed: {error.what}",
            where=error.where,
            found=error.found,
            fix=f"{error.fix}; then: {command}" if error.fix else command,
        ) from error
    except BaseException:
        _report_interrupted(folder, hub_config, command)
        raise
    _record_push(folder, hub_config, state="done", commit=pushed.commit, url=pushed.url, repo=pushed.repo)
    for result in filter(None, (pushed, last)):
        _log_pushed(result)


def preview(folder: RunFolder, config: RunConfig) -> None:
    """Logs what a push would send and where; sends nothing. Offline, the target is not checked.

    Raises:
        HubError: the Hub would refuse the push.
    """
    target = None if offline() else find(config.hub, _run_name(config))
    repo = target.repo if target is not None else config.hub.repo or _run_name(config)
    logger.info("would be pushed to %s, %s:", repo, config.hub.visibility)
    for path, content in sorted(contents(folder, config, repo).items()):
        size = len(content) if isinstance(content, bytes) else content.stat().st_size
        logger.info("  %12d  %s", size, path)


def contents(folder: RunFolder, config: RunConfig, repo: str) -> dict[str, Content]:
    """Returns every file of a push by its path in the repository."""
    facts = read_facts(folder.path, config, folder.command)
    if not facts.metrics:
        raise ModelError(f"there is no {files.METRICS}", where=str(folder.path), fix="train it again")
    adapter_only = config.hub.adapter_only or facts.is_adapter_only
    repo_files: dict[str, Content] = dict(
        files.files_to_push(folder.model, folder.adapter, adapter_only=config.hub.adapter_only)
    )
    repo_files |= {
        files.RECORD: files.public_record(facts.saved, config, facts.origins),
        files.TRAINING: files.training_config(config, facts.origins),
        files.METRICS: (folder.path / files.METRICS).read_bytes(),
        files.CARD: render(facts, repo, adapter_only=adapter_only).encode(),
    }
    if facts.saved.get("serving") and not adapter_only:
        repo_files[files.HANDLER] = files.handler_code()
    return repo_files


def retry_command(folder: RunFolder, hub_config: HubConfig) -> str:
    """Returns the `autotune push` command that pushes the run as the section `hub` says."""
    words = ["autotune", "push", str(folder.path)]
    for flag, value, default in (
        ("--repo", hub_config.repo, None),
        ("--revision", hub_config.revision, "main"),
        ("--tag", hub_config.tag, None),
    ):
        words += [flag, str(value)] if value != default else []
    words += ["--public"] if hub_config.visibility is Visibility.public else []
    words += ["--create-pr"] if hub_config.create_pr else []
    words += ["--adapter-only"] if hub_config.adapter_only else []
    words += ["--overwrite-card"] if hub_config.overwrite_card else []
    return shell_words(*words)


def with_flags(config: RunConfig, flags: Mapping[str, Any], *, public: bool) -> RunConfig:
    """Applies the flags of `autotune push` to the configuration of a finished run.

    The visibility is private unless the flags or the configuration say public.

    Args:
        config: configuration of the run.
        flags: keys of the section `hub`; None keeps the value of the configuration.
        public: whether `--public` was given.
    """
    overrides = {key: value for key, value in flags.items() if value is not None}
    visibility = Visibility.public if public else config.hub.visibility
    if visibility is Visibility.none:
        visibility = Visibility.private
    return replace(config, hub=replace(config.hub, visibility=visibility, **overrides))


def _record_push(folder: RunFolder, hub_config: HubConfig, **facts: Any) -> None:
    """Writes the state of the push to status.json."""
    target = {
        "repo": hub_config.repo,
        "revision": hub_config.revision,
        "visibility": str(hub_config.visibility),
        "time": now(),
    }
    folder.update_status(push={**target, **facts})


def _report_interrupted(folder: RunFolder, hub_config: HubConfig, command: str) -> None:
    _record_push(folder, hub_config, state="pending", reason="interrupted", command=command)
    logger.warning("not pushed; the run is finished and safe. To push it: %s", command)


def _log_pushed(pushed: Pushed) -> None:
    visibility = "private" if pushed.private else "public"
    if pushed.changed:
        logger.info(
            "pushed to %s (%s, %s) at commit %s", pushed.url, visibility, pushed.revision, pushed.commit
        )
    else:
        logger.info(
            "%s (%s, %s) holds this run already, at commit %s",
            pushed.url,
            visibility,
            pushed.revision,
            pushed.commit,
        )


def _run_name(config: RunConfig) -> str:
    return str(config.name)
