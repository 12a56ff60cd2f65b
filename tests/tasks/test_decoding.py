"""Generation in batches that shrink: token for token what `generate` gives each row alone."""

import pytest
import torch

from autotune.errors import ModelError
from autotune.models.spec import padded_inputs
from autotune.models.weights import load_model
from autotune.tasks.greedy import greedy

DOCUMENTS = [
    "A câmara aprovou a obra da ponte. " * 2,
    "Choveu em São Luís. " * 9,
    "Sim.",
    "O tribunal negou o recurso do jabuti feliz. " * 5,
    "Vovó põe açúcar no chá de tâmaras.",
    "À noite, o pinguim queixoso vê o ímã cair. " * 3,
    "Não há três feridos: resumo!",
    "Câmara. Obra. Ponte. Praça.",
    "Feira adiada para domingo, porque choveu. " * 4,
]
ROWS = [
    {"id": str(number), "document": text, "summary": f"{text[:30]} x" * 2}
    for number, text in enumerate(DOCUMENTS)
]


@pytest.fixture(scope="module", params=["t5", "bart", "gpt2", "llama"])
def setting(request, make_task):
    """Task, features and a random model that says something else at every step."""
    task = make_task("summarization", ROWS, request.param)
    model = load_model(task.base, task.heads[task.base.family], None, None, allow_pickle=False, seed=1).eval()
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim > 1:
                parameter += 0.3 * torch.randn(parameter.shape, generator=generator)
    return task, model, list(task.prepare(ROWS))


def written(task, model, features, **options) -> list[list[int]]:
    """Tokens of each row up to its end; those of the prompt are left out."""
    inputs = padded_inputs(
        [feature["input_ids"] for feature in features],
        task.tokenizer.pad_token_id,
        left=task.is_decoder_only,
    )
    with torch.inference_mode():
        out = model.generate(**inputs, **task.serving().generation | options)
    out = out[:, inputs["input_ids"].shape[1] if task.is_decoder_only else 1 :]
    ends = options.get("eos_token_id") or [task.tokenizer.eos_token_id]
    rows = []
    for row in out.tolist():
        end = next((at for at, token in enumerate(row) if token in ends), len(row))
        # Beam search pads with the first end token where the padding id is 0.
        assert set(row[end + 1 :]) <= {task.tokenizer.pad_token_id, ends[0]}
        rows.append(row[: end + 1])
    return rows


SEARCHES = {
    "greedy": {},
    "greedy without repeats": {"no_repeat_ngram_size": 2},
    "beams": {"num_beams": 4},
    "beams without repeats": {"num_beams": 4, "no_repeat_ngram_size": 2, "length_penalty": 1.4},
}


@pytest.mark.parametrize("search", SEARCHES)
def test_a_row_is_written_as_it_is_alone(setting, search):
    """With beams, which are computed until the last row has ended, for five rows of very different lengths."""
    task, model, features = setting
    options = {"max_new_tokens": 16, "eos_token_id": list(range(1, len(task.tokenizer), 5))}
    options |= SEARCHES[search]
    if options.get("num_beams"):
        features, options["max_new_tokens"] = features[:5], 10
    alone = [tokens for feature in features for tokens in written(task, model, [feature], **options)]
    custom = {} if options.get("num_beams") else {"custom_generate": greedy}
    assert written(task, model, features, **options, **custom) == alone
    if not options.get("num_beams"):
        assert len({len(tokens) for tokens in alone}) > 1, "rows must end at different times"


def test_rows_that_have_ended_are_not_computed(setting):
    task, model, features = setting
    sizes = []
    handle = model.register_forward_pre_hook(
        lambda _, args, kwargs: sizes.append(
            len(kwargs["decoder_input_ids" if "decoder_input_ids" in kwargs else "input_ids"])
        ),
        with_kwargs=True,
    )
    options = {"max_new_tokens": 16, "eos_token_id": list(range(1, len(task.tokenizer), 5))}
    tokens = written(task, model, features, **options, custom_generate=greedy)
    handle.remove()
    assert sizes[0] == len(features) and sizes == sorted(sizes, reverse=True)
    assert len(sizes) == max(map(len, tokens))
    # Two of nine must have ended before it pays to copy the cache.
    assert sum(map(len, tokens)) <= sum(sizes) < sum(map(len, tokens)) + len(sizes)


@pytest.mark.parametrize("beams", [1, 4])
def test_predictions_do_not_depend_on_the_batch(make_task, beams):
    task = make_task("summarization", ROWS, "t5", num_beams=beams, no_repeat_ngram_size=3, max_new_tokens=12)
    model = load_model(task.base, task.heads[task.base.family], None, None, allow_pickle=False, seed=1).eval()
    features = list(task.prepare(ROWS))[: 9 if beams == 1 else 5]
    with torch.inference_mode():
        together = task.predict(model, features)
        assert together == [task.predict(model, [feature])[0] for feature in features]


def test_a_model_without_a_first_token_or_an_end_is_refused(make_task):
    task = make_task("summarization", ROWS, "t5")
    task.base.config.decoder_start_token_id = None
    with pytest.raises(ModelError, match="decoder_start_token_id"):
        type(task)(task.config, task.base, task.facts)
    task.base.tokenizer.eos_token = None
    with pytest.raises(ModelError, match="and no end token"):
        type(task)(task.config, task.base, task.facts)
