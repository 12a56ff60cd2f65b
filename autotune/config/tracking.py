"""Section `tracking`: the experiment tracker that a run is sent to."""

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from autotune.config.enums import TrackerName
from autotune.config.section import Strict


@dataclass
class TrackingConfig(Strict):
    """An experiment tracker gets what history.jsonl and metrics.json get. It never ends or changes a run."""

    tracker: TrackerName = TrackerName.none
    """Where loss, learning rate, gradient norm, scores and configuration are shown as well: none, tensorboard, wandb, mlflow
    or trackio, each with pip install "autotune[NAME]". Its files are in the run folder, and it needs no network, unless its
    own variables of the environment say otherwise: WANDB_MODE=online, MLFLOW_TRACKING_URI, TRACKIO_SPACE_ID."""
    project: str = "autotune"
    """Project of wandb and trackio, experiment of mlflow. WANDB_PROJECT and MLFLOW_EXPERIMENT_NAME have precedence."""
    timeout: Annotated[float, Field(gt=0)] = 60.0
    """Seconds that a finished run waits for the tracker to take the last values; what it lacks then is in history.jsonl."""
