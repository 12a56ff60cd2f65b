"""What must be so before the first Hugging Face import: quiet, no telemetry, the Hub asked or not."""

import logging
import os
import re
import socket
import sys
import threading
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from autotune.config.enums import Format, Offline, Visibility
from autotune.config.schema import DatasetConfig, ModelConfig, RunConfig
from autotune.errors import DiskError
from autotune.runtime import launcher
from autotune.runtime.language import Pieces, local, word

logger = logging.getLogger(__name__)

DEFAULTS = {
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "DO_NOT_TRACK": "1",
    "TOKENIZERS_PARALLELISM": "false",
    # OpenMP's threads sleep at a barrier instead of spinning. A small model has thousands of barriers per second, and
    # beside other work each spin waits for a thread that has no core: the sample run took 208 s instead of 6 s.
    # Read once, when torch or scikit-learn is imported; child processes inherit it.
    "OMP_WAIT_POLICY": "PASSIVE",
    "TRANSFORMERS_VERBOSITY": "error",
    "DATASETS_VERBOSITY": "error",
    "HF_HUB_VERBOSITY": "error",
    # The store behind the Hub would be asked for minutes on end; a push has a patience of its own (hub.patience).
    "HF_XET_CLIENT_RETRY_MAX_ATTEMPTS": "3",
    # Where the package `kernels` is installed, code that transformers would fetch from the Hub.
    "USE_HUB_KERNELS": "NO",
    # Python processes that libraries start do not import from the working folder either.
    "PYTHONSAFEPATH": "1",
}
NOT_A_TERMINAL = {"HF_HUB_DISABLE_PROGRESS_BARS": "1", "HF_DATASETS_DISABLE_PROGRESS_BARS": "1"}
OFFLINE = "HF_HUB_OFFLINE"

PROBE_SECONDS = 3.0
HUB_ID = re.compile(r"[\w.-]+(/[\w.-]+)?", re.ASCII)


def set_defaults() -> None:
    """Sets the variables of the environment that the user has not set."""
    for name, value in (DEFAULTS if sys.stderr.isatty() else DEFAULTS | NOT_A_TERMINAL).items():
        os.environ.setdefault(name, value)


def ignore_warnings() -> None:
    """Ignores warnings of libraries, unless the user asked Python for them."""
    if not sys.warnoptions:
        warnings.simplefilter("ignore")


@contextmanager
def console_logging(stream: TextIO) -> Iterator[None]:
    """Inside, what autotune's loggers say from INFO on is written to the stream as plain lines.

    Of several processes the first says everything, the others only warnings, with their number before them; those that
    autotune has started itself say nothing, as they have a log in the run folder.
    """
    log = logging.getLogger("autotune")
    handler = _Lines(stream)
    handler.setFormatter(_Plain())
    silent = logging.CRITICAL if launcher.is_worker() else logging.WARNING
    handler.setLevel(silent if launcher.rank() else logging.INFO)
    before = log.level, log.propagate
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    log.propagate = False
    try:
        yield
    finally:
        log.removeHandler(handler)
        log.setLevel(before[0])
        log.propagate = before[1]


def set_push_mode() -> None:
    """A push asks the Hub, unless the user's own environment forbids it; the push reports what it cannot reach."""
    os.environ.setdefault(OFFLINE, "0")


def set_offline_mode(configs: Sequence[RunConfig]) -> None:
    """Decides whether the Hub is asked, and tells the Hugging Face libraries, which read it when imported.

    Without a network and without this, each of their requests waits 23 seconds. `hub.offline=auto` asks
    only if a data set or a model may be on the Hub, once, and uses the local cache if there is no answer.
    A run from a bundle never asks.
    """
    if any(config.bundle for config in configs):
        os.environ[OFFLINE] = "1"
        return
    wishes = {config.hub.offline for config in configs}
    if Offline.never in wishes:
        os.environ[OFFLINE] = "0"
    elif Offline.always in wishes or not any(needs_hub(config) for config in configs):
        os.environ[OFFLINE] = "1"
    else:
        set_hub_mode()


def set_hub_mode() -> None:
    """Where something is wanted of the Hub and the user has not said otherwise: whether it answers."""
    if OFFLINE not in os.environ:
        endpoint = os.environ.get("HF_ENDPOINT") or "https://huggingface.co"
        if not is_reachable(endpoint):
            os.environ[OFFLINE] = "1"
            logger.warning("%s does not answer: only what is in the local cache can be used", endpoint)


def set_modes_for(run: str) -> None:
    """Decides whether the Hub is asked, for a command that opens a finished run.

    Args:
        run: run folder, folder of a saved model, or hub:ORG/NAME.
    """
    if run.startswith("hub:"):
        set_hub_mode()
        return
    from autotune.config.load import load_config
    from autotune.run.folder import RunFolder

    saved = RunFolder.config(run)
    if saved is not None:
        set_offline_mode([load_config(saved)])


def needs_hub(config: RunConfig) -> bool:
    """Whether the run is to be pushed, or the data set or the model is nowhere on this machine's disk."""
    pushed = config.hub.visibility is not Visibility.none
    return pushed or _dataset_on_hub(config.dataset) or _model_on_hub(config.model)


def is_reachable(endpoint: str, seconds: float = PROBE_SECONDS) -> bool:
    """Whether the server of a URL, or the proxy that leads there, accepts a connection in time."""
    url = urlsplit(endpoint)
    host = url.hostname or ""
    proxy = getproxies().get(url.scheme)
    if proxy and not proxy_bypass(host):
        url = urlsplit(proxy if "//" in proxy else f"//{proxy}")
    address = (url.hostname or host, url.port or (80 if url.scheme == "http" else 443))
    connected: list[bool] = []

    def connect() -> None:
        try:
            socket.create_connection(address, timeout=seconds).close()
        except OSError as error:
            logger.debug("%s: %s", address, error)
        else:
            connected.append(True)

    # In a thread of its own, because looking up the name knows no time limit.
    thread = threading.Thread(target=connect, daemon=True)
    thread.start()
    thread.join(seconds)
    return bool(connected)


def _dataset_on_hub(dataset: DatasetConfig) -> bool:
    if dataset.path == "-" or dataset.path.startswith("sample/") or Path(dataset.path).expanduser().exists():
        return False
    return dataset.format in (Format.auto, Format.hub) and HUB_ID.fullmatch(dataset.path) is not None


def _model_on_hub(model: ModelConfig) -> bool:
    return bool(model.name_or_path) and not Path(str(model.name_or_path)).expanduser().exists()


class _Lines(logging.StreamHandler[TextIO]):
    _told = False

    def handleError(self, record: logging.LogRecord) -> None:
        """Does not end a run whose output cannot be written any more: log.txt still gets its messages."""
        error = sys.exception()
        if isinstance(error, DiskError) and not self._told:
            self._told = True
            sys.stderr.write(local(f"warning: {error.what}; its messages are lost") + "\n")
        elif not isinstance(error, DiskError | BrokenPipeError):
            super().handleError(record)


class _Plain(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        text = local(record.msg if isinstance(record.msg, Pieces) else super().format(record))
        if launcher.rank() and text:
            text = f"{word('process')} {launcher.rank()}: {text}"
        return (
            f"{word(record.levelname.lower())}: {text}"
            if record.levelno >= logging.WARNING and text
            else text
        )
