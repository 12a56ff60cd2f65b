"""Says which trials a search has, and why: its lines of decisions.jsonl."""

from collections.abc import Iterator, Mapping, Sequence

from autotune.auto.decisions import DATA, YOU, Decision
from autotune.auto.trial import BALANCED, Base, Trial, balances, named_keys, short_number
from autotune.auto.understand import Understanding
from autotune.config.auto import AutoConfig
from autotune.config.overrides import key_of
from autotune.errors import format_override, listing
from autotune.runtime.language import Pieces

SCORES = "published scores on Portuguese tasks (autotune/config/SCORES.md)"
FEW_ROWS = "Mosbach et al. 2021; Zhang et al. 2021"
SEEDS = "Dodge et al. 2020"
HALVING = "successive halving (Jamieson & Talwalkar 2016)"
MEASURED = "measured on this machine"
AUDIT = "batches are padded to their longest text"


def decisions_of(
    facts: Understanding,
    config: AutoConfig,
    trials: Sequence[Trial],
    first: Base | None,
    left_out: Mapping[str, str],
    time: str | None,
) -> list[Decision]:
    """Returns the decisions about the fine-tunings of a search.

    Args:
        facts: what the data are.
        config: settings of the search.
        trials: the fine-tunings, those with `first` first.
        first: base model of the first one; None if there is none.
        left_out: why base models are not tried, by name.
        time: override that leaves time for one of them, or for all folds; None: time is not what is missing.
    """
    if first is None:
        because = "no base model is tried" if left_out else "no base model is named"
        override = time or format_override("auto.models", ["NAME"])
        return [Decision("models", None, because, DATA, _alternatives(left_out), override)]
    return [
        *_folds(facts, trials[0], time),
        _models(facts, config, trials, left_out),
        *_sizes(facts, first),
        *_compared(facts, config, trials, first),
        _budget(config, trials),
    ]


def reasons(left_out: Mapping[str, str]) -> Iterator[Pieces]:
    """Yields why base models are not tried, a line for each reason."""
    grouped: dict[str, list[str]] = {}
    for name, reason in left_out.items():
        grouped.setdefault(reason, []).append(name)
    for reason, names in grouped.items():
        yield Pieces(listing(names), ": ", reason)


def _alternatives(left_out: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(f"{name}: {reason}" for name, reason in left_out.items())


def _models(
    facts: Understanding, config: AutoConfig, trials: Sequence[Trial], left_out: Mapping[str, str]
) -> Decision:
    names = list(dict.fromkeys(trial.name.split(" ")[0] for trial in trials))
    yours = config.models is not None or not named_keys(facts).isdisjoint({"model", "model.name_or_path"})
    because = "you named them" if yours else f"they are the most promising ones for texts in {facts.language}"
    override = format_override("auto.models", ["NAME"])
    return Decision(
        "models", listing(names), because, YOU if yours else SCORES, _alternatives(left_out), override
    )


def _folds(facts: Understanding, trial: Trial, time: str | None) -> Iterator[Decision]:
    """Yields that not all folds judge."""
    if trial.folds is not None:
        because = (
            f"there is no time for a fine-tuning on all {facts.folds} folds; "
            f"all candidates are compared on {trial.folds} of them"
        )
        yield Decision("folds", trial.folds, because, MEASURED, (f"{facts.folds} folds",), time)


def _sizes(facts: Understanding, first: Base) -> Iterator[Decision]:
    """Yields what the rows decide about the first base model."""
    numbers, length = first.schedule, first.config.task.max_length
    for key, value in (("epochs", numbers.epochs), ("batch_size", numbers.batch_size)):
        yours = f"trainer.{key}" in first.named
        because = "you set it" if yours else f"{facts.rows} rows of train: {numbers.steps} steps in each run"
        yield Decision(key, value, because, YOU if yours else FEW_ROWS, (), f"trainer.{key}=N")
    because = "it is the model's own, and longer texts are read in windows or cut as the task says"
    yield Decision("length", length, "you set it" if length else because, YOU if length else AUDIT, (),
                   "task.max_length=N")  # fmt: skip
    adapter = "lora" if "peft=lora" in first.words else None
    if "peft" in first.named:
        yield Decision(
            "adapter",
            adapter or str(first.config.peft and first.config.peft.method.value),
            "you named it",
            YOU,
        )
    else:
        because = (
            "all weights do not fit into memory" if adapter else "all weights are trained, as memory allows"
        )
        yield Decision("adapter", adapter, because, MEASURED, ("none", "lora"), "peft=lora")


def _compared(
    facts: Understanding, config: AutoConfig, trials: Sequence[Trial], first: Base
) -> Iterator[Decision]:
    """Yields what the trials with the first base model compare."""
    own = [trial for trial in trials if trial.name.split(" ")[0] == first.name]
    values = {
        key: list(
            dict.fromkeys(
                word.partition("=")[2] for trial in own for word in trial.words if key_of(word) == key
            )
        )
        for key in ("trainer.learning_rate", "seed", BALANCED.partition("=")[0])
    }
    rates = values["trainer.learning_rate"]
    if rates:
        because = (
            f"{len(rates)} are compared; the first one suits the model" if rates[1:] else "it suits the model"
        )
        yield Decision(
            "learning_rate", ", ".join(rates), because, FEW_ROWS, (), f"trainer.learning_rate={rates[0]}"
        )
    else:
        rate = short_number(first.config.trainer.learning_rate or 0.0)
        yield Decision("learning_rate", rate, "you set it", YOU)
    if balances(facts, config):
        tried = bool(values["task.class_weights"])
        because = f"the largest class has more than {config.space.class_weights_from:g} times the rows of the smallest"
        yield Decision(
            "class_weights", "none, balanced" if tried else "none", because, DATA, ("balanced",), BALANCED
        )
    seeds = 1 + len(values["seed"])
    because = f"with fewer than {config.space.seeds_below} rows the seed alone moves the score" if seeds > 1 else (
        f"{facts.rows} rows, or no time for more"
    )  # fmt: skip
    yield Decision("seeds", seeds, because, SEEDS, (), "auto.space.seeds=N")


def _budget(config: AutoConfig, trials: Sequence[Trial]) -> Decision:
    rungs = ", ".join(f"{share:.0%}" for share in trials[0].rungs)
    if config.trials is not None:
        return Decision(
            "budget", f"{len(trials)} trials", f"compared after {rungs} of their steps", YOU, (), "trials=N"
        )
    if config.time is None:
        return Decision(
            "budget",
            f"{len(trials)} trials",
            f"no clock; compared after {rungs} of their steps",
            YOU,
            (),
            "time=1h",
        )
    if len(trials) == 1:
        return Decision("budget", config.time, "there is time for one fine-tuning", MEASURED, (), "time=2h")
    because = f"{len(trials)} fine-tunings fit, half of them after each comparison at {rungs} of their steps"
    return Decision("budget", config.time, because, HALVING, (), "time=2h")
