"""Cuts a document that is longer than the model's input into windows, and a reference into what each of them is to say.

Summaries of windows make the summary of a document, as in DANCER (Gidiotis and Tsoumakas 2020, A Divide-and-Conquer
Approach to the Summarization of Long Documents): every sentence of the reference is learned with exactly one window, the
one that has most of it, and a window without a sentence is not learned.
"""

import re
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import Any

from autotune.metrics.sentences import sentence_starts, words

WORD_START = re.compile(r"(?<=\s)(?=\S)")

Offsets = Sequence[tuple[int, int]]
"""Where each token begins and ends in its text."""


@dataclass(frozen=True)
class GeneratedSummary:
    """A summary that the model has generated."""

    text: str
    cut: bool
    """True if the summary reached the maximum length before the model ended it."""
    num_read: int
    """Tokens of the whole text of which the model has read a window, with the prompt."""


def windows_at_sentences(text: str, offsets: Offsets, size: int) -> list[tuple[int, int]]:
    """Cuts a text into the fewest windows of at most `size` tokens that hold whole sentences, of nearly equal length.

    A sentence that is longer than a window is cut between words, and a word that is longer between tokens.

    Returns:
        (first token, end) of each window, end exclusive; together they are all tokens, each once.
    """
    # Normalization may reorder the offsets of neighbouring tokens; a border must not.
    ends = list(accumulate((end for _, end in offsets), max))
    word_starts = (match.start() for match in WORD_START.finditer(text))
    levels = (
        [bisect_right(ends, start) for start in sentence_starts(text)],
        [bisect_right(ends, start) for start in word_starts],
        range(len(offsets)),
    )
    return _balanced(_borders(len(offsets), levels, size), size)


def window_text(text: str, offsets: Offsets, window: tuple[int, int]) -> str:
    """Returns the part of a text that the tokens of a window come from."""
    first, end = window
    return text[offsets[first][0] : offsets[end - 1][1]]


def assign_sentences(reference: str, windows: Sequence[str]) -> dict[int, str]:
    """Divides the sentences of a reference among the windows of its document.

    A sentence goes to the window that has most of its words and pairs of neighbouring words (the sum of the hits of
    ROUGE-1 and ROUGE-2); of equal ones, to that of the sentence before it, else to the first.

    Returns:
        What each window is to say, by number; windows without a sentence are left out, and at least one is not.
    """
    reference = reference.strip()
    grams = [_grams(window) for window in windows]
    parts: dict[int, str] = {}
    latest = 0
    for start, end in pairwise([*sentence_starts(reference), len(reference)]):
        sentence = _grams(reference[start:end])
        hits = [sum(min(count, window[gram]) for gram, count in sentence.items()) for window in grams]
        latest = max(range(len(windows)), key=lambda number: (hits[number], number == latest, -number))
        parts[latest] = parts.get(latest, "") + reference[start:end]
    return {number: part.strip() for number, part in parts.items()}


def joined(summaries: Sequence[GeneratedSummary]) -> str:
    """Returns the summaries of a document's windows, in order; what several say with the same words is said once."""
    return " ".join(dict.fromkeys(summary.text for summary in summaries if summary.text))


def _grams(text: str) -> Counter[Any]:
    """Counts the words of a text and the pairs of neighbouring words."""
    of_text = words(text)
    return Counter[Any](of_text) + Counter[Any](pairwise(of_text))


def _borders(length: int, levels: Iterable[Iterable[int]], size: int) -> list[int]:
    """Returns where a window may begin or end, never more than `size` tokens apart: at the first level, and at each further
    one only in stretches that are still longer."""
    borders = [0, length]
    for level in levels:
        inner = [border for border in level if 0 < border < length]
        places = [bisect_left(borders, border) for border in inner]
        borders = sorted({*borders, *(
            border for border, place in zip(inner, places, strict=True) if borders[place] - borders[place - 1] > size
        )})  # fmt: skip
    return borders


def _balanced(borders: Sequence[int], size: int) -> list[tuple[int, int]]:
    """Returns the fewest windows of at most `size` tokens between borders, the longest of them as short as possible."""

    def windows(most: int) -> list[tuple[int, int]]:
        ends = [0]
        while ends[-1] < borders[-1]:
            ends.append(borders[bisect_right(borders, ends[-1] + most) - 1])
        return list(pairwise(ends))

    least = max(end - start for start, end in pairwise(borders))
    fewest = len(windows(size))
    sizes = range(least, size)
    return windows(least + bisect_left(sizes, True, key=lambda most: len(windows(most)) <= fewest))
