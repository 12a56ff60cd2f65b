"""A finished run reaches the Hub, once, whatever goes wrong on the way, and can be used from there."""

import hashlib
import json
import shutil
import signal
import threading
import time
from contextlib import ExitStack
from itertools import chain
from pathlib import Path

import pytest

from tests.publishing.conftest import FAULTS, push, state
from tests.support.hub.server import READER, WRITER, TestHub

CANARY = "hf_canaryCanaryCanaryCanary00"
SECRETS = (WRITER, CANARY)


def digest(folder: Path) -> dict[str, str]:
    """SHA-256 of every file of a folder."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.fixture
def run(trained, tmp_path) -> Path:
    """A copy of the finished run, with things that must not leave this machine planted in it."""
    copy = tmp_path / "runs" / "run"
    shutil.copytree(trained, copy)
    (copy / "model" / ".env").write_text(f"HF_TOKEN={CANARY}\n")
    (copy / "model" / "train.jsonl").write_text('{"text": "segredo"}\n')
    (copy / "model" / "optimizer.bin").write_bytes(b"moments")
    (copy / "model" / "checkpoint-1").mkdir()
    (copy / "model" / "checkpoint-1" / "model.safetensors").write_bytes(b"old")
    return copy


@pytest.fixture
def impatient(run) -> Path:
    """The same, where no try begins after four seconds, so that what never succeeds soon ends."""
    config = run / "config.yaml"
    text = config.read_text("utf-8")
    assert "patience: 60.0" in text
    config.write_text(text.replace("patience: 60.0", "patience: 4.0"), "utf-8")
    return run


def assert_whole(hub: TestHub, run: Path, repo: str = "ana/run") -> None:
    """Everything that belongs there is there, byte by byte, and nothing else."""
    there, here = hub.files(repo), digest(run / "model")
    assert there["model.safetensors"] == here["model.safetensors"]
    assert there["tokenizer.json"] == here["tokenizer.json"]
    names = {"README.md", "autotune.json", "config.json", "metrics.json", "model.safetensors", "tokenizer.json",
             "tokenizer_config.json", "training_config.yaml"}  # fmt: skip
    assert set(there) == names


def test_a_link_that_leads_out_of_the_run_is_refused_before_anything_is_sent(forks, run):
    (run / "model" / "vocab.json").symlink_to("/etc/hostname")
    done = push(forks, run)
    assert done.returncode == 2 and "a link to /etc/hostname" in done.stderr
    assert not forks.hub.seen


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
    assert state(run)["state"] == "finished" and state(run)["push"]["state"] == "done"
    assert state(run)["push"]["commit"] == hub.repo("ana/run").refs["refs/heads/main"]
    sent, log = hub.uploaded(), (run / "log.txt").read_text()
    assert "pushed to" in log and WRITER not in log
    again = push(forks, run)
    assert again.returncode == 0 and "holds this run already" in again.stdout
    assert hub.commits("ana/run") == 1 and hub.uploaded() == sent
    assert digest(run / "model") == before


REQUESTS = {
    "who": "GET /api/whoami", "create": "POST /api/repos/create", "card": "POST /api/validate-yaml",
    "refs": "GET .*/refs", "preupload": "POST .*/preupload/", "batch": "POST .*/objects/batch",
    "upload": "PUT /storage/", "verify": "POST .*/objects/verify", "commit": "POST .*/commit/main",
    "look": "GET .*blobs=true", "tag": "POST .*/tag/",
}  # fmt: skip


SURVIVED = {
    "at every request": [(request, "broken") for request in REQUESTS],
    "and their answers": [("create", "conflict"), ("tag", "conflict"), ("upload", "cut"),
                          ("upload", "dropped"), ("create", "answer lost"), ("upload", "answer lost"),
                          ("tag", "answer lost")],
    "at the commit": [("commit", fault) for fault in ("conflict", "stale", "too many", "down", "slow")],
    "of the commit": [("commit", fault) for fault in ("dropped", "cut", "answer lost")],
}  # fmt: skip
"""Faults that a push survives: all of them at the commit, one at every request, and those with a special meaning at a
request. A push meets no more of them at one request than it has tries."""

FATAL = {
    "at every request": [(request, "forbidden") for request in REQUESTS],
    "at the commit": [("commit", fault) for fault in ("bad token", "not found", "too large")],
    "of their own": [
        ("who", "bad token"),
        ("refs", "not found"),
        ("batch", "too large"),
        ("look", "not found"),
    ],
}
"""Faults that end a push, in the order in which it sends these requests: every push reaches the next fault."""

assert {fault for _, fault in chain(*SURVIVED.values(), *FATAL.values())} == {*FAULTS}


def strike(forks, run: Path, request: str, fault: str) -> None:
    """Pushes with a fault that ends it with 69, words and the command, and leaves the model as it is."""
    how, before = FAULTS[fault][0], digest(run / "model")
    with forks.hub.faults(REQUESTS[request], times=1, **how) as hit:
        done = push(forks, run, "--tag", "v1")
    assert hit.hits == 1, (request, fault)
    assert "Traceback" not in done.stderr and WRITER not in done.stdout + done.stderr
    assert digest(run / "model") == before
    assert done.returncode == 69, (request, fault, done.stderr)
    assert "autotune push" in done.stderr and "safe" in done.stderr
    assert state(run)["state"] == "finished" and state(run)["push"]["state"] == "pending"
    assert "autotune push" in state(run)["push"]["command"]


def assert_pushed_once(hub: TestHub, run: Path) -> None:
    """One commit holds everything, and the tag names it."""
    assert_whole(hub, run)
    assert hub.repo("ana/run").refs["refs/tags/v1"] == hub.repo("ana/run").refs["refs/heads/main"]
    assert hub.commits("ana/run") == 1
    assert state(run)["push"]["state"] == "done"


@pytest.mark.slow
@pytest.mark.parametrize("where", SURVIVED)
def test_a_push_survives_faults_that_pass(forks, run, where):
    """All of them hit the same push."""
    before = digest(run / "model")
    with ExitStack() as stack:
        hits = {}
        for request, fault in SURVIVED[where]:
            how, passing = FAULTS[fault]
            assert passing
            hits[request, fault] = stack.enter_context(forks.hub.faults(REQUESTS[request], times=1, **how))
        done = push(forks, run, "--tag", "v1")
    assert done.returncode == 0, done.stderr
    assert [pair for pair, hit in hits.items() if hit.hits != 1] == []
    assert "Traceback" not in done.stderr and WRITER not in done.stdout + done.stderr
    assert digest(run / "model") == before
    assert_pushed_once(forks.hub, run)


@pytest.mark.slow
@pytest.mark.parametrize("where", FATAL)
def test_other_faults_end_a_push_and_a_repeat_completes(forks, run, where):
    """Each push ends at the next fault; the last one completes."""
    for request, fault in FATAL[where]:
        assert not FAULTS[fault][1]
        strike(forks, run, request, fault)
    assert push(forks, run, "--tag", "v1").returncode == 0
    assert_pushed_once(forks.hub, run)


@pytest.mark.parametrize(
    ("pattern", "how"),
    [
        ("GET /api/whoami", {"status": 503}),
        ("POST /api/repos/create", {"status": 0}),
        ("POST .*/commit/", {"status": 429, "headers": {"Retry-After": "600"}}),
        (".", {"status": 0}),
    ],
)
def test_what_goes_on_failing_is_given_up_and_a_repeat_completes(forks, impatient, pattern, how):
    with forks.hub.faults(pattern, **how):
        done = push(forks, impatient)
    assert done.returncode == 69, done.stderr
    assert push(forks, impatient).returncode == 0
    assert_whole(forks.hub, impatient)


@pytest.mark.parametrize("times", [1, None])
def test_a_conflict_at_which_the_client_would_ask_for_ever(forks, request, times):
    run: Path = request.getfixturevalue("run" if times else "impatient")
    said = "Cannot create repo: another conflicting operation is in progress"
    with forks.hub.faults("POST /api/repos/create", status=409, message=said, times=times) as hit:
        going = forks.start("push", run, cwd=run.parent, HF_TOKEN=WRITER)
        while going.poll() is None and hit.hits < 10:
            time.sleep(0.05)
        if hit.hits >= 10:
            going.send_signal(signal.SIGKILL)
        done = going.ended()
    assert done.returncode == (69 if times is None else 0), done.stderr
    if times is None:
        assert "another conflicting operation" in done.stderr and push(forks, run).returncode == 0
    assert_whole(forks.hub, run)


def test_nobody_answers(forks, run):
    with forks.hub.away():
        done = push(forks, run)
    assert done.returncode == 69 and "cannot be reached" in done.stderr
    assert state(run)["push"]["state"] == "pending" and state(run)["state"] == "finished"


def test_a_killed_push_goes_on_where_it_was(forks, run):
    """What arrived is not sent again: by LFS whole files, by xet pieces of them."""
    hub = forks.hub
    with hub.faults("POST .*/commit/", gate=threading.Event()) as hit:
        process = forks.start("push", run, cwd=run.parent, HF_TOKEN=WRITER)
        process.until(lambda: hit.hits)
        process.send_signal(signal.SIGKILL)
        assert process.ended().returncode == -signal.SIGKILL
    sent = hub.uploaded()
    assert sent > 1_000_000 and hub.commits("ana/run") == 0
    assert push(forks, run).returncode == 0
    assert hub.uploaded() == sent
    assert_whole(hub, run)


def test_by_xet(xet_forks, run):
    forks = xet_forks
    assert push(forks, run).returncode == 0
    assert push(forks, run).returncode == 0
    assert_whole(forks.hub, run)
    assert forks.hub.commits("ana/run") == 1 and forks.hub.uploaded() == 0


@pytest.mark.parametrize(
    ("how", "code"), [({"status": 403}, 69), ({"status": 503, "times": 1}, 0), ({"status": 0, "times": 1}, 0)]
)
def test_faults_of_xet(xet_forks, run, how, code):
    forks = xet_forks
    with forks.hub.faults("xet-write-token", **how):
        done = push(forks, run)
    assert done.returncode == code, done.stderr
    assert push(forks, run).returncode == 0
    assert_whole(forks.hub, run)


@pytest.mark.parametrize("status", [503, 0])
def test_xet_that_is_down_is_given_up(xet_forks, impatient, status):
    forks = xet_forks
    with forks.hub.faults("xet-write-token", status=status):
        done = push(forks, impatient)
    assert done.returncode == 69, done.stderr


REFUSED = {
    "a read token": ({"HF_TOKEN": READER}, [], "token is read-only"),
    "no token": ({"HF_TOKEN": ""}, [], "pushing needs a token"),
    "nobody's token": ({"HF_TOKEN": "hf_nobodyNobodyNobody"}, [], "does not accept the token"),
    "somebody else's namespace": ({}, ["--repo", "eva/run"], "ana does not write for eva"),
    "offline": ({"HF_HUB_OFFLINE": "1"}, [], "cannot be reached"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_the_hub_would_refuse(forks, run, case):
    env, words, said = REFUSED[case]
    done = push(forks, run, *words, **env)
    assert done.returncode == 69 and said in done.stderr, done.stderr
    assert not forks.hub.store.repos
    assert "hf_" not in done.stderr.replace("hf_…", "")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--repo", "ana/não"], "hub.repo=ana/nao"),
        (["--repo", "a/b/c"], "does not accept such a name"),
        (["--repo", "https://huggingface.co/ana/run"], "hub.repo=ana/run"),
        (["--repo", "ana/" + "x" * 97], "does not accept"),
        (["--tag", "v 1"], "name of a tag"),
        (["--create-pr", "--tag", "v1"], "pull request"),
        (["--create-pr", "--revision", "dev"], "pull request"),
        (["--adapter-only"], "base model is only on this machine"),
    ],
)
def test_a_wrong_call(forks, run, words, said):
    done = push(forks, run, *words)
    assert done.returncode in (2, 69) and said in done.stderr, done.stderr


def test_a_public_repository_is_refused_unless_public_is_wished_for(forks, run):
    hub = forks.hub
    hub.store.create("models", "acme/open", private=False)
    done = push(forks, run, "--repo", "acme/open")
    assert done.returncode == 69 and "public" in done.stderr and "--public" in done.stderr
    assert hub.commits("acme/open") == 0
    assert push(forks, run, "--repo", "acme/open", "--public").returncode == 0
    assert not hub.repo("acme/open").private
    assert_whole(hub, run, "acme/open")
    assert push(forks, run, "--repo", "acme/new", "--public").returncode == 0
    assert not hub.repo("acme/new").private


def test_branches_and_tags(forks, run):
    hub = forks.hub
    assert push(forks, run, "--revision", "last", "--tag", "v1").returncode == 0
    assert hub.commits("ana/run") == 0 and hub.commits("ana/run", "last") == 1
    assert push(forks, run, "--revision", "last", "--tag", "v1").returncode == 0
    done = push(forks, run, "--tag", "v1")
    assert done.returncode == 69 and "tags are not moved" in done.stderr
    assert hub.repo("ana/run").refs["refs/tags/v1"] == hub.repo("ana/run").refs["refs/heads/last"]


def test_a_pull_request_is_opened_once(forks, run):
    hub = forks.hub
    for _ in range(2):
        done = push(forks, run, "--create-pr")
        assert done.returncode == 0 and "discussions/1" in done.stdout, done.stderr
    repo = hub.repo("ana/run")
    assert len(repo.pulls) == 1 and hub.commits("ana/run") == 0
    assert len(repo.history("refs/pr/1")) == 2


def test_files_of_an_earlier_push_go_and_those_of_others_stay(forks, run):
    hub = forks.hub
    assert push(forks, run).returncode == 0
    repo = hub.repo("ana/run")
    files = dict(repo.commits[repo.refs["refs/heads/main"]].files)
    old = {path: hub.store.regular(b"old") for path in ("adapter/adapter_config.json", "model-00001-of-00002.safetensors",
                                                       "notes.md", "adapter/notes.md")}  # fmt: skip
    repo.commit("refs/heads/main", "by hand", files | old)
    assert push(forks, run).returncode == 0
    there = hub.files("ana/run")
    assert {"notes.md", "adapter/notes.md"} <= set(there)
    assert not {"adapter/adapter_config.json", "model-00001-of-00002.safetensors"} & set(there)


def test_a_dry_run_sends_nothing(forks, run):
    done = push(forks, run, "--dry-run", "--repo", "acme/x")
    assert done.returncode == 0 and "acme/x" in done.stdout and "model.safetensors" in done.stdout
    assert ".env" not in done.stdout and "optimizer" not in done.stdout
    assert not forks.hub.store.repos and "push" not in state(run)


def test_only_finished_runs_are_pushed(forks, run):
    (run / "status.json").write_text(json.dumps({"state": "interrupted", "command": "autotune task=ner"}))
    done = push(forks, run)
    assert done.returncode == 2 and "not finished" in done.stderr and "autotune task=ner" in done.stderr
    done = push(forks, run.parent / "nothing")
    assert done.returncode == 2 and "no such run folder" in done.stderr
