"""Looks at rows, configuration and machine before a run, where `check` asks for it."""

from typing import TYPE_CHECKING

from autotune import registry
from autotune.checks.findings import Area, warning
from autotune.checks.labels import audit_labels
from autotune.checks.lengths import audit_lengths
from autotune.checks.machine import audit_machine
from autotune.checks.numbers import audit_numbers
from autotune.checks.repeats import audit_repeats
from autotune.checks.spelling import audit_spelling
from autotune.checks.texts import audit_ids, audit_texts
from autotune.config.rules import config_warnings

if TYPE_CHECKING:
    from autotune.pipeline.prepare import PreflightState


def audit(state: "PreflightState") -> None:
    """Looks at everything that the stages have brought."""
    report, config = state.report, state.config
    for doubt in config_warnings(config):
        report.add(
            [warning(Area.configuration, doubt.what, where=doubt.where, found=doubt.found, fix=doubt.fix)]
        )
    task_class = registry.task(config.task.name)
    if state.rows is not None:
        names = (state.facts or {}).get("labels", [])
        report.add(audit_texts(state.rows, task_class.columns, report))
        report.add(audit_ids(state.rows))
        report.add(audit_labels(state.rows, task_class.columns, config, names, report))
        report.add(audit_numbers(state.rows, task_class.columns, names, report))
        report.add(audit_repeats(state.rows, task_class.columns, config.check.near_duplicates, report))
    if state.task is not None and state.rows is not None and state.features is not None:
        report.add(audit_lengths(state.task, state.rows.splits, state.features, report))
        report.add(
            audit_spelling(
                state.task, state.rows.splits, state.features, report, tiny=config.model.tiny is not None
            )
        )
    from_hub = config.bundle is None and (
        bool(state.base and state.base.revision) or bool(state.rows and state.rows.source.get("commit"))
    )
    report.add(audit_machine(config, state.model, state.precision, report, from_hub=from_hub))
