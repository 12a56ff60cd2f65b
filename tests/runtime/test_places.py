"""Paths that name nothing, no folder for temporary files, a run folder that moves: told as what they are."""

import os
import tempfile

import pytest

from autotune.cli.main import main
from autotune.errors import DiskError
from autotune.runtime.files import scratch
from autotune.runtime.locks import acquire_lock
from autotune.runtime.os_errors import system_error
from autotune.runtime.places import moved
from tests.support.forks import forks

LONG = "x" * 300
RING = "ring/x"


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "ring").symlink_to("ring")
    (tmp_path / "rows.csv").write_text("text,label\n" + "bom,a\nmau,b\n" * 4)
    return tmp_path


DOORS = {
    "dataset.path": ["check", "task=sentiment", "dataset=csv", "dataset.path={}"],
    "splits": ["check", "task=sentiment", "dataset=csv", "dataset.path=.", "dataset.splits.train=./{}"],
    "model": ["check", "task=sentiment", "model.name_or_path=./{}", "runs=runs"],
    "runs": ["task=sentiment", "runs={}"],
    "cache": ["check", "task=sentiment", "runs={}"],
    "resume": ["resume={}"],
    "plugin": ["--plugin", "{}", "show"],
    "config-dir": ["show", "--config-dir", "{}"],
    "predict": ["predict", "{}", "--text", "a"],
    "evaluate": ["evaluate", "{}"],
    "push": ["push", "{}"],
    "convert": ["convert", "{}", "out.csv", "task=sentiment"],
    "convert to": ["convert", "rows.csv", "{}.csv", "task=sentiment"],
}


@pytest.mark.parametrize(
    "path", [LONG, f"a/{LONG}/b", "á" * 150, RING], ids=["long", "inner", "bytes", "ring"]
)
@pytest.mark.parametrize("door", DOORS)
def test_a_path_that_names_nothing_is_a_mistake_of_the_call(capsys, door, path):
    code = main([word.format(path) for word in DOORS[door]])
    said = "".join(capsys.readouterr())
    assert code == 2 and "Traceback" not in said and "MB free" not in said and "bug" not in said, said


def test_user_configs_with_a_name_that_is_too_long(capsys, monkeypatch):
    monkeypatch.setenv("AUTOTUNE_CONFIGS", LONG)
    assert main(["show"]) == 2
    assert "a name of 300 bytes" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("runs", "said"),
    [
        ("/dev/null", "/dev/null is not a folder but a file or a device"),
        ("/proc/x", "/proc has no x, and none can be made there"),
    ],
)
def test_a_wrong_path_is_not_a_full_disk(capsys, runs, said):
    for words in (["task=sentiment"], ["check", "task=sentiment"]):
        assert main([*words, f"runs={runs}"]) == 74
        refused = "".join(capsys.readouterr())
        assert said in refused and "make room" not in refused and "MB free" not in refused, refused


@pytest.mark.parametrize(
    "number", sorted({1, 2, 5, 13, 16, 17, 20, 21, 22, 24, 26, 27, 28, 30, 36, 37, 40, 107, 116, 122})
)
def test_every_answer_of_the_system_has_its_words(folder, number):
    error = system_error(OSError(number, os.strerror(number)), folder / "a", needed=10**6)
    message = str(error)
    assert os.strerror(number) in message and error.fix and error.found
    assert ("make room" in message) == (number in (27, 28, 122)) == ("MB free" in message)
    assert error.exit_code == (2 if number in (36, 40) else 74)


@pytest.mark.parametrize(
    "verb", [["task=sentiment"], ["predict", "r", "--text", "a"], ["convert", "rows.csv", "o.json"]]
)
def test_no_folder_for_temporary_files_is_found_before_the_work(capsys, monkeypatch, verb):
    def nowhere():
        raise FileNotFoundError(2, "No usable temporary directory found in ['/tmp']")

    monkeypatch.setattr(tempfile, "gettempdir", nowhere)
    assert main(verb) == 74
    said = capsys.readouterr().err
    assert "no folder for temporary files can be written" in said and "TMPDIR=FOLDER" in said
    with pytest.raises(DiskError, match="TMPDIR"):
        scratch()


def test_where_a_folder_went_is_known(folder):
    (folder / "a").mkdir()
    lock = acquire_lock(folder / "a" / ".lock")
    assert moved(folder / "a", lock) is None
    (folder / "a").rename(folder / "b c")
    error = moved(folder / "a", lock)
    assert error is not None and "was moved or removed" in str(error)
    assert error.fix == f"autotune 'resume={folder}/b c'"


def test_a_run_whose_folder_is_moved_says_so(folder):
    """Moved by the run itself, when it writes its history for the third time."""
    code = (
        "import os, sys, pathlib; from autotune.run.folder import RunFolder; true = RunFolder.append_history; seen = []\n"
        "def moving(self, record):\n"
        "    seen.append(1)\n"
        "    if len(seen) == 3: self.path.rename(self.path.with_name('elsewhere'))\n"
        "    true(self, record)\n"
        "RunFolder.append_history = moving\n"
        "from autotune.cli.main import main; os._exit(main(sys.argv[1:]))"
    )
    words = ["task=sentiment", "trainer.max_steps=5", "dataset.limit=64", "check=none", "guard=none"]
    done = forks().start(*words, "runs=runs", "name=r", cwd=folder, code=code).ended()
    assert done.returncode == 74, done.stderr
    assert "the run folder was moved or removed during the run" in done.stderr
    assert f"autotune resume={folder}/runs/elsewhere" in done.stderr
    assert "make room" not in done.stderr and "Traceback" not in done.stderr
