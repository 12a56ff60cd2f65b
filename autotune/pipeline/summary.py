"""Says in plain words what a run works with, what came out and what to try next."""

import logging
from typing import TYPE_CHECKING

from autotune.config.enums import Keep
from autotune.config.schema import RunConfig
from autotune.errors import format_override, shell_words
from autotune.evaluation.rivals import BETTER, CHANCE, EQUAL, TIE, Against
from autotune.run.folder import RunFolder
from autotune.runtime.language import Pieces
from autotune.runtime.progress import duration
from autotune.tasks.base import Scores, Task

if TYPE_CHECKING:
    from autotune.pipeline.finish import Trained
    from autotune.pipeline.result import Result
    from autotune.training.fit import FitResult

logger = logging.getLogger(__name__)


def log_scores(scores: Scores, *, chosen: bool = False) -> None:
    """All figures of a split, then those of each class; `chosen`: the main one has chosen the checkpoint on validation."""
    remark = "  <- chooses the best checkpoint" if chosen else "  <- the main score"
    for name, value in scores.values.items():
        mark = "" if scores.greater_is_better else "; smaller is better"
        logger.info("  %-24s %.4f%s", name, value, f"{remark}{mark}" if name == scores.main else "")
    for name, figures in scores.per_class.items():
        shown = {"f1": 0.0, **figures}  # f1 first
        logger.info("    %-22s %s", name, "  ".join(
            f"{one} {value:.4f}" if isinstance(value, float) else f"{one} {value}"
            for one, value in shown.items() if one in figures
        ))  # fmt: skip


def log_result(trained: "FitResult | Trained", result: "Result", *, trial: bool = False) -> None:
    """Logs the result beside the baselines, and says when a baseline is as good or the split flatters.

    Args:
        trained: how training ended.
        result: figures of the split that counts.
        trial: whether the run only tries things out (`dataset.limit`); then it need not beat a baseline.
    """
    split, scores, unseen = result.split, result.scores, result.unseen
    logger.info("")
    if trained.steps is None:
        logger.info("result on %s (%s of training)", split, duration(trained.seconds))
    else:
        logger.info(
            "result on %s (%d steps, %s of training)", split, trained.steps, duration(trained.seconds)
        )
    chosen = trained.kept is Keep.best
    if split == "validation" and chosen:
        logger.info(
            "  there is no test split: validation chose the checkpoint, so these scores are optimistic"
        )
    if split == "train":
        logger.info(
            "  there is neither validation nor test: these scores only show how well train was learned"
        )
    log_scores(scores, chosen=chosen)
    if unseen is not None:
        count, apart = unseen
        logger.info("  on the %d rows whose text is not in train: %s %.4f", count, apart.main, apart.best)
    logger.info("baselines without a neural network (%s):", scores.main)
    for name, figures in result.rivals.scores.items():
        remark = result.rivals.notes.get(name)
        score = f"{figures.best:.4f}"
        logger.info(
            Pieces("  ", name, " " * max(1, 35 - len(name)), score, *((" (", remark, ")") if remark else ()))
        )
    for name, figures in result.rivals.bounds.items():
        logger.info(
            Pieces("  ", name, " " * max(1, 35 - len(name)), f"{figures.best:.4f} (", "upper bound", ")")
        )
    if result.rivals.against is not None:
        _log_verdict(result.rivals.against, scores, trial=trial, is_cheap=trained.steps is None)


def _log_verdict(against: Against, scores: Scores, *, trial: bool, is_cheap: bool) -> None:
    """Says whether the model is better than the best baseline; a trial run need not be."""
    low, high = against.interval
    if against.verdict == EQUAL:
        tie = TIE if scores.greater_is_better else TIE * against.value
        logger.info("  the best of them is equal to the model, to within %g", tie)
    elif against.verdict == BETTER:
        logger.info("  the model is better than the best of them by %.4f (%.4f to %.4f in 95 %% of resamples)",
                    against.difference, low, high)  # fmt: skip
    elif against.verdict == CHANCE:
        logger.info("  the model is better than the best of them by %.4f, which may be chance (%.4f to %.4f in 95 %% of "
                    "resamples)", against.difference, low, high)  # fmt: skip
    elif not trial:
        within = (
            f" The difference may be chance ({low:.4f} to {high:.4f} in 95 % of resamples)."
            if high >= 0
            else ""
        )
        if is_cheap:
            logger.warning("  the model is not better than the best of them: %s %.4f against %.4f.%s A fine-tuned model may be",
                           scores.main, scores.best, against.value, within)  # fmt: skip
        else:
            logger.warning("  the model is not better than the best of them: %s %.4f against %.4f.%s A base model that knows "
                           "the language, more epochs or another learning rate may help.", scores.main, scores.best,
                           against.value, within)  # fmt: skip


def log_next_steps(folder: RunFolder, config: RunConfig, task: Task) -> None:
    """Where everything is and which commands go on from here."""
    logger.info("")
    logger.info("everything is in %s: the model in model/, figures in metrics.json,", folder.path)
    if config.model.baseline is None:
        logger.info("predictions_*.jsonl, history.jsonl and the resolved config.yaml")
    else:
        logger.info("predictions_*.jsonl and the resolved config.yaml")
    logger.info("next:")
    second = "" if config.dataset.columns.text_pair is None else ' --text-pair "..."'
    logger.info('  autotune predict %s --text "..."%s', shell_words(folder.path), second)
    logger.info("  autotune evaluate %s --data FILE", shell_words(folder.path))
    if config.model.tiny is not None:
        logger.info("  this was a tiny model that knows no Portuguese, for trying things out; a real one:")
        logger.info("  autotune %s %s", format_override("task", task.name), task.examples.run)
