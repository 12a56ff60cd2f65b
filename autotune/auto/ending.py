"""The end of a search: the winner's run, which alone sees test, and what the folder says about it."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from autotune.auto import aftermath, decide
from autotune.auto.board import FAILED, Board
from autotune.auto.decisions import Decision
from autotune.auto.ledger import Budget
from autotune.auto.plan import Plan
from autotune.auto.record import CONFIG, Entry, SearchFolder
from autotune.auto.trial import CHEAP, FULL, Trial, laid_over
from autotune.auto.trials import Failed, OutOfTime, Trials
from autotune.config.auto import Goal
from autotune.config.load import load_config
from autotune.config.overrides import key_of
from autotune.errors import TrainingError, shell_words
from autotune.models.record import RECORD
from autotune.pipeline.abstention import add_risk_coverage
from autotune.pipeline.experiment import experiment_file
from autotune.publishing.card.facts import read_facts
from autotune.publishing.card.render import write_card
from autotune.publishing.files import SELECTION
from autotune.reporting.page import REPORT, try_to_write, write_report
from autotune.run.folder import RunFolder
from autotune.run.manifest import find_fault
from autotune.run.saved import MODEL, SAVED
from autotune.run.status import CONFIG as RUN_CONFIG
from autotune.run.status import read_status
from autotune.runtime import signals
from autotune.runtime.files import atomic_write
from autotune.runtime.records import Record, read_record

logger = logging.getLogger(__name__)

EXPERIMENT, SUSPECTS = "winner", "suspects.csv"
TEMPERATURE, CALIBRATE = "task.temperature", "task.calibrate"


def make_usable(folder: SearchFolder, trainer: Trials, trial: Trial) -> None:
    """Trains a model on all rows but those of test and of a validation split, and puts it into best/.

    Raises:
        Interrupted: a signal has arrived; the next start resumes.
    """
    try:
        with signals.handle_signals():
            run = trainer.finish(trainer.first_words(trial))
    except Failed as error:
        logger.warning("no model is usable yet: %s", error)
        return
    folder.publish(run)
    logger.info("usable now: autotune predict %s FILE", shell_words(folder.best))


@dataclass(frozen=True)
class Ended:
    """A search that has ended."""

    result: dict[str, Any]
    """Content of result.json."""
    decisions: tuple[Decision, ...]
    """What was decided after the race."""


@dataclass(frozen=True)
class Final:
    """The winner's run."""

    run: Path
    words: tuple[str, ...]
    """Its overrides."""
    refit: bool
    """Whether it has learned from all rows that folds have judged."""
    calibration: Mapping[str, float] | None
    """Temperature and calibration errors; None where the run fits its own on validation, or none helps."""
    scored: Path | None = None
    """The run before, which scored the rows of test; None if this one did, or none could."""


