"""What a run claims is on the disk before it claims it; what is damaged is named and, where that can be, made again."""

import json
import os
import shutil
import signal
import subprocess
from collections import Counter
from pathlib import Path

import pytest

from autotune.data.cache import cached_table
from autotune.errors import ConfigError
from autotune.runtime import locks
from autotune.runtime.locks import acquire_lock
from tests.integration.chaos.trials import WORDS
from tests.integration.faults.conftest import PLUGIN
from tests.support.forks import forks
from tests.support.runs import flip, result, status

HERE = Path(__file__).parent


def autotune(cwd: Path, *words: object, plugin: Path | None = None, **env: str) -> tuple[int, str]:
    extra = [] if plugin is None else ["--plugin", plugin]
    done = forks().start(*words, *extra, cwd=cwd, **env).ended()
    return done.returncode, done.stdout + done.stderr


def train(runs: Path, *words: str, **options) -> tuple[int, str]:
    return autotune(
        runs.parent.parent, *WORDS, "task=sentiment", f"runs={runs}", "name=run", *words, **options
    )


def struck(at: str, event: str, once: Path) -> dict[str, str]:
    return {"plugin": PLUGIN, "FAULT": at, "EVENT": event, "ONCE": str(once)}


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """Runs with one that was killed when it was finished, before its checkpoints were removed."""
    runs = tmp_path_factory.mktemp("finished") / "runs"
    at = struck("autotune.run.folder:RunFolder._tidy", "SIGKILL", runs.parent / "once")
    assert train(runs, **at)[0] == -signal.SIGKILL
    assert status(runs / "run")["state"] == "finished" and list((runs / "run" / "checkpoints").iterdir())
    return runs


@pytest.fixture
def runs(finished, tmp_path):
    """A copy of them."""
    shutil.copytree(finished, tmp_path / "runs")
    return tmp_path / "runs"


@pytest.fixture
def unfinished(runs):
    """As if the run had been killed after training."""
    (runs / "run" / "status.json").write_text(json.dumps({"state": "running", "command": "autotune"}))
    return runs


def claims(file: Path) -> tuple[Counter[str], dict[str, list[str]]]:
    """How often each kind was claimed, and what was claimed too early."""
    read = [json.loads(line) for line in file.read_text().splitlines()]
    return Counter(kind for kind, _ in read), {kind: lost for kind, lost in read if lost}


def test_all_that_is_claimed_has_reached_the_disk_before(tmp_path):
    words = ("task=ner", "peft=lora", f"runs={tmp_path}/runs", "name=run", "checkpoint.keep=1")
    code, said = autotune(tmp_path, *WORDS, *words, plugin=HERE / "disk.py", CLAIMS=str(tmp_path / "claims"))
    assert code == 0, said
    counts, early = claims(tmp_path / "claims")
    assert early == {}
    cached = {path.name.partition("-")[0] for path in (tmp_path / "runs" / ".cache").iterdir()}
    assert cached == {"rows", "features", "tiny", ".lock"}, "no file of a library, which nobody compares"
    assert set(counts) == {"finished", "checkpoint", "retention", "removal", "rows", "features", "tiny"}, (
        counts
    )
    stated = json.loads((tmp_path / "runs" / "run" / "adapter" / "adapter_config.json").read_text())
    lists = {key: value for key, value in stated.items() if isinstance(value, list)}
    assert len(lists["target_modules"]) > 5 and lists["modules_to_save"]
    assert all(value == sorted(set(value)) for value in lists.values())


@pytest.fixture
def loop_disk(tmp_path):
    """Mounts disks that are files."""
    place = tmp_path / "disk"
    place.mkdir()

    def mount(image: Path) -> Path:
        unmount()
        done = subprocess.run(
            ["mount", "-o", "loop", image, place], capture_output=True, text=True, check=False
        )
        if done.returncode:
            pytest.skip(f"no file can be mounted as a disk: {done.stderr.strip()}")
        return place

    def unmount() -> None:
        if place.is_mount():
            subprocess.run(["umount", place], check=True)

    yield mount
    unmount()


