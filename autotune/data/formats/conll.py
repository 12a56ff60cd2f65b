"""CoNLL columns: one word and its tag per line, a blank line after each sentence."""

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from autotune.config.compression import suffix_of
from autotune.config.labels import TAG
from autotune.config.schema import DatasetConfig
from autotune.data.formats.encoding import lines, open_text
from autotune.errors import DataError, listing

WHITESPACE = " \t"
"""Characters that separate columns and make up a blank line; a no-break space is part of a word."""
BETWEEN_COLUMNS = re.compile(f"[{WHITESPACE}]+")
CONLLU_COLUMNS = 10
"""Number of columns of CoNLL-U: ID, FORM … MISC (https://universaldependencies.org/format.html)."""


class Sentence(NamedTuple):
    """A sentence: its words, their tags (empty for a file with one column) and their line numbers."""

    tokens: list[str]
    tags: list[str]
    lines: list[int]


def read_conll(path: Path, config: DatasetConfig, notes: list[str]) -> Iterator[Mapping[str, list[str]]]:
    """Yields sentences with `tokens` and `tags`; a file with one column, of words to be tagged, has no `tags`.

    Raises:
        DataError: a line has fewer or more columns than those before it, or the column of the words holds word numbers.
    """
    is_numbered: list[bool] = []
    for tokens, tags, numbers in _sentences(path, config, notes):
        # One sentence may count 1, 2, 3 by chance, so the first two of more than two words must.
        if tags and len(tokens) > 2 and all(is_numbered) and len(is_numbered) < 2:
            first = int(tokens[0]) if tokens[0].isdecimal() and len(tokens[0]) < 10 else 0
            is_numbered.append(tokens == [str(number) for number in range(first, first + len(tokens))])
            if is_numbered == [True, True]:
                raise DataError(
                    "the column of the words holds numbers: 1, 2, 3 …",
                    where=f"{path}:{numbers[0]}",
                    found=listing(tokens),
                    fix=f"dataset.token_column={config.token_column + 1}",
                )
        # The file does not name its columns, so they get the names that the config asks for.
        row = {config.columns.tokens or "tokens": tokens}
        yield row | {config.columns.tags or "tags": tags} if tags else row


def line_of(path: Path, config: DatasetConfig, row: int, word: int) -> int:
    """Returns the line number of a word, for messages; reads the file again."""
    return next(islice(_sentences(path, config, []), row, None)).lines[word]


def _sentences(path: Path, config: DatasetConfig, notes: list[str]) -> Iterator[Sentence]:
    sentence = Sentence([], [], [])
    width = 0
    named_conllu = suffix_of(path) == ".conllu"
    with open_text(path, config, notes) as file:
        for number, raw in lines(file, path):
            line = raw.rstrip("\r\n")
            if not line.strip(WHITESPACE):
                if sentence.tokens:
                    yield sentence
                    sentence = Sentence([], [], [])
                continue
            is_conllu = named_conllu and line.count("\t") == CONLLU_COLUMNS - 1
            cells = line.split("\t") if is_conllu else _split_columns(line, config)
            if is_conllu and not cells[0].isdecimal():
                continue  # 3-4 is a contraction, whose words follow; 5.1 is an empty node, which is not in the text
            if line.startswith("-DOCSTART-") or _is_comment(cells, width, config):
                continue
            if width not in (0, len(cells)):
                raise DataError(
                    f"the line has {len(cells)} columns, those before it {width}",
                    where=f"{path}:{number}",
                    found=repr(line),
                    fix="a word and its tag in each line; dataset.delimiter names another mark between columns",
                )
            width = len(cells)
            try:
                sentence.tokens.append(cells[config.token_column or int(is_conllu)])
                if width > 1:
                    sentence.tags.append(cells[config.tag_column])
            except IndexError as error:
                raise DataError(
                    f"the line has {width} columns",
                    where=f"{path}:{number}",
                    found=repr(line),
                    fix="dataset.token_column and dataset.tag_column count from 0; negative numbers from the right",
                ) from error
            sentence.lines.append(number)
    if sentence.tokens:
        yield sentence


def _split_columns(line: str, config: DatasetConfig) -> list[str]:
    if config.delimiter is not None:
        return line.split(config.delimiter.replace("\\t", "\t"))
    return BETWEEN_COLUMNS.split(line.strip(WHITESPACE))


def _is_comment(cells: Sequence[str], width: int, config: DatasetConfig) -> bool:
    """Returns whether a line is a comment: `# text = …` is one, `# O` is a word with its tag."""
    if cells[0] != "#" and not cells[0].startswith("# "):
        return False
    column = config.tag_column if -len(cells) <= config.tag_column < len(cells) else -1
    return width not in (0, len(cells)) or not TAG.fullmatch(cells[column])