@dataclass(frozen=True)
class Ending:
    """Trains and describes the winner."""

    folder: SearchFolder
    plan: Plan
    board: Board
    trainer: Trials
    budget: Budget

    def run(self) -> Ended:
        """Trains the winner to its end; if that fails, the next one.

        Raises:
            TrainingError: no trial can be trained to its end.
            Interrupted: a signal has arrived; the next start resumes.
        """
        for winner in decide.ranking(self.board, self.plan.config.goal):
            trial = next(trial for trial in self.plan.trials if trial.name == winner.trial)
            try:
                final = self._finish(trial)
            except Failed as error:
                logger.warning("%s would win, and is given up: %s", trial.name, error.what)
                self.board.drop(winner, error.what, FAILED)
                continue
            test = self._test(final)
            if test is not None and self._may_learn_from_test(trial):
                final = self._with_test_rows(trial, final)
            self._add_curve(trial, final)
            figures = {
                "test": test and test | {"learned": final.scored is not None},
                "chosen": decide.choice(self.board, winner, self.plan.trials),
                "beside": decide.beside(self.board, winner),
            }
            if test is None or final.scored is not None:
                self._add_score(final, figures)
            self.folder.publish(final.run)
            self._write_experiment(final.run)
            return self._ended(trial, winner, final, figures)
        raise TrainingError("no candidate could be trained to its end", where=str(self.folder.path / "logs"))

    def _finish(self, trial: Trial) -> Final:
        """Trains the winner on all rows, if it may learn from those that judged it and there is time; else ends the run that was
        judged.

        Raises:
            Failed: the run has failed.
            Interrupted: a signal has arrived; the next start resumes.
        """
        if not self.plan.config.refit or not self.trainer.whole_words(trial):
            return self._final(trial, refit=False)
        try:
            return self._final(trial, refit=True)
        except OutOfTime:
            logger.warning(
                "no time is left to train %s on all rows: the model of its first fold is the result",
                trial.name,
            )
            return self._final(trial, refit=False)

    def _may_learn_from_test(self, trial: Trial) -> bool:
        """Returns whether the result may learn from the rows of test once they are scored: not from a split of the user, and a
        fine-tuning takes too long to be trained once more."""
        config = self.plan.config
        return (
            config.refit
            and config.refit_test
            and trial.kind == CHEAP
            and "test" not in self.board.judging.given
        )

    def _with_test_rows(self, trial: Trial, final: Final) -> Final:
        """Trains the winner again with the rows of test. If there is no time, or the training fails, the run stays as it is.

        Raises:
            Interrupted: a signal has arrived; the next start resumes.
        """
        if self.budget.left() < _metrics(final.run)["training"]["seconds"]:
            return final
        words = laid_over(final.words, "dataset.test_fraction=0")
        try:
            run = self.trainer.finish(self.trainer.published_words(words))
        except Failed as error:
            logger.warning("the winner could not be trained once more with the rows of test: %s", error.what)
            return final
        return replace(final, run=run, words=tuple(words), scored=final.run)

    def _final(self, trial: Trial, *, refit: bool) -> Final:
        calibration = self._calibration(trial, refit=refit)
        words = self._final_words(trial, calibration, refit=refit)
        may_stop = refit and trial.kind == FULL
        run = self.trainer.finish(
            self.trainer.published_words(words), self.budget.over if may_stop else lambda: False
        )
        return Final(run, tuple(words), refit, calibration)

    def _calibration(self, trial: Trial, *, refit: bool) -> dict[str, float] | None:
        """Returns temperature and calibration errors; None where the run fits its own on validation, or none helps, or the
        run is trained already: another temperature would make it another run."""
        judging = self.board.judging
        known = {key_of(word) for word in (*judging.words, *trial.words)}
        if (
            not self.plan.config.calibrate
            or {TEMPERATURE, CALIBRATE} & known
            or not hasattr(judging.config.task, "temperature")
        ):
            return None
        if trial.kind == FULL and not refit:
            return None
        return decide.temperature_of(decide.classified(self.board, trial.name))

    def _final_words(
        self, trial: Trial, calibration: Mapping[str, float] | None, *, refit: bool
    ) -> list[str]:
        """Returns the overrides of the winner's run, the only one that scores test."""
        judging = self.board.judging
        words = self.trainer.whole_words(trial) if refit else judging.fold_words(1 if judging.count else None)
        if calibration is not None:
            words.append(f"{TEMPERATURE}={calibration['temperature']:g}")
        return judging.words_of(trial, *words)

    def _add_curve(self, trial: Trial, final: Final) -> None:
        """Saves with the model how sure it must be for how few errors, from its predictions out of fold: a run that learns
        from all rows has no validation that would say so."""
        judging = self.board.judging
        if judging.count is None and not final.refit:
            return
        predictions = decide.tempered_predictions(
            self.board, trial.name, (final.calibration or {}).get("temperature", 1.0)
        )
        name, kept = f"{MODEL}/{RECORD}", self.folder.path / f".{RECORD}"
        if kept.exists() and find_fault(final.run, read_status(final.run)[SAVED]):
            kept.replace(final.run / name)  # killed between the two files that change
        with atomic_write(kept) as file:
            file.write((final.run / name).read_bytes())
        with RunFolder.open_finished(final.run) as folder:
            if add_risk_coverage(judging.task, folder.model, predictions):
                folder.seal(name)
        kept.unlink()

    def _add_score(self, final: Final, figures: Mapping[str, Any]) -> None:
        """Lets card and report of a run without a test split show the score of the run before on test, else the one that chose
        it: they would show one on rows that the model has learned from, or on the rows that chose."""
        chosen, metric, run = figures["chosen"], self.board.objective.metric, final.run
        score = {
            "metric": metric,
            "score": chosen["corrected"],
            "folds": self.board.judging.count,
            "beside": {other["trial"]: other["score"] for other in figures["beside"]},
            **{name: chosen[name] for name in ("interval", "rows", "candidates")},
        }
        if final.scored is not None:
            beside = _metrics(final.scored)["baseline"]["test"]
            others = {"beside": {name: scores[metric] for name, scores in beside.items()}}
            score |= figures["test"] | others | {"folds": None, "candidates": 1}
        with RunFolder.open_finished(run) as folder:
            folder.write_json(SELECTION, score)
            write_card(folder.model, read_facts(run, load_config(run / RUN_CONFIG), folder.command))
        if (run / REPORT).exists():
            try_to_write(lambda: write_report(run))

    def _write_experiment(self, run: Path) -> None:
        comment = f"The winner of {self.folder.path.name}: {self._again}"
        text = experiment_file(run / RUN_CONFIG, comment)
        self.folder.write_yaml(f"{CONFIG}/experiment/{EXPERIMENT}.yaml", text)

    @property
    def _again(self) -> str:
        return f"autotune --config-dir {shell_words(self.folder.path / CONFIG)} experiment={EXPERIMENT}"

    def _ended(
        self,
        trial: Trial,
        winner: Entry,
        final: Final,
        figures: Mapping[str, Any],
    ) -> Ended:
        board, config, judging = self.board, self.plan.config, self.board.judging
        run = final.run
        calibration = final.calibration or _fitted_on_validation(_metrics(run))
        rows = decide.classified(board, trial.name)
        cheap = next((entry for entry in decide.ranking(board, Goal.best) if entry.kind == CHEAP), None)
        suspects = aftermath.suspects(
            board,
            trial.name,
            cheap.trial if cheap is not None else None,
            config.suspects,
            self.folder.path / SUSPECTS,
        )
        best = self.folder.best
        result = {
            "data": config.data,
            "task": judging.config.task.name,
            "metric": board.objective.metric,
            "greater_is_better": board.objective.greater_is_better,
            "winner": {
                "trial": trial.name, "kind": trial.kind, "run": str(run.relative_to(self.folder.path)),
                "overrides": list(final.words),
            },
            **figures,
            "seeds": decide.spread_of_seeds(board, self.plan.trials),
            "calibration": calibration,
            "coverage": aftermath.coverage(rows, (calibration or {}).get("temperature")) if rows is not None else None,
            "more_labels": aftermath.more_labels(board, self.budget.over),
            "suspects": suspects,
            "time": {"asked": config.seconds, "used": self.budget.elapsed()},
            "commands": {
                "again": self._again,
                "use": f"autotune predict {shell_words(best)} FILE",
                "push": f"autotune push {shell_words(best)}",
            },
        }  # fmt: skip
        return Ended(result, tuple(self._decisions(trial, winner, final, calibration)))

    def _test(self, final: Final) -> dict[str, Any] | None:
        """Returns the score on the test rows; None without any: a fold is not test."""
        metrics = _metrics(final.run)
        if "test" not in metrics or (self.board.judging.count is not None and not final.refit):
            return None
        metric = self.board.objective.metric
        lines = sum(1 for _ in (final.run / "predictions_test.jsonl").open("rb"))
        return {
            "rows": lines,
            "score": metrics["test"][metric],
            "interval": metrics["interval"]["test"][metric],
        }

    def _decisions(
        self, trial: Trial, winner: Entry, final: Final, calibration: Mapping[str, float] | None
    ) -> list[Decision]:
        """Returns what was decided after the race: winner, refit, temperature."""
        board, config = self.board, self.plan.config
        others = tuple(entry.trial for entry in board.finished() if entry is not winner)
        decisions = [
            Decision("winner", trial.name, self.reason(winner), "measured on the same rows", others[:5],
                     "goal=best" if config.goal is Goal.small else "goal=small"),
        ]  # fmt: skip
        if board.judging.count is not None or final.refit:
            because = "the model of the first fold is the result"
            if final.refit:
                because = "trained once more on all rows, with those that have judged"
            elif config.refit:
                because = "no time was left to train once more on all rows: the model of the first fold is the result"
            override = f"auto.refit={str(not config.refit).lower()}"
            decisions.append(Decision("refit", final.refit, because, "Varma & Simon 2006", (), override))
        if self._may_learn_from_test(trial):
            because = "not trained once more with the rows of test: no time was left, or it failed"
            if final.scored is not None:
                because = "trained once more, with the rows of test after they were scored"
            decisions.append(
                Decision("refit_test", final.scored is not None, because, override="auto.refit_test=false")
            )
        if calibration is not None:
            decisions.append(
                Decision("temperature", calibration["temperature"],
                         f"calibration error {calibration['ece_after']:.4f}, was {calibration['ece_before']:.4f}",
                         "Guo et al. 2017", (), "auto.calibrate=false"),
            )  # fmt: skip
        return decisions

    def reason(self, winner: Entry) -> str:
        """Returns why the winner has won, in a sentence."""
        rival = decide.rival(self.board, winner)
        if rival is None:
            several = len(self.board.finished()) > 1
            return (
                "the best mean score of all candidates"
                if several
                else "the only candidate that was trained to its end"
            )
        other, gain = rival
        low, high = gain.interval
        difference = f"{gain.value:+.4f} [{low:+.4f}, {high:+.4f}]"
        if winner.kind == CHEAP and gain.value < 0:
            return (
                "no fine-tuned model is better beyond chance (goal=small); the best of them is "
                f"{other.trial}: {difference} for the winner"
            )
        if winner.kind == CHEAP:
            return f"no fine-tuned model is better; the best of them is {other.trial}: {difference} for the winner"
        if low > 0:
            return f"better than {other.trial} beyond chance: {difference}"
        return f"the best mean score; better than {other.trial} by chance at most: {difference}"


def _metrics(run: Path) -> dict[str, Any]:
    return read_record(run / "metrics.json", Record, fix="train it again", needed=True) or {}


def _fitted_on_validation(metrics: Mapping[str, Any]) -> dict[str, float] | None:
    """Returns the temperature that a run has fitted on validation, and the calibration errors there."""
    calibration = metrics.get("calibration") or {}
    figures = calibration.get("splits", {}).get("validation", {})
    if calibration.get("temperature") is None or "before" not in figures:
        return None
    return {
        "temperature": calibration["temperature"],
        "ece_before": figures["before"]["ece"],
        "ece_after": figures["ece"],
    }
