"""One function a verb: wires the layers together; nothing clever."""

import logging
import sys
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from torch import nn

from autotune.checks.findings import Report, Severity
from autotune.checks.machine import packages, surroundings
from autotune.checks.show import say, text
from autotune.config.enums import CheckFormat, CheckLevel, Precision
from autotune.config.load import to_dict
from autotune.config.schema import HubConfig, RunConfig
from autotune.data.cache import iter_rows
from autotune.data.cache_use import entries_in_use
from autotune.data.splits import scored_splits
from autotune.errors import AutotuneError, shell_words
from autotune.evaluation.bootstrap import intervals
from autotune.evaluation.evaluator import Evaluator
from autotune.evaluation.unseen import unseen_scores
from autotune.metrics import recipe
from autotune.models import cast_frozen_to_bf16, load_model, merge_adapters, save_adapter, save_model
from autotune.pipeline.plan import format_cost, measure_cost
from autotune.pipeline.prepare import Prepared, run_preflight
from autotune.pipeline.round_trip import verify_round_trip
from autotune.pipeline.summary import log_model, log_next_steps, log_result
from autotune.publishing.card.facts import read_facts
from autotune.publishing.card.render import write_card
from autotune.publishing.publish import publish
from autotune.publishing.snapshot_uploader import snapshot_uploader
from autotune.run.folder import RunFolder
from autotune.runtime import signals
from autotune.runtime.files import json_lines
from autotune.runtime.places import cache_of
from autotune.runtime.ranks import Ranks, init_process_group
from autotune.runtime.streams import print_json
from autotune.tasks.base import Scores
from autotune.training import device
from autotune.training.budget import prediction_token_budget
from autotune.training.fit import FitResult
from autotune.training.trainer import Trainer

logger = logging.getLogger(__name__)

OVER_BUDGET = 3
"""Exit code of `autotune plan` where the run would cost more than plan.budget allows."""


@entries_in_use()
def check(config: RunConfig) -> tuple[int, dict[str, str]]:
    """Looks at everything that can be known before a model is loaded, and prints it.

    Returns:
        The exit code, and the fingerprint of each split, of none where the data could not be read.
    """
    found = run_preflight(config, cache(config))
    _print(config, found.report)
    return _refusal(config, found.report), found.rows.by_split if found.rows is not None else {}


@entries_in_use()
def plan(config: RunConfig) -> int:
    """Checks, then measures what a run would cost; returns the exit code, 3 where that is over the budget."""
    found = run_preflight(config, cache(config))
    if _refusal(config, found.report):
        _print(config, found.report)
        return _refusal(config, found.report)
    over = measure_cost(config, found.result(), found.report)
    _print(config, found.report)
    return OVER_BUDGET if over else 0


def cache(config: RunConfig) -> Path:
    """The folder of the tables that runs share."""
    return cache_of(Path(config.runs).expanduser())


def _refusal(config: RunConfig, report: Report) -> int:
    """The exit code that the findings ask for; of several errors' codes the greatest."""
    strict = config.check.level is CheckLevel.strict
    refused = report.count(Severity.error) or (strict and report.count(Severity.warning))
    return (
        max((error.exit_code for error in report.errors), default=AutotuneError.exit_code) if refused else 0
    )


def _print(config: RunConfig, report: Report) -> None:
    if config.check.format is CheckFormat.json:
        print_json(report.as_json(config.name))
    else:
        costs = format_cost(report.figures["plan"]) if "plan" in report.figures else []
        sys.stdout.write(text(report, str(config.name), costs))


@entries_in_use()
def train(config: RunConfig, plugins: Sequence[str]) -> int:
    """Fine-tunes, evaluates, saves and proves; returns the exit code.

    Args:
        config: fully resolved.
        plugins: files that register tasks; the process that proves the saved model needs them too.
    """
    with (
        signals.handle_signals(),
        init_process_group(config.trainer.rank_timeout) as ranks,
        ranks.rank0_first(
            "folder", lambda: RunFolder.open(config), lambda: RunFolder.open_as_worker(config)
        ) as folder,
        ranks.share_errors(),
    ):
        if folder.finished:
            logger.info("%s is finished; nothing was trained", folder.path)
            logger.info(
                "see it with: autotune evaluate %s; train it again with: resume=never",
                shell_words(folder.path),
            )
            if not ranks.rank:
                publish(folder, config)
            return 0
        logger.info("run folder: %s", folder.path)
        prepared = _examined(config, folder, ranks)
        signals.raise_if_stopped()
        fitted, model, evaluator = _fine_tuned(config, prepared, folder, ranks)
        scores = _score(prepared, evaluator, model, folder)
        if ranks.rank:
            return 0
        split, figures = list(scores.items())[-1]
        rows = prepared.rows.splits
        baselines = {
            name: prepared.task.score(iter_rows(rows[split]), predictions)
            for name, predictions in prepared.task.baselines(rows["train"], rows[split]).items()
        }
        unseen = None
        if split != "train":
            unseen = unseen_scores(prepared.task, rows["train"], rows[split], folder.predictions(split))
        ends = intervals(
            prepared.task, iter_rows(rows[split]), json_lines(folder.predictions(split)), config.seed
        )  # fmt: skip
        metrics = {
            **{name: one.as_dict() for name, one in scores.items()},
            "baseline": {split: {name: one.values for name, one in baselines.items()}},
            "interval": {split: ends},
            **({"unseen": {split: {"rows": unseen[0], **unseen[1].as_dict()}}} if unseen else {}),
            "recipe": recipe(figures.values),
            "precision": {"training": prepared.precision, "scores": evaluator.precision},
            "training": asdict(fitted),
        }
        signals.raise_if_stopped()
        folder.write_json("metrics.json", metrics)
        folder.write_json("environment.json", surroundings() | {"packages": packages()})
        write_card(folder.model, read_facts(folder.path, config, folder.command))
        verify_round_trip(evaluator, model, rows[split], folder, plugins)
        folder.finish()
        trial = config.dataset.limit is not None
        log_result(fitted, split, figures, baselines, unseen, ends.get(figures.main), trial=trial)
        log_next_steps(folder, config, prepared.task)
        publish(folder, config)
    return 0


