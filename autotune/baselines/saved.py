"""The files of a fitted baseline: tensors in safetensors, all else in JSON. Nothing in them is code.

A checksum covers both files, so damage, and files of two models, are refused. What is read is bounded before it is read:
the JSON by `runtime.parsing`, the tensors by the shapes that follow from it.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from pydantic import AfterValidator
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from autotune.errors import ModelError, listing
from autotune.runtime.files import atomic_write
from autotune.runtime.parsing import Unreadable, read_bytes
from autotune.runtime.records import Record, damaged, read_record

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Tensors = Mapping[str, NDArray[Any]]
    Layout = Mapping[str, tuple[str, tuple[int, ...]]]
    """Of each tensor, the type of its numbers (`F64`, or `I` for whole ones of any size) and its shape."""

WEIGHTS, VOCABULARY, SETTINGS = "model.safetensors", "vocabulary.json", "settings.json"
MAX_BYTES = 2_000_000_000
"""Most bytes of the tensors."""
LARGEST = 1e38
"""Largest number of a tensor; float32 has none above 3.4e38."""
FIX = "copy the whole folder of the model again, or train again"
DTYPES = ("F32", "F64", "I32", "I64")
"""Types of tensors, as safetensors names them."""
CHECKSUM = "sha256"
"""The only key of the metadata: safetensors writes several of them in any order."""


def unique(names: list[str]) -> list[str]:
    """Returns names of which none occurs twice, and that can be printed.

    Raises:
        ValueError: one occurs twice, or holds half of a surrogate pair, which JSON can write and UTF-8 cannot.
    """
    "".join(names).encode()
    if len(set(names)) < len(names):
        (name, _), *_ = Counter(names).most_common(1)
        raise ValueError(f"{name[:40]!r} occurs twice")
    return names


Names = Annotated[list[str], AfterValidator(unique)]


def write(folder: Path, vocabulary: Mapping[str, Any], tensors: "Tensors") -> None:
    """Writes vocabulary.json and model.safetensors into a folder; the same content gives the same bytes.

    Args:
        folder: exists.
        vocabulary: values of JSON.
        tensors: arrays of the types in `DTYPES`.

    Raises:
        DiskError: a file cannot be written.
    """
    text = write_json(folder / VOCABULARY, vocabulary)
    contiguous = {name: np.ascontiguousarray(tensor) for name, tensor in tensors.items()}
    with atomic_write(folder / WEIGHTS) as file:
        file.write(save(contiguous, {CHECKSUM: _checksum(text, contiguous)}))


def write_json(path: Path, values: Mapping[str, Any]) -> bytes:
    """Writes a JSON file, and returns its content.

    Raises:
        DiskError: the file cannot be written.
    """
    text = json.dumps(values, ensure_ascii=False, separators=(",", ":")).encode()
    with atomic_write(path) as file:
        file.write(text)
    return text


def read_json(path: Path, schema: type[Record]) -> dict[str, Any]:
    """Returns the content of a JSON file.

    Raises:
        ModelError: the file is missing or damaged.
    """
    return read_record(path, schema, fix=FIX, needed=True) or {}


def read_tensors(
    folder: Path, layout: "Layout", *, low: float = -LARGEST, high: float = LARGEST
) -> "Tensors":
    """Returns the tensors of model.safetensors.

    Args:
        folder: folder of the model.
        layout: the tensors that the vocabulary asks for; there may be no others.
        low: smallest number.
        high: largest number.

    Raises:
        ModelError: the file is missing or damaged, does not fit the vocabulary, or holds other numbers.
    """
    path = folder / WEIGHTS
    if not path.is_file():
        raise ModelError(f"there is no {path.name}", where=str(path), fix=FIX)
    try:
        tensors, checksum = _read(path, layout)
    except (Unreadable, SafetensorError) as error:
        raise damaged(path, str(error), FIX) from error
    if not all(((low <= tensor) & (tensor <= high)).all() for tensor in tensors.values()):
        raise damaged(path, "it holds numbers that are not finite, or too large or too small", FIX)
    if checksum != _checksum(read_bytes(folder / VOCABULARY), tensors):
        raise damaged(path, f"its checksum is not that of its tensors and of {VOCABULARY}", FIX)
    return tensors


def _read(path: Path, layout: "Layout") -> "tuple[Tensors, str | None]":
    """Returns the tensors and the checksum. The header is compared with the layout before anything is allocated."""
    with safe_open(path, framework="numpy") as file:
        names = set(file.keys())
        if names != set(layout):
            raise Unreadable(f"it holds the tensors {listing(sorted(names))}, not {listing(sorted(layout))}")
        for name, (dtype, shape) in layout.items():
            header = file.get_slice(name)
            if header.get_dtype() not in DTYPES or not header.get_dtype().startswith(dtype):
                raise Unreadable(f"{name} has the type {header.get_dtype()}")
            if tuple(header.get_shape()) != shape:
                raise Unreadable(f"{name} has the shape {header.get_shape()}, not {list(shape)}")
        if path.stat().st_size > MAX_BYTES:
            raise Unreadable(f"it has more than {MAX_BYTES:,} bytes")
        tensors = {name: file.get_tensor(name) for name in layout}
        return tensors, (file.metadata() or {}).get(CHECKSUM)


def _checksum(vocabulary: bytes, tensors: "Tensors") -> str:
    digest = hashlib.sha256(vocabulary)
    for name in sorted(tensors):
        digest.update(name.encode())
        digest.update(tensors[name].data)
    return digest.hexdigest()
