"""Tiny models: built from texts, the same every time, Portuguese letters kept."""

import pytest
import torch

from autotune.config.enums import Architecture
from autotune.models.spec import Family, Head
from autotune.models.tiny import build_tiny
from autotune.models.weights import load_model
from tests.support.forks import forks

ARCHITECTURES = [one for one in Architecture if one is not Architecture.auto]
FAMILIES = {
    "t5": Family.encoder_decoder,
    "bart": Family.encoder_decoder,
    "gpt2": Family.decoder,
    "llama": Family.decoder,
}


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_opens_with_its_family_and_spells_portuguese(opened, architecture):
    base = opened(architecture)
    assert base.family is FAMILIES.get(architecture, Family.encoder)
    sentence = "o avô não é a avó de São Paulo"
    ids = base.tokenizer(sentence, add_special_tokens=False).input_ids
    assert (
        base.tokenizer.unk_token_id not in ids or base.tokenizer.unk_token_id == base.tokenizer.eos_token_id
    )
    assert base.tokenizer.decode(ids).strip() == sentence


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_runs_at_its_full_length(opened, architecture):
    base = opened(architecture)
    model = load_model(base, Head.sequence, ["a", "b"], None, allow_pickle=False, seed=0)
    ids = torch.full((1, base.max_length), 9)
    ids[0, -1] = base.tokenizer.eos_token_id or 9
    assert model(input_ids=ids, attention_mask=torch.ones_like(ids)).logits.isfinite().all()
    assert base.max_length in (256, 512)


def test_the_same_texts_are_found_in_the_cache(texts, cache, opened):
    folder = opened("bert").path
    before = {
        file.name: file.stat().st_mtime_ns for file in build_tiny(Architecture.bert, texts, cache).iterdir()
    }
    again = build_tiny(Architecture.bert, iter(texts), cache)
    assert str(again) == folder
    assert {file.name: file.stat().st_mtime_ns for file in again.iterdir()} == before


def test_other_texts_give_another_model(texts, cache, opened):
    other = build_tiny(Architecture.bert, [*texts, "açaí"], cache)
    assert str(other) != opened("bert").path


def test_another_process_builds_the_same_bytes(texts, cache, opened, tmp_path):
    script = (
        "import sys; from pathlib import Path; from autotune.models.tiny import build_tiny;"
        "from autotune.config.schema import Architecture;"
        "kinds = ('bert', 'gpt2', 'deberta', 't5', 'llama');"
        "[build_tiny(Architecture(kind), sys.argv[2:], Path(sys.argv[1])) for kind in kinds]"
    )
    done = forks().start(tmp_path, *texts, code=script, cwd=tmp_path).ended()
    assert done.returncode == 0, done.stderr
    for architecture in ("bert", "gpt2", "deberta", "t5", "llama"):
        opened(architecture)
    built = {file.relative_to(tmp_path): file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()}
    assert len(built) >= 20
    assert all((cache / file).read_bytes() == content for file, content in built.items())
