"""Tiny models, opened once a session."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from transformers import AutoConfig, AutoModelForMaskedLM

from autotune.config.enums import Architecture
from autotune.config.schema import ModelConfig
from autotune.models.base import open_base
from autotune.models.spec import Family, Head, ModelSpec

HEADS = {
    "sentiment": dict.fromkeys(Family, Head.sequence),
    "ner": {Family.encoder: Head.token, Family.decoder: Head.token},
    "summarization": {Family.encoder_decoder: Head.seq2seq, Family.decoder: Head.causal},
}
LABELS = {
    "sentiment": ["negativo", "neutro", "positivo"],
    "ner": ["O", "B-LOCAL", "I-LOCAL"],
    "summarization": None,
}
CELLS = [
    (architecture, task)
    for task, architectures in {
        "sentiment": ["bert", "roberta", "deberta", "modernbert", "t5", "bart", "gpt2", "llama"],
        "ner": ["bert", "roberta", "deberta", "modernbert", "gpt2", "llama"],
        "summarization": ["t5", "bart", "gpt2", "llama"],
    }.items()
    for architecture in architectures
]
INSTEAD = "model=bertimbau_base"
SENTENCES = [
    "São Paulo não é a única cidade grande do país, mas é a maior.",
    "A avó fez pão de ló e o avô trouxe maçãs da serra.",
    "O serviço foi ótimo, porém a comida chegou fria à mesa.",
    "Então você já leu o acórdão do tribunal de Brasília?",
    "Ninguém mais quis saber da questão, que ficou sem solução.",
    "Às três da manhã o céu ainda estava escuro em Belém do Pará.",
]

LETTERS = sorted(set("".join(SENTENCES)) - {" "})


def write_bertweet_vocabulary(folder: Path) -> int:
    """Writes vocab.txt and bpe.codes: some words, their parts, and one merge whose result the vocabulary lacks.

    Returns:
        The size of the vocabulary, special tokens included.
    """
    pieces = dict.fromkeys([*LETTERS, *(f"{letter}@@" for letter in LETTERS)])
    merges = {}
    for word in sorted({word for sentence in SENTENCES[:3] for word in sentence.split()}):
        symbols = [*word[:-1], f"{word[-1]}</w>"]
        for end in range(2, len(symbols) + 1):
            first, second = "".join(symbols[: end - 1]), symbols[end - 1]
            merges[first, second] = None
            merged = first + second
            pieces[merged.removesuffix("</w>") if merged.endswith("</w>") else f"{merged}@@"] = None
    merges["z", "q"] = None
    (folder / "vocab.txt").write_text("".join(f"{piece} 1\n" for piece in pieces), "utf-8")
    (folder / "bpe.codes").write_text("".join(f"{first} {second} 1\n" for first, second in merges), "utf-8")
    return len(pieces) + 5


@pytest.fixture(scope="session")
def texts() -> list[str]:
    return [f"{sentence} {other}" for sentence in SENTENCES for other in SENTENCES]


@pytest.fixture(scope="session")
def cache(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("tiny")


@pytest.fixture(scope="session")
def opened(texts, cache):
    """Opens a tiny model, or a folder, for a task."""

    def open_it(what: str | Path, task: str = "sentiment", **config) -> ModelSpec:
        named = {"name_or_path": str(what)} if isinstance(what, Path) else {"tiny": Architecture(what)}
        return open_base(
            ModelConfig(**named, **config), HEADS[task], task, INSTEAD, "bert", lambda: texts, cache
        )

    return open_it


@pytest.fixture
def checkpoint(opened, tmp_path):
    """A copy of a tiny model's folder that a test may spoil; `config` changes its config.json."""

    def copy(architecture: str, **config) -> Path:
        folder = tmp_path / architecture
        shutil.copytree(opened(architecture).path, folder)
        stated = json.loads((folder / "config.json").read_text("utf-8"))
        (folder / "config.json").write_text(json.dumps({**stated, **config}), "utf-8")
        return folder

    return copy


@pytest.fixture
def kind(opened, tmp_path):
    """A small masked language model of any encoder kind, with the tokenizer of the tiny BERT."""

    def build(model_type: str, **config) -> Path:
        base = opened("bert")
        folder = tmp_path / model_type
        size = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
        stated = AutoConfig.for_model(
            model_type,
            **size,
            vocab_size=len(base.tokenizer),
            pad_token_id=base.tokenizer.pad_token_id,
            **config,
        )
        torch.manual_seed(0)
        AutoModelForMaskedLM.from_config(stated).save_pretrained(folder)
        base.tokenizer.save_pretrained(folder)
        return folder

    return build


@pytest.fixture(scope="session")
def logits():
    """What a model says of two sentences: float32 tensor."""

    def say(model, base: ModelSpec, head: Head) -> torch.Tensor:
        batch = base.tokenizer(SENTENCES[:2], return_tensors="pt", padding=True, return_token_type_ids=False)
        extra = {"labels": torch.tensor([[5, 6, 7], [8, 9, 10]])} if head is Head.seq2seq else {}
        model.eval()
        with torch.no_grad():
            return model(**batch, **extra).logits

    return say


@pytest.fixture(scope="session")
def shake():
    """Moves every trainable weight, as training would."""

    def move(model) -> None:
        generator = torch.Generator().manual_seed(7)
        with torch.no_grad():
            for parameter in model.parameters():
                if parameter.requires_grad:
                    parameter += 0.05 * torch.randn(parameter.shape, generator=generator)

    return move
