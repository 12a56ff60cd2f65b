"""Command lines in forks of a process that has imported everything, so that imports are paid once.

`python -m tests.forks` is that process: it reads one JSON object a line and answers each with one.
"""

import gc
import importlib
import json
import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.chaos.points import arm

NEEDED = (
    "autotune.commands", "autotune.publishing.stage", "autotune.evaluation.metrics.classification",
    "autotune.evaluation.metrics.entities", "autotune.evaluation.metrics.rouge", "datasketch", "hydra.main",
    "sklearn.feature_extraction.text", "sklearn.linear_model", "sklearn.pipeline",
    "transformers.models.bert.modeling_bert", "transformers.models.t5.modeling_t5",
)  # fmt: skip
"""What runs import."""


@dataclass(frozen=True)
class Fork:
    """A command line that was started."""

    owner: "Forks"
    pid: int
    folder: Path
    """Where its output goes."""

    def send_signal(self, number: int) -> None:
        """Sends the process a signal."""
        os.kill(self.pid, number)

    def poll(self) -> int | None:
        """The exit code; None while it is going on."""
        code: int | None = self.owner.ask({"poll": self.pid})
        return code

    def ended(self) -> "subprocess.CompletedProcess[str]":
        """Waits for the end."""
        code = self.owner.ask({"wait": self.pid})
        out, err = ((self.folder / name).read_text() for name in ("out", "err"))
        return subprocess.CompletedProcess([], code, out, err)


class Forks:
    """Starts command lines.

    Args:
        environment: of the process; HF_ENDPOINT and the like are read when libraries are imported, so they hold for
            all command lines.
    """

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.forks"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=dict(environment),
            cwd=Path(__file__).parents[1],
        )  # fmt: skip
        self._scratch = tempfile.TemporaryDirectory()
        self._count = 0

    def ask(self, asked: Mapping[str, object]) -> int | None:
        """Sends an order and gives its answer."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(json.dumps(asked) + "\n")
        self._process.stdin.flush()
        answer: int | None = json.loads(self._process.stdout.readline())
        return answer

    def start(
        self,
        *words: object,
        cwd: Path,
        armed: Mapping[str, object] | None = None,
        limits: Mapping[str, int] | None = None,
        **env: str,
    ) -> Fork:
        """`autotune` with these words.

        Args:
            words: of the command line.
            cwd: its working folder.
            armed: arguments of `tests.chaos.points.arm`, which then is called in its process first.
            limits: of the system, by their name after RLIMIT_.
            env: more of its environment.
        """
        self._count += 1
        folder = Path(self._scratch.name, str(self._count))
        folder.mkdir()
        asked = {"words": list(map(str, words)), "cwd": str(cwd), "env": env, "output": str(folder)}
        pid = self.ask({**asked, "armed": armed, "limits": dict(limits or {})})
        assert pid is not None
        return Fork(self, pid, folder)

    def close(self) -> None:
        """Lets the process end."""
        self._process.communicate()
        self._scratch.cleanup()


def main() -> None:
    """Answers until its input ends."""
    for module in NEEDED:
        importlib.import_module(module)
    gc.freeze()
    codes: dict[int, int] = {}
    for line in sys.stdin:
        asked = json.loads(line)
        if "words" in asked:
            answer: int | None = os.fork()
            if not answer:
                _become(asked)
        else:
            pid = asked.get("wait") or asked["poll"]
            if pid not in codes:
                done, status = os.waitpid(pid, 0 if "wait" in asked else os.WNOHANG)
                if done:
                    codes[pid] = os.waitstatus_to_exitcode(status)
            answer = codes.get(pid)
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


def _become(asked: dict[str, object]) -> None:
    """`python -m autotune`, in this process."""
    from autotune import fresh
    from autotune.cli import main as command

    os.setsid()
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    for number, name in ((1, "out"), (2, "err")):
        os.dup2(os.open(Path(str(asked["output"]), name), os.O_WRONLY | os.O_CREAT), number)
    os.chdir(str(asked["cwd"]))
    os.environ.update(asked["env"])  # type: ignore[call-overload]
    for name, most in asked["limits"].items():  # type: ignore[attr-defined]
        resource.setrlimit(getattr(resource, f"RLIMIT_{name}"), (most, most))
    fresh.prepare()
    if asked["armed"] is not None:
        arm(**asked["armed"])  # type: ignore[arg-type]
    code = command(asked["words"])  # type: ignore[arg-type]
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    main()
