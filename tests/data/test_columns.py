"""Which column plays which role, and how a missing one is reported."""

import pytest

from autotune.config.column_names import ColumnsConfig
from autotune.config.columns import Column, Kind
from autotune.config.enums import Format
from autotune.config.schema import DatasetConfig
from autotune.data.columns import find_columns
from autotune.errors import DataError

SENTIMENT = (Column("text", Kind.text), Column("label", Kind.label, target=True))
NER = (Column("tokens", Kind.words), Column("tags", Kind.tags, target=True))


def find(names: str, roles=SENTIMENT, *, predicting=False, form=Format.auto, **columns):
    config = DatasetConfig(path="f.csv", format=form, columns=ColumnsConfig(**columns))
    return find_columns(dict.fromkeys(names.split()), roles, config, "f.csv", predicting=predicting)


def refused(names: str, roles=SENTIMENT, **options) -> str:
    with pytest.raises(DataError) as caught:
        find(names, roles, **options)
    return str(caught.value)


def test_columns_that_are_called_like_their_roles_are_found():
    assert find("label text other") == {"text": "text", "label": "label"}
    assert find("id text label")["id"] == "id"


def test_columns_that_the_config_names_are_found():
    assert find("x y n g", text="x", label="y", id="n", group="g") == {
        "text": "x",
        "label": "y",
        "id": "n",
        "group": "g",
    }


@pytest.mark.parametrize(
    ("names", "fix"),
    [
        ("Text label", "dataset.columns.text=Text"),
        ("téxt label", "dataset.columns.text=téxt"),
        ("texto rótulo", "dataset.columns.text=texto dataset.columns.label=rótulo"),
        ("sentence polarity", "dataset.columns.text=sentence dataset.columns.label=polarity"),
        ("a b", "dataset.columns.text=COLUMN dataset.columns.label=COLUMN"),
    ],
)
def test_a_missing_column_is_reported_with_those_there_are_and_the_override(names, fix):
    message = refused(names)
    assert fix in message
    for name in names.split():
        assert name in message


def test_synonyms_are_proposed_and_not_guessed():
    assert "dataset.columns.text=review" in refused("review label")


def test_a_column_that_the_config_names_must_be_there():
    assert "dataset.columns.text=comentario" in refused("text label comentario", text="comentário")
    assert "dataset.columns.group=autor" in refused("text label autor", group="author")


def test_targets_may_be_missing_in_prediction_only():
    assert find("text", predicting=True) == {"text": "text"}
    assert "label" in refused("text")


def test_in_prediction_our_own_names_are_understood_too():
    assert find("text", text="review_text", predicting=True) == {"text": "text"}
    assert "review_text" in refused("text label", text="review_text")


def test_words_come_as_tokens_or_from_text_with_spans():
    assert find("tokens tags text", NER) == {"tokens": "tokens", "tags": "tags"}
    assert find("text spans", NER) == {"text": "text", "spans": "spans"}
    assert find("text", NER, predicting=True) == {"text": "text"}
    assert "dataset.columns.tags=ner_tags" in refused("tokens ner_tags", NER)


def test_spans_come_first_where_the_config_names_them():
    names = "text tokens tags spans"
    assert find(names, NER, form=Format.spans) == {"text": "text", "spans": "spans"}
    assert find("text tokens tags nomes", NER, spans="nomes") == {"text": "text", "spans": "nomes"}


def test_words_without_tags_are_told_how_a_line_looks():
    assert "dataset.delimiter" in refused("tokens", NER)
