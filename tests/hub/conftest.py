"""A test Hub, and fresh processes that know it as theirs."""

import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.forks import Forks, strangers
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
    """Command lines whose Hub is a given one."""

    def __init__(self, hub: TestHub, home: Path) -> None:
        super().__init__(environment(hub, home, None))
        self.hub = hub

    def __call__(self, *words: object, cwd: Path, **env: str) -> "subprocess.CompletedProcess[str]":
        """Runs one to its end, with a token that may write."""
        return self.start(*words, cwd=cwd, **{"HF_TOKEN": WRITER, **env}).ended()


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
def trained(tmp_path_factory) -> Path:
    """A finished run with an adapter, not pushed; do not change it."""
    runs = tmp_path_factory.mktemp("trained")
    done = autotune(
        "task=ner", "peft=lora", "debug=smoke", f"runs={runs}", "name=run", "hub.patience=4",
        env=environment(None, runs / "home") | {"HF_HUB_OFFLINE": "1"}, cwd=runs,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return runs / "run"
