"""What each of two processes does: gradients travel in small buckets, and memory runs out while they do."""

import sys
from pathlib import Path

import torch

from autotune.runtime.ranks import Ranks, init_process_group
from autotune.training import embeddings, exchange
from tests.integration.ranks.worker import trainer_in
from tests.support.setting import weights

OPTIONS = {"micro_batch_tokens": 60, "task_options": {"max_length": 12}}


def overlapping(folder: Path, ranks: Ranks, failing: int | None) -> dict[str, object]:
    """Trains; on one rank memory runs out in the middle of the first step's last backward pass."""
    trainer = trainer_in(folder, ranks, "sentiment", **OPTIONS)
    # No rank has a gradient of this parameter, which is in the last bucket.
    unused = torch.nn.Parameter(torch.ones(3))
    trainer.bare_model.register_parameter("unused", unused)
    trainer.parameters.insert(0, unused)
    trainer.exchange = exchange.GradientExchange(trainer.parameters, late=trainer.embeddings.tables())
    sent_early, failures = [], []
    send_rest = trainer.exchange.send_rest

    def count(*, discard):
        sent_early.append(len(trainer.exchange._sent))
        send_rest(discard=discard)

    def refuse(_):
        if ranks.rank == failing and trainer.exchange._sent and not failures:
            failures.append(len(trainer.exchange._sent))
            raise torch.OutOfMemoryError("CUDA out of memory")

    trainer.exchange.send_rest = count
    middle = [one for one in trainer.parameters if one.ndim == 2][len(trainer.parameters) // 6]
    middle.register_hook(refuse)
    steps = list(trainer.steps())
    assert unused.grad is None
    return {
        "weights": weights(trainer)[unused.numel() :],
        "budgets": [step.micro_batch_tokens for step in steps],
        "sent early": set(sent_early),
        "before the unused": trainer.exchange._number[unused],
        "unused": unused.tolist(),
        "failures": failures,
        "tables": len(trainer.embeddings.tables()),
    }


def main() -> None:
    """Argument: the folder."""
    folder = Path(sys.argv[1])
    exchange.BUCKET_BYTES, embeddings.LARGE = 4096, 1000
    with init_process_group(timeout=5) as ranks:
        for failing in (None, 0, 1):
            result = overlapping(folder, ranks, failing)
            torch.save(result, folder / f"failing-{failing}-{ranks.rank}.pt")
