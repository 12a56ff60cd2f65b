"""The report of a check for people: tables, a histogram, and findings with their fixes."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from autotune.checks.findings import Finding, Report, Severity
from autotune.errors import listing
from autotune.runtime.language import Pieces, local, shown, word

logger = logging.getLogger(__name__)

BAR_WIDTH = 40
"""Width of the longest bar of the histogram, in characters."""
MAX_LABELS_SHOWN = 50
"""Most labels shown; the report's JSON has all."""


def log_report(report: Report) -> None:
    """Logs the notes, figures and warnings of a report at the start of a run, without tables.

    Errors are raised elsewhere.
    """
    for finding in report.with_severity(Severity.note):
        logger.info(_log_line(finding))
    if "splits" in report.figures:
        sizes = [f"{split} {about['rows']} rows" for split, about in report.figures["splits"].items()]
        logger.info(Pieces("data: ", *[part for size in sizes for part in (", ", size)][1:]))
    labels = report.figures.get("labels")
    if labels is not None:
        counts = labels["counts"]["train"]
        names = listing((f"{name} {count}" for name, count in counts.items()), MAX_LABELS_SHOWN)
        logger.info("labels of train: %s", names)
    for finding in report.with_severity(Severity.warning):
        logger.warning(_log_line(finding))


def format_report(report: Report, title: str, more: Sequence[str] = ()) -> str:
    """Returns the whole report as text.

    Args:
        report: results of the check.
        title: name of the run.
        more: lines to insert before the findings.
    """
    figures = report.figures
    parts: list[str] = [f"{word('check')}: {title}"]
    if "splits" in figures:
        parts.append("\n".join(_splits(figures)))
    if "labels" in figures:
        parts.append("\n".join(_labels(figures["labels"])))
    if "lengths" in figures:
        parts.append("\n".join(_histogram(figures["lengths"])))
    parts.append("\n".join(_machine(figures)))
    parts += ["\n".join(map(local, more))] if more else []
    findings = [finding for severity in Severity for finding in report.with_severity(severity)]
    if findings:
        parts.append("\n".join(_finding_block(finding) for finding in findings))
    totals = {level: report.count(level) for level in (Severity.error, Severity.warning)}
    counts = ", ".join(f"{total} {word(level + 's' * (total != 1))}" for level, total in totals.items())
    parts.append(f"{counts} {word('in')} {figures['seconds']} s")
    return "\n\n".join(parts) + "\n"


def table(header: Sequence[str], rows: Sequence[Sequence[Any]]) -> Iterator[str]:
    """Yields the lines of a table: the first column aligned left, all others right."""
    cells = [[str(cell) for cell in row] for row in (header, *rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(header))]
    for row in cells:
        first, *rest = (
            cell.ljust(width) if not column else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        yield "  " + "  ".join([first, *rest])


def _log_line(finding: Finding) -> Pieces:
    fix = ("; ", finding.fix) if finding.fix else ()
    found = (" (", finding.found, ")") if finding.found and len(finding.found) <= 160 else ()
    return Pieces(finding.area, ": ", finding.what, *found, *fix)


def _finding_block(finding: Finding) -> str:
    what = Pieces(finding.severity, ": ", finding.area, ": ", finding.what)
    return shown(what, finding.where, finding.found, finding.fix)


def _splits(figures: Mapping[str, Any]) -> Iterator[str]:
    lengths = figures.get("lengths", {}).get("splits", {})
    repeats = figures.get("duplicates", {})
    units = list(dict.fromkeys(unit for stats in lengths.values() for unit in stats["units"]))
    header = ["split", "rows", *units]
    if lengths:
        header += ["median", "95 %", "longest", f"{word('over')} {figures['lengths']['max_length']}"]
    header += ["repeats", "in train"]
    rows = []
    for split, split_figures in figures["splits"].items():
        stats = lengths.get(split)
        row = [split, split_figures["rows"]]
        if stats:
            row += [stats["units"].get(unit, "") for unit in units]
            row += [
                stats["median"],
                stats["p95"],
                stats["longest"],
                stats["rows_beyond"],
            ]
        leaks = repeats.get(f"{split} in train")
        row.append(sum(repeats[split].values()) if split in repeats else "")
        row.append(sum(leaks[degree] for degree in ("exact", "alike", "near")) if leaks else "")
        rows.append(row)
    yield from table([word(name) for name in header], rows)


def _labels(labels: Mapping[str, Any]) -> Iterator[str]:
    counts = labels["counts"]
    names = list(dict.fromkeys(name for split_counts in counts.values() for name in split_counts))
    yield from table(
        [word("label"), *counts],
        [
            [name, *(split_counts.get(name, 0) for split_counts in counts.values())]
            for name in names[:MAX_LABELS_SHOWN]
        ],
    )
    if len(names) > MAX_LABELS_SHOWN:
        yield local(f"  … and {len(names) - MAX_LABELS_SHOWN} more")
    if labels["ids"]:
        ids = listing((f"{number} {name}" for name, number in labels["ids"].items()), MAX_LABELS_SHOWN)
        yield local(f"  ids: {ids}")


def _histogram(lengths: Mapping[str, Any]) -> Iterator[str]:
    bars = lengths["splits"]["train"]["histogram"]
    largest = max(bars.values())
    yield local(f"  tokens per row in train (max_length {lengths['max_length']})")
    for name, count in bars.items():
        yield f"  {name:>6}  {'#' * (-(-BAR_WIDTH * count // largest)):<{BAR_WIDTH}}  {count}"


def _machine(figures: Mapping[str, Any]) -> Iterator[str]:
    model, machine = figures.get("model"), figures.get("machine")
    if model:
        yield local(
            f"  model    {model['parameters'] / 1e6:.2f} M parameters, {model['trainable'] / 1e6:.2f} M trained; "
            f"{model['static_memory_gb']} GB for weights and optimizer, {model['disk_gb']} GB of disk"
        )
    if machine:
        yield local(
            f"  machine  {machine['device']}, {machine['precision'] or 'precision unknown'}, "
            f"{machine['memory_gb']} GB of memory, {machine['disk_free_gb']} GB of disk free"
        )
        versions = " ".join(f"{name} {number}" for name, number in machine["versions"].items())
        yield local(f"  versions Python {machine['python']} {versions}")
