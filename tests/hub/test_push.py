"""A finished run reaches the Hub, once, whatever goes wrong on the way, and can be used from there."""

import hashlib
import json
import shutil
from pathlib import Path

import pytest

from tests.hub.conftest import Forks, autotune, environment
from tests.hub.server import WRITER, TestHub

CANARY = "hf_canaryCanaryCanaryCanary00"
SECRETS = (WRITER, CANARY)


def digest(folder: Path) -> dict[str, str]:
    """SHA-256 of every file of a folder."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.fixture(scope="session")
def trained(tmp_path_factory) -> Path:
    """A finished run with an adapter, not pushed; do not change it."""
    runs = tmp_path_factory.mktemp("trained")
    done = autotune(
        "task=ner", "peft=lora", "debug=smoke", f"runs={runs}", "name=run",
        env=environment(None, runs / "home") | {"HF_HUB_OFFLINE": "1"}, cwd=runs,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return runs / "run"


@pytest.fixture
def run(trained, tmp_path) -> Path:
    """A copy of the finished run, with things that must not leave this machine planted in it."""
    copy = tmp_path / "runs" / "run"
    shutil.copytree(trained, copy)
    (copy / "model" / ".env").write_text(f"HF_TOKEN={CANARY}\n")
    (copy / "model" / "train.jsonl").write_text('{"text": "segredo"}\n')
    (copy / "model" / "optimizer.bin").write_bytes(b"moments")
    (copy / "model" / "vocab.json").symlink_to("/etc/hostname")
    (copy / "model" / "checkpoint-1").mkdir()
    (copy / "model" / "checkpoint-1" / "model.safetensors").write_bytes(b"old")
    return copy


def status(run: Path) -> dict:
    return json.loads((run / "status.json").read_text())


def push(forks: Forks, run: Path, *words: object, **env: str):
    return forks("push", run, *words, cwd=run.parent, **env)


def assert_whole(hub: TestHub, run: Path, repo: str = "ana/run") -> None:
    """Everything that belongs there is there, byte by byte, and nothing else."""
    there, here = hub.files(repo), digest(run / "model")
    assert there["model.safetensors"] == here["model.safetensors"]
    assert there["tokenizer.json"] == here["tokenizer.json"]
    names = {"README.md", "autotune.json", "config.json", "metrics.json", "model.safetensors", "tokenizer.json",
             "tokenizer_config.json", "training_config.yaml"}  # fmt: skip
    assert set(there) == names


def test_a_push_sends_what_belongs_there_once_and_nothing_else(forks, run):
    hub = forks.hub
    before = digest(run / "model")
    done = push(forks, run)
    assert done.returncode == 0, done.stderr
    assert f"{hub.url}/ana/run" in done.stdout and "private" in done.stdout
    assert hub.repo("ana/run").private
    assert_whole(hub, run)
    for path in hub.files("ana/run"):
        content = hub.store.read("ana/run", path)
        assert str(run.parent).encode() not in content, path
        assert not any(secret.encode() in content for secret in SECRETS), path
    assert status(run)["state"] == "finished" and status(run)["push"]["state"] == "done"
    assert status(run)["push"]["commit"] == hub.repo("ana/run").refs["refs/heads/main"]
    sent, log = hub.uploaded(), (run / "log.txt").read_text()
    assert "pushed to" in log and WRITER not in log
    again = push(forks, run)
    assert again.returncode == 0 and "holds this run already" in again.stdout
    assert hub.commits("ana/run") == 1 and hub.uploaded() == sent
    assert digest(run / "model") == before


FAULTS = {
    "bad token": ({"status": 401}, False),
    "forbidden": ({"status": 403}, False),
    "not found": ({"status": 404}, False),
    "conflict": ({"status": 409}, True),
    "stale": ({"status": 412}, True),
    "too large": ({"status": 413}, False),
    "too many": ({"status": 429, "headers": {"Retry-After": "1"}}, True),
    "broken": ({"status": 500}, True),
    "down": ({"status": 503}, True),
    "dropped": ({"status": 0}, True),
    "cut": ({"cut_after": 100_000}, True),
    "slow": ({"delay": 1.5}, True),
    "answer lost": ({"status": 0, "after": True}, True),
}
REQUESTS = {
    "who": "GET /api/whoami", "create": "POST /api/repos/create", "card": "POST /api/validate-yaml",
    "refs": "GET .*/refs", "preupload": "POST .*/preupload/", "batch": "POST .*/objects/batch",
    "upload": "PUT /storage/", "verify": "POST .*/objects/verify", "commit": "POST .*/commit/main",
    "look": "GET .*blobs=true", "tag": "POST .*/tag/",
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("request_", REQUESTS)
def test_one_fault_at_any_request(forks, run, fault, request_):
    """Passing ones are outlived; others end with 69, words and the command; the model is untouched; a repeat completes."""
    hub = forks.hub
    (how, passing), before = FAULTS[fault], digest(run / "model")
    with hub.faults(REQUESTS[request_], times=1, **how) as hit:
        done = push(forks, run, "--tag", "v1")
    assert hit.hits == 1
    assert "Traceback" not in done.stderr and WRITER not in done.stdout + done.stderr
    assert digest(run / "model") == before
    if done.returncode:
        assert done.returncode == 69 and not passing, done.stderr
        assert "autotune push" in done.stderr and "safe" in done.stderr
        assert status(run)["state"] == "finished" and status(run)["push"]["state"] == "pending"
        assert "autotune push" in status(run)["push"]["command"]
        assert push(forks, run, "--tag", "v1").returncode == 0
    assert_whole(hub, run)
    assert hub.repo("ana/run").refs["refs/tags/v1"] == hub.repo("ana/run").refs["refs/heads/main"]
    assert hub.commits("ana/run") == 1
    assert status(run)["push"]["state"] == "done"
