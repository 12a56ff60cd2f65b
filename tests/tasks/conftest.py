import pytest
from datasets import Dataset
from pydantic import TypeAdapter

from autotune.config.enums import Architecture
from autotune.config.schema import DatasetConfig, ModelConfig
from autotune.models.base import open_base
from autotune.registry import task as find

TEXT = (
    "À noite, vovô Kowalsky vê o ímã cair no pé do pinguim queixoso e vovó põe açúcar no chá de tâmaras do jabuti "
    "feliz. Câmara aprova obra: não há três feridos; resumir: Resumo! ABCDEFGHIJKLMNOPQRSTUVWXYZ êôãõçíúàü 0123456789?"
)


def words_row(number: int, tokens: list[str], tags: list[str] | None = None) -> dict:
    """A canonical NER row."""
    starts = [sum(len(token) + 1 for token in tokens[:index]) for index in range(len(tokens))]
    row = {"id": str(number), "tokens": tokens, "text": " ".join(tokens), "starts": starts}
    return row | ({"tags": tags} if tags is not None else {})


@pytest.fixture(scope="session")
def make_task(tmp_path_factory):
    """Opens a task on a tiny model: rows of train, architecture, options of the task."""
    cache = tmp_path_factory.mktemp("tiny")

    def make(name: str, rows: list[dict], architecture: str | None = None, **options):
        kind = find(name)
        config = TypeAdapter(kind.Config).validate_python(options)
        splits = {"train": Dataset.from_list(rows)}
        facts = kind.fit_labels(config, DatasetConfig(path="memory"), splits)
        base = open_base(
            ModelConfig(tiny=Architecture(architecture or kind.examples.tiny)),
            kind.heads,
            name,
            kind.examples.models,
            kind.examples.tiny,
            lambda: [TEXT] * 3,
            cache,
        )
        made = kind(config, base, facts)
        made.measure_tokens(splits)
        return made

    return make
