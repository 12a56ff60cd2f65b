"""The folder of a sweep, `sweep-…` beside its run folders.

members.jsonl   one line per run: overrides, run folder, state, step, scores (`sweep_members.SweepMember`)
folds.json      of a sweep over folds: the score of all folds together (`sweep_folds.Pooled`)
out_of_fold.jsonl   predictions of all folds, each with its fold; out_of_fold-2.jsonl … of further combinations
sweep.csv, sweep.md   the table (`sweep_table`)

What is known of a run is always read from its run folder, whoever trains it: this process, another one, or a job on
another node. The files here are a copy of that, written after each run, and by `autotune sweep` at any time.
"""

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

from autotune.config.compose import Member
from autotune.config.load import digest
from autotune.config.schema import RunConfig
from autotune.config.secrets import redact
from autotune.config.sweep import swept
from autotune.errors import ConfigError, listing, shell_words
from autotune.run.history import line
from autotune.run.status import LOCK
from autotune.run.sweep_folds import Pooled
from autotune.run.sweep_members import SweepMember
from autotune.run.sweep_table import to_csv, to_markdown
from autotune.runtime.files import atomic_write, disk_errors, make_folder
from autotune.runtime.locks import wait_for_lock
from autotune.runtime.records import Record, checked, read_lines, read_record

MEMBERS, CSV, MARKDOWN, FOLDS = "members.jsonl", "sweep.csv", "sweep.md", "folds.json"
PREFIX = "sweep-"
MAX_READABLE = 100
"""Maximal characters of the readable part of a sweep's name."""


class _Folds(Record):
    """Schema of folds.json."""

    pooled: list[Pooled]


class SweepFolder:
    """The folder of a sweep.

    Args:
        path: the folder, which holds members.jsonl.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    def create(cls, members: Sequence[Member]) -> Self:
        """Makes the folder of a sweep, beside its first run, or opens the one that the same runs have already.

        Raises:
            DiskError: it cannot be written.
        """
        runs = Path(members[0].config.runs).expanduser()
        sweep = cls(runs / sweep_name([member.config for member in members]))
        records = [
            SweepMember(
                run=os.path.relpath(run_path(member.config), runs),
                overrides=overrides,
                words=[redact(word) for word in member.words],
                epochs=None if member.config.dataset.streaming else member.config.trainer.epochs,
                max_steps=member.config.trainer.max_steps,
            )
            for member, overrides in zip(members, swept([member.words for member in members]), strict=True)
        ]
        with disk_errors(sweep.path):
            make_folder(sweep.path)
        with wait_for_lock(sweep.path / LOCK):
            sweep._write([record.updated(runs) for record in records])
        return sweep

    @classmethod
    def open(cls, path: str | Path) -> Self:
        """Opens the folder of a sweep.

        Raises:
            ConfigError: it is not the folder of a sweep; the error names those nearby.
        """
        folder = Path(path).expanduser()
        if (folder / MEMBERS).is_file():
            return cls(folder)
        near = sorted(
            file.parent for place in (folder, folder.parent) for file in place.glob(f"{PREFIX}*/{MEMBERS}")
        )
        raise ConfigError(
            "this is not the folder of a sweep",
            where=str(folder),
            found=f"sweeps nearby: {listing(near)}" if near else f"there is no {MEMBERS} in it",
            fix=f"autotune sweep {shell_words(near[-1])}"
            if near
            else "autotune seeds=5 … prints the folder of its sweep",
        )

    def read(self, reasons: Mapping[str, str] | None = None) -> list[SweepMember]:
        """Returns what is known of each run now.

        Args:
            reasons: why runs have failed, by name; counts for those that failed before they had a folder.

        Raises:
            ConfigError: members.jsonl is damaged.
        """
        file = self.path / MEMBERS
        fix = "the command that began the sweep, which writes it again"
        lines = read_lines(file, fix=fix, error_type=ConfigError)
        members = [checked(value, SweepMember, file, fix=fix, error_type=ConfigError) for value in lines]
        return [
            SweepMember(**member).updated(self.path.parent, (reasons or {}).get(Path(member["run"]).name))
            for member in members
        ]

    def refresh(self, reasons: Mapping[str, str] | None = None) -> list[SweepMember]:
        """Does what `read` does, and writes members.jsonl and the tables again.

        Raises:
            ConfigError: members.jsonl is damaged.
            DiskError: the folder cannot be written.
        """
        with wait_for_lock(self.path / LOCK):
            members = self.read(reasons)
            self._write(members)
        return members

    def pooled(self) -> list[Pooled]:
        """Returns the scores of all folds together that were computed so far.

        Raises:
            ConfigError: folds.json is damaged.
        """
        fix = f"rm {shell_words(self.path / FOLDS)}  # it is made again"
        record = read_record(self.path / FOLDS, _Folds, fix=fix, error_type=ConfigError) or {"pooled": []}
        return [Pooled(**entry) for entry in record["pooled"]]

    def write_pooled(self, pooled: Sequence[Pooled]) -> None:
        """Writes folds.json.

        Raises:
            DiskError: it cannot be written.
        """
        text = json.dumps(
            {"pooled": [entry.model_dump(mode="json") for entry in pooled]}, ensure_ascii=False, indent=2
        )
        with atomic_write(self.path / FOLDS) as file:
            file.write(redact(f"{text}\n").encode("utf-8"))

    def _write(self, members: Sequence[SweepMember]) -> None:
        pooled = self.pooled()
        texts = {
            MEMBERS: "".join(line(member.model_dump(mode="json")) for member in members),
            CSV: to_csv(members, pooled),
            MARKDOWN: to_markdown(self.path.name, members, pooled),
        }
        for name, text in texts.items():
            with atomic_write(self.path / name) as file:
                file.write(redact(text).encode("utf-8"))


def run_path(config: RunConfig) -> Path:
    """Returns the run folder of a configuration."""
    return Path(config.runs).expanduser() / str(config.name)


def sweep_name(configs: Sequence[RunConfig]) -> str:
    """Returns the name of a sweep's folder: what the names of its runs have in common, and a hash of the runs.

    The order of the runs does not change it, nor does anything that does not shape their results.
    """
    identities = sorted(f"{config.name}:{digest(config)}" for config in configs)
    readable = {str(config.name).rpartition("-")[0][:MAX_READABLE] for config in configs}
    common = f"{name}-" if len(readable) == 1 and (name := readable.pop()) else ""
    return f"{PREFIX}{common}{hashlib.sha256(json.dumps(identities).encode()).hexdigest()[:8]}"
