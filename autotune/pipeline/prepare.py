"""From the configuration to everything that is known before weights are loaded, checked on the way.

Each stage runs if those that it needs succeeded, so all errors are reported together; `autotune check` ends here.
"""

import json
import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from accelerate import Accelerator
from datasets import Dataset
from torch import nn

from autotune import registry
from autotune.checks.findings import Area, Report, note, warning
from autotune.checks.metric import try_metric
from autotune.config.enums import Batching, CheckLevel, Precision, Visibility, WhenOffline
from autotune.config.rules.baselines import keys_without_effect
from autotune.config.schema import RunConfig
from autotune.config.secrets import secret_in
from autotune.data.sources import Rows, load_rows
from autotune.errors import AutotuneError, DataError, Interrupted, listing
from autotune.evaluation.evaluator import Evaluator
from autotune.models.adapters import count_parameters, refuse_without_checkpointing
from autotune.models.base import open_base
from autotune.models.layers import freeze, places
from autotune.models.packing import refuse_packing
from autotune.models.repository import refuse_absent_weights
from autotune.models.spec import ModelSpec
from autotune.models.trimming import trim_vocabulary
from autotune.models.weights import build_meta_model, load_model
from autotune.pipeline.audit import audit
from autotune.pipeline.bundled import Bundle, open_bundle
from autotune.publishing.target import find, offline, tag_taken
from autotune.runtime import signals
from autotune.tasks.base import Task
from autotune.training import device
from autotune.training.budget import prediction_token_budget
from autotune.training.features import FeatureSections, prepare_features
from autotune.training.sizes import Sizes, sizes
from autotune.training.tracking import refuse_absent_tracker

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class PreparedRows:
    """Everything that is known before a model without a neural network is trained."""

    rows: Rows
    task: Task

    def record(self) -> dict[str, Any]:
        """JSON of what the run learns from."""
        return {
            "fingerprint": self.rows.fingerprint,
            "fingerprints": self.rows.by_split,
            "source": self.rows.source,
            "rows": {split: len(data) for split, data in self.rows.splits.items()},
            "facts": self.task.facts,
            "notes": self.rows.notes,
        }


@dataclass(frozen=True)
class Prepared(PreparedRows):
    """Everything that is known before weights are loaded."""

    base: ModelSpec
    features: dict[str, Dataset]
    precision: Precision
    sections: FeatureSections | None
    """Of a train set that streams."""
    sizes: Sizes
    """Of the training, with the configuration as it applies to the rows."""

    def load_model(self, config: RunConfig) -> nn.Module:
        """Loads the weights, puts on the head and the adapters, and freezes what is not trained."""
        model = load_model(
            self.base,
            self.task.heads[self.base.family],
            self.task.labels(),
            config.peft,
            allow_pickle=config.model.allow_pickle,
            seed=config.seed,
            problem_type=self.task.problem_type,
        )
        freeze(model, config.trainer.freeze)
        return model

    def evaluator(self, config: RunConfig, accelerator: Accelerator) -> Evaluator:
        """Returns what predicts and scores while training."""
        budget = config.trainer.micro_batch_tokens or prediction_token_budget(self.base.config)
        return Evaluator(self.task, accelerator, budget, self.precision)

    def record(self) -> dict[str, Any]:
        """JSON of what the run learns from."""
        return {**super().record(), "training": self.sizes.record()}


@dataclass
class PreflightState:
    """Results of the stages; those of a stage that failed, or was not reached, are None."""

    config: RunConfig
    cache: Path
    report: Report = field(default_factory=Report)
    bundle: Bundle | None = None
    rows: Rows | None = None
    facts: dict[str, Any] | None = None
    base: ModelSpec | None = None
    task: Task | None = None
    features: dict[str, Dataset] | None = None
    sizes: Sizes | None = None
    precision: Precision | None = None
    model: nn.Module | None = None
    """Without weights."""

    def result(self) -> Prepared:
        """Returns what a run needs from here on.

        Raises:
            AutotuneError: what was found ends the run; several together.
        """
        self.report.raise_refused(self.config.check.level)
        assert self.rows and self.base and self.task and self.features and self.precision, "no stage failed"
        assert self.sizes, "no stage failed"
        sections = None
        if self.rows.sections is not None:
            sections = FeatureSections(
                self.task, self.rows.sections, self.features["train"], self.cache, self.rows.fingerprint
            )
        return Prepared(self.rows, self.task, self.base, self.features, self.precision, sections, self.sizes)

    def rows_result(self) -> PreparedRows:
        """Returns what a run without a neural network needs from here on; see `result`."""
        self.report.raise_refused(self.config.check.level)
        assert self.rows and self.task, "no stage failed"
        return PreparedRows(self.rows, self.task)


