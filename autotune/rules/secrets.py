"""No Hub token stands in a configuration: it would be saved with the run."""

from collections.abc import Iterator, Mapping
from typing import Any

from autotune.errors import AutotuneError, ConfigError
from autotune.redaction import holds_token


def tokens(value: Any, at: str = "") -> Iterator[AutotuneError]:
    """No value and no key looks like a Hub token; the token is not repeated."""
    if isinstance(value, str) and holds_token(value):
        yield token_refused(at)
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from tokens(str(key), at)
            yield from tokens(item, f"{at}.{key}".strip("."))
    elif isinstance(value, list | tuple):
        for item in value:
            yield from tokens(item, at)


def token_refused(where: str) -> ConfigError:
    """What is said when a Hub token stands in the configuration or on the command line."""
    return ConfigError(
        "a Hub token may not stand in the configuration: it would be saved with the run",
        where=where,
        fix="hf auth login, or the environment variable HF_TOKEN; and make a new token, this one was seen",
    )
