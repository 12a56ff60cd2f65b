"""scripts/gpu: runs the parts one after another, each in a fork of its own, and writes a table and JSON."""

import argparse
import importlib
import json
import os
import signal
import sys
import tempfile
import time
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any

# Read when torch is imported. The first process must not open the GPU: a fork could not use it then.
os.environ |= {"PYTORCH_NVML_BASED_CUDA_CHECK": "1", "HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")

if TYPE_CHECKING:
    from gpu_parts.setting import Setting

IMPORTED = (
    "autotune.pipeline.train", "autotune.metrics.classification", "autotune.metrics.entities",
    "autotune.metrics.rouge", "benchmarks.peers", "datasketch", "sklearn.linear_model", "torch._dynamo",
    "transformers.models.bert.modeling_bert", "transformers.models.llama.modeling_llama", "transformers.models.t5.modeling_t5",
)  # fmt: skip
"""Imported once, for all forks."""
TABLE, NUMBERS = "gpu.md", "gpu.json"
Result = dict[str, Any]


def arguments() -> argparse.Namespace:
    """What was asked for."""
    parser = argparse.ArgumentParser(prog="scripts/gpu", description=__doc__)
    parser.add_argument("--rehearse", action="store_true", help="on the CPU, with tiny shapes")
    parser.add_argument(
        "--parts", nargs="+", metavar="WORD", help="parts whose names begin with one of these words"
    )
    parser.add_argument("--minutes", type=float, default=8.0, help="no part begins or lasts beyond these (8)")
    parser.add_argument("--output", type=Path, help=f"folder of {TABLE} and {NUMBERS} (a new temporary one)")
    parser.add_argument("--list", action="store_true", help="names of the parts")
    return parser.parse_args()


def main() -> int:
    """Runs the parts; the exit code is 1 where one of them failed."""
    asked = arguments()
    from gpu_parts import parts, speed  # --help needs no torch
    from gpu_parts.setting import Setting

    every = parts.PARTS | speed.PARTS
    if asked.list:
        sys.stdout.write("".join(f"{name}\n" for name in every))
        return 0
    chosen = [name for name in every if not asked.parts or name.startswith(tuple(asked.parts))]
    for module in IMPORTED:
        importlib.import_module(module)
    output = asked.output or Path(tempfile.mkdtemp(prefix="autotune-gpu-"))
    output.mkdir(parents=True, exist_ok=True)
    ends = time.monotonic() + 60 * asked.minutes
    results: dict[str, Result] = {}
    with tempfile.TemporaryDirectory(prefix="autotune-gpu-work-") as scratch:
        setting = Setting(Path(scratch), rehearse=asked.rehearse)
        for name in chosen:
            results[name] = run(name, every[name], setting, ends)
            sys.stderr.write(f"{name}: {words(results[name])}\n")
            document = {"rehearsal": asked.rehearse, "parts": results}
            (output / NUMBERS).write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
            (output / TABLE).write_text(table(results, rehearsal=asked.rehearse), encoding="utf-8")
    sys.stdout.write((output / TABLE).read_text("utf-8") + f"\nIn {output}: {TABLE}, {NUMBERS}\n")
    return int(any(result["outcome"] == "failed" for result in results.values()))


def run(name: str, part: Any, setting: "Setting", ends: float) -> Result:
    """One part in a fork, so that nothing that it breaks or allocates reaches the next one."""
    left = ends - time.monotonic()
    if left <= 0:
        return {"outcome": "skipped", "why": "the time was over before it began"}
    began = time.monotonic()
    answer = setting.scratch / f"{name}.json"
    child = os.fork()
    if child == 0:
        signal.alarm(max(1, int(left)))  # its default action ends the fork
        log = os.open(setting.scratch / f"{name}.log", os.O_WRONLY | os.O_CREAT, 0o600)
        os.dup2(log, 1)
        os.dup2(log, 2)
        answer.write_text(json.dumps(_answer(part, setting)), encoding="utf-8")
        os._exit(0)
    _, status = os.waitpid(child, 0)
    result: Result
    if answer.exists():
        result = json.loads(answer.read_text("utf-8"))
    elif os.waitstatus_to_exitcode(status) == -signal.SIGALRM:
        result = {"outcome": "skipped", "why": "the time was over before it ended"}
    else:
        result = {"outcome": "failed", "why": f"ended with {os.waitstatus_to_exitcode(status)}"}
    if result["outcome"] == "failed":
        log_lines = (setting.scratch / f"{name}.log").read_text("utf-8", "replace").splitlines()
        result.setdefault("log", log_lines[-15:])
    return result | {"seconds": round(time.monotonic() - began, 1)}


def _answer(part: Any, setting: "Setting") -> Result:
    from gpu_parts.setting import Failed, Skipped

    try:
        return {"outcome": "passed", "figures": part(setting)}
    except Skipped as reason:
        return {"outcome": "skipped", "why": str(reason)}
    except Failed as reason:
        return {"outcome": "failed", "why": str(reason)}
    except Exception as error:  # noqa: BLE001 - the table says what went wrong, and the other parts still run
        return {"outcome": "failed", "why": repr(error), "log": traceback.format_exc().splitlines()[-15:]}


def words(result: Result) -> str:
    """A result in one line."""
    if result["outcome"] == "passed":
        shown = ", ".join(f"{name} {_short(value)}" for name, value in result["figures"].items())
        return f"passed in {result['seconds']} s: {shown}"
    return f"{result['outcome']}: {result['why']}"


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def table(results: dict[str, Result], *, rehearsal: bool) -> str:
    """Markdown."""
    lines = [
        "# GPU" if not rehearsal else "# Rehearsal on a CPU with tiny shapes: nothing here was run on a GPU",
        "",
        "| part | outcome | seconds | figures, or why not |",
        "| --- | --- | --- | --- |",
    ]
    for name, result in results.items():
        shown = "; ".join(f"{key} {_short(value)}" for key, value in result.get("figures", {}).items())
        why = str(result.get("why", "")).replace("|", "\\|").replace("\n", " ")
        lines.append(f"| {name} | {result['outcome']} | {result.get('seconds', '')} | {shown or why} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
