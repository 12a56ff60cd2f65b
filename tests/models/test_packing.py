"""Rows packed into one sequence: the same numbers as padded rows, and refused where they would not be."""

import pytest
import torch
from transformers import MistralConfig, MistralForCausalLM

from autotune.config.schema import PeftConfig
from autotune.errors import ConfigError
from autotune.models.packing import PackedRows, packed, refuse_packing
from autotune.models.spec import Head
from autotune.models.weights import load_model

LENGTHS = (9, 70, 2, 9, 33)
"""Longer than ModernBERT's local window of 64, twice the same, and hardly anything."""
HEADS = [
    *((kind, head) for kind in ("bert", "roberta", "modernbert") for head in (Head.sequence, Head.token)),
    *((kind, head) for kind in ("llama", "gpt2") for head in (Head.sequence, Head.token, Head.causal)),
]


def batch(base) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    ids = torch.randint(6, len(base.tokenizer) - 1, (len(LENGTHS), max(LENGTHS)), generator=generator)
    mask = torch.arange(max(LENGTHS)) < torch.tensor(LENGTHS)[:, None]
    return {"input_ids": torch.where(mask, ids, base.tokenizer.pad_token_id), "attention_mask": mask.long()}


def loaded(opened, kind: str, head: Head, peft: PeftConfig | None = None):
    base = opened(kind, "summarization" if head is Head.causal else "sentiment")
    labels = None if head is Head.causal else ["a", "b", "c"]
    return base, load_model(base, head, labels, peft, allow_pickle=False, seed=0)


def real_logits(model, inputs, head: Head) -> torch.Tensor:
    logits = model(**inputs).logits
    return logits if head is Head.sequence else logits[inputs["attention_mask"].bool()]


def gradients(model, logits: torch.Tensor) -> dict[str, torch.Tensor]:
    """Of a mean over the logits, each with another weight."""
    weights = torch.linspace(-1, 1, logits.numel(), dtype=logits.dtype).view_as(logits)
    model.zero_grad()
    (logits * weights).mean().backward()
    return {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}


@pytest.mark.parametrize(("kind", "head"), HEADS, ids=lambda value: str(value).replace(" ", "-"))
def test_logits_and_gradients_are_those_of_padded_rows(opened, kind, head):
    base, model = loaded(opened, kind, head)
    refuse_packing(model)
    inputs = batch(base)
    for dtype, tolerance in ((torch.float32, 1e-6), (torch.float64, 1e-12)):
        model.to(dtype).eval()  # heads of decoders have dropout of their own
        plain = real_logits(model, inputs, head)
        expected = gradients(model, plain)
        with packed(model):
            other = real_logits(model, inputs, head)
            found = gradients(model, other)
        scale = plain.abs().max().clamp(min=1)
        assert (plain - other).abs().max() / scale < tolerance
        assert found.keys() == expected.keys()
        for name, gradient in expected.items():
            assert (found[name] - gradient).abs().max() < tolerance, name


def test_a_decoder_with_a_sliding_window_is_packed_too(opened):
    config = MistralConfig(
        vocab_size=len(opened("llama").tokenizer), hidden_size=16, intermediate_size=32, num_hidden_layers=2,
        num_attention_heads=2, num_key_value_heads=1, sliding_window=8, pad_token_id=opened("llama").tokenizer.pad_token_id,
    )  # fmt: skip
    torch.manual_seed(0)
    model = MistralForCausalLM(config).double().eval()
    refuse_packing(model)
    inputs = batch(opened("llama"))
    plain = real_logits(model, inputs, Head.causal)
    with packed(model):
        assert (plain - real_logits(model, inputs, Head.causal)).abs().max() < 1e-12


def test_adapters_and_gradient_checkpointing_are_packed_too(opened):
    base, model = loaded(opened, "llama", Head.sequence, PeftConfig(dropout=0.0))
    refuse_packing(model)
    inputs = batch(base)
    model.double().train()
    plain = model(**inputs).logits
    expected = gradients(model, plain)
    model.get_base_model().gradient_checkpointing_enable({"use_reentrant": False})
    with packed(model):
        other = model(**inputs).logits
        found = gradients(model, other)
    assert (plain - other).abs().max() < 1e-12
    for name, gradient in expected.items():
        assert (found[name] - gradient).abs().max() < 1e-11, name


def test_the_model_is_as_before_afterwards(opened):
    base, model = loaded(opened, "bert", Head.token)
    inputs = batch(base)
    before = model(**inputs).logits
    with pytest.raises(RuntimeError, match="inside"), packed(model):
        raise RuntimeError("inside")
    assert model.config._attn_implementation == "sdpa"
    assert torch.equal(model(**inputs).logits, before)


def test_no_row_sees_another_and_no_padding_is_computed(opened):
    base, model = loaded(opened, "bert", Head.token)
    seen = []
    layer = model.base_model.encoder.layer[0].attention.self.query
    layer.register_forward_pre_hook(lambda _, arguments: seen.append(arguments[0].shape[:-1]))
    inputs = batch(base)
    with torch.no_grad(), packed(model):
        one = model(**inputs).logits
        inputs["input_ids"][1] = inputs["input_ids"][1].flip(0).clamp(min=7)
        other = model(**inputs).logits
    assert set(seen) == {(1, sum(LENGTHS))}
    assert torch.equal(one[[0, 2, 3, 4]], other[[0, 2, 3, 4]])
    assert not torch.equal(one[1], other[1])


@pytest.mark.parametrize(
    ("kind", "head", "why"),
    [
        ("t5", Head.sequence, "relative positions"),
        ("bart", Head.sequence, "encoder and decoder"),
        ("deberta", Head.token, "in its own way"),
    ],
)
def test_what_cannot_be_packed_is_refused_in_words(opened, kind, head, why):
    _, model = loaded(opened, kind, head)
    with pytest.raises(ConfigError, match=why) as caught:
        refuse_packing(model)
    assert "trainer.batching=exact" in str(caught.value.fix)


def test_a_model_whose_rows_would_mix_is_found_by_trying(opened, monkeypatch):
    _, model = loaded(opened, "bert", Head.token)
    embeddings = model.base_model.embeddings
    plain = embeddings.forward
    monkeypatch.setattr(embeddings, "forward", lambda *given, **named: plain(*given, **named).cumsum(dim=1))
    with pytest.raises(ConfigError, match="would differ"):
        refuse_packing(model)


def test_any_padding_goes_and_comes_back():
    mask = torch.tensor([[0, 1, 1], [1, 1, 1], [0, 0, 0], [1, 1, 0]])
    rows = PackedRows.from_mask(mask)
    values = torch.arange(12.0).view(4, 3, 1) + 1
    assert rows.runs == ((2, 2), (1, 3))
    assert rows.pack(values).flatten().tolist() == [2, 3, 10, 11, 4, 5, 6]
    assert rows.positions.tolist() == [0, 1, 0, 1, 0, 1, 2]
    assert torch.equal(rows.pad(rows.pack(values)), values * mask[..., None])
