"""Imported by the process of which command lines are forks: what each would do once is done, and pauses are short.

They wait a hundredth of the time before they try again; how long it is for people: `test_client`.
"""

import time
from types import SimpleNamespace

from huggingface_hub.utils import _http

from autotune.config.enums import CardLanguage
from autotune.publishing.card.render import _template
from autotune.registry import tasks
from autotune.runtime import signals

FACTOR = 100

_sleep = signals.sleep
signals.sleep = lambda seconds: _sleep(seconds / FACTOR)
# The client's own tries.
_http.time = SimpleNamespace(**{**vars(time), "sleep": lambda seconds: time.sleep(seconds / FACTOR)})  # type: ignore[assignment]

tasks()
for _language in CardLanguage:
    _template(_language)
