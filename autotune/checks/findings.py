"""What a check has found: findings for people and programs, figures beside them."""

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
    """How bad a finding is."""

    error = "error"
    """The run is refused."""
    warning = "warning"
    """The result may not be what it seems; refused with check=strict."""
    note = "note"
    """Good to know."""


class Area(StrEnum):
    """What a finding is about, in the order in which it is shown."""

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
    """One thing that was found."""

    area: Area
    severity: Severity
    what: str
    where: str | None = None
    found: str | None = None
    fix: str | None = None
    count: int | None = None
    """Of rows, texts or whatever `what` speaks of."""
    relabel: Mapping[str, str | None] | None = None
    """What labels should become; all findings together give one `dataset.label_map`, which is the fix of each."""
    rename: Mapping[str, str | None] | None = None
    """Keys of `dataset.label_map` and what was meant by them; None: they are left out."""

    def error(self) -> AutotuneError:
        """The finding as an error, for runs that it ends."""
        return DataError(self.what, where=self.where, found=self.found, fix=self.fix)


def warning(area: Area, what: str, **details: Any) -> Finding:
    """A finding that a person should weigh."""
    return Finding(area, Severity.warning, what, **details)


def note(area: Area, what: str, **details: Any) -> Finding:
    """A finding that is good to know."""
    return Finding(area, Severity.note, what, **details)


def refusal(error: AutotuneError) -> str:
    """JSON of a run that was refused before anything was looked at."""
    report = Report()
    report.refuse(Area.configuration, error)
    return report.as_json()


@dataclass
class Report:
    """Everything that a check has found."""

    findings: list[Finding] = field(default_factory=list)
    errors: list[AutotuneError] = field(default_factory=list)
    """As they were raised; they stand among the findings, too."""
    figures: dict[str, Any] = field(default_factory=dict)
    """JSON by subject: splits, labels, lengths, duplicates, tokenizer, machine."""

    def add(self, findings: Iterable[Finding]) -> None:
        """Takes findings in."""
        self.findings += findings

    def refuse(self, area: Area, error: AutotuneError) -> None:
        """Takes an error in, or the several that it consists of."""
        for one in error.errors:
            self.errors.append(one)
            relabel = getattr(one, "relabel", None)
            self.findings.append(
                Finding(area, Severity.error, one.what, one.where, one.found, one.fix, relabel=relabel)
            )

    def join_maps(self, config: DatasetConfig, names: Sequence[str]) -> None:
        """Gives all findings that are about names of labels one override, for a second one would replace the first.

        Args:
            config: the section `dataset`.
            names: the labels that the data have before `dataset.label_map`.
        """
        relabel = {name: to for one in self.findings for name, to in (one.relabel or {}).items()}
        rename = {key: to for one in self.findings for key, to in (one.rename or {}).items()}
        if relabel or rename:
            fix = relabel_override(config, relabel, rename, names)
            self.findings = [
                replace(one, fix=fix) if one.relabel or one.rename else one for one in self.findings
            ]
            self.errors = [
                DataError(one.what, where=one.where, found=one.found, fix=fix)
                if isinstance(one, RelabelError)
                else one
                for one in self.errors
            ]

    def count(self, severity: Severity) -> int:
        """How many findings there are of a severity."""
        return sum(finding.severity is severity for finding in self.findings)

    def raise_refused(self, level: CheckLevel) -> None:
        """Ends the run where that has to be.

        Raises:
            AutotuneError: the errors; with `strict` the warnings as well; several together.
        """
        warnings = [one.error() for one in self.of(Severity.warning)] if level is CheckLevel.strict else []
        raise_all([*self.errors, *warnings])

    def of(self, severity: Severity) -> Sequence[Finding]:
        """Findings of a severity, by area."""
        order = list(Area)
        return sorted(
            (finding for finding in self.findings if finding.severity is severity),
            key=lambda finding: order.index(finding.area),
        )

    def as_json(self, run: str | None = None) -> str:
        """The report under the name of a run, as text."""
        return json.dumps({"run": run, **self.as_dict()}, ensure_ascii=False, indent=2) + "\n"

    def as_dict(self) -> dict[str, Any]:
        """JSON."""
        return {
            "errors": self.count(Severity.error),
            "warnings": self.count(Severity.warning),
            "findings": [asdict(one) for severity in Severity for one in self.of(severity)],
            **self.figures,
        }
