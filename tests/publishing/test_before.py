"""Before training: a push that the Hub would refuse is found in seconds, by `check` and by the run itself."""

import json
import re
from pathlib import Path

import pytest

from tests.publishing.conftest import Run
from tests.support.hub.server import READER, STRANGER

SMOKE = (
    "task=ner", "debug=smoke", "report=none", "check.near_duplicates=null", "dataset.limit=16", "trainer.batch_size=4",
)  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Shared by all tests here, so that rows are read and the tiny model is made once."""
    return tmp_path_factory.mktemp("before")


def look(ask: Run, folder: Path, *words: str, **env: str):
    """`autotune check` as a fresh process; exit code, findings, everything that was said."""
    done = ask("check", *SMOKE, "check.format=json", *words, cwd=folder, **env)
    assert "Traceback" not in done.stderr, done.stderr
    return (
        done.returncode,
        json.loads(done.stdout)["findings"] if done.stdout else [],
        done.stdout + done.stderr,
    )


def test_what_will_happen_is_said(forks, folder):
    code, _, said = look(forks, folder, "hub=private", "hub.repo=acme/new", "hub.tag=v1")
    assert code == 0, said
    assert "the run will be pushed to acme/new (private, will be made, about 1 MB) as ana" in said
    assert not forks.hub.store.repos, "a check writes nothing"
    forks.hub.store.create("models", "acme/there", private=True)
    code, _, said = look(forks, folder, "hub=public", "hub.repo=acme/there")
    assert code == 0 and "stays private" in said and "there already" in said
    code, _, said = look(forks, folder, "hub=private", "name=ação nº 1")
    assert "pushed to ana/acao_no_1" in said


CASES = {
    "no token": ([], {"HF_TOKEN": ""}, "pushing needs a token"),
    "nobody's": ([], {"HF_TOKEN": "hf_nobodyNobodyNobody"}, "does not accept the token"),
    "a read token": ([], {"HF_TOKEN": READER}, "token is read-only"),
    "another namespace": (["hub.repo=eva/x"], {}, "ana does not write for eva"),
    "not a member": (["hub.repo=acme/x"], {"HF_TOKEN": STRANGER}, "eva does not write for acme"),
    "public already": (["hub.repo=acme/open"], {}, "the repository is public"),
    "a tag that is taken": (["hub.repo=acme/mine", "hub.tag=v1"], {}, "tags are not moved"),
    "offline": ([], {"HF_HUB_OFFLINE": "1"}, "cannot be reached"),
}


@pytest.mark.parametrize("case", CASES)
def test_what_would_be_refused_is_found(forks, folder, case):
    words, env, expected = CASES[case]
    forks.hub.store.create("models", "acme/open", private=False)
    repo = forks.hub.store.create("models", "acme/mine", private=True)
    repo.refs["refs/tags/v1"] = repo.refs["refs/heads/main"]
    code, findings, said = look(forks, folder, "hub=private", *words, **env)
    assert code == 69 and expected in said, said
    (error,) = [finding for finding in findings if finding["severity"] == "error"]
    assert error["area"] == "hub" and error["fix"]


def test_a_hub_that_is_away(forks, folder):
    with forks.hub.away():
        code, _, said = look(forks, folder, "hub=private")
        queued, _, then = look(forks, folder, "hub=private", "hub.when_offline=queue")
    assert code == 69 and "cannot be reached" in said and "hub.when_offline=queue" in said
    assert queued == 0 and "kept for autotune push" in then


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["hub.repo=acme/x"], "hub=private"),
        (["hub=private", "hub.repo=acme/não"], "hub.repo=acme/nao"),
        (["hub=private", "hub.repo=https://huggingface.co/acme/x"], "hub.repo=acme/x"),
        (["hub=private", "hub.repo=a--b"], "hub.repo=a-b"),
        (["hub=private", "hub.create_pr=true", "hub.tag=v1"], "pull request"),
        (["hub=private", "hub.tag='v 1'"], "hub.tag=v1"),
        (["hub=private", "hub.adapter_only=true"], "peft=lora"),
        (["hub=private", "hub.adapter_only=true", "peft=lora"], "peft.merge=true"),
        (["hub=private", "peft=lora", "peft.merge=false"], "peft.merge=true"),
        (["hub=private", "hub.offline=always"], "hub.when_offline=queue"),
        (["hub=private", "hub.license=mitt"], "hub.license=mit"),
        (["hub.every=2"], "hub=private"),
        (["hub=private", "hub.every=2", "hub.create_pr=true"], "hub.create_pr=false"),
        (["hub=private", "hub.every=2", "peft=qlora"], "hub.every=null"),
        (["hub=private", "hub.every=0"], "hub.every"),
        (["+hub.token=hf_abcdefghijklmnopqrstu"], "hf auth login"),
        (["hub=secret"], "private"),
    ],
)
def test_a_wrong_configuration_asks_nobody(forks, folder, words, expected):
    code, _, said = look(forks, folder, *words)
    assert code == 2 and expected in said, said
    assert not [one for one in forks.hub.seen if one.path != "/"], "but whether there is a Hub"
    assert "abcdefghij" not in said


def test_the_runs_of_a_sweep_go_to_places_of_their_own(forks, folder):
    done = forks("-m", *SMOKE, "seed=1,2", "hub=private", "hub.repo=acme/x", cwd=folder)
    assert done.returncode == 2 and "one over the other" in done.stderr and "hub.revision" in done.stderr


@pytest.mark.slow
def test_a_run_that_cannot_be_pushed_is_not_trained_and_one_that_may_wait_is(forks, folder):
    refused = forks(*SMOKE, "name=r", "hub=private", "hub.repo=eva/x", cwd=folder)
    assert refused.returncode == 69 and "does not write for eva" in refused.stderr
    assert not (folder / "runs" / "r" / "model").exists()
    words = (*SMOKE, "name=q", "hub=private", "hub.repo=acme/q", "hub.when_offline=queue")
    with forks.hub.away():
        queued = forks(*words, cwd=folder)
    status = json.loads((folder / "runs" / "q" / "status.json").read_text())
    assert queued.returncode == 0, queued.stderr
    assert status["state"] == "finished" and status["push"]["state"] == "pending"
    command = status["push"]["command"]
    assert command == "autotune push runs/q --repo acme/q" and command in queued.stdout
    # The same command again trains nothing and pushes now.
    again = forks(*words, cwd=folder)
    assert again.returncode == 0 and "nothing was trained" in again.stdout and "pushed to" in again.stdout, (
        again.stderr
    )
    assert forks.hub.commits("acme/q") == 1
    done = forks(*command.split()[1:], cwd=folder)
    assert done.returncode == 0 and "holds this run already" in done.stdout


@pytest.mark.slow
def test_a_push_that_fails_after_training_leaves_a_finished_run(forks, folder):
    words = (*SMOKE, "name=f", "hub=private", "hub.repo=acme/f", "hub.patience=2")
    with forks.hub.faults("POST .*/commit/", status=503):
        done = forks(*words, cwd=folder)
    assert done.returncode == 69, done.stderr
    assert (
        "the run is finished and safe" in done.stderr and "autotune push runs/f --repo acme/f" in done.stderr
    )
    status = json.loads((folder / "runs" / "f" / "status.json").read_text())
    assert (status["state"], status["push"]["state"]) == ("finished", "pending") and "503" in status["push"][
        "reason"
    ]
    assert forks("push", "runs/f", cwd=folder).returncode == 0
    assert forks.hub.commits("acme/f") == 1


@pytest.mark.slow
def test_of_several_processes_one_asks_and_pushes(forks, folder):
    hub = forks.hub
    words = [*SMOKE, f"runs={folder}", "name=two", "hub=private", "hub.repo=acme/two", "hub.patience=2"]
    with hub.faults("POST .*/commit/", status=403):
        failed = forks(*words, cwd=folder, ranks=2)
    assert failed.returncode and "the run is finished and safe" in failed.stderr, failed.stderr
    assert set(re.findall(r"exitcode\s+: (\d+)", failed.stderr)) == {"69"}
    asked = sum(seen.path.startswith("/api/whoami") for seen in hub.seen)
    assert asked == 2, "once before training, once before the push"
    done = forks(*words, cwd=folder, ranks=2)
    assert done.returncode == 0, done.stderr
    assert hub.commits("acme/two") == 1
