"""The bounded readers: what is refused, in which words, and what an honest file may still say."""

import os

import pytest
import yaml

from autotune.errors import ConfigError, ModelError
from autotune.runtime.library_errors import library_errors, message_of
from autotune.runtime.parsing import DEEPEST, Unreadable, parse_json, parse_yaml
from autotune.runtime.records import Record, read_lines, read_record

BOMB = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{new}: &{new} [{','.join([f'*{old}'] * 9)}]\n" for old, new in zip("abcdefgh", "bcdefghi", strict=True)
)
"""Nine lines that stand for 400 million texts."""


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("[" * 100_000, "64 levels"), ("[" * 70 + "]" * 70, "64 levels"),
        ('{"a": 1, "b": 2, "a": 3}', "the key 'a' occurs twice"),
        ('{"a": NaN}', "NaN"), ("[-Infinity]", "-Infinity"), ("9" * 5000, "4300 digits"), ("", "not JSON"), ("{", "not JSON"),
    ],
)  # fmt: skip
def test_json_beyond_the_bounds_is_refused_in_words(text, found):
    with pytest.raises(Unreadable, match=found):
        parse_json(text)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("[" * 100_000, "64 levels"), ("x: &a [*a]", "refers to itself"),
        ("&a {b: *a}", "refers to itself"),
        ("&a [&b [*a]]", "refers to itself"), (BOMB, "200,000 values"), ("<<: &a {b: 1}\n<<: *a", "twice"),
        ("a: 1\na: 2", "the key 'a' occurs twice"),
        ("!!python/object/apply:os.getcwd []", "not YAML"), ("2024-13-45", "an invalid value"), ("a: [1", "line 1"),
        ("? [1, 2]\n: 3", "not YAML"), ("--- 1\n--- 2", "single document"),
    ],
)  # fmt: skip
def test_yaml_beyond_the_bounds_is_refused_in_words(text, found):
    with pytest.raises(Unreadable, match=found):
        parse_yaml(text)


def test_honest_files_are_read_as_ever():
    deep: object = 1
    for _ in range(DEEPEST):
        deep = [deep]
    assert parse_json(str(deep)) == deep
    assert parse_yaml(str(deep)) == deep
    text = "base: &b {x: 1, y: [1, 2]}\nother: {<<: *b, y: *b}\nnot: ~\ndate: 2024-02-03\n"
    assert parse_yaml(text) == yaml.safe_load(text)
    assert parse_yaml("") is None
    assert parse_json('{"a": NaN, "a": 1}', nan=True, twice=True) == {"a": 1}


class Pair(Record):
    number: int
    name: str = ""


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b'{"number": "1"}', 'number: input should be a valid integer, found "1"'), (b"{}", "number: the key is missing"),
        (b'{"number": true}', "number"), (b"[1]", "valid dictionary"), (b"\xff", "not UTF-8 text: byte 0 is 0xff"),
        (b'{"number": 1, "name": null}', "name"), (b"", "not JSON"),
    ],
)  # fmt: skip
def test_a_record_of_other_types_is_refused_with_file_key_and_fix(tmp_path, content, found):
    file = tmp_path / "pair.json"
    file.write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        read_record(file, Pair, fix="write it again", error_type=ConfigError)
    assert caught.value.where == str(file) and caught.value.fix == "write it again"
    assert caught.value.what == "pair.json is damaged" and found in (caught.value.found or "")


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir, lambda path: path.symlink_to(path)])
def test_what_is_no_regular_file_is_not_waited_for(tmp_path, make):
    make(tmp_path / "pair.json")
    with pytest.raises(ModelError, match=r"pair\.json is damaged"):
        read_record(tmp_path / "pair.json", Pair, fix="")
    with pytest.raises(ModelError, match=r"pair\.json is damaged"):
        list(read_lines(tmp_path / "pair.json", fix=""))


def test_keys_that_no_schema_names_stay_and_a_missing_file_is_none_or_told(tmp_path):
    (tmp_path / "pair.json").write_text('{"number": 1, "newer": [2]}')
    assert read_record(tmp_path / "pair.json", Pair, fix="") == {"number": 1, "newer": [2]}
    assert read_record(tmp_path / "other.json", Pair, fix="") is None
    with pytest.raises(ModelError, match=r"there is no other\.json"):
        read_record(tmp_path / "other.json", Pair, fix="", needed=True)
    assert list(read_lines(tmp_path / "other.jsonl", fix="")) == []
    (tmp_path / "lines.jsonl").write_text('{"loss": NaN}\n[1]\n')
    with pytest.raises(ModelError, match="line 2: it holds a list"):
        list(read_lines(tmp_path / "lines.jsonl", fix=""))


class PanicException(BaseException):
    """As pyo3 calls what a panic in Rust becomes."""


@pytest.mark.parametrize(
    "error",
    [
        TypeError("x"),
        AttributeError(),
        SystemError(),
        Exception("Rust"),
        PanicException("p"),
        RecursionError(),
    ],
)
def test_whatever_a_library_raises_is_translated(error):
    with (
        pytest.raises(ModelError, match=type(error).__name__),
        library_errors(lambda one: ModelError(message_of(one))),
    ):
        raise error


@pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit(3), GeneratorExit(), ConfigError("ours")])
def test_what_is_no_fault_of_a_library_passes(error):
    with pytest.raises(type(error)), library_errors(lambda one: ModelError(message_of(one))):
        raise error


def test_a_bug_of_ours_below_the_call_stays_a_bug():
    """Told by the function that raised it, however deep below the guarded call."""
    from autotune.runtime import files

    with pytest.raises(AttributeError), library_errors(lambda one: ModelError(message_of(one))):
        files.free_name(None)  # type: ignore[arg-type]
    with pytest.raises(ModelError), library_errors(lambda one: ModelError(message_of(one))):
        yaml.safe_load(3)
