"""Every valid cell of task x architecture, full and with LoRA, learns a handful of rows by heart: labels, masks,
windows and heads must be right for that."""

import json
import math
from collections.abc import Callable
from functools import cache

import pytest

from autotune.config.enums import Architecture, CheckLevel, Precision
from autotune.config.schema import (
    CheckConfig,
    DatasetConfig,
    ModelConfig,
    PeftConfig,
    RunConfig,
    SplitsConfig,
)
from autotune.config.trainer import TrainerConfig
from autotune.errors import ModelError
from autotune.evaluation.evaluator import Evaluator
from autotune.pipeline.prepare import Prepared, run_preflight
from autotune.registry import task
from autotune.training import device
from autotune.training.trainer import Trainer

pytestmark = pytest.mark.slow

SENTIMENT = [
    ("O café é ótimo e o atendimento também", "positivo"),
    ("Não gostei da comida, veio fria", "negativo"),
    ("Adorei a praça e a música ao vivo", "positivo"),
    ("Péssima experiência, não volto mais", "negativo"),
    ("Que sobremesa maravilhosa!", "positivo"),
    ("Horrível, o pão estava duro", "negativo"),
]
NER = [
    (
        ["João", "Conceição", "mora", "em", "São", "Luís", "."],
        ["B-PESSOA", "I-PESSOA", "O", "O", "B-LOCAL", "I-LOCAL", "O"],
    ),
    (["A", "chuva", "caiu", "em", "Belém", "."], ["O", "O", "O", "O", "B-LOCAL", "O"]),
    (["Inês", "viajou", "ontem", "."], ["B-PESSOA", "O", "O", "O"]),
    (["Ontem", "choveu", "muito", "."], ["O", "O", "O", "O"]),
]
SUMMARIES = [
    ("A câmara reuniu ontem. Foi aprovada a obra da ponte.", "Câmara aprova ponte."),
    ("Choveu no sábado. A feira foi adiada para domingo.", "Feira adiada."),
    ("O clube jogou em casa. A equipe venceu por três gols.", "Equipe vence."),
    ("A escola abriu cedo. Os alunos plantaram árvores.", "Alunos plantam árvores."),
]
ROWS = {
    "sentiment": [{"text": text, "label": label} for text, label in SENTIMENT],
    "ner": [{"tokens": tokens, "tags": tags} for tokens, tags in NER],
    "summarization": [{"document": document, "summary": summary} for document, summary in SUMMARIES],
}
ENCODERS, ENCODER_DECODERS, DECODERS = (
    ["bert", "roberta", "deberta", "modernbert"],
    ["t5", "bart"],
    ["gpt2", "llama"],
)
CELLS = (
    [("sentiment", name) for name in ENCODERS + ENCODER_DECODERS + DECODERS]
    + [("ner", name) for name in ENCODERS + DECODERS]
    + [("summarization", name) for name in ENCODER_DECODERS + DECODERS]
)
LEARNED = 0.02
"""Training ends when the losses of three steps, together an epoch at least, are below this."""
INVALID = [("ner", "t5"), ("ner", "bart")] + [("summarization", name) for name in ENCODERS]


def run_config(tmp_path, task_name: str, architecture: str, **trainer) -> RunConfig:
    file = tmp_path / "rows.jsonl"
    file.write_text(
        "\n".join(json.dumps(row, ensure_ascii=False) for row in ROWS[task_name] * 4), encoding="utf-8"
    )
    return RunConfig(
        task=task(task_name).Config(),
        dataset=DatasetConfig(
            path=str(file),
            splits=SplitsConfig(train=str(file), validation=None, test=None),
            validation_fraction=0.0,
        ),
        model=ModelConfig(tiny=Architecture(architecture)),
        trainer=TrainerConfig(
            **{"epochs": 20, "batch_size": 8, "learning_rate": 3e-3, "precision": Precision.fp32} | trainer
        ),
        check=CheckConfig(level=CheckLevel.none),
        name="cell",
        runs=str(tmp_path / "runs"),
    )


@pytest.fixture(scope="module")
def examined(tmp_path_factory) -> Callable[[str, str], Prepared]:
    """What is known of a cell before training, found out once."""

    @cache
    def of(task_name: str, architecture: str) -> Prepared:
        folder = tmp_path_factory.mktemp("cell")
        return run_preflight(run_config(folder, task_name, architecture), folder / "cache").result()

    return of


def learned_by_heart(config: RunConfig, prepared: Prepared) -> float:
    """The main figure on the rows that were trained on."""
    model = prepared.load_model(config)
    accelerator = device.accelerator(prepared.precision)
    trainer = Trainer(
        prepared.task, model, prepared.features["train"], config.trainer, config.seed, accelerator
    )
    losses = [math.inf] * 3
    for step in trainer.steps():
        losses = [*losses[1:], step.loss]
        if max(losses) < LEARNED:
            break
    evaluator = Evaluator(prepared.task, accelerator, 4096)
    return evaluator.score(trainer.bare_model, prepared.features["train"], prepared.rows.splits["train"]).best


@pytest.mark.parametrize(("task_name", "architecture"), CELLS)
def test_full_fine_tuning_learns_by_heart(tmp_path, examined, task_name, architecture):
    prepared = examined(task_name, architecture)
    assert learned_by_heart(run_config(tmp_path, task_name, architecture), prepared) >= 0.99


@pytest.mark.parametrize(("task_name", "architecture"), CELLS)
def test_lora_learns_by_heart(tmp_path, examined, task_name, architecture):
    config = run_config(tmp_path, task_name, architecture, epochs=50, learning_rate=5e-3)
    config.peft = PeftConfig(r=16, dropout=0.0)
    assert learned_by_heart(config, examined(task_name, architecture)) >= 0.99


@pytest.mark.parametrize(("task_name", "architecture"), INVALID)
def test_a_family_that_cannot_do_the_task_is_refused_with_one_that_can(tmp_path, task_name, architecture):
    with pytest.raises(ModelError, match="model="):
        run_preflight(run_config(tmp_path, task_name, architecture), tmp_path / "cache").result()