def run_preflight(config: RunConfig, cache: Path) -> PreflightState:
    """Reads, tokenises and checks; finds everything and raises nothing that a user can mend."""
    began = time.perf_counter()
    state = PreflightState(config, cache)
    is_cheap = config.model.baseline is not None
    for area, stage in (*STAGES_OF_ROWS, *(STAGES_OF_CHEAP if is_cheap else STAGES), PUSH):
        signals.raise_if_stopped()
        try:
            stage(state)
        except Interrupted:
            raise
        except AutotuneError as error:
            state.report.refuse(area, error)
    if config.check.level is not CheckLevel.none:
        audit(state)
    if state.rows is not None:
        state.report.merge_label_maps(config.dataset, state.rows.names)
    state.report.figures["seconds"] = round(time.perf_counter() - began, 1)
    return state


def _unpack(state: PreflightState) -> None:
    if state.config.bundle is not None:
        state.bundle = open_bundle(state.config.bundle, state.cache)


def _read(state: PreflightState) -> None:
    config, task_class = state.config, registry.task(state.config.task.name)
    if config.bundle is None:
        state.rows = load_rows(config.dataset, task_class.columns, cache=state.cache)
    elif state.bundle is not None:
        state.rows = state.bundle.rows
    else:
        return
    state.report.add(note(Area.data, text) for text in state.rows.notes)
    state.report.figures["fingerprint"] = state.rows.fingerprint
    state.report.figures["source"] = state.rows.source


def _fit_labels(state: PreflightState) -> None:
    if state.rows is not None:
        task_class = registry.task(state.config.task.name)
        facts = task_class.fit_labels(state.config.task, state.config.dataset, state.rows.splits)
        if name := secret_in(json.dumps(facts, ensure_ascii=False)):
            raise DataError(
                f"the value of the environment variable {name} is in a label: it would be saved with the model",
                where=state.config.dataset.path,
                fix="rename the label in the data",
            )
        state.facts = facts


def _open(state: PreflightState) -> None:
    """Config and tokenizer; a tiny model is built from the texts, so it needs them."""
    config, task_class, rows = state.config, registry.task(state.config.task.name), state.rows
    if rows is None and (config.model.tiny is not None or config.bundle is not None):
        return
    state.base = open_base(
        config.model,
        task_class.heads,
        task_class.name,
        task_class.examples.models,
        task_class.examples.tiny,
        lambda: task_class.texts(rows.splits["train"]) if rows is not None else iter(()),
        state.cache,
        state.bundle.model if state.bundle is not None else None,
    )


def _trim_vocabulary(state: PreflightState) -> None:
    """Removes the tokens that the texts do not need; the weights are trimmed when they are read."""
    config, base, rows = state.config, state.base, state.rows
    if not config.model.trim_vocabulary or base is None or rows is None:
        return
    task_class = registry.task(config.task.name)
    prompts = [value for value in vars(config.task).values() if isinstance(value, str)]

    def texts() -> Iterator[str]:
        yield from prompts
        for data in rows.splits.values():
            yield from filter(None, task_class.texts(data))

    state.base = trim_vocabulary(base, texts, config.dataset.language)
    assert state.base.trimming is not None, "the vocabulary was trimmed"
    tokens, of = len(state.base.trimming.kept), state.base.trimming.original_rows
    state.report.figures["vocabulary"] = {"tokens": tokens, "of": of}
    state.report.add([note(Area.model, f"the vocabulary is trimmed to {tokens} of {of} tokens")])


def _find_weights(state: PreflightState) -> None:
    if state.base is not None:
        refuse_absent_weights(
            state.base.name,
            state.base.path,
            state.base.revision,
            allow_pickle=state.config.model.allow_pickle,
        )


def _resolve_precision(state: PreflightState) -> None:
    """Precision, and the task with its rules for this model."""
    if state.base is None:
        return
    state.precision = device.resolve_precision(state.config.trainer.precision, state.base.config)
    if state.facts is not None:
        task_class = registry.task(state.config.task.name)
        state.task = task_class(state.config.task, state.base, state.facts)


