"""Imported by processes that are to wait a hundredth of the time before they try again; how long: `test_client`."""

import time
from types import SimpleNamespace

from huggingface_hub.utils import _http

from autotune import signals

FACTOR = 100

_sleep = signals.sleep
signals.sleep = lambda seconds: _sleep(seconds / FACTOR)
# The client's own tries.
_http.time = SimpleNamespace(**{**vars(time), "sleep": lambda seconds: time.sleep(seconds / FACTOR)})
