"""No secret stands in a configuration: it would be saved with the run."""

from collections.abc import Iterator, Mapping
from typing import Any

from autotune.config.secrets import holds_token, secret_in, secrets
from autotune.errors import AutotuneError, ConfigError


def tokens(value: Any, at: str = "") -> Iterator[AutotuneError]:
    """No value and no key looks like a Hub token; the token is not repeated."""
    for key, text in _texts(value, at):
        if holds_token(text):
            yield token_refused(key)


def own_secrets(value: Any) -> Iterator[AutotuneError]:
    """No value and no key holds a secret of the environment; the secret is not repeated."""
    known = secrets()
    for key, text in _texts(value, ""):
        if (name := secret_in(text, known)) is not None and not holds_token(text):
            yield secret_refused(key, name)


def _texts(value: Any, at: str) -> Iterator[tuple[str, str]]:
    """Every value and every key as text, with the key that it is at."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield at, str(key)
            yield from _texts(item, f"{at}.{key}".strip("."))
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _texts(item, at)
    elif value is not None:
        yield at, str(value)


def token_refused(where: str) -> ConfigError:
    """What is said when a Hub token stands in the configuration or on the command line."""
    return ConfigError(
        "a Hub token may not stand in the configuration: it would be saved with the run",
        where=where,
        fix="hf auth login, or the environment variable HF_TOKEN; and make a new token, this one was seen",
    )


def secret_refused(where: str, name: str) -> ConfigError:
    """What is said when the value of a variable stands in the configuration or on the command line."""
    return ConfigError(
        f"the value of the environment variable {name} may not stand in the configuration: it would be saved with the run",
        where=where,
        fix=f"another value; where it is no secret: env -u {name} autotune …",
    )
