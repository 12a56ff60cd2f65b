"""Section `hub`: whether and where a run is pushed to the Hugging Face Hub."""

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from autotune.config.enums import CardLanguage, Offline, Visibility, WhenOffline
from autotune.config.section import Strict


@dataclass
class HubConfig(Strict):
    """The Hugging Face Hub."""

    offline: Offline = Offline.auto
    """auto: asks once whether the Hub answers and works from the cache if not; always; never."""
    visibility: Visibility = Visibility.none
    """Whether the finished run is pushed, and who may see it. A repository that is already public is refused
    unless this says so."""
    repo: str | None = None
    """Repository: NAME or OWNER/NAME. null: your own namespace and the name of the run."""
    revision: str = "main"
    """Branch; created if it does not exist."""
    every: Annotated[int | None, Field(ge=1)] = None
    """During training, pushes the current weights to the branch `last` each time this many evaluations were made. null:
    only the final weights, when the run is finished, and only if they are not the best ones."""
    create_pr: bool = False
    """Opens a pull request instead of a commit on `revision`; a second push adds to the open one."""
    tag: str | None = None
    """Tag for the commit."""
    adapter_only: bool = False
    """With peft: pushes the adapter alone, which needs its base model. false: the merged model with the adapter beside it."""
    overwrite_card: bool = False
    """Overwrites what people changed in autotune's own part of the card on the Hub; their text around it and their metadata
    stay in any case."""
    when_offline: WhenOffline = WhenOffline.refuse
    """If the Hub cannot be reached: refuse the run before training, or train it and leave it for `autotune push RUN`."""
    patience: Annotated[float, Field(ge=0)] = 300.0
    """Seconds for which a push retries transient errors of the Hub."""
    language: CardLanguage = CardLanguage.pt
    """Language of the model card and of report.html."""
    license: str | None = None
    """License identifier of the model. null: derived from base model and data."""
