"""The report of a check: findings for people and programs, and the figures behind them."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from typing import Any

from autotune.config.enums import CheckLevel
from autotune.config.schema import DatasetConfig
from autotune.data.labels import RelabelError, relabel_override
from autotune.errors import AutotuneError, DataError, raise_all


class Severity(StrEnum):
    """Severity of a finding."""

    error = "error"
    """The run is refused."""
    warning = "warning"
    """The result may be misleading; the run is refused with check=strict."""
    note = "note"
    """Good to know; nothing to do."""


class Area(StrEnum):
    """Subject of a finding, in the order in which findings are shown."""

    configuration = "configuration"
    data = "data"
    labels = "labels"
    lengths = "lengths"
    duplicates = "duplicates"
    model = "model"
    tokenizer = "tokenizer"
    machine = "machine"
    hub = "hub"


@dataclass(frozen=True)
class Finding:
    """One observation of a check."""

    area: Area
    severity: Severity
    what: str
    where: str | None = None
    found: str | None = None
    fix: str | None = None
    count: int | None = None
    """Number of rows, texts or whatever `what` is about."""
    relabel: Mapping[str, str | None] | None = None
    """New names of labels; all findings together give one `dataset.label_map`, which is the fix of each."""
    rename: Mapping[str, str | None] | None = None
    """Keys of `dataset.label_map` and the labels they were meant for; None removes the key."""

    def error(self) -> AutotuneError:
        """Returns the finding as an error, for a run that it stops."""
        return DataError(self.what, where=self.where, found=self.found, fix=self.fix)


def warning(area: Area, what: str, **details: Any) -> Finding:
    """Returns a finding that a person should consider."""
    return Finding(area, Severity.warning, what, **details)


def note(area: Area, what: str, **details: Any) -> Finding:
    """Returns a finding that is good to know."""
    return Finding(area, Severity.note, what, **details)


def refusal(error: AutotuneError) -> str:
    """Returns the report, as JSON text, of a run that was refused before any check."""
    report = Report()
    report.refuse(Area.configuration, error)
    return report.as_json()


@dataclass
class Report:
    """All results of a check."""

    findings: list[Finding] = field(default_factory=list)
    errors: list[AutotuneError] = field(default_factory=list)
    """Errors as they were raised; they are also among the findings."""
    figures: dict[str, Any] = field(default_factory=dict)
    """JSON values by subject: splits, labels, lengths, duplicates, tokenizer, machine."""

    def add(self, findings: Iterable[Finding]) -> None:
        """Adds findings."""
        self.findings += findings

    def refuse(self, area: Area, error: AutotuneError) -> None:
        """Adds an error, or the several errors that it consists of."""
        for single in error.errors:
            self.errors.append(single)
            relabel = getattr(single, "relabel", None)
            self.findings.append(
                Finding(
                    area, Severity.error, single.what, single.where, single.found, single.fix, relabel=relabel
                )
            )

    def merge_label_maps(self, config: DatasetConfig, names: Sequence[str]) -> None:
        """Sets one combined override as the fix of all findings about label names: a second one would replace the first.

        Args:
            config: the section `dataset`.
            names: labels of the data before `dataset.label_map`.
        """
        relabel = {name: to for finding in self.findings for name, to in (finding.relabel or {}).items()}
        rename = {key: to for finding in self.findings for key, to in (finding.rename or {}).items()}
        if relabel or rename:
            fix = relabel_override(config, relabel, rename, names)
            self.findings = [
                replace(finding, fix=fix) if finding.relabel or finding.rename else finding
                for finding in self.findings
            ]
            self.errors = [
                DataError(error.what, where=error.where, found=error.found, fix=fix)
                if isinstance(error, RelabelError)
                else error
                for error in self.errors
            ]

    def count(self, severity: Severity) -> int:
        """Returns the number of findings of a severity."""
        return sum(finding.severity is severity for finding in self.findings)

    def raise_refused(self, level: CheckLevel) -> None:
        """Raises the errors that stop the run, if there are any.

        Raises:
            AutotuneError: the errors, and with `strict` the warnings as well; several are raised together.
        """
        warnings = (
            [finding.error() for finding in self.with_severity(Severity.warning)]
            if level is CheckLevel.strict
            else []
        )
        raise_all([*self.errors, *warnings])

    def with_severity(self, severity: Severity) -> Sequence[Finding]:
        """Returns the findings of a severity, sorted by area."""
        order = list(Area)
        return sorted(
            (finding for finding in self.findings if finding.severity is severity),
            key=lambda finding: order.index(finding.area),
        )

    def as_json(self, run: str | None = None) -> str:
        """Returns the report as JSON text, under the name of a run."""
        return json.dumps({"run": run, **self.as_dict()}, ensure_ascii=False, indent=2) + "\n"

    def as_dict(self) -> dict[str, Any]:
        """Returns the report as a JSON value."""
        return {
            "errors": self.count(Severity.error),
            "warnings": self.count(Severity.warning),
            "findings": [
                asdict(finding) for severity in Severity for finding in self.with_severity(severity)
            ],
            **self.figures,
        }
