"""Runs with a trimmed vocabulary: the same losses and scores, a smaller model, and summaries that a fresh process repeats."""

import json
from pathlib import Path

import pytest
import torch
from transformers import AutoTokenizer, pipeline

from tests.models.test_trimming import BUILD, OTHERS, PORTUGUESE
from tests.support.forks import forks

ROWS = [{"text": f"{text} {extra}", "label": label} for text in (*PORTUGUESE, OTHERS[2])
        for extra, label in (("Foi bom.", "sim"), ("Foi mau.", "não"), ("Ótimo 城市!", "sim"), ("Ruim…", "não"))]  # fmt: skip
SHORT = ["trainer.batch_size=8", "trainer.epochs=2", "trainer.precision=fp32", "check=none", "dataset=jsonl",
         "dataset.path=rows.jsonl", "dataset.test_fraction=0.25", "runs=."]  # fmt: skip
TRIM = "model.trim_vocabulary=true"


def write_base(kind: str, folder: Path) -> str:
    auto_class, config, tokenizer = BUILD[kind]()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        auto_class.from_config(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return f"model.name_or_path={folder}"


def write_rows(folder: Path, rows: list[dict[str, str]]) -> None:
    lines = [json.dumps(row, ensure_ascii=False) + "\n" for row in rows]
    (folder / "rows.jsonl").write_text("".join(lines), "utf-8")


def train(folder: Path, *words: str, code: int = 0) -> str:
    done = forks().start(*words, *SHORT, cwd=folder).ended()
    assert done.returncode == code, done.stderr
    return done.stdout + done.stderr


def losses(run: Path) -> list[float]:
    lines = [json.loads(line) for line in (run / "history.jsonl").read_text("utf-8").splitlines()]
    return [line["loss"] for line in lines if "loss" in line]


@pytest.mark.slow
def test_a_trimmed_run_learns_the_same_and_is_smaller(tmp_path):
    write_rows(tmp_path, ROWS)
    words = ["task=sentiment", write_base("xlm_roberta", tmp_path / "base")]
    train(tmp_path, *words, "name=whole")
    # Interrupted and resumed: the checkpoint fits the vocabulary that is trimmed again.
    train(tmp_path, *words, TRIM, "name=trimmed", "trainer.pause_at=1", code=75)
    log = train(tmp_path, *words, TRIM, "name=trimmed")
    assert "transformers.pipeline answers the same" in log
    whole, trimmed = tmp_path / "whole", tmp_path / "trimmed"
    assert losses(trimmed) == pytest.approx(losses(whole), abs=1e-6)
    scores = [json.loads((run / "metrics.json").read_text())["test"]["macro_f1"] for run in (whole, trimmed)]
    assert scores[0] == scores[1]

    record = json.loads((trimmed / "model/autotune.json").read_text())["vocabulary"]
    tokens, of = record["tokens"], record["of"]
    saved = [(run / "model/model.safetensors").stat().st_size for run in (whole, trimmed)]
    assert saved[0] - saved[1] >= (of - tokens) * 32 * 4 - 1000
    card = (trimmed / "model/README.md").read_text("utf-8")
    assert f"O vocabulário foi reduzido de {of} para {tokens} tokens" in card
    assert not list((trimmed / "model").glob("*.model")), "the tokenizer is one file of JSON"
    assert len(AutoTokenizer.from_pretrained(trimmed / "model")) == tokens
    texts = [row["text"] for row in ROWS]
    answers = [pipeline("text-classification", model=str(run / "model"))(texts) for run in (whole, trimmed)]
    assert [answer["label"] for answer in answers[0]] == [answer["label"] for answer in answers[1]]
    assert [answer["score"] for answer in answers[0]] == pytest.approx(
        [answer["score"] for answer in answers[1]], abs=1e-5
    )


@pytest.mark.slow
def test_summaries_keep_their_tokens_and_are_written_again(tmp_path):
    write_rows(tmp_path, [{"document": text, "summary": text[:30]} for text in (*PORTUGUESE, *OTHERS) * 2])
    words = ["task=summarization", write_base("mt5", tmp_path / "base"), "task.max_new_tokens=8", "peft=lora"]
    log = train(tmp_path, *words, TRIM, "name=trimmed", "hub.language=en")
    assert "a fresh process read the saved model and gave the same predictions" in log
    assert "tokens: texts in other scripts" in (tmp_path / "trimmed/model/README.md").read_text("utf-8")
