"""A model without a neural network is pushed, and used from the Hub by another machine."""

import json

import pytest

from tests.support.hub.metadata import errors


@pytest.mark.parametrize(("task", "method"), [("sentiment", "tfidf"), ("summarization", "first_sentences")])
def test_a_run_is_pushed_and_predicts_from_the_hub(forks, elsewhere, tmp_path, task, method):
    hub = forks.hub
    words = (
        f"task={task}",
        f"model={method}",
        "dataset.limit=40",
        "check=none",
        "report=none",
        "runs=.",
        "name=r",
    )
    done = forks(*words, "hub=private", "hub.repo=acme/cheap", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    names = {"README.md", "autotune.json", "metrics.json", "training_config.yaml"}
    assert set(hub.files("acme/cheap")) == names | (
        {"model.safetensors", "vocabulary.json"} if method == "tfidf" else {"settings.json"}
    )
    assert errors(hub.store.read("acme/cheap", "README.md").decode()) == []
    rows = (tmp_path / "r" / "predictions_test.jsonl").read_text().splitlines()
    role = "document" if task == "summarization" else "text"
    text = "Primeira frase. Segunda frase." if role == "document" else json.loads(rows[0])["text"]
    (tmp_path / "new.jsonl").write_text(json.dumps({role: text}) + "\n")
    here = forks("predict", "r", "new.jsonl", cwd=tmp_path)
    there = elsewhere("predict", "hub:acme/cheap", "new.jsonl", cwd=tmp_path)
    assert here.returncode == there.returncode == 0, here.stderr + there.stderr
    first, second = (json.loads(done.stdout.strip().splitlines()[-1]) for done in (here, there))
    assert first == second
