"""scripts/gpu, rehearsed on a CPU: every part runs, or says what it needs a GPU for."""

import json

import pytest

from tests.support import ROOT
from tests.support.forks import forks

CODE = f"""
import sys, torch
torch.set_num_threads(2)  # as on a machine whose user has not set a number
sys.path.insert(0, {str(ROOT / "scripts")!r})
from gpu_parts.__main__ import main
sys.exit(main())
"""


@pytest.mark.slow
def test_the_rehearsal_passes_and_says_that_it_is_none(tmp_path):
    words = ("--rehearse", "--minutes", "30", "--output", tmp_path)
    done = forks().start(*words, cwd=ROOT, code=CODE, CUDA_VISIBLE_DEVICES="").ended()
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
