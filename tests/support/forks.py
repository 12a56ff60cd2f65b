"""Command lines in forks of a process that has imported what they need, so that imports are paid once.

`python -m tests.support.forks MODULE …` is that process: it reads one JSON object a line and answers each with one. Without
modules it is the one that `share` starts, of which each process of pytest-xdist has forks of its own.
"""

import atexit
import gc
import importlib
import json
import logging
import os
import resource
import select
import signal
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from tests.support import ROOT
from tests.support.machine import pretend

if TYPE_CHECKING:
    from autotune.runtime.child_process import Child

SHARED = "AUTOTUNE_TESTS_SHARED"
"""Environment variable: a folder with the pipes of a process that has imported for all processes of the tests."""

FREE = (
    "torch", "torch._dynamo", "torch.distributed.run", "numpy", "pandas", "pyarrow.dataset", "scipy.stats",
    "sklearn.feature_extraction.text", "sklearn.linear_model", "sklearn.pipeline", "nltk", "omegaconf", "pydantic",
    "jinja2", "rouge_score.rouge_scorer", "hydra.main", "optuna", "autotune.reporting.charts",
)  # fmt: skip
"""What runs import and what does not read the Hugging Face variables of the environment."""

NEEDED = (
    *FREE,
    "autotune.pipeline.train", "autotune.pipeline.check", "autotune.pipeline.predict", "autotune.publishing.publish",
    "autotune.metrics.classification", "autotune.metrics.entities", "autotune.metrics.rouge", "datasketch",
    "autotune.cli.main", "autotune.cli.commands", "autotune.cli.multirun", "autotune.run.resume", "autotune.auto.command",
    "transformers.models.bert.modeling_bert", "transformers.models.t5.modeling_t5",
    "transformers.pipelines.text_classification", "transformers.pipelines.token_classification",
    "tests.integration.chaos.points",
)  # fmt: skip
"""What runs import."""

COMMON = (
    ("task=sentiment", "check=none"), ("task=sentiment", "check=none", "debug=smoke"), ("task=ner", "check=none", "peft=lora"),
    ("task=ner", "debug=smoke", "hub=private"), ("dataset=csv", "dataset.path=x"), ("dataset=jsonl", "dataset.path=x"),
)  # fmt: skip
"""What many runs choose."""


STARTING = {"train", "auto", "search", "sweep"}
"""Commands that start others, for which they fork a process at first."""


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

    def until(self, true: Callable[[], bool]) -> None:
        """Waits, while it is going on; a file that is not there yet is waited for, too."""

        def happened() -> bool:
            try:
                return true()
            except FileNotFoundError:
                return False

        while not happened():
            assert self.poll() is None, self.ended()
            time.sleep(0.01)

    def stopped(self) -> None:
        """Waits until it has stopped itself, as with SIGSTOP."""
        self.until(lambda: state_of(self.pid) == "T")

    def ended(self) -> "subprocess.CompletedProcess[str]":
        """Waits for the end."""
        if (code := self.poll()) is None:
            process = os.pidfd_open(self.pid)
            select.select([process], [], [])
            os.close(process)
            code = self.poll()
        assert code is not None
        out, err = ((self.folder / name).read_text() for name in ("out", "err"))
        return subprocess.CompletedProcess([], code, out, err)


def without_report(words: list[str]) -> list[str]:
    """A command line; a run that is not asked for its report.html writes none, which is a third of what a tiny run takes."""
    # Not above: `scripts/chaos --help` needs nothing installed.
    from autotune.cli.commands import COMMANDS

    others = COMMANDS.keys() - {"train"}
    trains = any("=" in word and not word.startswith("-") for word in words) and not others & {*words}
    asks = any(
        word.startswith(("report", "resume=", "bundle=", "--cfg", "--info", "--help")) for word in words
    )
    return [*words, "report=none"] if trains and not asks else words


def state_of(pid: int) -> str:
    """A letter, as in ps: T for a process that is stopped; none where it is gone."""
    file = Path(f"/proc/{pid}/stat")
    return file.read_text().rpartition(")")[2].split()[0] if file.exists() else ""


