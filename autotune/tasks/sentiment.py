"""Sentiment analysis: single-label classification of opinions."""

from dataclasses import dataclass

from autotune.registry import register
from autotune.tasks.base import Examples
from autotune.tasks.classification import ClassificationConfig, TextClassification


@dataclass
class SentimentConfig(ClassificationConfig):
    """Section `task` of task=sentiment."""

    name: str = "sentiment"


@register
class Sentiment(TextClassification):
    """Task: text -> sentiment."""

    name = "sentiment"
    Config = SentimentConfig
    examples = Examples(
        models="model=bertimbau_base", run="dataset=tweetsentbr model=bertimbau_base", tiny="bert"
    )
