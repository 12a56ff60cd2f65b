"""Files of the working folder are data: none of them is imported, by us or by a process that we start."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

import autotune
from autotune.runtime import child_process

NAMES = (
    "yaml",
    "evaluate",
    "datasets",
    "tokenizers",
    "argparse",
    "hydra",
    "omegaconf",
    "torch",
    "pydantic",
    "plug2",
)
PLUGIN = """
import subprocess, sys
subprocess.run([sys.executable, "-c", "import yaml"], check=True)  # as libraries do
try:
    import plug2
except ImportError:
    print("alone", file=sys.stderr)
"""


@pytest.fixture
def hostile(tmp_path, monkeypatch) -> Path:
    """The working folder, with files that are called like modules and leave a trace where they are imported."""
    for name in NAMES:
        (tmp_path / f"{name}.py").write_text(f"open({str(tmp_path / 'RAN')!r}, 'a').write({name!r} + ' ')\n")
    (tmp_path / "plugin.py").write_text(PLUGIN)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONSAFEPATH", "")
    return tmp_path / "RAN"


@pytest.mark.parametrize("launcher", [{}, {"RANK": "0", "WORLD_SIZE": "1", "LOCAL_RANK": "0"}])
def test_a_module_that_is_run_by_name_imports_nothing_from_there(hostile, launcher):
    """`python -m autotune`, and what torchrun starts for `torchrun -m autotune`; not even for a plug-in."""
    command = [sys.executable, "-u", "-m", "autotune", "show", "--plugin", "plugin.py"]
    without = {name: value for name, value in os.environ.items() if name != "PYTHONSAFEPATH"}
    done = subprocess.run(command, capture_output=True, text=True, env={**without, **launcher}, check=False)
    assert not hostile.exists(), hostile.read_text()
    assert done.returncode == 0, done.stderr
    assert "alone" in done.stderr


def test_a_fresh_process_imports_nothing_from_there(hostile, start_fresh, monkeypatch):
    """The proof, where it cannot be forked."""
    monkeypatch.setattr(child_process, "start", start_fresh)
    ended = child_process.run(["show", "name=here"])
    assert not hostile.exists(), hostile.read_text()
    assert ended.returncode == 0 and "name: here" in ended.output


def test_every_python_process_is_started_with_a_safe_path():
    starts = [
        ast.unparse(node)
        for file in Path(autotune.__file__).parent.rglob("*.py")
        if "sys.executable" in (text := file.read_text(encoding="utf-8"))
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.List | ast.Tuple) and "sys.executable" in map(ast.unparse, node.elts)
    ]
    assert len(starts) >= 3
    assert not [
        start for start in starts if not start.startswith(("[sys.executable, '-P'", "(sys.executable, '-P'"))
    ]