class Forks:
    """Starts command lines.

    Args:
        environment: of the process; HF_ENDPOINT and the like are read when libraries are imported, so they hold for
            all command lines, unless only what is `FREE` of them is imported.
        modules: what is imported once.
        base: others, of whose process this one is a fork, so that what they have imported is there already; or the
            pipe of a process that is shared.
    """

    def __init__(
        self, environment: Mapping[str, str], modules: Sequence[str], base: "Forks | Path | None" = None
    ) -> None:
        self._scratch = tempfile.TemporaryDirectory()
        self._process: subprocess.Popen[str] | None = None
        self._count = 0
        self._one_at_a_time = threading.Lock()
        self._orders: IO[str]
        self._answers: IO[str]
        if base is None:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.support.forks", *modules],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                env={**environment, "PYTHONSAFEPATH": ""},  # `tests` is found in its working folder
                cwd=ROOT,
            )  # fmt: skip
            assert self._process.stdin is not None and self._process.stdout is not None
            self._orders, self._answers = self._process.stdin, self._process.stdout
        else:
            pipes = [str(Path(self._scratch.name, name)) for name in ("orders", "answers")]
            for pipe in pipes:
                os.mkfifo(pipe)
            order = {"modules": list(modules), "only": dict(environment), "pipes": pipes}
            if isinstance(base, Forks):
                base.ask(order)
            else:
                file = Path(self._scratch.name, "order")
                file.write_text(json.dumps(order))
                base.write_text(f"{file}\n")  # so short a line is not mixed with those of others
            self._orders, self._answers = Path(pipes[0]).open("w"), Path(pipes[1]).open()  # noqa: SIM115 - `close`

    def ask(self, asked: Mapping[str, object]) -> int | None:
        """Sends an order and gives its answer."""
        with self._one_at_a_time:
            self._orders.write(json.dumps(asked) + "\n")
            self._orders.flush()
            answer: int | None = json.loads(self._answers.readline())
        return answer

    def start(
        self,
        *words: object,
        cwd: Path,
        code: str = "",
        ranks: int = 0,
        agent: Sequence[str] = ("--standalone",),
        new: bool = False,
        only: Mapping[str, str] | None = None,
        armed: Mapping[str, object] | None = None,
        limits: Mapping[str, int] | None = None,
        **env: str,
    ) -> Fork:
        """`autotune` with these words.

        Args:
            words: of the command line.
            cwd: its working folder.
            code: Python that is run instead, with these words as its arguments.
            ranks: torchrun starts so many processes of it; 0: without torchrun.
            agent: other arguments of torchrun.
            new: torchrun starts them as it does elsewhere: as new interpreters, which import everything again.
            only: its whole environment.
            armed: arguments of `tests.integration.chaos.points.arm`, which then is called in its process first.
            limits: of the system, by their name after RLIMIT_.
            env: more of its environment.
        """
        with self._one_at_a_time:
            self._count += 1
            folder = Path(self._scratch.name, str(self._count))
        folder.mkdir()
        pid = self.ask(
            {
                "words": list(map(str, words)) if code else without_report(list(map(str, words))),
                "cwd": str(cwd), "output": str(folder), "code": code, "ranks": ranks,
                "agent": list(agent), "new": new,
                "only": None if only is None else dict(only), "env": env, "armed": armed, "limits": dict(limits or {}),
            }
        )  # fmt: skip
        assert pid is not None
        return Fork(self, pid, folder)

    def close(self) -> None:
        """Lets the process end."""
        self._orders.close()
        # Its forks may still hold the other end of this pipe: what is waited for is the process, where it is ours.
        self._answers.close()
        if self._process is not None:
            self._process.wait()
        self._scratch.cleanup()


@cache
def forks() -> Forks:
    """Everything imported, with the environment of the tests, a thread each."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    if shared := os.environ.get(SHARED):
        environment["HF_HOME"] = str(Path(shared).parent)  # as it was when the libraries were imported
        return _to_be_closed(Forks(environment, (), Path(shared, "forks")))
    return _to_be_closed(Forks(environment, NEEDED, strangers()))


@cache
def strangers() -> Forks:
    """For processes with an environment of their own (`only`): of the libraries none is imported that reads it."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    if shared := os.environ.get(SHARED):
        return _to_be_closed(Forks(environment, (), Path(shared, "strangers")))
    return _to_be_closed(Forks(environment, FREE))


