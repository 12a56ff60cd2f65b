"""report.html of a run: everything that its folder says, on one page that needs nothing else."""

import logging
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from autotune import registry
from autotune.config.enums import CardLanguage, ReportFormat
from autotune.config.secrets import redact
from autotune.errors import AutotuneError
from autotune.evaluation.robustness import ROBUSTNESS
from autotune.publishing.card.facts import Facts, read_facts
from autotune.publishing.schemas import RobustnessRecord
from autotune.reporting import charts
from autotune.reporting.classes import Classes
from autotune.reporting.curves import Curves, read_curves, shorten
from autotune.reporting.entities import Entities, has_entity_tags
from autotune.reporting.labels import Labels
from autotune.reporting.rows import Rows
from autotune.reporting.settings import settings
from autotune.reporting.summaries import Summaries
from autotune.reporting.templates import style, template
from autotune.reporting.texts import texts
from autotune.reporting.trust import BAD, next_steps, remarks
from autotune.run.history import line
from autotune.run.status import open_finished
from autotune.runtime.files import atomic_write
from autotune.runtime.records import damaged, read_lines, read_record

if TYPE_CHECKING:
    from datasets import Dataset

    from autotune.config.schema import RunConfig

logger = logging.getLogger(__name__)

REPORT, DOCUMENTS = "report.html", "report_documents.jsonl"
"""The page, and the documents that it quotes: predictions do not repeat them."""
FIX = "bring it back from a copy, or train again with resume=never"

Analysis = Classes | Labels | Entities | Summaries | Rows


def try_report(config: "RunConfig", folder: Path, rows: "Dataset") -> None:
    """Writes the report of a run that has just finished; a failure is a warning, because it must not cost the run.

    Args:
        config: configuration of the run; `report.format` says whether there is a report.
        folder: run folder.
        rows: rows of the scored split, whose documents are quoted.
    """
    if config.report.format is ReportFormat.none:
        return

    def write() -> Path:
        keep_documents(folder, rows)
        return write_report(folder)

    if (path := try_to_write(write)) is not None:
        logger.info("report: %s", path)


def try_to_write(write: Callable[[], Path]) -> Path | None:
    """Writes a report of what is finished; a failure is a warning, because it must not cost the result.

    Args:
        write: writes the report and returns its path.

    Returns:
        Path of the report; None if it could not be written.
    """
    try:
        return write()
    except (AutotuneError, OSError) as error:
        logger.warning("the report could not be written: %s", error)
    except Exception:
        logger.exception(
            "the report could not be written; this is a bug in autotune, and the result is not affected"
        )
    return None


def write_report(folder: Path, output: Path | None = None, language: CardLanguage | None = None) -> Path:
    """Writes the report of a finished run; returns its path.

    Args:
        folder: run folder.
        output: path of the page; None: report.html in the run folder.
        language: its language; None: hub.language of the run.

    Raises:
        ModelError: the run is not finished, or a file is missing or damaged.
        ConfigError: config.yaml or history.jsonl is damaged.
        DiskError: the page cannot be written.
    """
    path = output or folder / REPORT
    page = render(folder, language)
    with atomic_write(path) as file:
        file.write(redact(page).encode("utf-8", "replace"))
    return path


def keep_documents(folder: Path, rows: "Dataset") -> None:
    """Writes the documents of the rows that the report will quote, where the predictions do not have them."""
    if "document" not in rows.column_names:
        return
    config, status = open_finished(folder)
    analysis = _analyzed(folder, read_facts(folder, config, status["command"]))
    if not isinstance(analysis, Summaries):
        return
    with atomic_write(folder / DOCUMENTS) as file:
        for row in rows.select(analysis.quoted_rows):
            file.write(redact(line({"id": row["id"], "document": row["document"]})).encode("utf-8"))


def render(folder: Path, language: CardLanguage | None = None) -> str:
    """Returns the page; the same folder gives the same page. See `write_report`."""
    config, status = open_finished(folder)
    facts = read_facts(folder, config, status["command"])
    curves = read_curves(folder / "history.jsonl")
    language = language or config.hub.language
    text = texts(language)
    main = registry.task(config.task.name).objective_of(config.task).metric
    trust = remarks(facts)
    analysis = _analyzed(folder, facts)
    results = _results(analysis, folder, config.seed)
    page: str = template("report", language).render(
        style=style(),
        language=language,
        run=folder.absolute().name,
        finished=status["time"],
        command=status["command"],
        facts=facts,
        check=facts.data.get("check", {}),
        main=main,
        scores=facts.metrics[facts.split],
        intervals=facts.metrics.get("interval", {}).get(facts.split, {}),
        baselines=facts.metrics["baseline"][facts.split],
        bounds=facts.metrics.get("upper_bound", {}).get(facts.split, {}),
        notes=facts.metrics.get("baseline_notes", {}),
        unseen=facts.metrics.get("unseen", {}).get(facts.split),
        parts=facts.metrics.get("slices", {}).get(facts.split, []),
        robustness=_robustness(folder, facts.split),
        trust=trust,
        verdict="verdict_bad" if any(remark.level == BAD for remark in trust) else "verdict_good",
        steps=next_steps(facts, curves, folder.absolute().name),
        curves=curves,
        charts=_charts(facts, curves, main, results, text),
        numbers=facts.data.get("check", {}).get("numbers", {}),
        analysis=None if analysis is None else analysis.template,
        class_columns=_class_columns(facts.metrics[facts.split].get("per_class", {})),
        results=results,
        calibration=facts.metrics.get("calibration"),
        probabilities=facts.metrics.get("calibration", {}).get("splits", {}).get(facts.split),
        settings=settings(facts.config, status["command"]),
        examples_per_second=_throughput(facts.config, curves),
    )
    return page.lstrip()


