"""One thing that `autotune auto` chose, why, and how to change it: a line of `decisions.jsonl`."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from pydantic import TypeAdapter, ValidationError

from autotune.errors import ConfigError

Value = str | int | float | bool | None
IDS = (
    "task", "text", "label", "group", "left_out", "language", "duplicates", "test", "folds", "metric", "models", "epochs",
    "batch_size", "learning_rate", "class_weights", "length", "adapter", "seeds", "budget", "winner", "refit",
    "refit_test", "temperature",
)  # fmt: skip
"""What can be decided."""
DATA, YOU = "data", "you"
"""Sources of a decision: the data themselves, or the command line. Others are named: a paper or a measurement."""


@dataclass(frozen=True)
class Decision:
    """One decision with its reason."""

    id: str
    """One of `IDS`."""
    value: Value
    """What was chosen; None for nothing, as no group."""
    because: str
    """Reason, one English sentence; `runtime.language.local` returns it in the user's language."""
    source: str = DATA
    """What the reason rests on: `data`, `you`, or a paper or measurement."""
    alternatives: tuple[str, ...] = ()
    """What else was possible, the best first."""
    override: str | None = None
    """What to add to the command to decide otherwise, quoted for the shell; None if nothing changes it."""

    def as_dict(self) -> dict[str, Any]:
        """Returns the decision as a JSON object."""
        return {**asdict(self), "alternatives": list(self.alternatives)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Decision":
        """Returns the decision that `as_dict` has written.

        Raises:
            ConfigError: a key is missing or unknown, or a value has another type.
        """
        try:
            decision = _ADAPTER.validate_python(dict(values))
        except ValidationError as error:
            raise ConfigError("this is not a decision", found=str(dict(values))[:200]) from error
        if decision.id not in IDS:
            raise ConfigError("this is not a decision", found=f"id: {decision.id}"[:200])
        return decision


_ADAPTER = TypeAdapter(Decision)
