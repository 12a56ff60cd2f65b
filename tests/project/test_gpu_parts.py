"""scripts/gpu, rehearsed on a CPU: every part runs, or says what it needs a GPU for."""

import json
import os
import subprocess
import sys

import pytest

from tests.support import ROOT


@pytest.mark.slow
def test_the_rehearsal_passes_and_says_that_it_is_none(tmp_path):
    done = subprocess.run(
        [sys.executable, "-P", "-m", "gpu_parts", "--rehearse", "--minutes", "30", "--output", str(tmp_path)],
        env={**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'scripts'}", "CUDA_VISIBLE_DEVICES": ""},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    parts = json.loads((tmp_path / "gpu.json").read_text())["parts"]
    passed = {name for name, part in parts.items() if part["outcome"] == "passed"}
    assert {
        "about",
        "packed",
        "memory",
        "resume",
        "compile",
        "prefetch",
        "generation",
        "exchange",
        "sharding",
    } <= passed
    assert {name for name in parts if name.startswith("speed-")} <= passed
    assert sum(name.startswith("train-") for name in passed) == 3, "each task once"
    assert all(part["why"] for name, part in parts.items() if name not in passed)
    assert parts["budget"]["why"] == "a budget found by measuring memory needs a GPU"
    assert "nothing here was run on a GPU" in (tmp_path / "gpu.md").read_text()
    assert parts["resume"]["figures"]["same bytes"] is True
