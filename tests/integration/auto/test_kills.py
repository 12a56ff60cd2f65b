"""Searches that are killed again and again: they end with the bytes of one that was never killed, and train nothing twice."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.integration.auto.searches import CHEAP, PLUGIN, QUICK, auto, lines, result, steps_of, weights
from tests.support.forks import forks
from tests.support.runs import status

WORDS = ("reviews.csv", *CHEAP, "auto.folds=2", *QUICK, "name=raced")
BEGINNING = [("os.rename raced/folds.json", 0), ("shutil.rmtree raced/.best.part", 0),
             ("os.rename raced/best", 0), ("os.rename raced/decisions.jsonl", 0), ("os.rename raced/auto.yaml", 0)]  # fmt: skip
"""Before a search has its plan, the same command plans again."""
RACE = [
    ("os.rename raced/leaderboard.jsonl", 0), ("os.rename raced/oof/tfidf_C_#.jsonl", 0),
    ("open raced/trials/sentiment-reviews-tfidf-#/.lock", 0),
    ("os.rename raced/trials/sentiment-reviews-tfidf-#/status.json", 0),
    ("os.remove raced/.autotune.json", 0), ("os.rename raced/.best.old", 0), ("os.rename raced/best", 0),
    ("os.rename raced/config/experiment/winner.yaml", 0), ("os.rename raced/decisions.jsonl", 0),
    ("os.rename raced/result.json", 0), ("os.rename raced/status.json", 1), ("os.rename raced/report.html", 0),
]  # fmt: skip
"""In the order of a search; at each, a process is killed. A file is written beside its place and then renamed: a process that
is killed at the rename leaves the files before it complete, and this one under another name."""
LORA = ("reviews.csv", "peft=lora", "auto.models=[tiny]", "trials=1", "auto.folds=1", "auto.space.C=[1e-6]",
        "auto.space.rungs=[0.5,1]", "auto.space.learning_rate.adapter=[20]", "trainer.max_steps=30", *QUICK)  # fmt: skip
LORA_RACE = [("os.rename lora/oof/tiny_#.#@#.#.jsonl", 0), ("os.rename lora/leaderboard.jsonl", 1),
             ("open lora/oof/.tiny_#.#.jsonl.part", 0), ("os.rename lora/config/experiment/winner.yaml", 0)]  # fmt: skip


def killed(place: Path, runs: Path, at: tuple[str, int], *words: str) -> None:
    armed = {"runs": str(runs), "at": at, "number": 9}
    auto(place, *words, code=-9, armed=armed)


def assert_equal(found: Path, undisturbed: Path) -> None:
    """The same files with the same content, and nothing half written."""

    def names(folder: Path) -> Sequence[str]:
        paths = (path.relative_to(folder) for path in folder.rglob("*"))
        return sorted(str(path) for path in paths if not {".cache", "logs"} & {*path.parts})

    assert names(found) == names(undisturbed)
    assert not [path for path in found.rglob("*.part") if ".cache" not in path.parts]
    files = ["leaderboard.jsonl", "decisions.jsonl", "folds.json"]
    files += [str(path.relative_to(undisturbed)) for path in undisturbed.glob("oof/*")]
    for name in files:
        assert (found / name).read_text() == (undisturbed / name).read_text(), name
    assert weights(found / "best") == weights(undisturbed / "best")
    assert result(found)["winner"] == result(undisturbed)["winner"]


def test_a_search_that_is_killed_before_and_after_each_write_continues_and_can_be_replayed(place, tmp_path):
    auto(place, *WORDS, "runs=undisturbed")
    undisturbed, found = place / "undisturbed" / "raced", tmp_path / "raced"
    for at in BEGINNING:
        killed(place, tmp_path, at, *WORDS, f"runs={tmp_path}")
        assert not (found / "auto.yaml").exists()
    killed(place, tmp_path, RACE[0], *WORDS, f"runs={tmp_path}")
    for at in RACE[1:]:
        killed(place, tmp_path, at, f"resume={found}")
        assert (found / "result.json").exists() == (at[0].rpartition("/")[2] in ("status.json", "report.html")
                                                    and "trials" not in at[0])  # fmt: skip
    assert "winner:" in auto(place, *WORDS, f"runs={tmp_path}")
    assert_equal(found, undisturbed)

    auto(place, f"replay={found}", "name=replayed")
    assert weights(tmp_path / "replayed" / "best") == weights(undisturbed / "best")


@pytest.fixture(scope="module")
def lora(place) -> Path:
    """A search in which an adapter pauses, continues and wins."""
    auto(place, *LORA, "runs=undisturbed", "name=lora")
    return place / "undisturbed" / "lora"


def test_an_adapter_pauses_continues_wins_and_is_trained_again_to_the_same_bytes(lora, place):
    winner = result(lora)["winner"]
    assert winner["trial"] == "tiny 0.01" and "peft=lora" in winner["overrides"]
    shares = [line["share"] for line in lines(lora / "leaderboard.jsonl") if line["kind"] == "full"]
    assert shares == [0.5, 1.0]
    assert steps_of([lora / winner["run"]]) == len((place / "count").read_text()) == 30
    words = ["train", "--plugin", PLUGIN, "--config-dir", lora / "config", "experiment=winner", "runs=again"]
    env = {"FAULTS": "{}", "COUNT": str(place / "again-count")}
    done = forks().start(*words, cwd=place, **env).ended()
    assert done.returncode == 0, done.stderr
    (run,) = (place / "again").glob("sentiment-*")
    assert weights(run / "model") == weights(lora / "best")


def test_a_search_with_an_adapter_is_killed_stopped_by_hand_and_ends_the_same(lora, place, tmp_path):
    """In the middle of training, too; Ctrl-C leaves a model that can be used."""
    found, trained = tmp_path / "lora", place / "count"
    trained.unlink()
    words = (*LORA, f"runs={tmp_path}", "name=lora")
    auto(place, *words, code=-9, faults={"train peft=lora": "search killed"})
    (place / "once").unlink()
    printed = auto(place, *words, code=75, faults={"train peft=lora": "Ctrl-C"})
    assert "the same command resumes" in printed and status(found)["state"] == "interrupted"
    done = forks().start("predict", found / "best", "--text", "péssimo, odiei", cwd=place).ended()
    assert done.returncode == 0 and "bom" in done.stdout
    for at in LORA_RACE:
        killed(place, tmp_path, at, f"resume={found}")
    auto(place, *words)
    assert_equal(found, lora)
    assert len(trained.read_text()) == 30
