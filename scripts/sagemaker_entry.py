"""Entry point of an Amazon SageMaker training job: reads the job from the environment and runs `autotune train`.

Hyperparameters are overrides (`trainer.epochs`: 3). The arguments that SageMaker also passes are ignored: they are Python
literals, not values that Hydra reads. See scripts/README.md.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import FrameType

CHECKPOINTS = "/opt/ml/checkpoints"
"""Where SageMaker syncs files to S3 during the job and back when it restarts after a spot interruption."""
RUN_NAME = "run"
"""Name of the run folder: a restarted job has the same, so it resumes."""
PLUGIN = "plugin"
"""Hyperparameter that names a plug-in; all others are overrides."""
REPORTS = ("metrics.json", "history.jsonl", "predictions_*.jsonl", "config.yaml", "data.json", "environment.json", "log.txt",
           "status.json")  # fmt: skip
"""Files of the run that are copied to the job's output data."""
CONFIG_ERROR = 2


def command_line(environment: Mapping[str, str]) -> list[str]:
    """Returns the words after `autotune` for a job.

    Args:
        environment: SM_HPS (JSON), SM_CHANNELS and SM_CHANNEL_*, SM_NUM_GPUS, AUTOTUNE_CHECKPOINTS.

    Raises:
        ValueError: a variable is missing or is not what SageMaker writes.
    """
    hyperparameters = json.loads(environment.get("SM_HPS", "{}"))
    if not isinstance(hyperparameters, dict):
        raise ValueError(f"SM_HPS is not a JSON object: {hyperparameters!r}")
    hosts = json.loads(environment.get("SM_HOSTS", "[]"))
    if len(hosts) > 1:
        raise ValueError(
            f"SM_HOSTS names {len(hosts)} instances; this entry point uses one: instance_count=1, with several GPUs"
        )
    plugins = _as_list(hyperparameters.pop(PLUGIN, []))
    values = {
        key: override_value(value)
        for key, value in hyperparameters.items()
        if not key.startswith("sagemaker_")
    }
    for key, value in channel_overrides(environment).items():
        values.setdefault(key, value)
    gpus = int(environment.get("SM_NUM_GPUS") or 0)
    if gpus > 1:
        values.setdefault("launcher.num_processes", str(gpus))
    values |= {"runs": environment.get("AUTOTUNE_CHECKPOINTS", CHECKPOINTS), "name": RUN_NAME}
    options = [word for plugin in plugins for word in ("--plugin", plugin)]
    return ["train", *options, *(f"{key}={value}" for key, value in values.items())]


def channel_overrides(environment: Mapping[str, str]) -> dict[str, str]:
    """Returns overrides for the input channels: `bundle` holds a sealed bundle, `model` a base model, and train,
    validation and test a file (or a folder of one file) for each split; one of another name is dataset.path.

    Raises:
        ValueError: a channel has no folder, or several channels could be the data set.
    """
    overrides, datasets = {}, []
    for name in json.loads(environment.get("SM_CHANNELS", "[]")):
        variable = f"SM_CHANNEL_{name.upper().replace('-', '_')}"
        if variable not in environment:
            raise ValueError(f"SM_CHANNELS names {name}, and there is no {variable}")
        folder = environment[variable]
        if name == "bundle":
            overrides["bundle"] = _quoted(_only_file(folder))
        elif name == "model":
            overrides["model.name_or_path"] = _quoted(folder)
        elif name in ("train", "validation", "test"):
            overrides[f"dataset.splits.{name}"] = _quoted(_only_file(folder))
        else:
            datasets.append(folder)
    if len(datasets) > 1:
        raise ValueError(f"several channels could be the data set: {', '.join(datasets)}; one is enough")
    if datasets:
        overrides["dataset.path"] = _quoted(datasets[0])
    elif "dataset.splits.train" in overrides:
        overrides["dataset.path"] = overrides["dataset.splits.train"]
    return overrides


def override_value(value: object) -> str:
    """Returns a hyperparameter as the value of an override: text as it is, all else as JSON, which Hydra reads."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def train(words: list[str]) -> int:
    """Runs autotune in a process of its own; SIGTERM, with which a spot interruption begins, is passed on to it, so that
    it writes a checkpoint. Returns its exit code: 75 after that."""
    process = subprocess.Popen([sys.executable, "-P", "-m", "autotune", *words])

    def forward(number: int, _: FrameType | None) -> None:
        process.send_signal(number)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, forward)
    return process.wait()


def deliver(run: Path, environment: Mapping[str, str]) -> None:
    """Copies the model to SM_MODEL_DIR, which becomes model.tar.gz, and the reports to SM_OUTPUT_DATA_DIR."""
    shutil.copytree(run / "model", environment["SM_MODEL_DIR"], dirs_exist_ok=True)
    output = Path(environment["SM_OUTPUT_DATA_DIR"])
    output.mkdir(parents=True, exist_ok=True)
    for pattern in REPORTS:
        for file in run.glob(pattern):
            shutil.copy2(file, output)


def main() -> int:
    """Trains and delivers; returns the exit code."""
    try:
        words = command_line(os.environ)
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)  # noqa: T201 - this script has no logger
        return CONFIG_ERROR
    code = train(words)
    if code == 0:
        deliver(Path(os.environ.get("AUTOTUNE_CHECKPOINTS", CHECKPOINTS), RUN_NAME), os.environ)
    return code


def _only_file(folder: str) -> str:
    """Returns the only file of a channel's folder.

    Raises:
        ValueError: there is none, or several.
    """
    files = sorted(
        path for path in Path(folder).iterdir() if path.is_file() and not path.name.startswith(".")
    )
    if len(files) != 1:
        raise ValueError(f"{folder} holds {len(files)} files, and one is expected")
    return str(files[0])


def _quoted(path: str) -> str:
    return (
        "'" + path.replace("\\", "\\\\").replace("'", "\\'") + "'" if set(path) & set(" ,=:'{}[]()") else path
    )


def _as_list(value: object) -> list[str]:
    return [str(item) for item in value] if isinstance(value, list) else [str(value)]


if __name__ == "__main__":
    sys.exit(main())
