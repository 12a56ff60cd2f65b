"""Shell completion, typed into each shell that is installed."""

import os
import pty
import re
import select
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from autotune.cli.commands import COMMANDS
from autotune.cli.completion import SCRIPTS, candidates
from autotune.cli.main import main
from autotune.runtime.places import config_folder

START = {
    "bash": ["bash", "--norc", "--noprofile", "-i"],
    "zsh": ["zsh", "-f", "-i"],
    "fish": ["fish", "--no-config", "-i"],
}
LOAD = {
    "bash": 'eval "$(autotune completion bash)"',
    "zsh": 'eval "$(autotune completion zsh)"',
    "fish": "autotune completion fish | source",
}
TYPED = {
    "autotune pred\truns/um": ["predict", "runs/um"],
    "autotune check task=n\t": ["check", "task=ner"],
    "autotune trainer.schedule=cos\t": ["trainer.schedule=cosine"],
    "autotune dataset.path=mi\t": ["dataset.path=minha tabela (1).csv"],
    "autotune evaluate runs/um\t --data água\t": ["evaluate", "runs/um r/", "--data", "água.csv"],
    "autotune predict --form\tjson": ["predict", "--format", "json"],
    "autotune --config-dir meu\t dataset=meus\t": ["--config-dir", "meus configs/", "dataset=meus_dados"],
}


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder with files, where `autotune` writes down what it is called with."""
    for name in (
        "minha tabela (1).csv",
        "água.csv",
        "meus configs/dataset/meus_dados.yaml",
        "runs/um r/config.yaml",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("")
    program = tmp_path / "bin" / "autotune"
    program.parent.mkdir()
    program.write_text(
        "#!/bin/bash\n"
        f'if [ "$1" = completion ]; then "{sys.executable}" -P -m autotune "$@"; echo >> "{tmp_path}/answered"; exit; fi\n'
        f"printf '%s\\n' \"$@\" END >> '{tmp_path}/called'\n"
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    monkeypatch.setenv("TERM", "xterm")
    return tmp_path


@pytest.mark.parametrize("shell", SCRIPTS)
def test_a_shell_completes_what_is_typed(here, shell):
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    pid, terminal = pty.fork()
    if not pid:
        os.chdir(here)
        os.execvp(START[shell][0], START[shell])
    try:
        _type(terminal, LOAD[shell] + "\n")
        _type(terminal, "autotune ready\n")
        _until(terminal, here / "called", ["ready"])
        for line, words in TYPED.items():
            (here / "called").write_text("")
            for part in re.split("(\t)", line):
                _type(terminal, part, (here / "answered") if part == "\t" else None)
            _type(terminal, "\n")
            _until(terminal, here / "called", words)
    finally:
        os.close(terminal)
        os.waitpid(pid, 0)


def _type(terminal: int, text: str, answered: Path | None = None) -> None:
    """Types something; after a tab, waits until the shell has its answer, for a file then has a line more."""
    before = answered.stat().st_size if answered else 0
    os.write(terminal, text.encode())
    _read(terminal, 0.05)
    while answered and answered.stat().st_size == before:
        _read(terminal, 0.01)
    _read(terminal, 0.05)


def _read(terminal: int, seconds: float) -> None:
    """Takes what the shell shows, until it shows nothing more for a while."""
    while select.select([terminal], [], [], seconds)[0]:
        os.read(terminal, 4096)


def _until(terminal: int, file, words: list[str]) -> None:
    """Waits until a command has been called, and compares its words."""
    for _ in range(600):
        _read(terminal, 0.05)
        called = file.read_text().splitlines() if file.exists() else []
        if called[-1:] == ["END"]:
            assert called[:-1] == words
            return
        time.sleep(0.05)
    pytest.fail(f"nothing was called: {words}")


@pytest.mark.parametrize("verb", COMMANDS)
def test_the_flags_are_those_of_the_verb(capsys, verb):
    if verb == "completion":
        return
    assert main([verb, "--help"]) == 0
    said = capsys.readouterr().out
    assert [
        flag for flag in COMMANDS[verb].flags if flag not in said and flag not in ("--plugin", "--debug")
    ] == []


@pytest.mark.parametrize(
    ("given", "word", "found"),
    [
        ([], "trai", ["train ", "trainer.", "trainer="]),
        ([], "++trainer.pat", ["++trainer.patience="]),
        (["show"], "trainer.compile=", ["trainer.compile=true ", "trainer.compile=false "]),
        (["check"], "peft=q", ["peft=qlora "]),
        (["completion"], "z", ["zsh "]),
        (["push", "--re"], "--rev", ["--revision "]),
        (["predict", "--format"], "x", ["xlsx "]),
        (["predict", "--text"], "x", []),
    ],
)
def test_what_comes_next(given, word, found):
    assert sorted(candidates(given, word, [config_folder()])) == sorted(found)


def test_nothing_heavy_is_imported():
    code = "import sys; from autotune.cli.main import main; main(['completion', 'query', 'bash', 'autotune task=']); " \
           "print({'torch', 'hydra', 'transformers'} & set(sys.modules))"  # fmt: skip
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "task=" not in done.stdout.splitlines()[-1]
    assert done.stdout.splitlines()[-1] == "set()"
    assert "ner " in done.stdout.splitlines() or "task=ner " in done.stdout.splitlines()
