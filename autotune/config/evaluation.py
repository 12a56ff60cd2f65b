"""The section `evaluation`: what is measured besides the scores."""

from dataclasses import dataclass

from autotune.config.section import Strict


@dataclass
class EvaluationConfig(Strict):
    """What the end of a run measures besides the scores."""

    robustness: bool = False
    """Predicts the scored rows again without accents, in small letters, with typos, as social media write and in the
    spelling of the other side of the Atlantic. It takes as long as five more predictions; later: `autotune evaluate RUN
    --robustness`."""
