"""What a migrated run does otherwise on purpose."""

from autotune import registry
from autotune.config.columns import Kind
from autotune.config.migration import names
from autotune.config.migration.migration import Migration

BEST_BY_SCORE = "with 100 validation rows the best checkpoint by {metric} is saved, else the last one: trainer.keep; {old}"
BY_LOSS = "AutoTrain chose by loss"
LAST = "the example scripts save the last one unless told otherwise"
WINDOWS = "texts beyond the limit are read in overlapping windows; {tool} cut them off"
CUT = (
    "texts beyond the limit are read in overlapping windows; as {tool} cut them: task.max_length={length} "
    "task.on_overflow=truncate"
)
LENGTH = "the limit is what the model takes, 512 tokens at most; {tool} stopped at {length}: task.max_length={length2}"
WORDS = "entities are scored over whole words, and every word is scored; {tool} scored {units}, so its F1 is another figure"
PIECES, UNCUT_WORDS = "word pieces", "the words that were not cut off"
ROUGE = (
    "ROUGE keeps letters with accents and does not stem; {tool} used rouge_score, which splits words at them"
)
REFERENCES = (
    "references are scored whole, and summaries may be as long as the longest one; AutoTrain cut references, and generated "
    "20 tokens with T5"
)
BATCH = "trainer.batch_size counts the rows of a step over all processes; {tool} counted those of one GPU"
SEED = "the seed decides on the order of rows and new weights; AutoTrain passed none to its trainer"
EXIT_CODES = "a run that fails ends with an exit code above 0; AutoTrain ended with 0"
PUSH = "model, tokenizer and card are pushed; AutoTrain uploaded its whole folder"


def describe_changes(migration: Migration) -> list[str]:
    """Returns sentences, each with what brings the old behaviour back, where something does."""
    run, tool = migration.run, migration.run.tool
    autotrain = tool == names.AUTOTRAIN
    task = registry.task(run.task)
    kinds = {column.kind for column in task.columns}
    summaries = len(task.columns) > 1 and all(
        column.kind is Kind.text for column in task.columns if column.target
    )
    changes = [BEST_BY_SCORE.format(metric=task.main_metric, old=BY_LOSS if autotrain else LAST)]
    length = migration.value("max_length")
    if not migration.stated("max_length") and length is not None:
        changes.append(LENGTH.format(tool=tool, length=length, length2=length))
    if not summaries:
        windows = WINDOWS if Kind.words in kinds or length is None else CUT
        changes.append(windows.format(tool=tool, length=length))
    if Kind.words in kinds:
        changes.append(WORDS.format(tool=tool, units=PIECES if autotrain else UNCUT_WORDS))
    if summaries:
        changes += [ROUGE.format(tool=tool), *([REFERENCES] if autotrain else [])]
    changes += migration.changes
    changes.append(BATCH.format(tool=tool))
    if autotrain:
        changes += [
            *([] if summaries else [SEED]),
            EXIT_CODES,
            names.CODE,
            *([PUSH] if "hub" in migration.options else []),
        ]
    return changes
