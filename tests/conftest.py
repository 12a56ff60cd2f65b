"""No network, no writing into HOME, and the real data where they are at hand."""

import os
import tempfile
from pathlib import Path

# Read by the libraries when they are imported, so before any of them is.
os.environ |= {
    "HF_HUB_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "TOKENIZERS_PARALLELISM": "false",
    "HF_HOME": tempfile.mkdtemp(prefix="autotune-tests-"),
}

import pytest

from tests.machine import pretend

pretend()


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of the real data sets; tests that need it are skipped where it is absent."""
    beside = Path(__file__).parent.parent.parent / "shared" / "data"
    folder = Path(os.environ.get("AUTOTUNE_TEST_DATA", beside))
    if not folder.is_dir():
        pytest.skip(f"the real data sets are not here ({folder}); AUTOTUNE_TEST_DATA names their folder")
    return folder
