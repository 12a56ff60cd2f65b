"""Whether the figure of a search can be believed: sentences of its report."""

from collections.abc import Iterator
from typing import Any

from autotune.auto.folder import AutoFolder
from autotune.reporting.trust import BAD, FEW_ROWS, GOOD, NOTE, Remark

SURE = 0.95
"""With a greater chance of being the best candidate, the winner is not in doubt."""
ALLOWED_SHARE, ALLOWED_SECONDS = 1.05, 20
"""Most time that a search may use: share of the time asked for, plus seconds."""


def remarks(folder: AutoFolder) -> list[Remark]:
    """Returns what speaks for and against the result, the most serious first."""
    if folder.result is None:
        return [Remark(BAD, "auto_unfinished", command=folder.resume)]
    found = [
        *_held_out(folder.result),
        *_nearest(folder.result),
        *_doubts(folder.result),
        *_left_out(folder, folder.result),
    ]
    return sorted(found, key=lambda remark: (BAD, NOTE, GOOD).index(remark.level))


def _held_out(result: dict[str, Any]) -> Iterator[Remark]:
    test, chosen = result["test"], result["chosen"]
    if test is None:
        several = chosen["candidates"] > 1
        yield Remark(
            NOTE,
            "auto_no_test" if several else "auto_no_test_no_choice",
            {"candidates": chosen["candidates"]},
        )
    else:
        text = "auto_test_learned" if test.get("learned") else "auto_test_once"
        yield Remark(GOOD, text, {"rows": test["rows"]})
    rows = (test or chosen)["rows"]
    if rows < FEW_ROWS:
        yield Remark(NOTE, "few_rows", {"rows": rows})


def _nearest(result: dict[str, Any]) -> Iterator[Remark]:
    """Yields how the winner compares with the best of the others on the same rows."""
    if not result["beside"]:
        return
    nearest = min(result["beside"], key=lambda trial: trial["difference"])
    low, high = nearest["difference_interval"]
    values = {
        "name": nearest["trial"],
        "value": nearest["score"],
        "difference": nearest["difference"],
        "low": low,
        "high": high,
    }
    level, text = (
        (GOOD, "auto_better") if low > 0 else (BAD, "auto_worse") if high < 0 else (NOTE, "auto_tie")
    )
    yield Remark(level, text, values)


def _doubts(result: dict[str, Any]) -> Iterator[Remark]:
    chances, winner = dict(result["chosen"]["chance_of_best"]), result["winner"]["trial"]
    chance = chances.pop(winner, None)
    if chance is not None and chance < SURE and chances:
        rival = max(chances, key=lambda trial: chances[trial])
        yield Remark(
            NOTE,
            "auto_chance",
            {"chance": round(100 * chance), "name": rival, "other": round(100 * chances[rival])},
        )
    asked, used = result["time"]["asked"], result["time"]["used"]
    if asked is not None and used is not None and used > ALLOWED_SHARE * asked + ALLOWED_SECONDS:
        yield Remark(NOTE, "auto_late", {"seconds": round(used - asked)})


def _left_out(folder: AutoFolder, result: dict[str, Any]) -> Iterator[Remark]:
    failed = sum(measurement["fate"] == "failed" for measurement in folder.leaderboard())
    if failed:
        yield Remark(NOTE, "auto_failed", {"count": failed})
    scored = {measurement["kind"] for measurement in folder.measurements if measurement["score"] is not None}
    if "full" not in scored:
        yield Remark(NOTE, "auto_only_cheap")
    elif result["winner"]["kind"] != "full":
        yield Remark(NOTE, "auto_cheap_won", {"name": result["winner"]["trial"]})
