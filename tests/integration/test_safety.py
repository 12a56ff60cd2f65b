"""Nothing that stands in the environment, in data or in a model reaches what a run says or leaves."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.forks import forks

CANARIES = {
    "HF_TOKEN": "hf_CanaryCanaryCanaryCanaryCanary",
    "HUGGING_FACE_HUB_TOKEN": "hf_SecondSecondSecondSecondSecond",
    "WANDB_API_KEY": "0123456789abcdef0123456789abcdefca4a41e5",
    "AWS_SECRET_ACCESS_KEY": "CanaryAwsSecretKeyCanaryAwsSecretKey1234",
    "GITHUB_TOKEN": "ghp_CanaryCanaryCanaryCanaryCanaryCanary",
    "DATABASE_URL": "postgres://canary:canary-password@db.example/prod",
    "HTTPS_PROXY_PASSWORD": "canary-proxy-password",
}


def autotune(*words: str, cwd: Path, **options) -> subprocess.CompletedProcess[str]:
    return forks().start(*words, cwd=cwd, **options).ended()


def texts_below(folder: Path) -> dict[str, bytes]:
    """Every file, hidden ones included, by its path."""
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("words", [["task=sentiment"], ["task=ner", "peft=lora"], ["task=nowhere"]])
def test_secrets_of_the_environment_are_in_no_output(tmp_path, words):
    done = autotune(
        *words,
        "debug=smoke",
        "dataset.limit=24",
        f"runs={tmp_path / 'runs'}",
        "name=planted",
        cwd=tmp_path,
        **CANARIES,
    )
    assert done.returncode == (2 if words == ["task=nowhere"] else 0), done.stderr
    written = texts_below(tmp_path) | {"stdout": done.stdout.encode(), "stderr": done.stderr.encode()}
    assert len(written) >= (2 if words == ["task=nowhere"] else 12)
    for name, secret in CANARIES.items():
        assert not [path for path, text in written.items() if secret.encode() in text], name


def test_a_token_in_data_and_calls_is_hidden_or_refused(tmp_path):
    """A person pastes a token where a value belongs; a text holds one."""
    token = CANARIES["HF_TOKEN"]
    (tmp_path / "rows.csv").write_text(
        "text,label\n" + "".join(f"linha {number} {token},{'ab'[number % 2]}\n" for number in range(40))
    )
    data = ["dataset=csv", f"dataset.path={tmp_path}/rows.csv", f"runs={tmp_path}/runs"]
    for words in (
        ["name=" + token],
        ["model.name_or_path=" + token, "model=custom"],
        [f"dataset.revision={token}"],
    ):
        done = autotune("check", "task=sentiment", *data, *words, cwd=tmp_path)
        assert done.returncode == 2 and token not in done.stdout + done.stderr, words
    done = autotune("check", "task=sentiment", *data, cwd=tmp_path)
    assert token not in done.stdout + done.stderr


def test_what_a_data_set_calls_itself_is_never_built(tmp_path):
    """`_target_` in a data set's own files, in rows and in labels is text."""
    sentinel = tmp_path / "ran"
    target = f'{{"_target_": "os.system", "command": "touch {sentinel}"}}'
    folder = tmp_path / "data"
    folder.mkdir()
    rows = "".join(f"texto {number} ${{oc.env:HOME}},{'ab'[number % 2]}\n" for number in range(40))
    (folder / "train.csv").write_text("text,label\n" + rows)
    for name in ("config.yaml", "dataset_infos.json", "README.md"):
        (folder / name).write_text(target)
    done = autotune(
        "show",
        "task=sentiment",
        "dataset=csv",
        f"dataset.path={folder}",
        "+dataset._target_=os.system",
        cwd=tmp_path,
    )
    assert done.returncode == 2
    done = autotune(
        "check",
        "task=sentiment",
        "dataset=csv",
        f"dataset.path={folder}",
        f"runs={tmp_path}/runs",
        cwd=tmp_path,
    )
    assert done.returncode in (0, 2) and "Traceback" not in done.stderr
    assert not sentinel.exists()
    assert os.environ["HOME"] not in (done.stdout + done.stderr).replace(str(tmp_path), "")


def test_metrics_of_the_working_folder_are_not_run(tmp_path):
    """`evaluate.load` looks into the working folder first; autotune's own metrics do not."""
    for name in ("accuracy", "seqeval", "rouge", "f1"):
        (tmp_path / name).mkdir()
        (tmp_path / name / f"{name}.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\n")
    done = autotune("task=ner", "debug=smoke", "dataset.limit=24", f"runs={tmp_path}/runs", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert not (tmp_path / "ran").exists()


def test_telemetry_is_off_in_our_process():
    script = (
        "from autotune.cli import environment; environment.set_defaults(); import os; "
        "print(os.environ['HF_HUB_DISABLE_TELEMETRY'])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "1"
