"""Calls the Hub: retries transient errors, and translates the others to errors of autotune."""

import logging
import random
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, TypeVar

from huggingface_hub import get_session
from huggingface_hub.errors import HfHubHTTPError

from autotune.errors import AutotuneError, HubError
from autotune.runtime import signals
from autotune.runtime.hub_errors import HubDiagnosis, HubFailure, classify_hub_error

logger = logging.getLogger(__name__)

Response = TypeVar("Response")

MAX_TRIES = 6
CREATION_CONFLICT = "another conflicting operation is in progress"
"""Text of the Hub's response while it creates another repository of the same user; the status is the general 409."""
MAX_PAUSE = 60.0
"""Maximum pause in seconds between two tries, unless the Hub asks for a longer one."""
TIMEOUT = 120.0
"""Seconds after which a connection without traffic is closed; the client itself would wait forever."""
RETRYABLE_STATUSES = (408, 409, 412, 425, 429, 500, 502, 503, 504)
"""Statuses of transient errors: the Hub is busy or down, or another client has written first."""
LOGIN = "hf auth login, or the environment variable HF_TOKEN"

STATUS_MESSAGES = {
    400: ("the Hub rejected the request", None),
    401: ("the Hub does not accept the token", f"{LOGIN}, with a token that may write"),
    402: (
        "the Hub account has no storage or credit left",
        "make room at https://huggingface.co/settings/billing",
    ),
    403: ("the token has no permission for this", f"{LOGIN}, with a token that may write to this repository"),
    404: ("it does not exist on the Hub, or this token has no access", "check hub.repo and hub.revision"),
    409: ("it already exists on the Hub, or somebody else is writing to it", None),
    412: ("the repository was changed by somebody else in the meantime", None),
    413: ("it is too large for the Hub", None),
    422: ("the Hub rejected the request", None),
    429: ("too many requests to the Hub", None),
}
"""Meaning of each status, and how to fix it; `classify_error` handles all other statuses."""


@dataclass(frozen=True)
class HubProblem:
    """Why a request to the Hub failed."""

    what: str
    found: str
    fix: str | None
    retryable: bool
    """Whether the same request may succeed later."""
    wait: float | None = None
    """Seconds to wait before the next try, as requested by the Hub."""

    def error(self, where: str) -> HubError:
        """Returns the error to raise."""
        return HubError(self.what, where=where, found=self.found, fix=self.fix)


def call_with_retries(request: Callable[[], Response], *, what: str, where: str, patience: float) -> Response:
    """Calls the Hub and retries transient errors.

    Args:
        request: uses `huggingface_hub`; must be safe to repeat.
        what: the operation, for the log.
        where: the `where` of the error.
        patience: seconds after which no further try starts.

    Raises:
        HubError: the last error of the Hub or the network.
        Interrupted: a signal has arrived.
    """
    start = time.monotonic()
    for attempt in range(1, MAX_TRIES + 1):
        signals.raise_if_stopped()
        _configure_session(get_session())
        try:
            return request()
        except AutotuneError:
            raise
        except Exception as error:
            # Any type: each way of sending (httpx, LFS, xet …) raises its own family; see `classify_error`.
            problem = classify_error(error)
            pause = problem.wait if problem.wait is not None else _backoff(attempt)
            elapsed = time.monotonic() - start
            if not problem.retryable or attempt == MAX_TRIES or elapsed + pause > patience:
                raise problem.error(where) from error
            logger.warning("%s: %s (%s); trying again in %.0f s", what, problem.what, problem.found, pause)
        signals.sleep(pause)
    raise AssertionError("the last try returns or raises")


def _configure_session(session: Any) -> None:
    """Sets timeout and response hook of the client's session. Called before each try, as the client may replace it."""
    session.timeout = TIMEOUT
    hooks = session.event_hooks
    if _raise_creation_conflict not in hooks["response"]:
        session.event_hooks = {**hooks, "response": [*hooks["response"], _raise_creation_conflict]}


def _raise_creation_conflict(response: Any) -> None:
    """Raises on a creation conflict, because `create_repo` itself would repeat the request at once and forever."""
    if response.status_code == 409 and CREATION_CONFLICT in response.read().decode(errors="replace"):
        raise HfHubHTTPError(f"409 Conflict: {CREATION_CONFLICT}", response=response)


def classify_error(error: BaseException) -> HubProblem:
    """Returns what an exception of the client means."""
    diagnosis = classify_hub_error(error)
    found = _first_line(diagnosis)
    if diagnosis.status is not None:
        status, response = diagnosis.status, diagnosis.response
        what, fix = STATUS_MESSAGES.get(
            status, ("the Hub has an internal error" if status >= 500 else "the Hub refuses", None)
        )
        wait = _retry_after(response.headers) if response is not None else None
        return HubProblem(what, f"status {status}: {found}", fix, status in RETRYABLE_STATUSES, wait)
    if diagnosis.failure is HubFailure.offline:
        return HubProblem("the Hub cannot be reached", "HF_HUB_OFFLINE=1", "unset HF_HUB_OFFLINE", False)
    # Any other OSError, too: each way of sending has its own errors for a broken connection.
    if diagnosis.failure is HubFailure.unreachable or "OSError" in diagnosis.type_names:
        return HubProblem("the Hub cannot be reached", found, "try again when there is a network", True)
    return HubProblem("the request to the Hub failed", f"{type(error).__name__}: {found}", None, False)


def _first_line(diagnosis: HubDiagnosis) -> str:
    """Returns the first line of the Hub's message or else of the innermost exception, without URL queries, which
    hold the signatures of upload addresses."""
    chain, response = diagnosis.chain, diagnosis.response
    message = response.headers.get("X-Error-Message") if response is not None else None
    text = message or next(
        (str(cause).strip() for cause in reversed(chain) if str(cause).strip()), type(chain[0]).__name__
    )
    return re.sub(r"(https?://[^\s?'\"]+)\?[^\s'\"]+", r"\1?…", text.splitlines()[0])[:300]


def _retry_after(headers: Any) -> float | None:
    """Returns the seconds to wait: from RateLimit if no requests remain, else from Retry-After, a number or a date."""
    exhausted = re.search(r"r=0;t=(\d+)", headers.get("ratelimit", ""))
    if exhausted:
        return float(exhausted[1]) + 1
    value = headers.get("Retry-After", "").strip()
    if re.fullmatch(r"\d+", value):
        return float(value)
    try:
        return max(0.0, (parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds())
    except (TypeError, ValueError):
        return None


def _backoff(attempt: int) -> float:
    """Returns the pause after a try: 1, 2, 4 … seconds, plus up to 25 % so that runs do not all retry at once."""
    return float(min(MAX_PAUSE, 2.0 ** (attempt - 1)) * random.uniform(1, 1.25))
