"""Labels and tags: one spelling, one order, IOB2."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from seqeval.metrics.sequence_labeling import get_entities

from autotune.config.enums import TagRepair, TagScheme
from autotune.config.label_maps import normalize_label
from autotune.config.labels import label_map
from autotune.config.schema import DatasetConfig
from autotune.data.labels import Tags, detect_tag_scheme, label_names, to_iob2
from autotune.data.words import entities
from autotune.errors import ConfigError, DataError


def config(**options) -> DatasetConfig:
    return DatasetConfig(path="x", **options)


@pytest.mark.parametrize(
    ("values", "name"),
    [
        ([1, 1.0, "1", " 1 ", "1.0", "1.00"], "1"),
        ([-1, -1.0, "-1", "-1.0"], "-1"),
        ([True, "True", "true", "TRUE"], "True"),
        (["não", "na\u0303o", " não\n"], "não"),
        (["01"], "01"),
        ([1.5, "1.5"], "1.5"),
        (["None"], "None"),
        ([None, float("nan"), "", " \t"], None),
    ],
)
def test_the_same_label_has_one_name_however_it_is_written(values, name):
    assert {normalize_label(value) for value in values} == {name}


@given(st.one_of(st.none(), st.text(), st.integers(), st.floats(), st.booleans()))
def test_a_canonical_name_stays_what_it_is(value):
    name = normalize_label(value)
    assert normalize_label(name) == name


def test_label_map_has_canonical_keys_and_values():
    mapped = label_map(config(label_map={1: "negativo", 2.0: " negativo ", "3": None, "true": 1.0}))
    assert mapped == {"1": "negativo", "2": "negativo", "3": None, "True": "1"}


def test_a_label_map_that_is_no_map_is_refused():
    with pytest.raises(ConfigError, match="dataset.label_map"):
        label_map(config(label_map=["a"]))


def test_names_are_sorted_numbers_by_size():
    assert label_names(config(), ["b", "a", "b", "ç"]) == ["a", "b", "ç"]
    assert label_names(config(), ["10", "-1", "9"]) == ["-1", "9", "10"]


def test_names_that_are_given_keep_their_order_and_must_be_all():
    assert label_names(config(labels=["b", "a"]), ["a"]) == ["b", "a"]
    with pytest.raises(DataError, match=r"dataset.labels=\[b,a,c\]"):
        label_names(config(labels=["b", "a"]), ["c"])
    with pytest.raises(DataError, match="twice"):
        label_names(config(labels=["1", "1.0"]), ["1"])


@pytest.mark.parametrize(
    ("sequences", "scheme"),
    [
        (["B-P I-P O B-L", "O"], TagScheme.iob2),
        (["I-P I-P O I-L", "O I-P B-P"], TagScheme.iob1),
        (["B-P I-P O"] * 9 + ["O I-P"], TagScheme.iob2),
        (["B-P E-P O S-L"], TagScheme.iobes),
        (["B-P L-P O U-L"], TagScheme.iobes),
        (["O O"], TagScheme.iob2),
    ],
)
def test_the_scheme_is_found(sequences, scheme):
    assert detect_tag_scheme(config(), [tags.split() for tags in sequences], "f") is scheme


@pytest.mark.parametrize(
    ("tags", "parts"),
    [
        ("O PESSOA PESSOA LOCAL", ["PESSOA (2)", "dataset.tag_scheme=io", "row 0, word 1"]),
        ("B-PER X-PER", ["X-PER (1)", "row 0, word 1", "dataset.columns.tags", "dataset.tag_column"]),
        ("B-PER Miscellaneous", ["Miscellaneous (1)", "dataset.columns.tags"]),
        ("0 3 4", ["numbers", "dataset.label_map={0: O"]),
    ],
)
def test_what_is_no_tag_is_refused_with_its_place_and_the_fix(tags, parts):
    with pytest.raises(DataError) as caught:
        detect_tag_scheme(config(), [tags.split()], "f.conll")
    for part in ["f.conll", *parts]:
        assert part in str(caught.value)


def test_the_scheme_that_was_given_counts():
    tags = [["I-P", "I-P"]]
    assert detect_tag_scheme(config(tag_scheme=TagScheme.iob2), tags, "f") is TagScheme.iob2
    assert detect_tag_scheme(config(tag_scheme=TagScheme.io), [["PESSOA"]], "f") is TagScheme.io


@pytest.mark.parametrize(
    ("scheme", "tags", "expected", "repaired"),
    [
        ("iob2", "B-P I-P O B-P B-P I-P", "B-P I-P O B-P B-P I-P", []),
        ("iob2", "O I-P I-P", "O B-P I-P", [1]),
        ("iob2", "I-P B-L I-P I-P", "B-P B-L B-P I-P", [0, 2]),
        ("iob1", "I-P I-P B-P I-P O I-L I-P", "B-P I-P B-P I-P O B-L B-P", []),
        ("io", "P P O L P", "B-P I-P O B-L B-P", []),
        ("io", "I-P I-P I-L", "B-P I-P B-L", []),
        ("io", "B-P B-P I-P", "B-P B-P I-P", []),
        ("iobes", "B-P I-P E-P S-P O S-L", "B-P I-P I-P B-P O B-L", []),
        ("iobes", "B-P L-P U-P", "B-P I-P B-P", []),
        ("iobes", "S-P I-P E-L B-P E-P I-P", "B-P B-P B-L B-P I-P B-P", [1, 2, 5]),
    ],
)
def test_every_scheme_becomes_iob2(scheme, tags, expected, repaired):
    assert to_iob2(tags.split(), TagScheme(scheme)) == (expected.split(), repaired)


TAGS = st.lists(
    st.sampled_from(["O", "B-P", "I-P", "B-L", "I-L"]) | st.sampled_from(["E-P", "S-P", "E-L", "S-L"]),
    max_size=12,
)


@given(TAGS, st.sampled_from([scheme for scheme in TagScheme if scheme is not TagScheme.auto]))
def test_the_result_is_strict_iob2_and_stays_what_it_is(tags, scheme):
    converted, _ = to_iob2(tags, scheme)
    assert to_iob2(converted, TagScheme.iob2) == (converted, [])
    assert [tag[2:] for tag in converted] == [tag[2:] for tag in tags]


@given(st.lists(st.sampled_from(["O", "B-P", "I-P", "B-L", "I-L"]), max_size=12))
def test_illegal_iob2_is_read_as_conlleval_reads_it(tags):
    converted, _ = to_iob2(tags, TagScheme.iob2)
    assert [(name, start, end + 1) for name, start, end in get_entities(tags)] == entities(converted)


def test_repairs_are_counted_or_refused_with_their_place():
    tags = Tags(config(), TagScheme.iob2)
    assert tags.convert(["O", "I-P", "I-P"], "f, row 7") == ["O", "B-P", "I-P"]
    assert tags.repaired == 1
    with pytest.raises(DataError, match="row 7, word 1") as caught:
        Tags(config(tag_repair=TagRepair.error), TagScheme.iob2).convert(["O", "I-P"], "f, row 7")
    assert "dataset.tag_repair=repair" in str(caught.value)


def test_what_is_no_tag_is_found_in_later_splits_too():
    with pytest.raises(DataError, match="row 3, word 1"):
        Tags(config(), TagScheme.iob2).convert(["O", "B_P"], "f, row 3")


def test_types_are_renamed_merged_and_made_none():
    tags = Tags(config(label_map={"PER": "PESSOA", "MISC": "O", "EVT": None}), TagScheme.iob2)
    given = ["B-PER", "I-PER", "O", "B-MISC", "B-EVT", "B-LOC"]
    assert tags.convert(given, "f") == ["B-PESSOA", "I-PESSOA", "O", "O", "O", "B-LOC"]


def test_whole_tags_can_be_mapped():
    names = {0: "O", 3: "B-PESSOA", 4: "I-PESSOA"}
    assert detect_tag_scheme(config(label_map=names), [["0", "3", "4"]], "f") is TagScheme.iob2
    assert Tags(config(label_map=names), TagScheme.iob2).convert(["0", "3", "4"], "f") == [
        "O",
        "B-PESSOA",
        "I-PESSOA",
    ]
