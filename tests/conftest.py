"""No network, no writing into HOME, and the real data where they are at hand."""

import gc
import os
import shutil
import subprocess
import tempfile
from collections import Counter
from collections.abc import Callable, Generator, Iterator, Sequence
from pathlib import Path

# Read by the libraries when they are imported, so before any of them is.
os.environ |= {
    "HF_HUB_OFFLINE": "1",
    "AUTOTUNE_LANG": "en",  # whatever the locale of whoever runs the tests
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "TOKENIZERS_PARALLELISM": "false",
    # Of pytest-xdist's processes: within that of the process that starts them.
    "HF_HOME": tempfile.mkdtemp(
        prefix="autotune-tests-", dir=os.environ["HF_HOME"] if "PYTEST_XDIST_WORKER" in os.environ else None
    ),
}

import pytest
from hypothesis import HealthCheck, settings

from autotune import registry
from autotune.runtime import child_process
from tests.support.forks import share, start_child
from tests.support.machine import pretend

pretend()

StartChild = Callable[[Sequence[str], Path], child_process.Child]

# The same examples every time, however long they take on a busy machine.
settings.register_profile(
    "tests", derandomize=True, database=None, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("tests")


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Excludes what is imported with the tests from garbage collection, and makes collections rarer."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.set_threshold(20_000, 10, 10)
        gc.enable()


_shared: list[subprocess.Popen[bytes]] = []
"""The process that imports for those of pytest-xdist, in the process that starts them."""


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_setupnodes() -> None:
    """What the tests start is forked from one process, whichever of pytest-xdist's processes they run in."""
    _shared.append(share(Path(os.environ["HF_HOME"], "shared")))


def pytest_unconfigure() -> None:
    """Nothing is left behind."""
    for process in _shared:
        process.communicate()
    shutil.rmtree(os.environ["HF_HOME"], ignore_errors=True)


@pytest.fixture(scope="session", autouse=True)
def start_fresh() -> Iterator[StartChild]:
    """What a run in the process of the tests starts is forked, so that nothing is imported again; the way without."""
    fresh = child_process.start
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(child_process, "start", start_child)
        yield fresh


@pytest.fixture(autouse=True)
def forgets_plugins(monkeypatch: pytest.MonkeyPatch) -> None:
    """What --plugin names in one test is unknown in the next, when its file may be gone."""
    monkeypatch.setattr(registry, "plugins", [])


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of the real data sets; tests that need it are skipped where it is absent."""
    beside = Path(__file__).parent.parent.parent / "shared" / "data"
    folder = Path(os.environ.get("AUTOTUNE_TEST_DATA", beside))
    if not folder.is_dir():
        pytest.skip(f"the real data sets are not here ({folder}); AUTOTUNE_TEST_DATA names their folder")
    return folder


DEAREST = (
    "integration/auto/test_auto.py", "integration/ranks/test_faults.py", "publishing/test_snapshots.py",
    "integration/chaos/test_chaos.py", "publishing/test_push.py", "integration/ranks/test_launch.py",
    "integration/test_cheap_runs.py", "config/test_rules.py", "integration/ranks/test_sharding.py",
    "integration/ranks/test_ranks.py", "publishing/test_use.py", "project/test_gpu_parts.py", "project/test_setup.py",
    "integration/auto/test_kills.py", "publishing/test_before.py", "integration/test_pipeline.py", "training/test_options.py",
    "integration/test_matrix.py", "run/test_checkpoints.py", "checks/test_real.py", "baselines/test_real.py",
    "integration/faults/test_signals.py", "integration/faults/test_disk.py", "integration/faults/test_surroundings.py",
    "integration/auto/test_budget.py", "integration/test_search.py", "integration/test_sweeps.py",
)  # fmt: skip
"""Files that take longest, as measured; the first takes five times as long as the last."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with much to do come first, so that processes that share the files end at the same time."""
    weights = Counter({Path(__file__).parent / name: 10_000 - number for number, name in enumerate(DEAREST)})
    for item in items:
        if weights[item.path] < 5_000:
            weights[item.path] += 100 if item.get_closest_marker("slow") else 1
    items.sort(key=lambda item: -weights[item.path])