def _try_metric(state: PreflightState) -> None:
    if state.task is not None and state.rows is not None:
        try_metric(state.task, state.rows.splits)


def _tokenise(state: PreflightState) -> None:
    task, rows = state.task, state.rows
    if task is None or rows is None:
        return
    task.measure_tokens({split: data for split, data in rows.splits.items() if split != "test"})
    tokenised: list[str] = []
    began = time.perf_counter()
    state.features = {
        split: prepare_features(
            task, data, state.cache, f"{rows.fingerprint}-{split}", partial(tokenised.append, split)
        )
        for split, data in rows.splits.items()
    }
    windows = sum(len(table) for table in state.features.values())
    how = f"tokenised in {time.perf_counter() - began:.1f} s" if tokenised else "found in the cache"
    logger.info("features of data %s: %d windows, %s", rows.fingerprint, windows, how)


def _fit_to_rows(state: PreflightState) -> None:
    """Steps, rows per step and which weights are kept, where they depend on the number of rows."""
    if state.features is None or state.rows is None:
        return
    trained = len(np.unique(state.features["train"].data.table["row"].to_numpy()))
    state.sizes = sizes(state.config, trained, len(state.rows.splits.get("validation", ())))
    state.report.add([note(Area.configuration, state.sizes.line(state.config))])


def _build_meta_model(state: PreflightState) -> None:
    if state.base is not None and state.task is not None:
        head = state.task.heads[state.base.family]
        state.model = build_meta_model(
            state.base, head, state.task.labels(), state.config.peft, state.task.problem_type
        )
        freeze(state.model, state.config.trainer.freeze)
        if state.config.trainer.layer_decay < 1:
            places(state.model)
        if state.config.trainer.gradient_checkpointing:
            refuse_without_checkpointing(state.model)
        if state.config.trainer.batching is Batching.packed:
            refuse_packing(state.model)


def _make_task(state: PreflightState) -> None:
    """The task of a model without a neural network, and what of the configuration means nothing to it."""
    if state.facts is not None:
        state.task = registry.task(state.config.task.name)(state.config.task, None, state.facts)
    if keys := keys_without_effect(state.config):
        state.report.add(
            [
                note(
                    Area.configuration,
                    f"these keys mean nothing to a model without a neural network: {listing(keys)}",
                )
            ]
        )


def _check_push_target(state: PreflightState) -> None:
    """Whether the Hub would let the finished run be pushed: found out before hours of training."""
    wish = state.config.hub
    if wish.visibility is Visibility.none:
        return
    if offline() and wish.when_offline is WhenOffline.queue:
        state.report.add([note(Area.hub, "offline: the run is kept for autotune push RUN")])
        return
    target = find(wish, str(state.config.name))
    if wish.tag is not None and target.tagged is not None:
        raise tag_taken(target.repo, wish.tag, target.tagged)
    seen, creation = (
        "private" if target.private else "public",
        "there already" if target.exists else "will be made",
    )
    size = f", about {4e-6 * count_parameters(state.model)[1]:.0f} MB" if state.model is not None else ""
    state.report.figures["push"] = {"repo": target.repo, "user": target.user, "private": target.private}
    state.report.add(
        [
            note(
                Area.hub,
                f"the run will be pushed to {target.repo} ({seen}, {creation}{size}) as {target.user}",
            )
        ]
    )
    if target.private and wish.visibility is Visibility.public:
        state.report.add([warning(Area.hub, "the repository is private and stays private; change that in its settings",
                                  where=f"hub.repo={target.repo}")])  # fmt: skip


Stages = tuple[tuple[Area, Callable[[PreflightState], None]], ...]
STAGES_OF_ROWS: Stages = (
    (Area.configuration, lambda state: refuse_absent_tracker(state.config.tracking)),
    (Area.data, _unpack),
    (Area.data, _read),
    (Area.labels, _fit_labels),
)
STAGES: Stages = (
    (Area.model, _open),
    (Area.model, _trim_vocabulary),
    (Area.model, _find_weights),
    (Area.configuration, _resolve_precision),
    (Area.labels, _try_metric),
    (Area.lengths, _tokenise),
    (Area.configuration, _fit_to_rows),
    (Area.machine, _build_meta_model),
)
"""Stages of a run with a neural network."""
STAGES_OF_CHEAP: Stages = (
    (Area.configuration, _make_task),
    (Area.labels, _try_metric),
)
"""Stages of a run without."""
PUSH = (Area.hub, _check_push_target)
