"""The figures of one split."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from autotune.metrics.objective import Objective

if TYPE_CHECKING:
    from autotune.metrics.base import OfflineMetric


@dataclass
class Scores:
    """Metric values of one split."""

    main: str
    """Name of the metric that chooses the best checkpoint."""
    values: dict[str, float]
    """Metric values by name."""
    per_class: dict[str, dict[str, float]] = field(default_factory=dict)
    """Precision, recall, f1 and support of each class or entity type."""
    confusion: dict[str, dict[str, int]] = field(default_factory=dict)
    """Number of rows by gold class, then predicted class."""
    counts: dict[str, int] = field(default_factory=dict)
    """Numbers of rows, entities and so on."""
    greater_is_better: bool = True
    """Whether greater values of the main metric are the better ones."""

    @classmethod
    def of(cls, metric: "OfflineMetric[Any]", objective: Objective) -> "Scores":
        """Returns the scores of the rows that were added to a metric.

        Args:
            metric: the metric.
            objective: the main metric, which becomes the first of the values, and its direction.
        """
        values = metric.compute()
        per_class, confusion, counts = (values.pop(name, {}) for name in ("per_class", "confusion", "counts"))
        main, greater_is_better = objective
        return cls(main, {main: values[main], **values}, per_class, confusion, counts, greater_is_better)

    @property
    def objective(self) -> Objective:
        """The main metric and its direction."""
        return Objective(self.main, self.greater_is_better)

    @property
    def best(self) -> float:
        """Value of the main metric."""
        return self.values[self.main]

    def as_dict(self) -> dict[str, Any]:
        """Returns the content of metrics.json; empty tables are left out."""
        extra = {"per_class": self.per_class, "confusion": self.confusion}
        return {**self.values, **{name: value for name, value in extra.items() if value}}
