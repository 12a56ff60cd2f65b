"""A model that is divided among the processes learns, predicts, resumes and is saved as in one process."""

import json
import signal
from pathlib import Path

import pytest
import torch
from safetensors.torch import load
from transformers import AutoModelForSeq2SeqLM

from autotune.pipeline.plan import format_cost
from autotune.runtime.ranks import Ranks
from tests.integration.ranks.sharding_worker import CASES, learned, nonfinite
from tests.integration.ranks.worker import exit_codes
from tests.support import ROOT
from tests.support.forks import forks
from tests.support.runs import ended, result

HERE = Path(__file__).parent
WORKER = "from tests.integration.ranks.sharding_worker import main; main()"
RUN = [
    "task=summarization", "model=tiny_t5", "dataset.limit=5", "trainer.epochs=2", "trainer.batch_size=3",
    "task.max_length=64", "task.max_new_tokens=8",
    "checkpoint.every=1ep", "trainer.adam_epsilon=1e-5", "trainer.precision=fp32", "check=none", "name=shared",
    "trainer.keep=best", "--plugin", str(HERE / "without_dropout.py"),
]  # fmt: skip


def worker(folder: Path, *words: str):
    """Two processes of `sharding_worker`."""
    return forks().start(folder, *words, cwd=ROOT, ranks=2, code=WORKER).ended()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Where two processes have put what they learned."""
    made = tmp_path_factory.mktemp("sharding")
    done = worker(made, "learn")
    assert done.returncode == 0, done.stderr
    return made


@pytest.mark.parametrize("name", CASES)
def test_two_processes_learn_and_write_what_one_does(folder, name):
    expected = learned(folder, Ranks(0, 1), name)
    found = [torch.load(folder / f"{name}-{rank}.pt") for rank in (0, 1)]
    for one in found:
        assert one["held"] < 0.6 * expected["held"], "each holds about half of the model"
        assert one["losses"] == pytest.approx(expected["losses"], abs=1e-5)
        assert one["norms"] == pytest.approx(expected["norms"], abs=1e-4)
        assert one["weights"].keys() == expected["weights"].keys()
        for key, weights in expected["weights"].items():
            assert torch.equal(one["weights"][key], found[0]["weights"][key])
            assert (one["weights"][key] - weights).abs().max() < 1e-5, key
    assert found[0]["texts"] | found[1]["texts"] == expected["texts"]
    assert not found[0]["texts"].keys() & found[1]["texts"].keys()


def test_a_step_without_a_finite_loss_is_skipped_by_all_with_its_rows(folder):
    expected = nonfinite(folder, Ranks(0, 1))
    assert any(rows for _, rows in expected) and not all(applied for applied, _ in expected)
    for rank in (0, 1):
        assert torch.load(folder / f"nonfinite-{rank}.pt") == expected


def test_memory_that_is_not_enough_ends_all_with_advice(tmp_path):
    done = worker(tmp_path, "memory")
    # torchrun may end the other process before that has noticed.
    codes = exit_codes(done.stderr)
    assert 1 in codes and {*codes} <= {1, -signal.SIGTERM}, done.stderr
    assert "trainer.micro_batch_tokens=30, trainer.gradient_checkpointing=true" in done.stderr


@pytest.mark.parametrize("peft", ["none", "lora"])
def test_a_run_resumes_with_another_number_of_processes(tmp_path, peft):
    """Two processes, then one with the whole model, then two again; each is asked to leave in the middle."""

    def run(name: str, count: int, sharding: str, at: tuple[str, int] | None = None) -> tuple[int, str]:
        runs = tmp_path / name
        armed = {"runs": str(runs), "at": at, "number": signal.SIGTERM, "rank": 0} if at else None
        words = [*RUN, f"peft={peft}", f"trainer.sharding={sharding}", f"runs={runs}"]
        return ended(forks().start(*words, cwd=ROOT, ranks=count if count > 1 else 0, armed=armed))

    assert run("alone", 1, "none")[0] == 0
    code, said = run("moved", 2, "fsdp", ("optimizer step", 1))
    assert exit_codes(said) == [75, 75], said
    code, said = run("moved", 1, "none", ("optimizer step", 0))
    assert code == 75 and "processes 2 -> 1" in said, said
    if peft == "none":
        # One process alone is asked to leave while it predicts: no checkpoint is written then.
        code, said = run("moved", 2, "fsdp", ("predicted rows", 0))
        assert exit_codes(said) == [75, 75] and "processes 1 -> 2" in said, said
    code, said = run("moved", 2, "fsdp")
    assert code == 0 and "resuming after step" in said, said
    assert "view tensor" not in said
    alone, moved = (tmp_path / name / "shared" for name in ("alone", "moved"))
    expected, found = load(result(alone)["weights"]), load(result(moved)["weights"])
    assert result(moved)["predictions"] == result(alone)["predictions"]
    assert max((found[name] - expected[name]).abs().max().item() for name in expected) < 1e-5
    plain = AutoModelForSeq2SeqLM.from_pretrained(moved / "model").state_dict()
    assert all(torch.equal(plain[name], tensor) for name, tensor in found.items())


def test_one_process_has_nobody_to_share_with(tmp_path):
    code, said = ended(forks().start(*RUN, f"runs={tmp_path}", "trainer.sharding=fsdp", cwd=ROOT))
    assert code == 2 and "trainer.sharding=none" in said and not list(tmp_path.iterdir())


def test_the_plan_shows_the_memory_of_each_process(tmp_path):
    words = [
        "task=sentiment",
        "dataset.limit=12",
        "trainer.sharding=fsdp",
        f"runs={tmp_path}",
        "check.format=json",
    ]
    done = forks().start("plan", *words, cwd=ROOT).ended()
    assert done.returncode == 0, done.stderr
    plan = json.loads(done.stdout)["plan"]
    static = plan["static_memory_gb"]
    assert plan["divided_memory_gb"] == pytest.approx(
        {"2": static / 2, "4": static / 4, "8": static / 8}, abs=1e-3
    )
    assert plan["whole_weights_gb"] == pytest.approx(static / 4, abs=1e-3)
    assert "in each of 2, 4, 8 processes" in "".join(format_cost(plan))
