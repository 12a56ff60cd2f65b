"""The gate: whether a result is good enough, for people, for CI, and for the step that would push it."""

import json
import logging
import os
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from operator import itemgetter
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from autotune import registry
from autotune.config.rules.gate import BETTER_THAN, LIMIT, NOT_WORSE_THAN, OPERATORS
from autotune.config.schema import RunConfig
from autotune.errors import ConfigError, Findings, GateError, listing
from autotune.evaluation.paired import is_worse
from autotune.metrics.objective import Objective
from autotune.pipeline.compare import compare
from autotune.run.folder import RunFolder
from autotune.run.sweeps import SCORED
from autotune.runtime.files import disk_errors
from autotune.runtime.language import word
from autotune.runtime.table import Table

logger = logging.getLogger(__name__)

JUNIT, ACTIONS, SUMMARY = "gate.xml", "GITHUB_ACTIONS", "GITHUB_STEP_SUMMARY"
"""File in the run folder, and the environment variables of GitHub Actions."""

COMMAND_ESCAPES = str.maketrans({"%": "%25", "\r": "%0D", "\n": "%0A"})
"""Characters that end the message of a workflow command of GitHub Actions."""


@dataclass(frozen=True)
class Outcome:
    """A condition and whether the result meets it."""

    key: str
    condition: str
    """What the configuration asks for."""
    seen: str
    """The figures that were compared."""
    passed: bool


def require(config: RunConfig, folder: RunFolder) -> None:
    """Checks the conditions of `gate`, and writes gate.xml (JUnit) into the run folder.

    In GitHub Actions, each missed condition is an annotation, and the table is in the summary of the job.

    Args:
        config: its section `gate` has the conditions.
        folder: of the finished run.

    Raises:
        GateError: the result misses a condition.
        ConfigError: a metric does not exist, or the run to compare with cannot be read.
    """
    if not config.gate:
        return
    metrics = json.loads((folder.path / "metrics.json").read_text("utf-8"))
    split = next(split for split in SCORED if split in metrics)
    objective = registry.task(config.task.name).objective_of(config.task)
    outcomes = list(_outcomes(config.gate, metrics, split, objective, folder))
    folder.write_text(JUNIT, _junit(outcomes))
    _report_to_github(outcomes, folder.path.name)
    for outcome in outcomes:
        logger.info("gate.%s=%s: %s", outcome.key, outcome.condition, outcome.seen)
    missed = [
        GateError(
            "the result does not meet a condition",
            where=f"gate.{outcome.key}",
            found=f"{outcome.condition}: {outcome.seen}",
            fix="the run is finished and saved, and was not pushed; without this condition: autotune push RUN",
        )
        for outcome in outcomes
        if not outcome.passed
    ]
    if missed:
        raise missed[0] if len(missed) == 1 else _together(missed)


def _outcomes(
    gate: Mapping[str, str], metrics: Mapping[str, Any], split: str, objective: Objective, folder: RunFolder
) -> Iterator[Outcome]:
    main = objective.metric
    scores = {name: value for name, value in metrics[split].items() if isinstance(value, float)}
    for key, condition in gate.items():
        if key == BETTER_THAN:
            baselines = {name: values.get(main) for name, values in metrics["baseline"][split].items()}
            known = {name: value for name, value in baselines.items() if value is not None}
            if not known:
                raise ConfigError(
                    f"no baseline has a {main}",
                    where=f"gate.{key}",
                    found=f"baselines: {listing(baselines)}",
                    fix=f"gate.{NOT_WORSE_THAN}=RUN",
                )
            name, value = objective.best(known.items(), itemgetter(1)) or ("", 0.0)
            seen = f"{main} {scores[main]:.4f}, {name} {value:.4f}"
            yield Outcome(key, condition, seen, objective.better(scores[main], value))
        elif key == NOT_WORSE_THAN:
            yield _not_worse(condition, metrics, split, objective, folder)
        elif key in scores:
            sign, limit = LIMIT.fullmatch(condition).groups()  # type: ignore[union-attr]  # the rules have checked it
            yield Outcome(key, condition, f"{scores[key]:.4f}", OPERATORS[sign](scores[key], float(limit)))
        else:
            raise ConfigError(
                "the result has no such metric",
                where=f"gate.{key}",
                found=f"metrics of {split}: {listing(scores)}",
            )


def _not_worse(
    reference: str, metrics: Mapping[str, Any], split: str, objective: Objective, folder: RunFolder
) -> Outcome:
    """Compares with another run: paired on its rows where its folder is given, else by its figures alone."""
    main, greater_is_better = objective
    path = Path(reference).expanduser()
    if path.is_dir():
        (pair,) = compare([str(path), str(folder.path)], split).pairs
        difference = pair.differences[main]
        low, high = difference.interval
        seen = f"{main} {difference.value:+.4f} [{low:+.4f}, {high:+.4f}], p {difference.p_randomization:.4f}"
        return Outcome(
            NOT_WORSE_THAN, reference, seen, not is_worse(difference, greater_is_better=greater_is_better)
        )
    try:
        value = float(json.loads(path.read_text("utf-8"))[split][main])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigError(
            "the score to compare with cannot be read",
            where=f"gate.{NOT_WORSE_THAN}",
            found=f"{reference}: {error}",
            fix=f"gate.not_worse_than=RUN, the folder of a finished run, or its metrics.json with {split}.{main}",
        ) from error
    low, high = metrics["interval"][split][main]
    seen = f"{main} {metrics[split][main]:.4f} [{low:.4f}, {high:.4f}], {reference} {value:.4f}"
    may_be_best = high if greater_is_better else low
    return Outcome(NOT_WORSE_THAN, reference, seen, not objective.better(value, may_be_best))


def _together(missed: list[GateError]) -> Findings:
    findings = Findings(missed)
    findings.exit_code = GateError.exit_code
    return findings


def _junit(outcomes: list[Outcome]) -> str:
    """Returns the outcomes as JUnit XML, which CI systems show."""
    failures = str(sum(not outcome.passed for outcome in outcomes))
    suite = ElementTree.Element(
        "testsuite", name="autotune gate", tests=str(len(outcomes)), failures=failures
    )
    for outcome in outcomes:
        case = ElementTree.SubElement(
            suite, "testcase", classname="gate", name=f"{outcome.key}={outcome.condition}"
        )
        if not outcome.passed:
            ElementTree.SubElement(case, "failure", message=outcome.seen)
    ElementTree.indent(suite)
    return ElementTree.tostring(suite, encoding="unicode", xml_declaration=True) + "\n"


def _report_to_github(outcomes: list[Outcome], title: str) -> None:
    """Prints annotations and appends to the job's summary, where GitHub Actions runs this."""
    if os.environ.get(ACTIONS) != "true":
        return
    for outcome in outcomes:
        if not outcome.passed:
            text = f"gate.{outcome.key}={outcome.condition}: {outcome.seen}"
            sys.stdout.write(f"::error title=autotune gate::{text.translate(COMMAND_ESCAPES)}\n")
    if summary := os.environ.get(SUMMARY):
        rows = [
            ["✅" if outcome.passed else "❌", f"gate.{outcome.key}", outcome.condition, outcome.seen]
            for outcome in outcomes
        ]
        table = Table([word("passed"), word("key"), word("condition"), word("result")], rows, texts=4)
        with disk_errors(Path(summary)), Path(summary).open("a", encoding="utf-8") as file:
            file.write(f"### autotune gate: {title}\n\n{table.markdown()}\n")