def share(folder: Path) -> "subprocess.Popen[bytes]":
    """Starts a process that imports for all processes of the tests, once one of them asks; it ends when its input does.

    Args:
        folder: a new one in HF_HOME, for its pipes.
    """
    folder.mkdir()
    for name in ("forks", "strangers"):
        os.mkfifo(folder / name)
    os.environ[SHARED] = str(folder)
    return subprocess.Popen(
        [sys.executable, "-m", "tests.support.forks"],
        stdin=subprocess.PIPE,
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONSAFEPATH": ""},
        cwd=ROOT,
    )


def start_child(arguments: Sequence[str], output_file: Path) -> "Child":
    """Does what `child_process.start` does, for a process of the tests, which has imported torch and forks no server."""
    # Not above: `scripts/chaos --help` needs nothing installed.
    from autotune.runtime import launcher
    from autotune.runtime.child_process import Child

    fork = forks().start(*arguments, cwd=Path.cwd(), only=launcher.without_launcher_env(os.environ))

    def poll() -> int | None:
        code = fork.poll()
        if code is None:
            time.sleep(0.01)
        else:
            done = fork.ended()
            output_file.write_text(done.stdout + done.stderr)
        return code

    return Child(fork.pid, poll)


def _to_be_closed(made: Forks) -> Forks:
    atexit.register(made.close)
    return made


def main() -> None:
    """Answers until its input ends."""
    if modules := sys.argv[1:]:
        _import(modules)
        _serve(sys.stdin, sys.stdout)
        return
    strangers, forks = (os.open(Path(os.environ[SHARED], name), os.O_RDWR) for name in ("strangers", "forks"))
    if 0 in select.select([0, strangers, forks], [], [])[0]:
        return
    _try_to_import(FREE)
    pipe = strangers
    if not os.fork():
        _try_to_import(NEEDED)
        pipe = forks
    while 0 not in select.select([0, pipe], [], [])[0]:
        for file in os.read(pipe, select.PIPE_BUF).decode().splitlines():
            if not os.fork():
                _branch_off(json.loads(Path(file).read_text()))


def _try_to_import(modules: Sequence[str]) -> None:
    """What fails here will fail again in the command lines, and their tests say so; who asks must not wait for ever."""
    try:
        _import(modules)
    except Exception:  # noqa: BLE001
        traceback.print_exc()


def _import(modules: Sequence[str]) -> None:
    """Imports and does once what every run does."""
    for module in modules:
        importlib.import_module(module)
    pretend()
    _draw()
    if "autotune.pipeline.train" in modules:
        _warm_up()
    gc.freeze()


def _serve(orders: IO[str], answers: IO[str]) -> None:
    codes: dict[int, int] = {}
    for line in orders:
        asked = json.loads(line)
        if "poll" not in asked:
            answer: int | None = os.fork()
            if not answer:
                (_become if "words" in asked else _branch_off)(asked)
            codes.pop(answer, None)  # of an earlier process with this number
        else:
            pid = asked["poll"]
            if pid not in codes:
                done, status = os.waitpid(pid, os.WNOHANG)
                if done:
                    codes[pid] = os.waitstatus_to_exitcode(status)
            answer = codes.get(pid)
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


def _draw() -> None:
    """Draws once, which imports matplotlib and lets it look for fonts."""
    from autotune.reporting import charts

    charts.lines("", {"": [(0, 0), (1, 1)]}, "")


def _warm_up() -> None:
    """Does once what every run does, without threads: reads configurations and what their keys mean, prepares the search for
    near duplicates, compiles patterns, cards and reports."""
    from transformers.conversion_mapping import get_checkpoint_conversion_mapping

    from autotune.config.compose import compose
    from autotune.config.enums import CardLanguage
    from autotune.config.reference import json_schema
    from autotune.data.duplicates import near_duplicates
    from autotune.publishing.card.render import _template
    from autotune.registry import tasks
    from autotune.reporting.templates import template
    from autotune.runtime.language import portuguese

    for name in tasks():
        (config,) = compose([f"task={name}", "debug=smoke", "report=none"])
    for words in COMMON:
        compose([*words, "report=none"])
    assert config.check.near_duplicates is not None
    tuple(
        near_duplicates({0: "um texto comprido", 1: "mais um texto comprido"}, config.check.near_duplicates)
    )
    json_schema()
    for language in CardLanguage:
        _template(language)
        template("report", language)
    template("auto", CardLanguage.en)
    get_checkpoint_conversion_mapping("bert")
    portuguese("")


