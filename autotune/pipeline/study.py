"""A study of optuna in a folder, shared by any number of processes; the only module that imports optuna.

study.journal  all trials            trials/   a run folder per trial, named by its overrides
.lock-turn     who chooses values    locks/    a lock per trial, held by the process that runs it
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import optuna
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock

from autotune.config.enums import SpaceType
from autotune.config.search import SearchConfig, SpaceConfig
from autotune.config.trials import override
from autotune.errors import ConfigError
from autotune.metrics.objective import Objective
from autotune.runtime import signals
from autotune.runtime.files import make_folder
from autotune.runtime.locks import acquire_lock, wait_for_lock

JOURNAL = "study.journal"
RUN, REASON, PRUNED, SAME_AS, STEPS, VALUES, IDENTITY, METRIC = (
    "run", "reason", "pruned", "same_as", "steps", "values", "identity", "metric",
)  # fmt: skip
"""Attributes that trials and studies have in the journal."""


SEED_STEP = 1_000_003
"""Distance between the seeds of two keys of a trial."""


class _SystemLock(JournalFileOpenLock):
    """A lock that the system releases when its process is killed; optuna's own would be waited for."""

    def acquire(self) -> bool:
        self._file = wait_for_lock(Path(self._lock_file))
        return True

    def release(self) -> None:
        self._file.close()


@dataclass(frozen=True)
class Row:
    """A trial, as tables show it."""

    number: int
    state: str
    """running, complete, pruned, failed, or repeated."""
    value: float | None
    """Best score on validation; None where it was never scored."""
    steps: int | None
    """Optimizer steps done."""
    values: dict[str, Any]
    """What was tried, by key."""
    run: str
    """Name of the run folder; "" before it has one."""
    reason: str
    """Why it failed, or what it repeats."""


class Trial:
    """A trial that this process runs until it is told how it ended.

    Args:
        trial: RUNNING in the journal.
        lock: held while this process runs it.
        values: what it tries, by key.
    """

    def __init__(self, trial: optuna.trial.Trial, lock: IO[str], values: dict[str, Any]) -> None:
        self._trial, self._lock, self.values = trial, lock, values
        self.number = trial.number
        self.note(VALUES, self.values)

    @property
    def words(self) -> list[str]:
        """The values as overrides."""
        return [override(key, value) for key, value in self.values.items()]

    @property
    def pruned(self) -> bool:
        """Whether it was already decided that it stops early."""
        return PRUNED in self._trial.user_attrs

    def note(self, name: str, value: Any) -> None:
        """Sets an attribute in the journal."""
        self._trial.set_user_attr(name, value)

    def report(self, percent: int, score: float) -> bool:
        """Reports the best score so far.

        Args:
            percent: how much of the schedule is done.
            score: best score on validation up to there.

        Returns:
            Whether the trial should stop.
        """
        self._trial.report(score, percent)
        if percent >= 100 or not self._trial.should_prune():
            return False
        self.note(PRUNED, percent)
        return True

    def release(self) -> None:
        """Lets other processes have the trial."""
        self._lock.close()


class Study:
    """A study in a folder.

    Args:
        folder: of the study.
        config: section `search`.
        identity: of what is searched; another one is refused.
        objective: the score, and whether it is maximized or minimized.

    Raises:
        ConfigError: the folder holds another study.
        DiskError: the file system has no locks.
    """

    def __init__(self, folder: Path, config: SearchConfig, identity: str, objective: Objective) -> None:
        self.folder, self._config = folder, config
        make_folder(folder / "locks")
        with turn(folder):
            self._study = _open(folder, config, objective.greater_is_better)
            attributes = self._study.user_attrs
            if attributes.get(IDENTITY, identity) != identity:
                raise ConfigError(
                    "the folder holds a study with other settings", where=str(folder), fix="name=ANOTHER"
                )
            if IDENTITY not in attributes:
                self._study.set_user_attr(METRIC, objective.metric)
                self._study.set_user_attr(IDENTITY, identity)

    def claim(self) -> Trial | None:
        """Returns a trial for this process: one whose process is dead, or a new one.

        Returns:
            None if there are as many as are wanted.
        """
        while True:
            with turn(self.folder):
                trial = self._adopt() or self._ask()
                if trial is None:
                    return None
                same_as = self._repeated(trial)
                if same_as is None:
                    return trial
                trial.note(SAME_AS, same_as)
                self._tell(trial, optuna.trial.TrialState.FAIL)

    def complete(self, trial: Trial, score: float) -> None:
        """Records that a trial was trained to its end."""
        self._tell(trial, optuna.trial.TrialState.COMPLETE, score)

    def prune(self, trial: Trial) -> None:
        """Records that a trial was stopped early."""
        self._tell(trial, optuna.trial.TrialState.PRUNED)

    def fail(self, trial: Trial, reason: str) -> None:
        """Records that a trial failed."""
        trial.note(REASON, reason)
        self._tell(trial, optuna.trial.TrialState.FAIL)

    def running(self) -> list[int]:
        """Returns the numbers of the trials that some process runs."""
        return [row.number for row in self.rows() if row.state == "running"]

    def rows(self) -> list[Row]:
        """Returns all trials in the order of their numbers."""
        return _rows(self._study)

    def _tell(self, trial: Trial, state: optuna.trial.TrialState, value: float | None = None) -> None:
        self._study.tell(trial.number, value, state)
        trial.release()

    def _adopt(self) -> Trial | None:
        """Returns the first running trial whose lock nobody holds."""
        for frozen in self._frozen_running():
            try:
                lock = acquire_lock(self._lock_file(frozen.number))
            except ConfigError:
                continue
            # It may have ended between the two calls above.
            if any(other.number == frozen.number for other in self._frozen_running()):
                return self._trial(optuna.trial.Trial(self._study, frozen._trial_id), lock, frozen.number)
            lock.close()
        return None

    def _frozen_running(self) -> list[optuna.trial.FrozenTrial]:
        return self._study.get_trials(deepcopy=False, states=[optuna.trial.TrialState.RUNNING])

    def _ask(self) -> Trial | None:
        """Returns a new trial; None if there are as many as are wanted."""
        rows = self.rows()
        if sum(row.state != "failed" for row in rows) >= self._config.trials:
            return None
        trial = self._study.ask()
        return self._trial(trial, acquire_lock(self._lock_file(trial.number)), len(rows))

    def _trial(self, trial: optuna.trial.Trial, lock: IO[str], number: int) -> Trial:
        values = {}
        for index, (key, space) in enumerate(self._config.spaces.items()):
            # Optuna draws here, not in `ask`. With one seed for the study, each process would draw the same values. The seed
            # depends on the key, too, so that a trial whose process died while it drew gets the values that it would have had.
            self._study.sampler = optuna.samplers.TPESampler(
                seed=self._config.seed + number + SEED_STEP * index
            )
            values[key] = _suggest(trial, key, space)
        return Trial(trial, lock, values)

    def _repeated(self, trial: Trial) -> int | None:
        """Returns the number of an earlier trial with the same values; None if there is none."""
        earlier = [
            row
            for row in self.rows()
            if row.number < trial.number and row.state not in ("failed", "repeated")
        ]
        return next((row.number for row in earlier if row.values == trial.values), None)

    def _lock_file(self, number: int) -> Path:
        return self.folder / "locks" / f"trial-{number}"


