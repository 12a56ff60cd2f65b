"""What a micro-batch may hold where nobody says: from the cache's size, or from two measurements of memory."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from autotune.data.batches import padded_tokens
from autotune.runtime.cpu import cache_bytes, physical_cores
from autotune.training import budget, device


@given(
    lengths=st.lists(st.integers(1, 512), min_size=2, max_size=40),
    token=st.integers(1_000, 10_000_000),
    fixed=st.integers(0, 10**9),
    room=st.integers(0, 10**12),
)
def test_the_budget_fits_into_the_memory_that_was_measured(lengths, token, fixed, room):
    column = np.asarray(lengths)[:, None]
    found = budget.gpu_token_budget(
        column, lambda chosen: fixed + token * padded_tokens(column[chosen]), room
    )
    assert found & (found - 1) == 0 and budget.MIN_TOKENS <= found <= budget.MAX_TOKENS
    if found > budget.MIN_TOKENS:
        assert found * token <= room
    if found < budget.MAX_TOKENS:
        assert 2 * found * token > 0.79 * room


def test_where_even_three_texts_are_too_much_the_smallest_is_tried():
    def used(chosen):
        if len(chosen) > 1:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return 1

    assert budget.gpu_token_budget(np.asarray([[9], [9], [9]]), used, 10**12) == budget.MIN_TOKENS


def test_features_without_a_target_are_not_measured():
    measured = []

    def used(chosen):
        measured.append(chosen.tolist())
        return len(chosen)

    budget.gpu_token_budget(np.asarray([[9, 0], [3, 1], [8, 0], [4, 1], [5, 1]]), used, 10**12)
    assert measured == [[4], [4, 3, 1], [4]]


def test_another_error_of_the_measurement_is_not_hidden():
    def used(chosen):
        raise RuntimeError("shapes do not match")

    with pytest.raises(RuntimeError, match="shapes"):
        budget.gpu_token_budget(np.asarray([[9], [9]]), used, 1)


@pytest.mark.parametrize(
    ("cache", "hidden", "expected"),
    [(32 << 20, 384, 4096), (32 << 20, 768, 2048), (1 << 40, 64, 4096), (0, 768, 1024)],
)
def test_a_small_cache_makes_small_batches(monkeypatch, cache, hidden, expected):
    monkeypatch.setattr(budget, "cache_bytes", lambda: cache)
    assert budget.cpu_token_budget(SimpleNamespace(hidden_size=hidden)) == expected


@pytest.fixture
def machine(tmp_path):
    """Four logical CPUs on two cores, 1 MiB and 32 MiB of cache."""
    for number in range(4):
        topology = tmp_path / f"cpu{number}" / "topology"
        topology.mkdir(parents=True)
        (topology / "thread_siblings_list").write_text(f"{number % 2},{number % 2 + 2}\n")
    for index, size in enumerate(("32K", "1024K", "32M", "")):
        folder = tmp_path / "cpu0" / "cache" / f"index{index}"
        folder.mkdir(parents=True)
        (folder / "size").write_text(size + "\n")
    return tmp_path


@pytest.mark.parametrize(
    ("allowed", "quota", "expected"),
    [
        ({0, 1, 2, 3}, "max 100000", 2),
        ({0, 2}, "max 100000", 1),
        ({0, 1, 2, 3}, "150000 100000", 2),
        ({0, 1, 2, 3}, "50000 100000", 1),
        ({0, 1, 2, 3}, None, 2),
    ],
)
def test_threads_are_physical_cores_that_we_may_use(machine, allowed, quota, expected):
    file = machine / "cpu.max"
    if quota is not None:
        file.write_text(quota + "\n")
    assert physical_cores(frozenset(allowed), system=machine, quota=file) == expected


def test_a_system_that_does_not_tell(machine, tmp_path):
    assert cache_bytes(system=machine) == 32 << 20
    assert cache_bytes(system=tmp_path / "none") == 0
    assert physical_cores(frozenset({3, 5}), system=tmp_path / "none", quota=tmp_path / "none") == 2


def test_torch_gets_our_share_of_the_cores(monkeypatch):
    from transformers import BertConfig

    from autotune.config.enums import Precision

    before = torch.get_num_threads()
    try:
        monkeypatch.setattr(device, "physical_cores", lambda: 6)
        monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
        monkeypatch.setenv("LOCAL_WORLD_SIZE", "3")
        device.accelerator(Precision.fp32, BertConfig(hidden_size=256))
        assert torch.get_num_threads() == 2
        device.accelerator(Precision.fp32, BertConfig(hidden_size=128))
        assert torch.get_num_threads() == 1, "more threads do not pay"
        device.accelerator(Precision.fp32)
        monkeypatch.setenv("OMP_NUM_THREADS", "1")
        monkeypatch.setattr(device, "physical_cores", lambda: 12)
        device.accelerator(Precision.fp32)
        assert torch.get_num_threads() == 2, "what the user says stays"
    finally:
        torch.set_num_threads(before)
