"""One run from its configuration to the Hub."""

import logging
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from torch import nn

from autotune.checks.show import log_report
from autotune.config.enums import CheckLevel, Precision
from autotune.config.hub import HubConfig
from autotune.config.load import dump_config, parse_yaml, to_dict
from autotune.config.schema import RunConfig
from autotune.config.trainer import TrainerConfig
from autotune.data.cache_use import entries_in_use
from autotune.data.splits import scored_splits
from autotune.errors import Paused
from autotune.evaluation.evaluator import Evaluator
from autotune.models.adapters import cast_frozen_to_bf16, merge_adapters
from autotune.models.saved_model import save_adapter, save_model
from autotune.pipeline.calibration import calibrate
from autotune.pipeline.finish import Trained, finish_run, publish_again
from autotune.pipeline.launch import num_processes, train_in_processes
from autotune.pipeline.network import NetworkPredictor, log_model
from autotune.pipeline.prepare import Prepared, run_preflight
from autotune.pipeline.train_baseline import train_baseline
from autotune.publishing.snapshot_uploader import snapshot_uploader
from autotune.run.folder import RunFolder
from autotune.run.rank_folder import RankFolder
from autotune.runtime import launcher, signals
from autotune.runtime.ranks import Ranks, init_process_group
from autotune.tasks.base import Scores
from autotune.training import device
from autotune.training.fit import Fit, FitResult
from autotune.training.optimizer import peak_rates
from autotune.training.sharding import refuse_single_process
from autotune.training.tracking import Tracking
from autotune.training.trainer import Trainer

logger = logging.getLogger(__name__)

PAUSED = "paused"
"""Instead of a split in the name of the predictions that a paused run is judged by."""


@entries_in_use()
def train(config: RunConfig, plugins: Sequence[str]) -> int:
    """Fine-tunes, evaluates, saves, verifies and publishes; returns the exit code.

    Args:
        config: fully resolved.
        plugins: files that register tasks; the process that verifies the saved model needs them too.
    """
    if config.model.baseline is not None:
        return train_baseline(config, plugins)
    if (count := num_processes(config)) > 1:
        return train_in_processes(config, count)
    refuse_single_process(config.trainer, launcher.world_size())
    with signals.handle_signals(), init_process_group(config.trainer.rank_timeout) as ranks:
        return _train_as_rank(_config_of_rank0(config, ranks), plugins, ranks)


def _config_of_rank0(config: RunConfig, ranks: Ranks) -> RunConfig:
    """Returns rank 0's configuration on all ranks: other machines may have other options, and another working folder."""
    runs = str(Path(config.runs).expanduser().absolute())
    text = ranks.share_text("config", lambda: dump_config(replace(config, runs=runs)))
    return parse_yaml(text) if ranks.rank else config


def _open_folder(config: RunConfig, ranks: Ranks) -> RunFolder:
    return ranks.rank0_first(
        "folder", lambda: RunFolder.open(config), lambda: RankFolder.join(config, ranks.rank)
    )


def _train_as_rank(config: RunConfig, plugins: Sequence[str], ranks: Ranks) -> int:
    """Does the part of one rank; with a single process, everything."""
    with (
        _open_folder(config, ranks) as folder,
        ranks.share_errors(),
        Tracking(config, folder.path, ranks.rank) as tracking,
    ):
        if folder.finished:
            if not ranks.rank:
                publish_again(config, folder)
            return 0
        logger.info("run folder: %s", folder.path)
        prepared = prepare(config, folder, ranks)
        requested, config = config, prepared.sizes.config
        signals.raise_if_stopped()
        tracking.start()
        fitted, model, evaluator = fine_tune(config, prepared, folder, ranks)
        scores = predict_and_score_splits(prepared, evaluator, model, folder)
        if ranks.rank:
            return 0  # rank 0 does the rest alone
        figures = {
            "precision": {"training": prepared.precision, "scores": evaluator.precision},
            "training": asdict(fitted),
        }
        trained = Trained(fitted.seconds, fitted.kept, figures, fitted.steps)
        predictor = NetworkPredictor(evaluator, model)
        finish_run(config, prepared, predictor, scores, trained, folder, requested=requested, plugins=plugins)
    return 0


def prepare(config: RunConfig, folder: RunFolder, ranks: Ranks) -> Prepared:
    """Returns all that is known before weights are loaded; rank 0 writes the tables that all ranks map into memory."""

    def on_rank0() -> Prepared:
        state = run_preflight(config, folder.cache)
        log_report(state.report)
        prepared = state.result()
        folder.write_json("data.json", prepared.record() | {"check": state.report.as_dict()})
        commits = {"model": prepared.base.revision, "dataset": prepared.rows.source.get("commit")}
        folder.note_commits(config, commits)
        return prepared

    def on_others() -> Prepared:
        # Rank 0 has checked everything, and asked the Hub, for all of them.
        unchecked = replace(config, check=replace(config.check, level=CheckLevel.none), hub=HubConfig())
        return run_preflight(unchecked, folder.cache).result()

    return ranks.rank0_first("tables", on_rank0, on_others)


def fine_tune(
    config: RunConfig, prepared: Prepared, folder: RunFolder, ranks: Ranks
) -> tuple[FitResult, nn.Module, Evaluator]:
    """Trains and saves; the memory of gradients and optimizer is free when this returns.

    Returns:
        How training ended, the model as it was saved, and the evaluator of its final scores.

    Raises:
        Paused: `trainer.pause_at` is reached, and what judges the run is predicted.
    """
    fit, evaluator = _set_up(config, prepared, folder)
    fitted = fit.run()
    signals.raise_if_stopped()
    evaluator = replace(evaluator, precision=device.inference_precision(prepared.precision))
    if config.trainer.pause_at is not None:
        _predict_paused(config, prepared, evaluator, fit.trainer, folder)
        raise Paused(config.trainer.pause_at, fitted.steps)
    return fitted, _save(config, prepared, fit.trainer, evaluator, folder, ranks), evaluator


