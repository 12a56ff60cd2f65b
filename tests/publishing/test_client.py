"""What the client's exceptions mean, and how long a push waits."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from types import SimpleNamespace

import pytest

from autotune.errors import ConfigError, HubError
from autotune.publishing.client import call_with_retries, classify_error


class Answered(Exception):
    """As the client raises it: with the Hub's answer."""

    def __init__(self, status: int, **headers: str) -> None:
        super().__init__(f"Client error {status} for url 'http://hub/storage/x?X-Amz-Signature=secret'")
        self.response = SimpleNamespace(status_code=status, headers=headers)


@pytest.mark.parametrize(
    ("error", "passing"),
    [
        (Answered(status), status in (408, 409, 412, 425, 429, 500, 502, 503, 504))
        for status in range(400, 512)
    ],
)
def test_what_may_pass_is_tried_again(error, passing):
    trouble = classify_error(error)
    assert trouble.retryable is passing and str(error.response.status_code) in trouble.found
    assert "secret" not in trouble.found


def test_the_answer_is_found_behind_other_exceptions():
    try:
        try:
            raise Answered(413)
        except Answered as error:
            raise RuntimeError("Error while uploading 'model.safetensors' to the Hub.") from error
    except RuntimeError as error:
        assert "too large" in classify_error(error).what


@pytest.mark.parametrize(
    "error",
    [
        ConnectionError(
            "Network error: HTTP status client error (403 Forbidden) for url (http://hub/xet-write-token)"
        )
    ],
)
def test_uploads_by_xet_tell_it_in_words(error):
    assert "status 403" in classify_error(error).found and not classify_error(error).retryable


def test_a_network_that_is_down_may_come_back():
    assert classify_error(ConnectionRefusedError("refused")).retryable
    assert classify_error(TimeoutError("slow")).retryable
    assert not classify_error(KeyError("url")).retryable


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry-After": "7"}, 7),
        ({"Retry-After": "in an hour"}, 3600),
        ({"Retry-After": "soon"}, None),
        ({"ratelimit": '"api";r=0;t=9', "Retry-After": "1"}, 10),
        ({"ratelimit": '"api";r=3;t=9'}, None),
        ({}, None),
    ],
)
def test_how_long_the_hub_asks_to_wait(headers, seconds):
    if headers.get("Retry-After") == "in an hour":
        headers = {"Retry-After": format_datetime(datetime.now(UTC) + timedelta(seconds=3600), usegmt=True)}
    wait = classify_error(Answered(429, **headers)).wait
    assert wait == (None if seconds is None else pytest.approx(seconds, abs=300 if seconds == 3600 else 0))


def test_it_is_tried_until_it_succeeds_or_would_take_longer_than_there_is_patience(monkeypatch):
    left = [Answered(503, **{"Retry-After": "0"}), Answered(503, **{"Retry-After": "0"})]

    def act() -> str:
        if left:
            raise left.pop()
        return "done"

    assert call_with_retries(act, what="asking", where="here", patience=500) == "done"

    def never() -> None:
        raise Answered(429, **{"Retry-After": "600"})

    monkeypatch.setattr("time.sleep", pytest.fail)
    with pytest.raises(HubError, match="too many requests"):
        call_with_retries(never, what="asking", where="here", patience=500)


def test_our_own_errors_pass_through():
    def act() -> None:
        raise ConfigError("ours")

    with pytest.raises(ConfigError):
        call_with_retries(act, what="asking", where="here", patience=5)
