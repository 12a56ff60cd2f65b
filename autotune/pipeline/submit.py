"""`autotune submit`: sends runs to Slurm, several as one array job.

Each run folder is made here, with the whole configuration, and the job resumes it: what is typed and what YAML files say
at this moment is what runs, whenever the job starts and however often it is queued again.
"""

import hashlib
import json
import logging
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from autotune.config.compose import Member
from autotune.config.enums import CheckLevel, Precision, Resume
from autotune.config.load import to_dict
from autotune.config.schema import RunConfig
from autotune.config.slurm import SlurmConfig
from autotune.errors import AutotuneError, ConfigError, raise_all, shell_words
from autotune.run import slurm, status
from autotune.run.folder import RunFolder
from autotune.run.sweep_folder import SweepFolder
from autotune.runtime.files import atomic_write, disk_errors

logger = logging.getLogger(__name__)


def submit(
    members: Sequence[Member], words: Sequence[str], plugins: Sequence[str], setup: str, *, dry_run: bool
) -> int:
    """Sends the runs that are neither finished nor in the queue, and prints the job id; returns the exit code.

    Args:
        members: the runs.
        words: what stands before the words of a member in the command that sends it alone, after `autotune`.
        plugins: files that register tasks.
        setup: shell commands that the job runs first.
        dry_run: whether only to print the batch script.

    Raises:
        AutotuneError: a configuration or its data are wrong, a folder cannot be written, or Slurm refuses.
    """
    settings = _settings([member.config for member in members])
    whole_sweep = members
    if not dry_run:
        members = _to_send(members)
        if not members:
            return 0
        _check([member.config for member in members])
    runs = [_folder(member.config) for member in members]
    name, script = _job(members)
    text = slurm.batch_script(settings, name, runs, script, plugins, setup)
    if dry_run:
        sys.stdout.write(text)
        return 0
    for member in members:
        token = status.command_words.set([*words, *member.words])
        try:
            with RunFolder.open(member.config) as folder:
                pass  # the configuration and the command are written, and the lock is free for the job
            folder.update_status(reason="left to a Slurm job")
        finally:
            status.command_words.reset(token)
    sweep = SweepFolder.create(whole_sweep) if len(whole_sweep) > 1 else None
    _write(script, text)
    job = slurm.send(script)
    for number, run in enumerate(runs):
        record = {"job": f"{job}_{number}" if len(runs) > 1 else job}
        _write(run / slurm.FOLDER / slurm.JOB, json.dumps(record) + "\n")
    _log_sent(job, name, script, len(runs), sweep)
    sys.stdout.write(f"{job}\n")
    return 0


def _settings(configs: Sequence[RunConfig]) -> SlurmConfig:
    """Returns the section `slurm`, which must be the same in all runs."""
    sections = [config.slurm for config in configs]
    first = sections[0]
    if first is None:
        raise ConfigError("no cluster is chosen", where="cluster", found="none", fix="cluster=slurm")
    if any(config.trainer.pause_at is not None for config in configs):
        raise ConfigError("a paused run ends as an interrupted one does, and its job would start it again and again",
                          where="trainer.pause_at", fix="trainer.pause_at=null")  # fmt: skip
    if any(section != first for section in sections):
        raise ConfigError(
            "the runs of a sweep are one array job, with the same resources",
            where="slurm",
            found="several values in a sweep over slurm.…",
            fix="one autotune submit for each value",
        )
    return first


def _to_send(members: Sequence[Member]) -> list[Member]:
    """Returns the runs that are neither finished nor in the queue, each folder once; names the others."""
    folders = {_folder(member.config): member for member in members}
    sent = {run: job for run in folders if (job := slurm.job_of(run)) is not None}
    queue = slurm.jobs() if sent else {}
    waiting = []
    for run, member in folders.items():
        job = sent.get(run, "")
        if job in queue:
            logger.info(
                "%s has a job already: %s (%s); scancel %s ends it", member.config.name, job, queue[job], job
            )
        elif member.config.resume is not Resume.never and status.state_of(run) is status.State.finished:
            logger.info("%s is finished; nothing was submitted", run)
        else:
            waiting.append(member)
    return waiting


def _check(configs: Sequence[RunConfig]) -> None:
    """Reads the data and the model's configuration, so that mistakes are found before the job waits in the queue."""
    configs = [config for config in configs if config.check.level is not CheckLevel.none]
    if not configs:
        return
    from autotune.data.cache_use import entries_in_use
    from autotune.pipeline.check import cache_folder
    from autotune.pipeline.prepare import run_preflight

    refused: dict[str, AutotuneError] = {}
    with entries_in_use():
        for number, config in enumerate(configs, 1):
            logger.info("checking run %d of %d: %s", number, len(configs), config.name)
            level = config.check.level
            # A login node has no GPU, so the precision is left to the job; warnings are shown there.
            checked = replace(config, trainer=replace(config.trainer, precision=Precision.auto))
            if level is not CheckLevel.strict:
                checked = replace(checked, check=replace(config.check, level=CheckLevel.none))
            try:
                run_preflight(checked, cache_folder(config)).report.raise_refused(level)
            except AutotuneError as error:
                refused |= {str(single): single for single in error.errors}
    raise_all(list(refused.values()))


def _job(members: Sequence[Member]) -> tuple[str, Path]:
    """Returns the name of the job and the path of its script: in the run folder, or for several runs beside theirs."""
    first = members[0].config
    if len(members) == 1:
        return str(first.name), _folder(first) / slurm.FOLDER / slurm.SCRIPT
    identity = json.dumps(sorted(str(to_dict(member.config)["name"]) for member in members))
    name = f"sweep-{hashlib.sha256(identity.encode()).hexdigest()[:8]}"
    return name, _folder(first).parent / f"{slurm.FOLDER}-{name}" / slurm.SCRIPT


def _folder(config: RunConfig) -> Path:
    return Path(config.runs).expanduser().absolute() / str(config.name)


def _write(path: Path, text: str) -> None:
    with disk_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(path) as file:
        file.write(text.encode())


def _log_sent(job: str, name: str, script: Path, count: int, sweep: SweepFolder | None) -> None:
    output = script.with_name(f"{job}_0.out" if count > 1 else f"{job}.out")
    if count > 1:
        logger.info("submitted job %s: %s, an array of %d runs", job, name, count)
    else:
        logger.info("submitted job %s: %s", job, name)
    logger.info("  state:  squeue -j %s", job)
    logger.info("  output: tail -F %s", shell_words(output))
    logger.info("  cancel: scancel %s", job)
    if sweep is not None:
        logger.info("  table:  autotune sweep %s", shell_words(sweep.path))
