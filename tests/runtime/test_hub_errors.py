"""Why a call to the Hub failed, for the errors that the libraries really raise."""

from importlib import import_module

import pytest
from huggingface_hub import get_session
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from autotune.runtime.hub_errors import HubFailure, classify_hub_error

httpx = import_module(type(get_session()).__module__.partition(".")[0])


def answered(error_type, status):
    response = httpx.Response(status, request=httpx.Request("GET", "https://hub.test/api"))
    return error_type("refused", response=response)


ERRORS = {
    "gated": (answered(GatedRepoError, 401), HubFailure.gated, 401),
    "gated, in words": (OSError("You are trying to access a gated repo."), HubFailure.gated, None),
    "revision": (answered(RevisionNotFoundError, 404), HubFailure.no_revision, 404),
    "repository": (answered(RepositoryNotFoundError, 401), HubFailure.no_repository, 401),
    "repository, with advice on gated ones": (
        RepositoryNotFoundError(
            "If you are trying to access a private or gated repo, log in.",
            response=answered(HfHubHTTPError, 401).response,
        ),
        HubFailure.no_repository,
        401,
    ),
    "invalid name": (HFValidationError("a/b/c"), HubFailure.no_repository, None),
    "offline": (OfflineModeIsEnabled("offline"), HubFailure.offline, None),
    "connection": (httpx.ConnectError("refused"), HubFailure.unreachable, None),
    "timeout": (httpx.ReadTimeout("slow"), HubFailure.unreachable, None),
    "not in the cache": (LocalEntryNotFoundError("x"), HubFailure.unreachable, None),
    "busy": (answered(HfHubHTTPError, 503), HubFailure.refused, 503),
    "xet": (RuntimeError("HTTP status client error (403 Forbidden)"), HubFailure.refused, 403),
    "another": (KeyError("url"), HubFailure.other, None),
}


@pytest.mark.parametrize(("error", "failure", "status"), ERRORS.values(), ids=ERRORS)
def test_errors_are_classified_also_behind_others(error, failure, status):
    for outermost in (error, wrap(error)):
        diagnosis = classify_hub_error(outermost)
        assert (diagnosis.failure, diagnosis.status) == (failure, status)


def wrap(error):
    try:
        try:
            raise error
        except type(error):
            raise OSError("could not load the file")  # noqa: B904 - the context alone must do
    except OSError as wrapped:
        return wrapped
