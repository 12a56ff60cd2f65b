"""Uploads weights to the Hub during training. Training waits only while the trainable weights are copied.

A thread builds a model from the copy, and a separate process (`snapshot`) sends it, because threads of the Hub client
cannot be stopped when the run must exit. One upload runs at a time; a newer snapshot replaces a queued one.
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
from autotune.models.adapters import copy_to_cpu, load_trainable_state, merge_adapters, trainable_state
from autotune.models.saved_model import save_adapter, save_model
from autotune.models.spec import ModelSpec
from autotune.publishing.snapshot import SNAPSHOT, Snapshot, branch
from autotune.publishing.target import offline
from autotune.run.folder import RunFolder
from autotune.runtime import launcher
from autotune.tasks.base import Scores
from autotune.training.listener import TrainingListener

logger = logging.getLogger(__name__)

GRACE = 10.0
"""Seconds that a stopping run waits for a model to be written; an upload in progress is killed at once."""

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
    """Returns a listener that saves and uploads the last weights of a run, or one that does nothing if the
    configuration does not push them.

    Args:
        folder: run folder.
        config: configuration of the run.
        base: base model of the run.
        record: JSON object, saved in the model's autotune.json.
        generation: arguments of `generate` that become the model's defaults.
        evaluates: whether the run has a validation split.
    """
    hub_config = config.hub
    quantized = config.peft is not None and config.peft.quantization is not Quantization.none
    if hub_config.visibility is Visibility.none or hub_config.create_pr or quantized:
        return TrainingListener()
    if hub_config.every is not None and not evaluates:
        logger.warning(
            "hub.every=%d counts evaluations; without a validation split there are none", hub_config.every
        )
    return SnapshotUploader(folder, config, base, record, generation)


class SnapshotUploader(TrainingListener):
    """Uploads the weights of every n-th evaluation, and writes the last weights to `last/` when training ends.

    Args:
        folder: run folder.
        config: configuration of the run; n is `hub.every`.
        base: base model of the run.
        record: JSON object, saved in the model's autotune.json.
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
        # A copy: a fast tokenizer must not be saved by the worker thread while training configures it.
        self._base = replace(base, tokenizer=copy.deepcopy(base.tokenizer))
        self._every = None if offline() else config.hub.every
        self._evaluations = 0
        self._cpu_model: nn.Module | None = None
        self._condition = Condition()
        """Guards `_queued`, `_upload`, `_stopping` and `_warned`, which the worker thread shares."""
        self._queued: tuple[Weights, Snapshot] | None = None
        self._upload: subprocess.Popen[str] | None = None
        self._stopping = self._warned = False
        self._worker: Thread | None = None

    def on_evaluate(self, model: nn.Module, step: int, total: int, scores: Scores) -> None:
        """Queues a copy of the weights after every n-th evaluation, replacing one that is still queued."""
        self._evaluations += 1
        if self._every is None or self._evaluations % self._every:
            return
        self._copy_model_once(model)
        weights = trainable_state(model)
        with self._condition:
            self._queued = weights, Snapshot(step, total, scores.main, scores.best)
            self._condition.notify()
        if self._worker is None:
            self._worker = Thread(target=self._work, name="last weights", daemon=True)
            self._worker.start()

    def on_stop(self) -> None:
        """Drops the queued snapshot, kills the upload, and waits up to `GRACE` seconds for the thread."""
        with self._condition:
            self._stopping, self._queued = True, None
            if self._upload is not None:
                self._upload.kill()
            self._condition.notify()
        if self._worker is not None:
            self._worker.join(GRACE)

    def on_end(self, model: nn.Module, step: int, best_step: int) -> None:
        """Writes `last/` if the last step is not the best one, or if `hub.every` has pushed earlier snapshots."""
        if self._worker is not None:
            self._worker.join()
        shutil.rmtree(self._folder.last, ignore_errors=True)
        if step != best_step or self._config.hub.every is not None:
            self._copy_model_once(model)
            self._build(trainable_state(model), Snapshot(step, step, best_step=best_step))
        self._cpu_model = None

    def _copy_model_once(self, model: nn.Module) -> None:
        """Copies the whole model to the CPU the first time; later only trainable weights are copied."""
        if self._cpu_model is None:
            self._cpu_model = copy_to_cpu(model)

    def _work(self) -> None:
        """Builds and sends queued snapshots until training has ended; runs in the thread."""
        while (queued := self._next()) is not None:
            weights, snapshot = queued
            try:
                self._build(weights, snapshot)
                self._send(snapshot)
            except Exception as error:  # noqa: BLE001 - an upload must never end the training
                self._warn(snapshot, f"{type(error).__name__}: {error}")

    def _next(self) -> tuple[Weights, Snapshot] | None:
        """Waits for a queued snapshot; returns None once training has ended."""
        with self._condition:
            self._condition.wait_for(lambda: self._stopping or self._queued is not None)
            queued, self._queued = self._queued, None
            return queued

    def _build(self, weights: Weights, snapshot: Snapshot) -> None:
        """Writes `last/` from a copy of the trainable weights."""
        folder, peft, last = self._folder, self._config.peft, self._folder.last
        assert self._cpu_model is not None, "copied before there are weights"
        # Merging an adapter modifies its base weights, which the next snapshot needs unmodified.
        model = copy.deepcopy(self._cpu_model) if peft is not None else self._cpu_model
        load_trainable_state(model, weights)
        last.mkdir(exist_ok=True)
        if peft is not None and peft.merge:
            save_adapter(model, self._base, last / folder.adapter.name)
        merged = merge_adapters(model, self._base, peft)
        save_model(merged, self._base, last / folder.model.name, self._record, generation=self._generation)
        folder.write_text(f"{last.name}/{SNAPSHOT}", json.dumps(asdict(snapshot)) + "\n")

    def _send(self, snapshot: Snapshot) -> None:
        """Uploads `last/` in a separate process and waits for its end."""
        command = [
            sys.executable,
            "-P",
            "-m",
            "autotune.publishing.snapshot",
            str(self._folder.path.absolute()),
        ]
        # Under the lock: otherwise `on_stop` could run before the process is known, and would not kill it.
        with self._condition:
            if self._stopping:
                return
            # A session of its own: Ctrl-C must reach only the run, which then kills this process.
            self._upload = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                encoding="utf-8", start_new_session=True,
                env=launcher.without_launcher_env(environ) | {"PYTHONIOENCODING": "utf-8"},
            )  # fmt: skip
        assert self._upload.stdout is not None, "it is a pipe"
        *_, last_line = ["it was killed", *self._upload.stdout.read().splitlines()]
        if self._upload.wait():
            self._warn(snapshot, last_line)
        else:
            logger.info("step %d is on the Hub: %s", snapshot.step, last_line)

    def _warn(self, snapshot: Snapshot, reason: str) -> None:
        """Logs the first failed upload only, as later ones often fail for the same reason."""
        with self._condition:
            if self._stopping or self._warned:
                return
            self._warned = True
        logger.warning(
            "the weights of step %d did not reach the branch %s: %s; training continues, later snapshots are tried again, "
            "and further failures are not reported", snapshot.step, branch(self._config.hub), reason,
        )  # fmt: skip
