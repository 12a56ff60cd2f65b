"""Finds duplicate and nearly duplicate texts, within a split and across splits.

Three degrees: exact (equal except for whitespace), alike (equal except for case, accents and punctuation) and near
(sets of five-letter pieces with a high Jaccard similarity, found by MinHash: Broder 1997, with the bands of Leskovec,
Rajaraman & Ullman, Mining of Massive Datasets, section 3.4).
"""

import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache

import numpy as np
import xxhash
from datasets import Dataset
from numpy.typing import NDArray

from autotune.config.columns import Column, Kind
from autotune.config.enums import Dedup
from autotune.data.cache import iter_column

Hashes = NDArray[np.uint64]

ACCENTS = dict.fromkeys(range(0x300, 0x370))
WORDS = re.compile(r"\w+")
PIECE_LETTERS = 5
"""Letters per piece; near duplicates share most of their pieces."""
PERMUTATIONS = 128
"""Hash functions of MinHash: the length of a signature."""
MIN_LETTERS = 3 * PIECE_LETTERS
"""Shorter texts are not searched for near duplicates: a single letter changes most of their pieces."""


def text_column(columns: Sequence[Column]) -> str:
    """Returns the name of the column with the model's input as one text."""
    role = next(column for column in columns if not column.target)
    return "text" if role.kind is Kind.words else role.role


def iter_texts(data: Dataset, column: str) -> Iterator[str]:
    """Yields the text of each row; of pairs, both texts as one."""
    texts = iter_column(data, column)
    if f"{column}_pair" not in data.column_names:
        return texts
    return map("\n".join, zip(texts, iter_column(data, f"{column}_pair"), strict=True))


def exact_form(text: str) -> str:
    """Returns the text with each run of whitespace as one blank."""
    return " ".join(text.split())


def alike_form(text: str) -> str:
    """Returns the words of the text in lower case, without accents and punctuation; a text without words in exact form."""
    plain = unicodedata.normalize("NFD", text.casefold()).translate(ACCENTS)
    return " ".join(WORDS.findall(plain)) or exact_form(text)


def hashes(texts: Iterable[str], form: Callable[[str], str]) -> Hashes:
    """Returns 64-bit hashes of texts in one of the forms above: uint64 (texts,)."""
    return np.fromiter((xxhash.xxh3_64_intdigest(form(text).encode()) for text in texts), dtype=np.uint64)


def first_positions(values: Hashes) -> NDArray[np.int64]:
    """Returns for each value the position of its first occurrence: int64 (values,)."""
    _, first, inverse = np.unique(values, return_index=True, return_inverse=True)
    return first[inverse].astype(np.int64)


def without_repeats(data: Dataset, column: str) -> Dataset:
    """Returns the rows whose text is not alike the text of an earlier row."""
    first = first_positions(hashes(iter_texts(data, column), alike_form))
    return data.select(np.flatnonzero(first == np.arange(len(first))))


def without_leaks(data: Dataset, others: Iterable[Dataset], column: str) -> Dataset:
    """Returns the rows whose text is not alike a text in one of the other splits."""
    return data.select(np.flatnonzero(~is_duplicate_of(data, others, column)))


def is_duplicate_of(data: Dataset, others: Iterable[Dataset], column: str) -> NDArray[np.bool_]:
    """Returns for each row whether its text is alike a text in one of the other splits: bool (rows,)."""
    other_hashes = np.concatenate([hashes(iter_texts(other, column), alike_form) for other in others])
    return np.isin(hashes(iter_texts(data, column), alike_form), other_hashes)


def removes(dedup: Dedup, what: Dedup) -> bool:
    """Whether a value of `dataset.dedup` removes `what`: repeats or leaks."""
    return dedup in (what, Dedup.all)


def near_duplicates(texts: Mapping[int, str], threshold: float) -> Iterator[tuple[int, int]]:
    """Yields pairs of texts with similar pieces.

    Args:
        texts: distinct texts in `alike_form`, by number.
        threshold: least Jaccard similarity of their pieces; a pair just above it may be missed.

    Yields:
        (number of the earliest text that it resembles, its own number), in the order of the second.
    """
    from datasketch import MinHash

    numbers = [number for number in sorted(texts) if len(texts[number]) >= MIN_LETTERS]
    if len(numbers) < 2:
        return
    pieces = (_pieces(texts[number]).tolist() for number in numbers)
    signatures = np.stack(
        [signature.hashvalues for signature in MinHash.generator(pieces, num_perm=PERMUTATIONS, hashfunc=int)]
    )
    bands, size = _bands(threshold)
    resembles: dict[int, int] = {}
    for band in range(bands):
        rows = np.ascontiguousarray(signatures[:, band * size : (band + 1) * size])
        keys = rows.view(np.dtype((np.void, rows.itemsize * size))).ravel()
        order = np.argsort(keys, kind="stable")
        begins = np.append(True, keys[order][1:] != keys[order][:-1])
        # Texts with the same band are compared with the first of them only, which keeps the number of pairs linear.
        heads = order[np.maximum.accumulate(np.where(begins, np.arange(len(order)), 0))]
        for earlier, later in zip(heads[~begins].tolist(), order[~begins].tolist(), strict=True):
            if (
                later not in resembles
                and jaccard(texts[numbers[earlier]], texts[numbers[later]]) >= threshold
            ):
                resembles[later] = earlier
    for later in sorted(resembles):
        yield numbers[resembles[later]], numbers[later]


@cache
def _bands(threshold: float) -> tuple[int, int]:
    """Returns the number of bands and the rows of each that find pairs with at least this similarity, as the library chooses
    them. Its index itself would take gigabytes of dicts."""
    from datasketch import MinHashLSH

    index = MinHashLSH(threshold=threshold, num_perm=PERMUTATIONS)
    return index.b, index.r


def jaccard(left: str, right: str) -> float:
    """Returns the Jaccard similarity of the pieces of two texts."""
    left_pieces, right_pieces = _pieces(left), _pieces(right)
    shared = len(np.intersect1d(left_pieces, right_pieces, assume_unique=True))
    return shared / (len(left_pieces) + len(right_pieces) - shared)


def _pieces(text: str) -> NDArray[np.uint64]:
    """Returns the distinct 32-bit hashes, as uint64, of all pieces of a text with at least PIECE_LETTERS letters."""
    codes = np.frombuffer(text.encode("utf-32-le"), dtype=np.uint32).astype(np.uint64)
    count = len(codes) - PIECE_LETTERS + 1
    mixed = np.zeros(count, dtype=np.uint64)
    for offset in range(PIECE_LETTERS):
        mixed = mixed * np.uint64(0x9E3779B97F4A7C15) + codes[offset : offset + count]
    return np.unique(mixed >> np.uint64(32))