@pytest.mark.skipif(shutil.which("mkfs.ext4") is None, reason="needs mkfs.ext4")
def test_after_a_power_cut_the_run_is_whole_or_continues(tmp_path, loop_disk, finished):
    """The file behind the disk holds what a power cut leaves, without what is still in memory."""
    image, copies = tmp_path / "image", tmp_path / "copies"
    copies.mkdir()
    with image.open("wb") as file:
        file.truncate(64 << 20)
    subprocess.run(["mkfs.ext4", "-q", "-F", image], check=True)
    runs = loop_disk(image) / "runs"
    watched = {"plugin": HERE / "disk.py", "CLAIMS": str(tmp_path / "claims")}
    code, said = train(runs, **watched, IMAGE=str(image), COPIES=str(copies))
    assert code == 0, said
    loop_disk(copies / "removal")
    code, said = train(runs)
    assert code == 0 and "nothing was trained" in said and not (runs / "run" / "checkpoints").exists(), said
    assert autotune(tmp_path, "predict", runs / "run", "--text", "bom")[0] == 0
    loop_disk(copies / "retention")
    code, said = train(runs)
    assert code == 0 and "resuming after step" in said, said
    assert "history.jsonl has" not in said and "cannot be used" not in said
    assert result(runs / "run") == result(finished / "run")


