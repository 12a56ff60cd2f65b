"""Gradients travel while the last backward pass runs, and a rank that runs out of memory there leaves nobody waiting."""

import pytest
import torch

from autotune.runtime.ranks import Ranks
from autotune.training.exchange import BUCKET_BYTES, bucket_groups
from tests.integration.ranks.exchange_worker import OPTIONS
from tests.integration.ranks.worker import trainer_in
from tests.support import ROOT
from tests.support.forks import forks
from tests.support.setting import weights

WORKER = "from tests.integration.ranks.exchange_worker import main; main()"


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Results of two ranks, by the rank that runs out of memory, and the weights of one process."""
    folder = tmp_path_factory.mktemp("exchange")
    done = forks().start(folder, cwd=ROOT, ranks=2, code=WORKER).ended()
    assert done.returncode == 0, done.stderr
    alone = trainer_in(folder, Ranks(0, 1), "sentiment", **OPTIONS)
    list(alone.steps())
    results = {
        failing: [torch.load(folder / f"failing-{failing}-{rank}.pt") for rank in (0, 1)]
        for failing in (None, 0, 1)
    }
    return results, weights(alone)


def test_buckets_travel_during_the_last_backward_pass(trained):
    results, alone = trained
    for result in results[None]:
        assert result["before the unused"] > 10 and result["tables"], "there is much to send"
        assert result["sent early"] == {result["before the unused"]}
        assert result["unused"] == [1, 1, 1], "without a gradient, no weight decay"
        assert (result["weights"] - alone).abs().max() < 1e-5


@pytest.mark.parametrize("failing", [0, 1])
def test_a_rank_that_runs_out_of_memory_there_makes_all_repeat_the_step(trained, failing):
    results, alone = trained
    result = results[failing]
    assert result[failing]["failures"][0] > 0, "some buckets had left"
    assert (
        result[0]["budgets"] == result[1]["budgets"]
        and result[0]["budgets"][0] < OPTIONS["micro_batch_tokens"]
    )
    for one in result:
        assert (one["weights"] - alone).abs().max() < 1e-5
        assert torch.equal(one["weights"], result[0]["weights"])


def test_buckets_hold_one_type_and_at_most_their_size():
    sizes = [
        (10, torch.float32),
        (BUCKET_BYTES // 4, torch.float32),
        (5, torch.bfloat16),
        (6, torch.bfloat16),
        (7, torch.float32),
    ]
    parameters = [torch.nn.Parameter(torch.empty(count, dtype=dtype)) for count, dtype in sizes]
    assert [[one.numel() for one in bucket] for bucket in bucket_groups(parameters)] == [
        [10], [BUCKET_BYTES // 4], [5, 6], [7],
    ]  # fmt: skip
