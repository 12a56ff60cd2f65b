"""Memory that is not enough: the step is done again in smaller pieces, as if nothing had happened."""

import logging

import pytest
import torch

from autotune.errors import TrainingError
from autotune.runtime.memory import is_out_of_memory
from tests.support.setting import make_trainer, weights, without_dropout


def small(trainer, room: int, *, only_in_step: int | None = None, error: Exception | None = None):
    """Lets forwards of more than `room` padded tokens fail, after they have drawn their random numbers."""
    failed: list[int] = []

    def refuse(module, args, kwargs, output):
        tokens = kwargs["input_ids"].numel()
        if tokens > room and (only_in_step is None or trainer.current == only_in_step):
            failed.append(tokens)
            raise error or torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB")

    trainer.bare_model.register_forward_hook(refuse, with_kwargs=True)
    trainer.current = 0
    return failed


def run(trainer) -> list:
    results = []
    for step in trainer.steps():
        results.append(step)
        trainer.current = step.step
    return results


def test_with_dropout_the_weights_are_to_the_bit_those_of_a_run_that_began_with_the_smaller_budget(
    tmp_path,
    folder,
    caplog,
):
    first = make_trainer(tmp_path, "sentiment", micro_batch_tokens=4096)
    failed = small(first, 64)
    with caplog.at_level(logging.WARNING, logger="autotune"):
        steps = run(first)
    assert failed
    assert steps[-1].micro_batch_tokens <= 64
    said = [record.message for record in caplog.records if "out of memory with" in record.message]
    assert 1 <= len(said) < len(failed) + 1
    assert f"trainer.micro_batch_tokens={steps[0].micro_batch_tokens}" in said[0]
    again = make_trainer(tmp_path, "sentiment", micro_batch_tokens=steps[0].micro_batch_tokens)
    if steps[0].micro_batch_tokens == steps[-1].micro_batch_tokens:
        list(again.steps())
        assert torch.equal(weights(first), weights(again))


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory"),
        RuntimeError("[enforce fail at alloc_cpu.cpp:117] DefaultCPUAllocator: not enough memory: you tried to allocate"),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
    ],
)  # fmt: skip
def test_in_the_middle_of_a_run_the_gradient_stays_the_same(tmp_path, folder, error):
    plain = without_dropout(make_trainer(tmp_path, "ner", micro_batch_tokens=4096))
    expected = run(plain)
    trainer = without_dropout(make_trainer(tmp_path, "ner", micro_batch_tokens=4096))
    failed = small(trainer, 40, only_in_step=3, error=error)
    steps = run(trainer)
    assert failed
    assert [step.micro_batch_tokens for step in steps[:3]] == [4096] * 3
    assert steps[3].micro_batch_tokens == steps[-1].micro_batch_tokens <= 40
    assert [step.loss for step in steps] == pytest.approx([step.loss for step in expected], abs=1e-5)
    assert (weights(trainer) - weights(plain)).abs().max() < 1e-5


def test_a_single_text_that_does_not_fit_ends_the_run_with_advice(tmp_path, folder):
    trainer = make_trainer(tmp_path, "sentiment")
    small(trainer, 10)
    with pytest.raises(TrainingError, match="single text") as caught:
        run(trainer)
    assert "task.max_length=" in str(caught.value) and "gradient_checkpointing" in str(caught.value)


def test_an_optimizer_without_room_is_told_apart(tmp_path, folder, monkeypatch):
    trainer = make_trainer(tmp_path, "sentiment")

    def refuse():
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(trainer.optimizer, "step", refuse)
    with pytest.raises(TrainingError, match="peft=lora"):
        run(trainer)


def test_other_errors_are_not_taken_for_it(tmp_path, folder):
    assert not is_out_of_memory(RuntimeError("CUDA error: device-side assert triggered"))
    assert not is_out_of_memory(ValueError("out of memory"))
    trainer = make_trainer(tmp_path, "sentiment")
    small(trainer, 1, error=RuntimeError("shapes do not match"))
    with pytest.raises(RuntimeError, match="shapes"):
        run(trainer)
