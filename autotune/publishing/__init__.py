"""Publishes a finished run on the Hub: checks before training, writes the model card, pushes repeatably.

`target.find` checks whether and where a push would go -> `card` writes README.md -> `files` chooses what leaves this
machine -> `push` sends it. All requests to the Hub go through `client`. Reading from the Hub is done in
`autotune.models` and `autotune.data`.
"""
