"""A test Hub, and fresh processes that know it as theirs."""

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.forks import NEEDED, Forks, strangers
from tests.hub.server import WRITER, TestHub, serve

Run = Callable[..., "subprocess.CompletedProcess[str]"]
FOREIGN = ("HF_", "HUGGING", "TRANSFORMERS_", "http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY")


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


def environment(hub: TestHub | None, home: Path, token: str | None = WRITER) -> dict[str, str]:
    """Of a process that knows the test Hub as the Hub: libraries read it when they are imported.

    Args:
        hub: None: a Hub that refuses connections.
        home: the libraries' cache; an empty one is that of another machine.
        token: None: a stranger's.
    """
    clean = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)}
    clean |= {
        "HF_HOME": str(home),
        "HF_ENDPOINT": hub.url if hub else "http://127.0.0.1:9",
        "HF_HUB_DISABLE_TELEMETRY": "1",
    }
    if hub is None or hub.xet is None:
        clean["HF_HUB_DISABLE_XET"] = "1"
    return clean | ({"HF_TOKEN": token} if token else {})


def python(code: str, **env: str) -> "subprocess.CompletedProcess[str]":
    """Runs code in a process that has not yet seen the libraries around the Hub."""
    return strangers().start(code=code, only=env, cwd=Path.cwd()).ended()


def autotune(
    *words: object, env: dict[str, str], cwd: Path, ranks: int = 0
) -> "subprocess.CompletedProcess[str]":
    """Runs the command in such a process."""
    return strangers().start(*words, only=env, cwd=cwd, ranks=ranks).ended()


class HubForks(Forks):
    """Command lines whose Hub is a given one.

    Args:
        hub: theirs.
        home: the libraries' cache.
        more: what is imported besides what runs import.
    """

    def __init__(self, hub: TestHub, home: Path, *more: str) -> None:
        super().__init__(environment(hub, home, None), (*NEEDED, *more))
        self.hub, self.home = hub, home

    def __call__(
        self, *words: object, cwd: Path, ranks: int = 0, **env: str
    ) -> "subprocess.CompletedProcess[str]":
        """Runs one to its end, with a token that may write."""
        return self.start(*words, cwd=cwd, ranks=ranks, **{"HF_TOKEN": WRITER, **env}).ended()

    def python(self, code: str) -> "subprocess.CompletedProcess[str]":
        """Runs code, with such a token."""
        return self.start(code=code, cwd=Path.cwd(), HF_TOKEN=WRITER).ended()


@pytest.fixture(scope="session")
def forks_by_way(tmp_path_factory) -> "Iterator[Callable[[str], HubForks]]":
    """Forks for a Hub that takes objects by a way: lfs or xet. Imports are paid once."""
    made: dict[str, HubForks] = {}
    with ExitStack() as stack:

        def of(way: str) -> HubForks:
            if way not in made:
                folder = tmp_path_factory.mktemp(f"hub-{way}")
                hub = stack.enter_context(serve(folder / "hub", xet=way == "xet"))
                made[way] = HubForks(hub, folder / "home")
                stack.callback(made[way].close)
            return made[way]

        yield of


@pytest.fixture
def forks(forks_by_way) -> HubForks:
    """Forks whose Hub, by LFS, has forgotten everything."""
    forks = forks_by_way("lfs")
    forks.hub.forget()
    return forks


@pytest.fixture(scope="session")
def another_machine(forks_by_way, tmp_path_factory) -> Iterator[HubForks]:
    """Forks for the same Hub, with a cache of their own."""
    home = tmp_path_factory.mktemp("another-machine") / "home"
    made = HubForks(forks_by_way("lfs").hub, home, "transformers.pipelines", "peft")
    yield made
    made.close()


@pytest.fixture
def elsewhere(another_machine) -> HubForks:
    """The same, which have never seen anything of the Hub."""
    shutil.rmtree(another_machine.home, ignore_errors=True)
    return another_machine


@pytest.fixture(scope="session")
def trained(forks_by_way, tmp_path_factory) -> Path:
    """A finished run with an adapter, not pushed; do not change it."""
    runs = tmp_path_factory.mktemp("trained")
    words = ("task=ner", "peft=lora", "debug=smoke", f"runs={runs}", "name=run", "hub.patience=60")
    done = forks_by_way("lfs")(*words, cwd=runs, HF_HUB_OFFLINE="1")
    assert done.returncode == 0, done.stderr
    return runs / "run"