@contextmanager
def turn(folder: Path) -> Iterator[None]:
    """Keeps other processes from choosing a trial and from writing tables inside the context."""
    with wait_for_lock(folder / ".lock-turn", sleep=signals.sleep, pause=0.1):
        yield


def read_rows(folder: Path) -> tuple[list[Row], Objective]:
    """Returns the trials of a study, and the score by which they are compared.

    Raises:
        ConfigError: the folder holds no study.
    """
    if not (folder / JOURNAL).is_file():
        raise ConfigError("the folder holds no study", where=str(folder), found=f"no {JOURNAL}")
    study = _open(folder, SearchConfig())
    return _rows(study), Objective(study.user_attrs[METRIC], _maximizes(study))


def _open(folder: Path, config: SearchConfig, greater_is_better: bool = True) -> optuna.Study:
    """Opens the study of a folder, which knows its direction already, or makes a new one."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    journal = str(folder / JOURNAL)
    pruner: optuna.pruners.BasePruner = optuna.pruners.NopPruner()
    if config.prune:
        pruner = optuna.pruners.SuccessiveHalvingPruner(
            min_resource=max(1, round(100 * config.first_rung)), reduction_factor=config.reduction_factor
        )
    return optuna.create_study(
        storage=optuna.storages.JournalStorage(JournalFileBackend(journal, _SystemLock(journal))),
        study_name="autotune",
        direction="maximize" if greater_is_better else "minimize",
        load_if_exists=True,
        pruner=pruner,
    )


def _maximizes(study: optuna.Study) -> bool:
    return study.direction is optuna.study.StudyDirection.MAXIMIZE


def _rows(study: optuna.Study) -> list[Row]:
    best = max if _maximizes(study) else min
    states = {
        optuna.trial.TrialState.COMPLETE: "complete",
        optuna.trial.TrialState.PRUNED: "pruned",
        optuna.trial.TrialState.FAIL: "failed",
    }
    rows = []
    for trial in study.get_trials(deepcopy=False):
        facts = trial.user_attrs
        rows.append(
            Row(
                number=trial.number,
                state="repeated" if SAME_AS in facts else states.get(trial.state, "running"),
                value=trial.value
                if trial.value is not None
                else best(trial.intermediate_values.values(), default=None),
                steps=facts.get(STEPS),
                values=facts.get(VALUES, trial.params),
                run=facts.get(RUN, ""),
                reason=f"trial {facts[SAME_AS]}" if SAME_AS in facts else facts.get(REASON, ""),
            )
        )
    return rows


def _suggest(trial: optuna.trial.Trial, key: str, space: SpaceConfig) -> Any:
    if space.type is SpaceType.categorical:
        # Optuna takes no lists and maps.
        choices = [
            choice if isinstance(choice, str | int | float | None) else override("", choice)[1:]
            for choice in space.choices or ()
        ]
        return trial.suggest_categorical(key, choices)
    assert space.low is not None and space.high is not None, "see the rules"
    if space.type is SpaceType.int:
        return trial.suggest_int(
            key, int(space.low), int(space.high), step=int(space.step or 1), log=space.log
        )
    # Four digits: people read and type these numbers.
    return float(f"{trial.suggest_float(key, space.low, space.high, step=space.step, log=space.log):.4g}")
