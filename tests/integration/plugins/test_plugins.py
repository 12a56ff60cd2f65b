"""Tasks of users: with figures, columns and a problem type of their own they finish; what they raise is their own."""

import json
from pathlib import Path

import pytest
from transformers import pipeline

from tests.support.forks import forks

HERE = Path(__file__).parent
TEXTS = ["bom dia", "mau dia", "bom café", "mau café", "bom céu", "mau céu"] * 4
DATA = {
    "grades": [{"text": text, "label": "4,5" if "bom" in text else 1} for text in TEXTS],
    "topics": [{"text": text, "label": [word for word in text.split() if word != "mau"]} for text in TEXTS],
}
DATA["topics"][0]["label"] = []


def words(tmp_path: Path, name: str, file: Path) -> list[object]:
    """The options of a run of a plug-in's task."""
    (tmp_path / "mine" / "task").mkdir(parents=True, exist_ok=True)
    (tmp_path / "mine" / "task" / f"{name}.yaml").write_text(
        f"defaults: [/schema/task/{name}@_here_, _self_]\n"
    )
    data = tmp_path / "rows.jsonl"
    data.write_text("".join(json.dumps(row) + "\n" for row in DATA[name]), encoding="utf-8")
    return ["--plugin", file, "--config-dir", "mine", f"task={name}", "dataset=jsonl", f"dataset.path={data}",
            "dataset.test_fraction=0.2", "trainer.max_steps=4", "trainer.batch_size=8", "runs=runs", "name=r",
            "trainer.micro_batch_tokens=512", "report=html"]  # fmt: skip


@pytest.mark.parametrize(("name", "apply"), [("grades", "none"), ("topics", "sigmoid")])
def test_a_task_with_figures_columns_and_a_problem_type_of_its_own_finishes(tmp_path, name, apply):
    plugin = HERE / f"{name}.py"
    done = forks().start(*words(tmp_path, name, plugin), cwd=tmp_path).ended()
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Hub" not in done.stdout + done.stderr
    assert "proof: transformers.pipeline answers the same" in done.stdout
    report = (tmp_path / "runs" / "r" / "report.html").read_text(encoding="utf-8")
    assert ("bias" in report) == (name == "grades")
    assert "bom dia" in report or "mau dia" in report or "café" in report or "céu" in report
    folder = tmp_path / "runs" / "r" / "model"
    metadata = (folder / "README.md").read_text(encoding="utf-8").split("---")[1]
    assert "model-index" not in metadata and "model_name" not in metadata
    use = pipeline("text-classification", model=str(folder), top_k=None)
    plain, asked = (use(["bom dia"], **options) for options in ({}, {"function_to_apply": apply}))
    assert plain == asked and len(*plain) == len(use.model.config.id2label)
    data = tmp_path / "rows.jsonl"
    for order in (["predict", "runs/r", "--text", "bom dia"], ["evaluate", "runs/r", "--data", data]):
        done = forks().start("--plugin", plugin, *order, cwd=tmp_path).ended()
        assert done.returncode == 0, done.stderr


FAULTS = {
    "when it is imported": ("import nada_disso\n", "ModuleNotFoundError", "line 1"),
    "when it cannot be read": ("def f(:\n", "SyntaxError", "line 1"),
    "in the loss": (None, "ZeroDivisionError", "in loss"),
    "in a library that it calls": (None, "TypeError", "in loss"),
}
REPLACED = {
    "in the loss": ('"""Squared error."""\n', '"""Squared error."""\n        1 / 0\n'),
    "in a library that it calls": (
        '"""Squared error."""\n',
        '"""Squared error."""\n        np.mean(None, axis=3, nada=1)\n',
    ),
}


@pytest.mark.parametrize("what", FAULTS)
def test_what_a_plug_in_raises_is_its_own(tmp_path, what):
    code, raised, where = FAULTS[what]
    file = tmp_path / "minha.py"
    whole = (HERE / "grades.py").read_text(encoding="utf-8")
    file.write_text(code or whole.replace(*REPLACED[what]), encoding="utf-8")
    done = forks().start(*words(tmp_path, "grades", Path("minha.py")), cwd=tmp_path).ended()
    said = done.stdout + done.stderr
    assert done.returncode == 2 and "bug in autotune" not in said
    assert "error in plugin" in said and "minha.py" in said and raised in said and where in said
    assert "autotune/training/" not in said, "its own lines alone"


def test_a_number_that_is_none_is_refused_with_its_row(tmp_path):
    asked = words(tmp_path, "grades", HERE / "grades.py")
    rows = [{"text": "a", "label": 1}, {"text": "b", "label": "muito"}]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    done = forks().start(*asked, cwd=tmp_path).ended()
    assert done.returncode == 2 and "row 1" in done.stderr and "'muito'" in done.stderr
