"""Rules that keep secrets out of a configuration, which is saved with the run."""

from collections.abc import Iterator, Mapping
from typing import Any

from autotune.config.secrets import holds_token, secret_in, secrets
from autotune.errors import AutotuneError, ConfigError


def hub_tokens(value: Any, prefix: str = "") -> Iterator[AutotuneError]:
    """Checks that no value or key looks like a Hub token; the error does not repeat the token."""
    for key, text in _texts(value, prefix):
        if holds_token(text):
            yield token_refused(key)


def environment_secrets(value: Any) -> Iterator[AutotuneError]:
    """Checks that no value or key contains a secret of the environment; the error does not repeat the secret."""
    names = secrets()
    for key, text in _texts(value, ""):
        if (name := secret_in(text, names)) is not None and not holds_token(text):
            yield secret_refused(key, name)


def _texts(value: Any, prefix: str) -> Iterator[tuple[str, str]]:
    """Yields every value and every key as text, with the dotted key where it was found."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield prefix, str(key)
            yield from _texts(item, f"{prefix}.{key}".strip("."))
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _texts(item, prefix)
    elif value is not None:
        yield prefix, str(value)


def token_refused(where: str) -> ConfigError:
    """Returns the error for a Hub token in the configuration or on the command line."""
    return ConfigError(
        "a Hub token must not be in the configuration: it would be saved with the run",
        where=where,
        fix="hf auth login, or the environment variable HF_TOKEN; and make a new token, this one was seen",
    )


def secret_refused(where: str, name: str) -> ConfigError:
    """Returns the error for the value of a secret variable in the configuration or on the command line."""
    return ConfigError(
        f"the value of the environment variable {name} must not be in the configuration: it would be saved with the run",
        where=where,
        fix=f"another value; if it is not a secret: env -u {name} autotune …",
    )
