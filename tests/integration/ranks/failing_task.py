"""A task for --plugin whose loss fails in the second process, in its second micro-batch."""

import os
from dataclasses import dataclass

from autotune.errors import TrainingError
from autotune.registry import register
from autotune.tasks.sentiment import Sentiment

seen: list[int] = []


@dataclass
class FailingConfig(Sentiment.Config):
    """As sentiment's."""

    name: str = "failing"


@register
class Failing(Sentiment):
    """Sentiment that fails."""

    name = "failing"
    Config = FailingConfig

    def loss(self, model, batch):
        """Fails as FAILURE says."""
        seen.append(1)
        if os.environ.get("RANK") == "1" and len(seen) == 2:
            if os.environ["FAILURE"] == "bug":
                raise KeyError("a bug in one process")
            raise TrainingError("one process cannot go on", fix="another process")
        return super().loss(model, batch)
