"""A finished run on its way to the Hub: what is known before training, the card, the push that can be repeated.

`target.find` says whether and where a push would go -> `card` writes README.md -> `files` chooses what leaves this
machine -> `push` sends it. `client` is the only way in which the Hub is asked. Reading from the Hub is the
business of `autotune.models` and `autotune.data`.
"""