def _branch_off(asked: dict[str, Any]) -> None:
    """Serves others from this process on, with an environment and modules of their own."""
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(2, 1)
    os.environ.clear()
    os.environ.update(asked["only"])

    def serve() -> None:
        with Path(asked["pipes"][0]).open() as orders, Path(asked["pipes"][1]).open("w") as answers:
            if asked["modules"]:
                _import(asked["modules"])
            _serve(orders, answers)

    _end(serve)


def _become(asked: dict[str, Any]) -> None:
    """`python -m autotune`, or what else is asked for, in this process."""
    os.setsid()
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    for number, name in ((1, "out"), (2, "err")):
        os.dup2(os.open(Path(asked["output"], name), os.O_WRONLY | os.O_CREAT), number)
    os.chdir(asked["cwd"])
    if asked["only"] is not None:
        os.environ.clear()
        os.environ.update(asked["only"])
    os.environ.update(asked["env"])
    for name, most in asked["limits"].items():
        resource.setrlimit(getattr(resource, f"RLIMIT_{name}"), (most, most))
    if asked["ranks"]:
        _end(lambda: _torchrun(asked))
    _work(asked)


def _work(asked: dict[str, Any]) -> None:
    """A command line, to its end."""
    if asked["code"]:
        sys.argv = ["-c", *asked["words"]]
        _end(lambda: exec(compile(asked["code"], "<string>", "exec"), {"__name__": "__main__"}))
    from autotune.cli.commands import COMMANDS
    from autotune.cli.main import main as command
    from autotune.runtime import child_process, workers

    sys.argv = ["autotune", *asked["words"]]
    Rank.asked = asked
    workers.Popen = Rank
    if COMMANDS.keys().isdisjoint(asked["words"]) or not STARTING.isdisjoint(asked["words"]):
        child_process.prepare()
    if asked["armed"] is not None:
        from tests.integration.chaos.points import arm

        arm(**asked["armed"])
    _end(lambda: command(asked["words"]))


def _end(work: Callable[[], int | None]) -> None:
    """Does it and leaves, as the interpreter would."""
    try:
        code = work()
    except SystemExit as leaving:
        code = leaving.code if isinstance(leaving.code, int | None) else 1
    except BaseException:  # noqa: BLE001, as the interpreter does
        traceback.print_exc()
        code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code or 0)


class Rank(subprocess.Popen[bytes]):
    """A process that a launcher starts, as a fork of the launcher, which has imported everything."""

    asked: dict[str, Any]
    """What was asked for of the launcher."""

    def _execute_child(self, args: Sequence[str], *given: Any) -> None:
        environment, stdin, starts_session = given[5], given[9], given[-2]
        self.pid = os.fork()
        self._child_created = True
        if self.pid:
            if stdin != -1:
                os.close(stdin)
            return
        if starts_session:
            os.setsid()
        if stdin != -1:
            os.dup2(stdin, 0)
        # What a new program does not inherit.
        os.closerange(3, 1024)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1, signal.SIGUSR2, signal.SIGALRM):
            signal.signal(number, signal.SIG_DFL)
        sys.stdin = os.fdopen(0, closefd=False)  # what has been read of the other one would come first
        sys.stdout, sys.stderr = sys.__stdout__, sys.__stderr__
        logging.getLogger("autotune").handlers.clear()
        os.environ.clear()
        os.environ.update(environment)
        from autotune.runtime import child_process

        child_process._server = None
        words = args[args.index("autotune") + 1 :]
        _work({**self.asked, "words": words})


def _torchrun(asked: dict[str, Any]) -> None:
    """torchrun."""
    from torch.distributed import run
    from torch.distributed.elastic.multiprocessing.subprocess_handler import subprocess_handler
    from torch.distributed.elastic.rendezvous import dynamic_rendezvous

    def popen(args: Sequence[str], env: dict[str, str], **_: object) -> Rank:
        return Rank(args, env=env, start_new_session=True)

    Rank.asked = asked
    if not asked["new"]:
        subprocess_handler.Popen = popen
    if "--standalone" in asked["agent"]:
        # For its log of events it looks for the caller's name in all modules, of which there are thousands here.
        dynamic_rendezvous.get_method_name = lambda *_: "unknown"
    run.main([*asked["agent"], f"--nproc-per-node={asked['ranks']}", "-m", "autotune", *asked["words"]])


if __name__ == "__main__":
    main()