def _robustness(folder: Path, split: str) -> dict[str, Any] | None:
    """Returns what `robustness.json` has of the split; None if it was not measured."""
    measured = read_record(folder / ROBUSTNESS, RobustnessRecord, fix="autotune evaluate RUN --robustness")
    return measured if measured is not None and measured["split"] == split else None


def _analyzed(folder: Path, facts: Facts) -> Analysis | None:
    """Reads the predictions of the scored split; None if there are none."""
    path = folder / f"predictions_{facts.split}.jsonl"
    columns = registry.task(facts.config.task.name).columns
    target = next((column.role for column in columns if column.target), "")
    classes = list(facts.metrics[facts.split].get("per_class", {}))
    analysis: Analysis | None = None
    for number, row in enumerate(read_lines(path, fix=FIX)):
        try:
            if analysis is None:
                analysis = _analysis_for(row, target, classes)
            analysis.add(number, row)
        except (KeyError, TypeError, ValueError) as error:
            raise damaged(path, f"line {number + 1} is not a row with its prediction", FIX) from error
    return analysis


def _analysis_for(row: Mapping[str, Any], target: str, classes: list[str]) -> Analysis:
    """Returns what collects predictions of this form; a task of a plug-in may have any."""
    gold, predicted = row[target], row["prediction"]
    if "tokens" in row and has_entity_tags(gold) and has_entity_tags(predicted):
        return Entities(target)
    if isinstance(gold, list) and isinstance(row.get("probabilities"), Mapping) and classes:
        return Labels(target, classes)
    if isinstance(gold, str) and isinstance(predicted, str):
        return Classes(target, classes) if classes else Summaries(target)
    return Rows(target)


def _results(analysis: Analysis | None, folder: Path, seed: int) -> dict[str, Any]:
    if isinstance(analysis, Summaries):
        documents = {
            str(row.get("id")): str(row.get("document")) for row in read_lines(folder / DOCUMENTS, fix=FIX)
        }
        return analysis.results(documents)
    return {} if analysis is None else analysis.results(seed)


def _charts(
    facts: Facts, curves: Curves, main: str, results: Mapping[str, Any], text: Any
) -> dict[str, Markup]:
    """Returns the charts by the key of their title, without those that have no points."""
    best = facts.metrics["training"]["best_step"] if curves.validation else None
    series = {
        "loss": {"": curves.steps["loss"]},
        "score": {main: curves.validation.get(main, [])},
        "learning_rate": {"": curves.steps["learning_rate"]},
        "grad_norm": {"": curves.steps["grad_norm"]},
    }
    drawn = {
        name: charts.lines(text(name), values, text("step"), best)
        for name, values in series.items()
        if all(values.values())
    }
    histograms = {
        split: lengths["histogram"]
        for split, lengths in facts.data.get("check", {}).get("lengths", {}).get("splits", {}).items()
        if lengths.get("histogram")
    }
    if histograms:
        drawn["lengths"] = charts.bars(
            text("lengths"), _shares(histograms), text("tokens"), text("share_of_rows")
        )
    if results.get("bins"):
        bins = [(confidence, accuracy) for confidence, accuracy, _ in results["bins"]]
        drawn["calibration"] = charts.reliability(
            text("calibration"), bins, text("confidence"), text("accuracy")
        )
        drawn["risk_coverage"] = charts.lines(
            text("risk_coverage"), {"": shorten(results["risk"])}, text("coverage")
        )
    return drawn


def _shares(histograms: Mapping[str, Mapping[str, int]]) -> dict[str, dict[str, float]]:
    """Returns the bars of each split as shares of its rows, all splits with the same bars, the shortest rows first."""
    names: Iterable[str] = {name for bars in histograms.values() for name in bars}
    ordered = sorted(names, key=lambda name: (int(name.strip("<=>")), name.startswith(">")))
    return {
        split: {
            name.replace("<=", "≤ ").replace(">", "> "): bars.get(name, 0) / sum(bars.values())
            for name in ordered
        }
        for split, bars in histograms.items()
    }


def _class_columns(per_class: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Returns the figures that there are by class; a plug-in may have others than precision, recall, F1 and support."""
    return list(dict.fromkeys(name for values in per_class.values() for name in values))


def _throughput(config: "RunConfig", curves: Curves) -> float | None:
    """Returns the rows per second of the optimizer steps, without evaluations."""
    batch_size = config.trainer.batch_size
    return batch_size * curves.num_steps / curves.step_seconds if batch_size and curves.step_seconds else None