def _set_up(config: RunConfig, prepared: Prepared, folder: RunFolder) -> tuple[Fit, Evaluator]:
    """Loads the model and sets up its training."""
    rows, features = prepared.rows.splits, prepared.features
    model = prepared.load_model(config)
    accelerator = device.accelerator(prepared.precision, prepared.base.config)
    log_model(prepared.base, model, prepared.precision)
    # Where the final scores are computed in fp32, the frozen base keeps its fp32 weights.
    if device.inference_precision(prepared.precision) is Precision.bf16:
        cast_frozen_to_bf16(model)
    evaluator = prepared.evaluator(config, accelerator)

    def validate(model: nn.Module) -> Scores:
        return evaluator.score(model, features["validation"], rows["validation"])

    trainer = Trainer(
        prepared.task,
        model,
        features["train"],
        config.trainer,
        config.seed,
        accelerator,
        sections=prepared.sections,
        row_ids=rows["train"]["id"] if prepared.sections is None else None,
    )
    _log_rates(model, config.trainer)
    validates = "validation" in rows
    uploader = snapshot_uploader(
        folder,
        config,
        prepared.base,
        _record(config, prepared),
        dict(prepared.task.serving().generation),
        evaluates=validates,
    )
    fit = Fit(
        trainer,
        folder,
        evaluate=validate if validates else None,
        checkpoint=config.checkpoint,
        guard=config.guard,
        fingerprint=prepared.rows.fingerprint,
        listener=uploader,
    )
    return fit, evaluator


def _log_rates(model: nn.Module, config: TrainerConfig) -> None:
    """Logs the learning rates, if layers or head have their own."""
    rates = peak_rates(model, config)
    trained = sorted({rates[parameter] for parameter in model.parameters() if parameter.requires_grad})
    if len(trained) > 1:
        logger.info("highest learning rates, by layer: %s", ", ".join(f"{rate:.3g}" for rate in trained))


def _record(config: RunConfig, prepared: Prepared) -> dict[str, Any]:
    """Returns what the saved model needs in autotune.json to predict as it did in training."""
    return {"config": to_dict(config), "facts": prepared.task.facts, "precision": prepared.precision,
            "serving": dict(prepared.task.serving().config)}  # fmt: skip


def _save(
    config: RunConfig,
    prepared: Prepared,
    trainer: Trainer,
    evaluator: Evaluator,
    folder: RunFolder,
    ranks: Ranks,
) -> nn.Module:
    """Calibrates and saves the adapter and the model; returns the model as saved, merged where `peft.merge` asks for it."""
    model = trainer.accelerator.unwrap_model(trainer.gather(), keep_fp32_wrapper=False)
    calibrate(
        evaluator, model, prepared.features.get("validation"), prepared.rows.splits.get("validation"), ranks
    )
    prepared.task.fold(model)
    if ranks.rank:
        return merge_adapters(model, prepared.base, config.peft).to(trainer.accelerator.device)
    if config.peft is not None and config.peft.merge:
        save_adapter(model, prepared.base, folder.adapter)
    model = merge_adapters(model, prepared.base, config.peft)
    generation = dict(prepared.task.serving().generation)
    save_model(model, prepared.base, folder.model, _record(config, prepared), generation=generation)
    folder.seal()
    return model.to(trainer.accelerator.device)


def predict_and_score_splits(
    prepared: Prepared, evaluator: Evaluator, model: nn.Module, folder: RunFolder
) -> dict[str, Scores]:
    """Predicts and scores validation and test (train where there is neither); the last split is the result."""
    return {
        split: _predict_and_score(prepared, evaluator, model, folder, split, split)
        for split in scored_splits(prepared.rows.splits)
    }


def _predict_paused(
    config: RunConfig, prepared: Prepared, evaluator: Evaluator, trainer: Trainer, folder: RunFolder
) -> None:
    """Predicts the rows that judge a run before it is finished: its fold, which `dataset.fold` makes the test split, else
    validation."""
    split = "validation" if config.dataset.fold is None else "test"
    if split not in prepared.rows.splits:
        logger.info("nothing judges this run while it is paused: it has neither validation nor a fold")
        return
    with trainer.whole_model() as model:
        scores = _predict_and_score(prepared, evaluator, model, folder, split, PAUSED)
    logger.info(
        "%s of the rows that judge the run: %.4f (%s)", scores.main, scores.best, folder.predictions(PAUSED)
    )


def _predict_and_score(
    prepared: Prepared, evaluator: Evaluator, model: nn.Module, folder: RunFolder, split: str, name: str
) -> Scores:
    """Writes the predictions of a split under a name and returns their scores."""
    metric = prepared.task.metric()
    rank, world_size = evaluator.accelerator.process_index, evaluator.accelerator.num_processes
    predictions = evaluator.predict_and_score(
        metric, model, prepared.features[split], prepared.rows.splits[split]
    )
    folder.write_predictions(name, predictions, rank=rank, ranks=world_size)
    # `scores` gathers from all ranks, so after it every rank has written its predictions.
    scores = evaluator.scores(metric)
    if world_size > 1 and rank == 0:
        folder.join_predictions(name, world_size)
    return scores
