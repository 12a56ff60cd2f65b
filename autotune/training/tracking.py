"""Starts the process that sends a run to an experiment tracker (`tracker`), and reports once if it fails."""

import json
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from autotune.config.enums import TrackerName
from autotune.config.schema import RunConfig
from autotune.config.tracking import TrackingConfig
from autotune.errors import ConfigError
from autotune.runtime import launcher, signals

logger = logging.getLogger(__name__)

START_SECONDS = 120.0
"""Seconds in which a tracker must have started; wandb itself gives up after 90."""
GRACE = 10.0
"""Seconds that an interrupted run waits for its tracker."""
NOT_STARTED = "%s could not be started: %s; training continues without it"


def refuse_absent_tracker(config: TrackingConfig) -> None:
    """Checks that the package of the tracker is installed.

    Raises:
        ConfigError: it is not.
    """
    if config.tracker is TrackerName.none:
        return
    # A folder of that name in the working folder, as wandb makes one, is a package without a file of its own.
    spec = find_spec(config.tracker)
    if spec is None or spec.origin is None:
        raise ConfigError(
            "the package of the tracker is not installed",
            where="tracking.tracker",
            found=str(config.tracker),
            fix=f'pip install "autotune[{config.tracker}]", or tracking=none',
        )


class Tracking:
    """The tracker of a run. As a context manager, it lets the tracker take the last values at the end.

    Args:
        config: configuration of the run.
        folder: run folder.
        rank: only rank 0 has a tracker.
    """

    def __init__(self, config: RunConfig, folder: Path, rank: int) -> None:
        self._config, self._folder = config.tracking, folder
        self._name = TrackerName.none if rank else config.tracking.tracker
        self._process: subprocess.Popen[str] | None = None
        self._answered = threading.Event()
        """The tracker has started, or has failed to."""
        self._failed = False

    def start(self) -> None:
        """Starts the tracker, and waits until it takes values; if it does not, this is logged, and the run continues.

        Raises:
            Interrupted: a signal has arrived.
        """
        if self._name is TrackerName.none:
            return
        command = [sys.executable, "-P", "-m", "autotune.training.tracker", str(self._folder)]
        environment = launcher.without_launcher_env(os.environ) | {"PYTHONIOENCODING": "utf-8"}
        try:
            # A session of its own: Ctrl-C must reach only the run, which then ends this process.
            self._process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                encoding="utf-8", start_new_session=True, env=environment,
            )  # fmt: skip
        except OSError as error:
            self._fail(NOT_STARTED, error)
            return
        self._listener = threading.Thread(target=self._listen, args=[self._process], daemon=True)
        self._listener.start()
        deadline = time.monotonic() + START_SECONDS
        while not self._answered.wait(signals.PAUSE):
            signals.raise_if_stopped()
            if time.monotonic() > deadline:
                self._fail(
                    "%s did not start within %.0f seconds; training continues without it", START_SECONDS
                )
                self._kill()
                return

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process is None:
            return
        seconds = self._config.timeout if error is None else min(GRACE, self._config.timeout)
        assert self._process.stdin is not None, "it is a pipe"
        self._process.stdin.close()  # tells the tracker that nothing follows
        deadline = time.monotonic() + seconds
        while self._process.poll() is None and time.monotonic() < deadline:
            if error is None and signals.stop_requested():
                break  # nobody waits for the tracker of a finished run any longer
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(signals.PAUSE)
        if self._process.poll() is None:
            self._fail("%s did not take the last values within %.0f seconds; history.jsonl has them", seconds)
            self._kill()
        # It may have a failure to log, and the run's log is closed next; what a tracker has started may hold its pipe open.
        self._listener.join(GRACE)

    def _listen(self, process: "subprocess.Popen[str]") -> None:
        """Logs what the tracker reports, until its process ends."""
        assert process.stdout is not None, "it is a pipe"
        for line in process.stdout:
            if not line.startswith("{"):
                continue  # printed by a library
            report: dict[str, Any] = json.loads(line)
            if "see" in report:
                logger.info("%s takes the values of this run; see them with: %s", self._name, report["see"])
            elif self._answered.is_set():
                self._fail(
                    "%s failed after step %d: %s; training continues, and history.jsonl has what the tracker lacks",
                    report["step"], report["error"],
                )  # fmt: skip
            else:
                self._fail(NOT_STARTED, report["error"])
            self._answered.set()
        if process.wait():
            self._fail(
                "the process of %s ended with code %d; training continues without it", process.returncode
            )
        self._answered.set()

    def _fail(self, message: str, *values: object) -> None:
        """Logs the first failure only."""
        if not self._failed:
            self._failed = True
            logger.warning(message, self._name, *values)

    def _kill(self) -> None:
        """Ends the tracker with the processes that it has started."""
        assert self._process is not None, "called only where it runs"
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
