"""Asking the Hub with patience: tried again where that helps, told in our words where it does not."""

import logging
import random
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, TypeVar

from huggingface_hub import get_session
from huggingface_hub.errors import HfHubHTTPError

from autotune.errors import AutotuneError, HubError
from autotune.runtime import signals

logger = logging.getLogger(__name__)

Answer = TypeVar("Answer")

TRIES = 6
ANOTHER = "another conflicting operation is in progress"
"""In the Hub's answer while it makes another repository of the same user; its status is that of any conflict."""
LONGEST_PAUSE = 60.0
"""Seconds between two tries, unless the Hub asks for more."""
SILENCE = 120.0
"""Seconds after which a connection on which nothing moves is given up; the client itself would wait for ever."""
RETRYABLE_STATUSES = (408, 409, 412, 425, 429, 500, 502, 503, 504)
"""Statuses that may be another one in a moment: busy, down, or somebody else was faster."""
LOGIN = "hf auth login, or the environment variable HF_TOKEN"

STATUS_MESSAGES = {
    400: ("the Hub does not accept what was sent", None),
    401: ("the Hub does not accept the token", f"{LOGIN}, with a token that may write"),
    402: ("the Hub asks for payment or room", "make room at https://huggingface.co/settings/billing"),
    403: ("the token may not do this", f"{LOGIN}, with a token that may write to this repository"),
    404: ("the Hub does not have it, or not for this token", "check hub.repo and hub.revision"),
    409: ("the Hub says that it is there already, or that somebody else is writing", None),
    412: ("somebody else was faster: the repository has changed meanwhile", None),
    413: ("the Hub finds it too large", None),
    422: ("the Hub does not accept what was sent", None),
    429: ("the Hub asks for patience: too many requests", None),
}
"""By status: what it means and what would mend it. Others of 500 and more: the Hub is in trouble."""


@dataclass(frozen=True)
class HubProblem:
    """Why the Hub did not do as asked."""

    what: str
    found: str
    fix: str | None
    passing: bool
    wait: float | None = None
    """Seconds that the Hub asks for."""

    def error(self, where: str) -> HubError:
        """The trouble, for people."""
        return HubError(self.what, where=where, found=self.found, fix=self.fix)


def call_with_retries(act: Callable[[], Answer], *, what: str, where: str, patience: float) -> Answer:
    """Calls the Hub, again and again where its answer may change.

    Args:
        act: uses `huggingface_hub`; harmless when it is done twice.
        what: is going on, for the log.
        where: of the error.
        patience: seconds after which no other try begins.

    Raises:
        HubError: what the Hub, or the network, said last.
        Interrupted: a signal has come.
    """
    began = time.monotonic()
    for number in range(1, TRIES + 1):
        signals.raise_if_stopped()
        _settle(get_session())
        try:
            return act()
        except AutotuneError:
            raise
        except Exception as error:
            # Of five families, one a way of sending; see `classify_error`.
            trouble = classify_error(error)
            pause = trouble.wait if trouble.wait is not None else _backoff(number)
            spent = time.monotonic() - began
            if not trouble.passing or number == TRIES or spent + pause > patience:
                raise trouble.error(where) from error
            logger.warning("%s: %s (%s); trying again in %.0f s", what, trouble.what, trouble.found, pause)
        signals.sleep(pause)
    raise AssertionError("the last try returns or raises")


def _settle(session: Any) -> None:
    """Sets the client's session up, once or again."""
    session.timeout = SILENCE
    hooks = session.event_hooks
    if _told not in hooks["response"]:
        session.event_hooks = {**hooks, "response": [*hooks["response"], _told]}


def _told(response: Any) -> None:
    """Raises what `create_repo` would answer with the same request at once, and for ever."""
    if response.status_code == 409 and ANOTHER in response.read().decode(errors="replace"):
        raise HfHubHTTPError(f"409 Conflict: {ANOTHER}", response=response)


def classify_error(error: BaseException) -> HubProblem:
    """What an exception of the client means.

    An answer of the Hub is found in the chain of causes; uploads by xet tell of it in words alone.
    """
    chain = list(_chain(error))
    response: Any = next(filter(None.__ne__, (getattr(one, "response", None) for one in chain)), None)
    said = " ".join(str(one) for one in chain)
    status: int | None = response.status_code if response is not None else _status_in(said)
    found = _first_line(chain, response)
    if status is not None:
        what, fix = STATUS_MESSAGES.get(
            status, ("the Hub is in trouble" if status >= 500 else "the Hub refuses", None)
        )
        wait = _wait(response.headers) if response is not None else None
        return HubProblem(what, f"status {status}: {found}", fix, status in RETRYABLE_STATUSES, wait)
    if any(type(one).__name__ == "OfflineModeIsEnabled" for one in chain):
        return HubProblem(
            "the Hub is not asked: this process works offline",
            "HF_HUB_OFFLINE=1",
            "unset HF_HUB_OFFLINE",
            False,
        )
    if any(
        isinstance(one, OSError) or "Timeout" in type(one).__name__ or _is_transport(one) for one in chain
    ):
        return HubProblem("the Hub cannot be reached", found, "try again when there is a network", True)
    return HubProblem(
        "the Hub, or its client, did not do as asked", f"{type(error).__name__}: {found}", None, False
    )


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    seen: list[BaseException] = []
    while error is not None and error not in seen:
        seen.append(error)
        yield error
        error = error.__cause__ or error.__context__


def _is_transport(error: BaseException) -> bool:
    """Whether httpx says that the connection failed; its name has changed between versions of the client."""
    return any(kind.__name__ == "TransportError" for kind in type(error).__mro__)


def _status_in(text: str) -> int | None:
    found = re.search(r"(?:status(?: code)?\W{1,3}|HTTP[^()]*?\()\(?([45]\d\d)\b", text)
    return int(found[1]) if found else None


def _first_line(chain: list[BaseException], response: Any) -> str:
    """The Hub's own words, or those of the innermost exception, without signatures of upload addresses."""
    said = response.headers.get("X-Error-Message") if response is not None else None
    text = said or next(
        (str(one).strip() for one in reversed(chain) if str(one).strip()), type(chain[0]).__name__
    )
    return re.sub(r"(https?://[^\s?'\"]+)\?[^\s'\"]+", r"\1?…", text.splitlines()[0])[:300]


def _wait(headers: Any) -> float | None:
    """Seconds of Retry-After, which is a number or a date; of RateLimit where nothing remains."""
    spent = re.search(r"r=0;t=(\d+)", headers.get("ratelimit", ""))
    if spent:
        return float(spent[1]) + 1
    given = headers.get("Retry-After", "").strip()
    if re.fullmatch(r"\d+", given):
        return float(given)
    try:
        return max(0.0, (parsedate_to_datetime(given) - datetime.now(UTC)).total_seconds())
    except (TypeError, ValueError):
        return None


def _backoff(number: int) -> float:
    """1, 2, 4 … seconds and a part more, so that runs that failed together do not come back together."""
    return float(min(LONGEST_PAUSE, 2.0 ** (number - 1)) * random.uniform(1, 1.25))