def _examined(config: RunConfig, folder: RunFolder, ranks: Ranks) -> Prepared:
    """What is known before weights are loaded; the first process makes the tables that all of them map."""

    def ahead() -> Prepared:
        found = run_preflight(config, folder.cache)
        say(found.report)
        prepared = found.result()
        folder.write_json("data.json", prepared.record() | {"check": found.report.as_dict()})
        commits = {"model": prepared.base.revision, "dataset": prepared.rows.source.get("commit")}
        folder.note_commits(config, commits)
        return prepared

    def then() -> Prepared:
        # What the first process has looked at and asked for all of them.
        unchecked = replace(config, check=replace(config.check, level=CheckLevel.none), hub=HubConfig())
        return run_preflight(unchecked, folder.cache).result()

    return ranks.rank0_first("tables", ahead, then)


def _fine_tuned(
    config: RunConfig, prepared: Prepared, folder: RunFolder, ranks: Ranks
) -> tuple[FitResult, nn.Module, Evaluator]:
    """Trains and saves; the memory of gradients and optimizer is free when this returns.

    Returns:
        How training ended, the model as it was saved, and what scores it.
    """
    trainer, evaluator = _trainer(config, prepared, folder)
    fitted = trainer.fit()
    signals.raise_if_stopped()
    model = _save(config, prepared, trainer, folder, ranks)
    return fitted, model, replace(evaluator, precision=device.inference_precision(prepared.precision))


def _trainer(config: RunConfig, prepared: Prepared, folder: RunFolder) -> tuple[Trainer, Evaluator]:
    """Loads the model and sets up its training."""
    task, base = prepared.task, prepared.base
    rows, features = prepared.rows.splits, prepared.features
    model = load_model(
        base,
        task.heads[base.family],
        task.labels(),
        config.peft,
        allow_pickle=config.model.allow_pickle,
        seed=config.seed,
        problem_type=task.problem_type,
    )
    accelerator = device.accelerator(prepared.precision, base.config)
    log_model(base, model, prepared.precision)
    # Where the model is scored in fp32, the base keeps its own fp32 weights.
    if device.inference_precision(prepared.precision) is Precision.bf16:
        cast_frozen_to_bf16(model)
    budget = config.trainer.micro_batch_tokens or prediction_token_budget(base.config)
    evaluator = Evaluator(task, accelerator, budget, prepared.precision)

    def validate(model: nn.Module) -> Scores:
        return evaluator.score(model, features["validation"], rows["validation"])

    trainer = Trainer(
        task,
        model,
        features["train"],
        config=config.trainer,
        seed=config.seed,
        accelerator=accelerator,
        evaluate=validate if "validation" in rows else None,
        folder=folder,
        sections=prepared.sections,
        keeping=config.checkpoint,
        fingerprint=prepared.rows.fingerprint,
        rows=rows["train"] if prepared.sections is None else None,
        guard=config.guard,
        follower=snapshot_uploader(
            folder,
            config,
            prepared.base,
            _record(config, prepared),
            prepared.task.generation(),
            evaluates="validation" in prepared.rows.splits,
        ),
    )
    return trainer, evaluator


def _record(config: RunConfig, prepared: Prepared) -> dict[str, Any]:
    """What the saved model must be told to predict as it did here."""
    return {"config": to_dict(config), "facts": prepared.task.facts, "precision": prepared.precision,
            "serving": prepared.task.serving_config()}  # fmt: skip


def _save(
    config: RunConfig, prepared: Prepared, trainer: Trainer, folder: RunFolder, ranks: Ranks
) -> nn.Module:
    """Saves the adapter and the model; returns the model as it was saved, merged where that was asked for."""
    model = trainer.accelerator.unwrap_model(trainer.bare_model, keep_fp32_wrapper=False)
    if ranks.rank:
        return merge_adapters(model, prepared.base, config.peft).to(trainer.accelerator.device)
    if config.peft is not None and config.peft.merge:
        save_adapter(model, prepared.base, folder.adapter)
    model = merge_adapters(model, prepared.base, config.peft)
    generation = prepared.task.generation()
    save_model(model, prepared.base, folder.model, _record(config, prepared), generation=generation)
    folder.seal()
    return model.to(trainer.accelerator.device)


def _score(
    prepared: Prepared, evaluator: Evaluator, model: nn.Module, folder: RunFolder
) -> dict[str, Scores]:
    """Predicts and scores validation and test (train where there is neither); the last one is the result."""
    rows = prepared.rows.splits
    rank, ranks = evaluator.accelerator.process_index, evaluator.accelerator.num_processes
    scores = {}
    for split in scored_splits(rows):
        metric = prepared.task.metric()
        predictions = evaluator.predict_and_score(metric, model, prepared.features[split], rows[split])
        folder.write_predictions(split, predictions, rank=rank, ranks=ranks)
        # Processes meet here, so all of them have written.
        scores[split] = evaluator.scores(metric)
        if ranks > 1 and rank == 0:
            folder.join_predictions(split, ranks)
    return scores
