"""Fine-tunes language models for sentiment analysis, named entity recognition and summarization."""

__version__ = "0.1.0"