def test_a_damaged_model_is_named_and_made_again_or_refused(runs):
    """Beside it a history that has lost its end, as in a copy that was cut off."""
    run, before = runs / "run", result(runs / "run")
    flip(run / "model" / "model.safetensors")
    history = (run / "history.jsonl").read_bytes()
    (run / "history.jsonl").write_bytes(history[: len(history) // 2])
    code, said = train(runs)
    assert code == 0 and "model/model.safetensors has other content; it is made again" in said, said
    assert f"has {len(history) // 2} bytes, and the checkpoint recorded {len(history)}" in said
    kept, after = (run / "history.jsonl").read_bytes(), result(run)
    assert history.startswith(kept) and kept.endswith(b"\n")
    # Warnings are read back from the history.
    for one in (before, after):
        one["metrics"]["training"].pop("troubles")
    assert before.pop("history") != after.pop("history") and before == after
    assert status(run)["state"] == "finished" and not (run / "checkpoints").exists()
    flip(run / "model" / "model.safetensors")
    for words in ([*WORDS, "task=sentiment", f"runs={runs}", "name=run"], ["push", run, "--dry-run"]):
        code, said = autotune(runs.parent, *words)
        assert code == 2 and "model/model.safetensors has other content" in said and "resume=never" in said, (
            said
        )
    config = run / "model" / "config.json"
    whole = config.read_bytes()
    config.write_bytes(bytes(len(whole)))  # as a power cut leaves it
    for words in (
        ["predict", run, "--text", "bom"],
        ["evaluate", run],
        ["predict", run / "model", "--text", "bom"],
    ):
        code, said = autotune(runs.parent, *words)
        assert code == 2 and "model/config.json has other content" in said and "Traceback" not in said, said
    config.write_bytes(whole)
    (run / "model" / "README.md").write_text("people edit cards")
    flip(run / "model" / "model.safetensors")
    assert autotune(runs.parent, "predict", run, "--text", "bom")[0] == 0


def test_a_model_that_changed_after_its_proof_is_not_finished(unfinished, tmp_path):
    run = unfinished / "run"
    flipped = f"flip:{run}/model/model.safetensors"
    code, said = train(
        unfinished, **struck("autotune.run.folder:RunFolder.finish", flipped, tmp_path / "once")
    )
    assert code == 65 and "has changed on the disk" in said and "model/model.safetensors" in said, said
    assert status(run)["state"] == "failed" and list((run / "checkpoints").iterdir())


def test_damaged_tables_and_tiny_models_are_made_again_and_told(runs):
    cache = runs / ".cache"
    tables, (tiny,) = sorted(cache.glob("*.arrow")), cache.glob("tiny-*")
    damages = [
        flip,
        lambda file: file.write_bytes(bytes(file.stat().st_size)),
        lambda file: file.write_bytes(b""),
    ]
    for number, file in enumerate((*tables, tiny / "model.safetensors")):
        damages[number % len(damages)](file)
    words = ["check", *WORDS, "task=sentiment", f"runs={runs}", "check.format=json"]
    code, said = autotune(runs.parent, *words)
    assert code == 0 and said.count("cannot be used") == len(tables) + 1, said
    assert f'"fingerprint": "{json.loads((runs / "run" / "data.json").read_text())["fingerprint"]}"' in said
    code, said = autotune(runs.parent, *words)
    assert "cannot be used" not in said and "found in the cache" in said, said


@pytest.mark.parametrize("size", [0, 1, 39, 40, 200, -33, -32, -1])
def test_a_table_that_was_cut_off_is_made_again(tmp_path, caplog, size):
    rows = [{"text": "não", "n": number} for number in range(50)]
    cached_table(tmp_path, "k", lambda: rows)
    table = tmp_path / "k.arrow"
    whole = table.read_bytes()
    table.write_bytes(whole[:size])
    assert list(cached_table(tmp_path, "k", lambda: rows)) == rows and table.read_bytes() == whole
    assert [record.message.count("cannot be used") for record in caplog.records] == [1]


def test_a_disk_without_links_and_folder_sync_is_enough(tmp_path, finished):
    runs, poor = tmp_path / "runs", {"plugin": HERE / "poor_disk.py", "LACKS": "link symlink sync"}
    code, said = train(runs, "trainer.max_hours=0.000001", **poor)
    assert code == 75, said
    code, said = train(runs, "checkpoint.keep=1", **poor)
    assert code == 0, said
    assert result(runs / "run") == result(finished / "run")


def test_a_disk_without_locks_is_refused_as_that(tmp_path):
    code, said = train(tmp_path / "runs", plugin=HERE / "poor_disk.py", LACKS="lock")
    assert code == 74 and "no file locks" in said and "make room" not in said, said


def test_the_lock_of_a_folder_that_was_set_aside_meanwhile_is_not_enough(tmp_path, monkeypatch):
    """Another process sets the folder aside and begins in a new one while this one has opened the lock and waits."""
    run = tmp_path / "run"
    run.mkdir()
    (ready, begun), (hold, release) = os.pipe(), os.pipe()
    lock, others = locks.fcntl.lockf, []

    def late(file, operation):
        if not others:
            others.append(os.fork())
            if not others[0]:
                os.close(release)
                run.rename(tmp_path / "run.old-1")
                run.mkdir()
                with (run / ".lock").open("a+") as mine:
                    lock(mine, operation)
                    os.write(begun, b".")
                    os.read(hold, 1)
                    os._exit(0)
            os.read(ready, 1)
        lock(file, operation)

    monkeypatch.setattr(locks.fcntl, "lockf", late)
    with pytest.raises(ConfigError, match="another process works in this folder"):
        acquire_lock(run / ".lock", make=True)
    os.close(release)
    os.waitpid(others[0], 0)
    acquire_lock(run / ".lock").close()


PLACES = {
    "reading": ("autotune.pipeline.prepare:load_rows", "SIGUSR1"),
    "loading": ("autotune.pipeline.prepare:load_model", "SIGINT"),
    "bootstrap": ("autotune.pipeline.result:intervals", "SIGTERM"),
    "where Python ignores exceptions": ("autotune.pipeline.train:save_model", "del:SIGUSR1"),
    "a call that does not return": ("autotune.pipeline.result:unseen_scores", "stuck:SIGTERM"),
}


@pytest.mark.parametrize("place", PLACES)
def test_no_signal_is_lost_between_the_stages(unfinished, tmp_path, place):
    at, event = PLACES[place]
    code, said = train(unfinished, **struck(at, event, tmp_path / "once"))
    assert code == 75 and "the same command resumes" in said and "Traceback" not in said, said
    assert status(unfinished / "run")["state"] == ("running" if event.startswith("stuck") else "interrupted")
