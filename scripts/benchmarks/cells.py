"""What is compared: tasks, model shapes, full fine-tuning and adapters, and who does the work."""

from collections.abc import Sequence
from dataclasses import dataclass

TASKS = ("sentiment", "ner", "summarization")
METHODS = ("full", "lora")
SHAPES = ("minilm", "bert", "t5", "llama")

GPU_SHAPES = ("bert-base", "t5-base", "llama-1b")
"""Of scripts/gpu: whole models, too large to wait for on a CPU."""
CAN_DO = {
    "sentiment": ("minilm", "bert", "t5", "llama"),
    "ner": ("minilm", "bert", "llama"),
    "summarization": ("t5", "llama"),
}
"""Shapes for each task."""

MAX_LENGTH = 512
BATCH_SIZE = 32
SUMMARIES_AT_ONCE = 8
"""Rows that a peer takes at once, four times a step: 32 of the minutes, each position with the scores of a whole
vocabulary, need more than 22 GB."""
LEARNING_RATE = {"full": 5e-5, "lora": 5e-4, "generation": 5e-5}


@dataclass(frozen=True)
class Competitor:
    """Who does the work, and how."""

    name: str
    said: str
    """What it is, for the report."""
    share: float = 1.0
    """Of the steps that it does; what is measured is a rate, so a slow one may do fewer."""


TRAINER = "trainer"
GROUPED = "trainer-grouped"
BF16 = "trainer-bf16"
AUTOTRAIN = "autotrain"
AUTOTUNE = "autotune"
AUTOTUNE_BF16 = "autotune-bf16"

COMPETITORS = (
    Competitor(
        TRAINER, "transformers.Trainer as its examples set it up: padding to the longest row of a batch"
    ),
    Competitor(
        GROUPED, 'the same with train_sampling_strategy="group_by_length": other examples in each step'
    ),
    Competitor(BF16, "the first with bf16=True", share=0.5),
    Competitor(
        AUTOTRAIN, f"AutoTrain's recipe: Trainer over rows that are all padded to {MAX_LENGTH}", share=0.125
    ),
    Competitor(AUTOTUNE, "autotune.training.trainer.Trainer, the steps of the first cut by length"),
    Competitor(AUTOTUNE_BF16, "the same with trainer.precision=bf16", share=0.5),
)


@dataclass(frozen=True)
class Cell:
    """One comparison."""

    task: str
    method: str
    shape: str

    @property
    def name(self) -> str:
        """As --cells takes it."""
        return f"{self.task}-{self.method}-{self.shape}"


GENERATION = Cell("summarization", "generation", "t5")
"""Not training: prediction of held-out rows."""
QUICK = (Cell("sentiment", "full", "minilm"), Cell("ner", "full", "minilm"))


def all_cells() -> list[Cell]:
    """Every task with every shape that can do it, full and with adapters; then prediction."""
    trained = [Cell(task, method, shape) for task in TASKS for method in METHODS for shape in CAN_DO[task]]
    return [*trained, GENERATION]


def chosen(patterns: Sequence[str]) -> list[Cell]:
    """The cells whose names hold all words of a pattern: `ner`, `full-minilm`, `sentiment-lora`."""
    return [
        cell
        for cell in all_cells()
        if any(set(pattern.split("-")) <= set(cell.name.split("-")) for pattern in patterns)
    ]


def competes(competitor: Competitor, cell: Cell) -> bool:
    """Whether there is such a competitor: AutoTrain's summarization pads to the longest row, as Trainer does."""
    if cell == GENERATION:
        return competitor.name in (TRAINER, AUTOTUNE)
    return not (competitor.name == AUTOTRAIN and cell.task == "summarization")
