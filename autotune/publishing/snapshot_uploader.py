"""Weights on their way to the Hub while training goes on, which waits for a copy of them and for nothing else.

A thread makes a model of the copy, a process of its own sends it (`last`): threads of the client could not be ended
when the run is to leave. One is on its way at a time; a newer one takes the place of one that waits.
"""

import copy
import json
import logging
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import asdict, replace
from os import environ
from threading import Condition, Thread
from typing import Any

from torch import Tensor, nn

from autotune.config.enums import Quantization, Visibility
from autotune.config.schema import RunConfig
from autotune.models import (
    copy_to_cpu,
    load_trainable_state,
    merge_adapters,
    save_adapter,
    save_model,
    trainable_state,
)
from autotune.models.spec import ModelSpec
from autotune.publishing.snapshot import SNAPSHOT, Snapshot, branch
from autotune.publishing.target import offline
from autotune.run.folder import RunFolder
from autotune.runtime import launcher
from autotune.tasks.base import Scores
from autotune.training.listener import TrainingListener

logger = logging.getLogger(__name__)

GRACE = 10.0
"""Seconds for a model that is being written when the run leaves; one that is being sent is given up at once."""

Weights = Mapping[str, Tensor]


def snapshot_uploader(
    folder: RunFolder,
    config: RunConfig,
    base: ModelSpec,
    record: dict[str, Any],
    generation: dict[str, Any],
    *,
    evaluates: bool,
) -> TrainingListener:
    """Who takes care of the last weights of a run, where they are to be pushed.

    Args:
        folder: of the run.
        config: of the run.
        base: of the run.
        record: JSON that is saved in the model's autotune.json.
        generation: arguments of `generate` that become the model's defaults.
        evaluates: whether the run has a validation split.
    """
    wish = config.hub
    quantized = config.peft is not None and config.peft.quantization is not Quantization.none
    if wish.visibility is Visibility.none or wish.create_pr or quantized:
        return TrainingListener()
    if wish.every is not None and not evaluates:
        logger.warning(
            "hub.every=%d counts evaluations; without a validation split there are none", wish.every
        )
    return SnapshotUploader(folder, config, base, record, generation)


class SnapshotUploader(TrainingListener):
    """Sends the weights of every n-th evaluation, and leaves the last ones in the run folder.

    Args:
        folder: of the run.
        config: of the run; `hub.every` is n.
        base: of the run.
        record: JSON that stands in the model's autotune.json.
        generation: arguments of `generate` that become the model's defaults.
    """

    def __init__(
        self,
        folder: RunFolder,
        config: RunConfig,
        base: ModelSpec,
        record: dict[str, Any],
        generation: Mapping[str, Any] | None,
    ) -> None:
        self._folder, self._config, self._record, self._generation = folder, config, record, generation
        # A fast tokenizer must not be saved by one thread and set up by another.
        self._base = replace(base, tokenizer=copy.deepcopy(base.tokenizer))
        self._every = None if offline() else config.hub.every
        self._evaluations = 0
        self._beside: nn.Module | None = None
        self._changed = Condition()
        self._waiting: tuple[Weights, Snapshot] | None = None
        self._sending: subprocess.Popen[str] | None = None
        self._leaving = self._warned = False
        self._worker: Thread | None = None

    def on_evaluate(self, model: nn.Module, step: int, total: int, scores: Scores) -> None:
        """Copies the weights where it is their turn, and hands them over."""
        self._evaluations += 1
        if self._every is None or self._evaluations % self._every:
            return
        self._copied_once(model)
        weights = trainable_state(model)
        with self._changed:
            self._waiting = weights, Snapshot(step, total, scores.main, scores.best)
            self._changed.notify()
        if self._worker is None:
            self._worker = Thread(target=self._work, name="last weights", daemon=True)
            self._worker.start()

    def on_stop(self) -> None:
        """Gives up what is on its way: what is newer follows, or nothing does."""
        with self._changed:
            self._leaving, self._waiting = True, None
            if self._sending is not None:
                self._sending.kill()
            self._changed.notify()
        if self._worker is not None:
            self._worker.join(GRACE)

    def on_end(self, model: nn.Module, step: int, best_step: int) -> None:
        """Writes `last/` where it is not the run's result as well, or where an earlier state of it was sent."""
        if self._worker is not None:
            self._worker.join()
        shutil.rmtree(self._folder.last, ignore_errors=True)
        if step != best_step or self._config.hub.every is not None:
            self._copied_once(model)
            self._build(trainable_state(model), Snapshot(step, step, best_step=best_step))
        self._beside = None

    def _copied_once(self, model: nn.Module) -> None:
        """What is not learned is copied the first time alone."""
        if self._beside is None:
            self._beside = copy_to_cpu(model)

    def _work(self) -> None:
        """In the thread, until training has ended."""
        while (taken := self._next()) is not None:
            weights, snapshot = taken
            try:
                self._build(weights, snapshot)
                self._send(snapshot)
            except Exception as error:  # noqa: BLE001 - whatever goes wrong here, training goes on
                self._warn(snapshot, f"{type(error).__name__}: {error}")

    def _next(self) -> tuple[Weights, Snapshot] | None:
        with self._changed:
            self._changed.wait_for(lambda: self._leaving or self._waiting is not None)
            taken, self._waiting = self._waiting, None
            return taken

    def _build(self, weights: Weights, snapshot: Snapshot) -> None:
        """Writes `last/` from a copy of the weights."""
        folder, peft, last = self._folder, self._config.peft, self._folder.last
        assert self._beside is not None, "copied before there are weights"
        # Folding an adapter in changes its base.
        model = copy.deepcopy(self._beside) if peft is not None else self._beside
        load_trainable_state(model, weights)
        last.mkdir(exist_ok=True)
        if peft is not None and peft.merge:
            save_adapter(model, self._base, last / folder.adapter.name)
        merged = merge_adapters(model, self._base, peft)
        save_model(merged, self._base, last / folder.model.name, self._record, generation=self._generation)
        folder.write_text(f"{last.name}/{SNAPSHOT}", json.dumps(asdict(snapshot)) + "\n")

    def _send(self, snapshot: Snapshot) -> None:
        command = [
            sys.executable,
            "-P",
            "-m",
            "autotune.publishing.snapshot",
            str(self._folder.path.absolute()),
        ]
        with self._changed:
            if self._leaving:
                return
            # Ctrl-C is for the run, which ends this process by itself.
            self._sending = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                encoding="utf-8", start_new_session=True,
                env=launcher.without_launcher_env(environ) | {"PYTHONIOENCODING": "utf-8"},
            )  # fmt: skip
        assert self._sending.stdout is not None, "it is a pipe"
        *_, said = ["it was killed", *self._sending.stdout.read().splitlines()]
        if self._sending.wait():
            self._warn(snapshot, said)
        else:
            logger.info("step %d is on the Hub: %s", snapshot.step, said)

    def _warn(self, snapshot: Snapshot, why: str) -> None:
        """Once: what cannot be sent now is often not sent the next time either."""
        with self._changed:
            if self._leaving or self._warned:
                return
            self._warned = True
        logger.warning(
            "the weights of step %d did not reach the branch %s: %s; training goes on, later ones are tried again, "
            "and no more is said of those that fail", snapshot.step, branch(self._config.hub), why,
        )  # fmt: skip
