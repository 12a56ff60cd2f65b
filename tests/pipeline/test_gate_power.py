"""The gate on trained models: with AUTOTUNE_GATE=20, 20 noise-level changes pass it and 20 degraded configurations fail it."""

import json
import os
import shutil

import pytest

from tests.support.forks import forks

TIMES = int(os.environ.get("AUTOTUNE_GATE", "0"))
WORDS = ("task=sentiment", "check=none", "report=none", "trainer.max_steps=80")
RATE = 1e-3


@pytest.mark.slow
@pytest.mark.skipif(not TIMES, reason="AUTOTUNE_GATE=20 trains 41 models")
def test_noise_passes_and_a_degraded_configuration_fails(tmp_path):
    """Noise: a learning rate that is 0.1 to 2 % higher. Degraded: one that is 50 to 1000 times lower."""

    def trained(name, rate, *conditions):
        words = (*WORDS, f"runs={tmp_path}", f"name={name}", f"trainer.learning_rate={rate:.6g}", *conditions)
        done = forks().start(*words, cwd=tmp_path).ended()
        score = json.loads((tmp_path / name / "metrics.json").read_text())["test"]["macro_f1"]
        if conditions:
            shutil.rmtree(tmp_path / name)
        return done.returncode, score

    code, reference = trained("reference", RATE)
    assert code == 0
    gate = "gate.not_worse_than=reference"
    noise = [trained("noise", RATE * (1 + 0.001 * (number + 1)), gate) for number in range(TIMES)]
    degraded = [trained("degraded", RATE / 50 / (number + 1), gate) for number in range(TIMES)]
    print(json.dumps({"reference": reference, "noise": noise, "degraded": degraded}))
    assert [code for code, _ in noise] == [0] * TIMES, noise
    assert [code for code, _ in degraded] == [3] * TIMES, degraded
