"""The table of file formats, and the grammar of splits."""

from pathlib import Path

import pytest

from autotune.config.formats import READABLE, REFUSED, WRITABLE, refusal
from autotune.config.schema import DatasetConfig
from autotune.config.split_spec import FILE_NAME, Slice, parse_split
from autotune.data.formats.readers import format_of
from autotune.errors import DataError


@pytest.mark.parametrize("suffix", READABLE)
def test_each_readable_suffix_is_known_to_the_reader_and_to_the_splits(suffix):
    assert format_of(Path(f"a{suffix}"), DatasetConfig()) is READABLE[suffix]
    assert FILE_NAME.search(f"A{suffix.upper()}.gz[:10%]")
    assert refusal(Path(f"a{suffix}")) is None


@pytest.mark.parametrize("suffix", REFUSED)
def test_files_that_are_not_read_get_the_same_advice_before_and_while_reading(suffix):
    with pytest.raises(DataError) as error:
        format_of(Path(f"a{suffix}"), DatasetConfig())
    assert (error.value.what, error.value.fix) == (refusal(Path(f"a{suffix}")).what, REFUSED[suffix].fix)
    assert suffix not in READABLE | WRITABLE


@pytest.mark.parametrize(
    ("name", "refused"),
    [("a.csv.gz", False), ("a.conllu.xz", False), ("a.parquet.gz", True), ("a.tar.gz", True), ("a", False)],
)
def test_only_text_is_read_compressed(name, refused):
    assert (refusal(Path(name)) is not None) is refused


@pytest.mark.parametrize(
    ("split", "names", "rows"),
    [
        (None, [], []),
        ("train", ["train"], [range(10)]),
        ("train[:10%]+validation", ["train", "validation"], [range(1), range(10)]),
        (" train[2:] + a.csv[4:50] ", ["train", "a.csv"], [range(2, 10), range(4, 10)]),
        ("a+b/c.txt[:50%]", ["a+b/c.txt"], [range(5)]),
        ("a.csv+b.csv", ["a.csv", "b.csv"], [range(10), range(10)]),
    ],
)
def test_splits_are_names_with_slices(split, names, rows):
    slices = parse_split(split)
    assert [part.name for part in slices] == names
    assert [part.rows(10) for part in slices] == rows
    assert all(part.is_valid for part in slices)


@pytest.mark.parametrize("split", ["train[10]", "train[:x]", "+train", "[:10]", "a[1:2][3:4]"])
def test_invalid_slices_are_noticed(split):
    assert not parse_split(split)[0].is_valid


def test_a_file_whose_name_has_a_plus_is_one_part():
    assert [part.name for part in parse_split("a+b[:2]", lambda name: name == "a+b")] == ["a+b"]
    assert parse_split("a+b", lambda name: False) == [Slice("a"), Slice("b")]
