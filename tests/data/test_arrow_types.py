"""Parquet and Arrow: columns that no role uses may have any type, and lose no row."""

import decimal

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from datasets import ClassLabel, Dataset, Features, Value

from autotune.errors import DataError

TEXTS = ["Gostei muito.", "Não gostei."]
STORABLE = {
    "map": pa.array([[("origem", "loja")], []], pa.map_(pa.string(), pa.string())),
    "struct": pa.array([{"a": 1}, None]),
    "list of structs": pa.array([[{"a": 1}], []]),
    "decimal": pa.array([decimal.Decimal("5.00"), decimal.Decimal("1.50")]),
    "nanoseconds": pa.array([1234567890123456789, None], pa.timestamp("ns")),
    "time zone that nobody knows": pa.array([0, 1], pa.timestamp("us", tz="Nowhere/City")),
    "dictionary": pa.array(["x", "y"]).dictionary_encode(),
    "bytes that are no text": pa.array([b"\xff", b""]),
    "null": pa.nulls(2),
    "uuid": pa.ExtensionArray.from_storage(pa.uuid(), pa.array([b"1" * 16] * 2, pa.binary(16))),
    "large string": pa.array(["x", "y"], pa.large_string()),
    "duration": pa.array([1, 2], pa.duration("ms")),
    "half float": pa.array([0.5, 1.5], pa.float16()),
}
ARROW_ONLY = {
    "time far away": pa.array([2**62, 0], pa.timestamp("s")),
    "date far away": pa.array([2**30, 0], pa.date32()),
    "run-end encoded": pa.RunEndEncodedArray.from_arrays(pa.array([2], pa.int32()), pa.array(["x"])),
    "sparse union": pa.UnionArray.from_sparse(
        pa.array([0, 1], pa.int8()), [pa.array([1, 2]), pa.array(["a", "b"])]
    ),
    "interval": pa.array([(1, 2, 3), None], pa.month_day_nano_interval()),
    "string view": pa.array(["x", "y"], pa.string_view()),
    "struct with a field twice": pa.StructArray.from_arrays(
        [pa.array([1, 2]), pa.array([3, 4])], names=["a", "a"]
    ),
}


def table(column):
    return pa.table({"text": TEXTS, "label": ["pos", "neg"], "other": column})


def write_arrow(path, rows):
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, rows.schema) as writer:
        writer.write_table(rows)
    return path


@pytest.mark.parametrize("name", STORABLE)
def test_parquet_is_read_beside_a_column_of_any_type(load, tmp_path, name):
    pq.write_table(table(STORABLE[name]), tmp_path / "a.parquet")
    assert list(load("sentiment", tmp_path / "a.parquet").splits["train"]["text"]) == TEXTS


@pytest.mark.parametrize("name", [*STORABLE, *ARROW_ONLY])
def test_arrow_is_read_beside_a_column_of_any_type(load, tmp_path, name):
    path = write_arrow(tmp_path / "a.arrow", table((STORABLE | ARROW_ONLY)[name]))
    assert list(load("sentiment", path).splits["train"]["label"]) == ["pos", "neg"]


def test_a_decimal_is_the_class_that_its_number_is(load, tmp_path):
    rows = pa.table({"text": TEXTS, "label": STORABLE["decimal"]})
    pq.write_table(rows, tmp_path / "a.parquet")
    assert list(load("sentiment", tmp_path / "a.parquet").splits["train"]["label"]) == ["5", "1.50"]


def test_what_has_no_form_is_refused_by_name_where_a_role_needs_it(load, tmp_path):
    path = write_arrow(tmp_path / "a.arrow", table(ARROW_ONLY["time far away"]))
    with pytest.raises(DataError, match=r"column other holds values of the type timestamp\[s\]"):
        load("sentiment", path, columns={"label": "other"})


def test_a_column_twice_is_refused_by_name(load, tmp_path):
    pq.write_table(
        table(pa.array(["a", "b"])).append_column("label", pa.array(["x", "y"])), tmp_path / "a.parquet"
    )
    with pytest.raises(DataError, match="columns with the same name: 'label'"):
        load("sentiment", tmp_path / "a.parquet")


def test_names_of_classes_are_found_beside_a_type_that_datasets_does_not_know(load, tmp_path):
    features = Features({"text": Value("string"), "label": ClassLabel(names=["ruim", "bom"])})
    data = Dataset.from_dict({"text": TEXTS, "label": [1, 0]}, features=features)
    rows = data.data.table.append_column("origem", STORABLE["map"])
    pq.write_table(rows, tmp_path / "a.parquet")
    assert list(load("sentiment", tmp_path / "a.parquet").splits["train"]["label"]) == ["bom", "ruim"]
