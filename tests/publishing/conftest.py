"""A test Hub, and fresh processes that know it as theirs."""

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.forks import NEEDED, Forks, strangers
from tests.support.hub.server import WRITER, TestHub, serve

Run = Callable[..., "subprocess.CompletedProcess[str]"]
FOREIGN = (
    "HF_", "HUGGING", "TRANSFORMERS_", "http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "SSL_CERT_",
)  # fmt: skip


@pytest.fixture
def hub(tmp_path) -> Iterator[TestHub]:
    """A Hub without repositories; objects come by LFS."""
    with serve(tmp_path / "the-hub") as running:
        yield running


@pytest.fixture
def xet_hub(tmp_path) -> Iterator[TestHub]:
    """A Hub whose objects come by xet."""
    pytest.importorskip("hf_xet", reason="without hf_xet the client has no such way")
    with serve(tmp_path / "the-hub", xet=True) as running:
        yield running


def environment(hub: TestHub, home: Path, token: str | None = WRITER) -> dict[str, str]:
    """Of a process that knows the test Hub as the Hub: libraries read it when they are imported.

    Args:
        hub: the one.
        home: the libraries' cache; an empty one is that of another machine.
        token: None: a stranger's.
    """
    clean = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)}
    clean |= {
        "HF_HOME": str(home),
        "HF_ENDPOINT": hub.url,
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "HF_XET_CLIENT_RETRY_BASE_DELAY": "10ms",
    }
    if hub.xet is None:
        # The test Hub speaks plain HTTP; reading the certificates of the machine takes longer than a push.
        clean |= {"HF_HUB_DISABLE_XET": "1", "SSL_CERT_DIR": str(home)}
    return clean | ({"HF_TOKEN": token} if token else {})


def python(code: str, **env: str) -> "subprocess.CompletedProcess[str]":
    """Runs code in a process that has not yet seen the libraries around the Hub."""
    return strangers().start(code=code, only=env, cwd=Path.cwd()).ended()


BY_XET = """
import os, sys
del os.environ["SSL_CERT_DIR"]  # xet wants certificates, even for plain HTTP
from huggingface_hub import constants
from autotune.cli.main import main
constants.HF_HUB_DISABLE_XET = False
sys.exit(main(sys.argv[1:]))
"""


class HubForks(Forks):
    """Command lines whose Hub is a given one; they send objects in the way in which it takes them.

    Args:
        hub: theirs.
        folder: for the caches of the libraries, which are those of this machine or of another.
    """

    def __init__(self, hub: TestHub, folder: Path) -> None:
        self.hub, self._folder, self._home = hub, folder, folder / "home"
        self.at_home()
        more = (
            "transformers.pipelines", "peft", "tests.support.hub.ready", "autotune.auto.folder",
            "autotune.config.saved_overrides", "transformers.models.bert.tokenization_bert_legacy",
            "transformers.models.t5.tokenization_t5", "autotune.baselines.extracts",
        )  # fmt: skip
        env = environment(hub, self._home, None) | {"OMP_NUM_THREADS": "1"}
        super().__init__(env, (*NEEDED, *more), base=strangers())

    def at_home(self) -> None:
        """What is started from now on has the cache of this machine."""
        self._link("here")

    def elsewhere(self) -> None:
        """What is started from now on has the cache of another machine."""
        self._link("elsewhere")

    def _link(self, name: str) -> None:
        """HF_HOME is read when the libraries are imported; where it leads is not."""
        (self._folder / name).mkdir(exist_ok=True)
        self._home.unlink(missing_ok=True)
        self._home.symlink_to(self._folder / name)

    def forget_elsewhere(self) -> None:
        """As if the other machine had never seen anything of the Hub."""
        shutil.rmtree(self._folder / "elsewhere", ignore_errors=True)

    def __call__(
        self, *words: object, cwd: Path, ranks: int = 0, **env: str
    ) -> "subprocess.CompletedProcess[str]":
        """Runs one to its end, with a token that may write."""
        code = "" if self.hub.xet is None else BY_XET
        return self.start(*words, code=code, cwd=cwd, ranks=ranks, **{"HF_TOKEN": WRITER, **env}).ended()

    def python(self, code: str, cwd: Path | None = None, **env: str) -> "subprocess.CompletedProcess[str]":
        """Runs code, with such a token."""
        return self.start(code=code, cwd=cwd or Path.cwd(), **{"HF_TOKEN": WRITER, **env}).ended()


class Elsewhere:
    """The same on another machine."""

    def __init__(self, forks: HubForks) -> None:
        self._forks, self.hub = forks, forks.hub

    def __call__(self, *words: object, cwd: Path) -> "subprocess.CompletedProcess[str]":
        """Runs a command line to its end, with a token that may write."""
        return self._there(lambda: self._forks(*words, cwd=cwd))

    def python(self, code: str, cwd: Path | None = None, **env: str) -> "subprocess.CompletedProcess[str]":
        """Runs code, with such a token."""
        return self._there(lambda: self._forks.python(code, cwd, **env))

    def _there(self, act: Run) -> "subprocess.CompletedProcess[str]":
        self._forks.elsewhere()
        try:
            return act()
        finally:
            self._forks.at_home()


@pytest.fixture(scope="session")
def known(tmp_path_factory) -> Iterator[HubForks]:
    """Forks for a Hub that knows what earlier tests did. Imports are paid once."""
    folder = tmp_path_factory.mktemp("known")
    with serve(folder / "hub") as hub:
        made = HubForks(hub, folder)
        yield made
        made.close()


@pytest.fixture
def forks(known) -> HubForks:
    """Forks whose Hub has forgotten everything; it takes objects by LFS."""
    known.hub.forget()
    return known


@pytest.fixture
def xet_forks(known) -> Iterator[HubForks]:
    """The same by xet."""
    pytest.importorskip("hf_xet", reason="without hf_xet the client has no such way")
    known.hub.forget(xet=True)
    yield known
    known.hub.forget()


@pytest.fixture
def elsewhere(known) -> Elsewhere:
    """Forks which have never seen anything of the Hub."""
    known.forget_elsewhere()
    return Elsewhere(known)


@pytest.fixture(scope="session")
def trained(known, tmp_path_factory) -> Path:
    """A finished run with an adapter, not pushed; do not change it."""
    runs = tmp_path_factory.mktemp("trained")
    words = (
        "task=ner",
        "peft=lora",
        "debug=smoke",
        "dataset.limit=16",
        "trainer.batch_size=4",
        "check=none",
        "report=none",
        f"runs={runs}",
        "name=run",
        "hub.patience=60",
    )
    done = known(*words, cwd=runs, HF_HUB_OFFLINE="1")
    assert done.returncode == 0, done.stderr
    return runs / "run"


FAULTS = {
    "bad token": ({"status": 401}, False),
    "forbidden": ({"status": 403}, False),
    "not found": ({"status": 404}, False),
    "conflict": ({"status": 409}, True),
    "stale": ({"status": 412}, True),
    "too large": ({"status": 413}, False),
    "too many": ({"status": 429, "headers": {"Retry-After": "1"}}, True),
    "broken": ({"status": 500}, True),
    "down": ({"status": 503}, True),
    "dropped": ({"status": 0}, True),
    "cut": ({"cut_after": 100_000}, True),
    "slow": ({"delay": 0.3}, True),
    "answer lost": ({"status": 0, "after": True}, True),
}


def state(run: Path) -> dict:
    return json.loads((run / "status.json").read_text())


def push(forks: HubForks, run: Path, *words: object, **env: str):
    return forks("push", run, *words, cwd=run.parent, **env)
