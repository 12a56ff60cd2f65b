"""CoNLL column files in the forms that are found in the wild."""

import pytest

from autotune.config.schema import DatasetConfig
from autotune.data.formats.conll import read_conll
from autotune.errors import DataError


def read(path, **options):
    return list(read_conll(path, DatasetConfig(path=str(path), **options), []))


JOAO = {"tokens": ["João", "viu", "Belém"], "tags": ["B-PESSOA", "O", "B-LOCAL"]}
LINES = ["João B-PESSOA", "viu O", "Belém B-LOCAL"]


@pytest.mark.parametrize("end", ["", "\n", "\n\n", "\n\n\n", "\n \t\n"])
def test_the_end_of_the_file_never_makes_an_empty_sentence(write, end):
    assert read(write("a.conll", "\n".join(LINES) + "\n\n" + "\n".join(LINES) + end)) == [JOAO, JOAO]


@pytest.mark.parametrize("mark", [" ", "\t", "  ", " \t"])
@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_blanks_and_tabs_part_columns(write, mark, line_end):
    text = line_end.join(line.replace(" ", mark) for line in LINES)
    assert read(write("a.conll", text)) == [JOAO]


def test_a_no_break_space_is_part_of_a_word(write):
    assert read(write("a.conll", "São\u00a0Paulo B-LOCAL\n"))[0]["tokens"] == ["São\u00a0Paulo"]


def test_words_and_tags_stand_in_the_columns_that_are_named(write):
    path = write("a.conll", "1 João B-PESSOA NOUN\n2 viu O VERB\n3 Belém B-LOCAL NOUN\n")
    assert read(path, token_column=1, tag_column=2) == [JOAO]
    assert read(path, token_column=1, tag_column=-2) == [JOAO]
    with pytest.raises(DataError, match="dataset.tag_column"):
        read(path, tag_column=7)


def test_a_delimiter_that_was_given_counts(write):
    assert read(write("a.conll", "\n".join(LINES).replace(" ", "|")), delimiter="|") == [JOAO]
    assert read(write("a.conll", "São Paulo\tB-LOCAL\n"), delimiter="\\t")[0]["tokens"] == ["São Paulo"]


def test_document_marks_and_comments_are_skipped_but_not_a_number_sign_with_a_tag(write):
    text = "-DOCSTART- O\n\n# sent_id = 1\n# text = João viu\n" + "\n".join(LINES) + "\n\n# O\n# fim\n1 O\n"
    assert read(write("a.conll", text)) == [JOAO, {"tokens": ["#", "1"], "tags": ["O", "O"]}]


@pytest.mark.parametrize(
    ("lines", "line"),
    [
        (["João B-PESSOA", "viu", "Belém B-LOCAL"], 2),
        (["1 João O", "2 viu O", "3 Belém"], 3),
        (["a O", "b c O"], 2),
    ],
)
def test_a_line_without_its_tag_is_refused_with_its_number(write, lines, line):
    path = write("a.conll", "\n".join(lines))
    with pytest.raises(DataError) as caught:
        read(path)
    assert f"{path}:{line}" in str(caught.value)


def test_words_alone_can_be_predicted(write):
    assert read(write("a.conll", "João\nviu\n\nBelém\n")) == [
        {"tokens": ["João", "viu"]},
        {"tokens": ["Belém"]},
    ]
