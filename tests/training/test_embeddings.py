"""The gradient of large tables is the one that torch makes for each micro-batch, and made once."""

import pytest
import torch

from autotune.training import embeddings
from tests.support.setting import make_fit, make_trainer, weights, without_dropout


@pytest.mark.parametrize("task_name", ["sentiment", "ner", "summarization"])
def test_weights_are_those_of_torchs_own_gradient(tmp_path, folder, monkeypatch, task_name):
    found = []
    for large in (1, 10**9):
        monkeypatch.setattr(embeddings, "LARGE", large)
        trainer = without_dropout(make_trainer(tmp_path, task_name, micro_batch_tokens=30))
        trainer.bare_model.double()
        list(trainer.steps())
        found.append(weights(trainer))
    assert found[0].dtype is torch.float64
    assert (found[0] - found[1]).abs().max() < 1e-9


def test_there_is_one_gradient_a_step_and_the_model_is_given_back(tmp_path, folder, monkeypatch):
    monkeypatch.setattr(embeddings, "LARGE", 1)
    made = []
    kernel = torch.ops.aten.embedding_dense_backward
    monkeypatch.setattr(
        torch.ops.aten, "embedding_dense_backward", lambda *given: made.append(given) or kernel(*given)
    )
    fit = make_fit(tmp_path, "ner", folder, micro_batch_tokens=30, max_steps=2)
    tables = [module for module in fit.trainer.bare_model.modules() if type(module) is torch.nn.Embedding]
    assert tables and all("forward" in vars(table) for table in tables)
    fit.run()
    assert len(made) == 2 * len(tables)
    assert not any("forward" in vars(table) for table in tables)
    assert torch.equal(tables[0](torch.tensor([1])), tables[0].weight[1:2])
