"""Texts that occur more than once: the same, nearly the same, within a split and across splits.

Three degrees: `exact` (blanks apart), `alike` (case, accents and punctuation apart) and near (sets of five-letter
pieces with a high Jaccard similarity, found by MinHash: Broder 1997, with the bands of Leskovec, Rajaraman &
Ullman, Mining of Massive Datasets, section 3.4).
"""

import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

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
PIECE = 5
"""Letters of the pieces that near duplicates are compared by."""
PERMUTATIONS = 128
SHORTEST = 3 * PIECE
"""Texts with fewer letters are not compared nearly: a single letter changes most of their pieces."""


def text_column(columns: Sequence[Column]) -> str:
    """The column that holds what the model reads, as one text."""
    role = next(column for column in columns if not column.target)
    return "text" if role.kind is Kind.words else role.role


def exact(text: str) -> str:
    """The text with runs of blanks as one."""
    return " ".join(text.split())


def alike(text: str) -> str:
    """The words of the text in lower case, without accents and punctuation; texts without words stay as they are."""
    plain = unicodedata.normalize("NFD", text.casefold()).translate(ACCENTS)
    return " ".join(WORDS.findall(plain)) or exact(text)


def hashes(texts: Iterable[str], form: Callable[[str], str]) -> Hashes:
    """64-bit hashes of texts in one of the forms above: uint64 (texts,)."""
    return np.fromiter((xxhash.xxh3_64_intdigest(form(text).encode()) for text in texts), dtype=np.uint64)


def first_positions(values: Hashes) -> NDArray[np.int64]:
    """For each value the position of its first occurrence: int64 (values,)."""
    _, first, inverse = np.unique(values, return_index=True, return_inverse=True)
    return first[inverse].astype(np.int64)


def without_repeats(data: Dataset, column: str) -> Dataset:
    """Rows whose text does not stand, alike, in an earlier row."""
    first = first_positions(hashes(iter_column(data, column), alike))
    return data.select(np.flatnonzero(first == np.arange(len(first))))


def without_leaks(data: Dataset, others: Iterable[Dataset], column: str) -> Dataset:
    """Rows whose text does not stand, alike, in one of the other splits."""
    return data.select(np.flatnonzero(~is_duplicate_of(data, others, column)))


def is_duplicate_of(data: Dataset, others: Iterable[Dataset], column: str) -> NDArray[np.bool_]:
    """Whether the text of each row stands, alike, in one of the other splits: bool (rows,)."""
    known = np.concatenate([hashes(iter_column(other, column), alike) for other in others])
    return np.isin(hashes(iter_column(data, column), alike), known)


def removes(dedup: Dedup, what: Dedup) -> bool:
    """Whether a setting of `dataset.dedup` removes repeats, or leaks."""
    return dedup in (what, Dedup.all)


def near(texts: Mapping[int, str], threshold: float) -> Iterator[tuple[int, int]]:
    """Pairs of texts that are alike to a degree.

    Args:
        texts: in the form of `alike`, each once, by number.
        threshold: least Jaccard similarity of their pieces; a pair just above it may be missed.

    Yields:
        (number of the earliest text that it resembles, its number); both in the order of numbers.
    """
    from datasketch import MinHash, MinHashLSH

    numbers = [number for number in sorted(texts) if len(texts[number]) >= SHORTEST]
    if len(numbers) < 2:
        return
    pieces = (_pieces(texts[number]).tolist() for number in numbers)
    signatures = np.stack(
        [one.hashvalues for one in MinHash.generator(pieces, num_perm=PERMUTATIONS, hashfunc=int)]
    )
    # The library's choice of bands and rows for this threshold; its own index would take gigabytes of dicts.
    index = MinHashLSH(threshold=threshold, num_perm=PERMUTATIONS)
    resembles: dict[int, int] = {}
    for band in range(index.b):
        rows = np.ascontiguousarray(signatures[:, band * index.r : (band + 1) * index.r])
        keys = rows.view(np.dtype((np.void, rows.itemsize * index.r))).ravel()
        order = np.argsort(keys, kind="stable")
        begins = np.append(True, keys[order][1:] != keys[order][:-1])
        heads = order[np.maximum.accumulate(np.where(begins, np.arange(len(order)), 0))]
        for one, other in zip(heads[~begins].tolist(), order[~begins].tolist(), strict=True):
            if other not in resembles and jaccard(texts[numbers[one]], texts[numbers[other]]) >= threshold:
                resembles[other] = one
    for other in sorted(resembles):
        yield numbers[resembles[other]], numbers[other]


def jaccard(one: str, other: str) -> float:
    """Jaccard similarity of the pieces of two texts."""
    a, b = _pieces(one), _pieces(other)
    shared = len(np.intersect1d(a, b, assume_unique=True))
    return shared / (len(a) + len(b) - shared)


def _pieces(text: str) -> NDArray[np.uint64]:
    """Distinct 32-bit hashes of the runs of PIECE letters of a text of at least as many: uint64."""
    codes = np.frombuffer(text.encode("utf-32-le"), dtype=np.uint32).astype(np.uint64)
    count = len(codes) - PIECE + 1
    mixed = np.zeros(count, dtype=np.uint64)
    for offset in range(PIECE):
        mixed = mixed * np.uint64(0x9E3779B97F4A7C15) + codes[offset : offset + count]
    return np.unique(mixed >> np.uint64(32))
