"""Tells why a call to the Hub failed, whichever library wrapped the error.

Data, models and publishing have their own messages for each kind of failure; they all classify errors here.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class HubFailure(StrEnum):
    """Why a call to the Hub failed."""

    gated = "gated"
    """The owners ask users to accept their terms first."""
    no_revision = "no revision"
    no_repository = "no repository"
    """It does not exist or is private, or its name is invalid."""
    offline = "offline"
    """HF_HUB_OFFLINE is set."""
    unreachable = "unreachable"
    """No connection, or a timeout."""
    refused = "refused"
    """Any other response with an error status."""
    other = "other"
    """Not an error of the Hub, or an unknown one."""


_TYPES = (
    (HubFailure.gated, {"GatedRepoError"}),
    (HubFailure.no_revision, {"RevisionNotFoundError"}),
    (HubFailure.no_repository, {"RepositoryNotFoundError", "HFValidationError"}),
    (HubFailure.offline, {"OfflineModeIsEnabled"}),
    (
        HubFailure.unreachable,
        {"ConnectionError", "LocalEntryNotFoundError", "TimeoutError", "TransportError"},
    ),
)
"""Names of exception classes, in order of precedence. Classes are compared by name, because their modules differ
between versions of huggingface_hub, httpx and requests."""
_PHRASES = (
    (HubFailure.gated, re.compile("gated repo|gated dataset")),
    (HubFailure.unreachable, re.compile("couldn't connect")),
)
"""Phrases of messages, for errors that no class tells: the Hub's message on a missing repository speaks of gated ones,
too."""


@dataclass(frozen=True)
class HubDiagnosis:
    """What an exception and its causes say about a call to the Hub."""

    failure: HubFailure
    chain: tuple[BaseException, ...]
    """The exception and its causes, outermost first."""
    response: Any
    """The Hub's response; None if there was none."""
    status: int | None
    """HTTP status of the response; of uploads by xet, the one that their message mentions."""

    @property
    def text(self) -> str:
        """All messages of the chain."""
        return " ".join(map(str, self.chain))

    @property
    def type_names(self) -> set[str]:
        """Names of the classes of all exceptions of the chain, with their base classes."""
        return {base.__name__ for error in self.chain for base in type(error).__mro__}


def classify_hub_error(error: BaseException) -> HubDiagnosis:
    """Returns why a call to the Hub failed; looks at all causes, as libraries wrap each other's errors."""
    chain = tuple(cause_chain(error))
    responses = (getattr(cause, "response", None) for cause in chain)
    response: Any = next((response for response in responses if response is not None), None)
    diagnosis = HubDiagnosis(HubFailure.other, chain, response, None)
    status = response.status_code if response is not None else _status_in(diagnosis.text)
    names, text = diagnosis.type_names, diagnosis.text
    failures = [failure for failure, types in _TYPES if types & names]
    failures += [failure for failure, phrase in _PHRASES if phrase.search(text)]
    failures.append(HubFailure.other if status is None else HubFailure.refused)
    return HubDiagnosis(failures[0], chain, response, status)


def cause_chain(error: BaseException | None) -> Iterator[BaseException]:
    """Yields an exception and its causes, outermost first; stops at cycles."""
    seen: list[BaseException] = []
    while error is not None and error not in seen:
        seen.append(error)
        yield error
        error = error.__cause__ or error.__context__


def _status_in(text: str) -> int | None:
    match = re.search(r"(?:status(?: code)?\W{1,3}|HTTP[^()]*?\()\(?([45]\d\d)\b", text)
    return int(match[1]) if match else None
