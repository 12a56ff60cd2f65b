"""Windows over texts, and over the longer of two texts, as features of a model that reads whole inputs."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from autotune.config.enums import Overflow
from autotune.errors import DataError
from autotune.tasks.text_encoder import TextEncoder, chunks
from autotune.tasks.windows import windows

Row = Mapping[str, Any]


class WindowReader:
    """Cuts rows with `text`, and perhaps `text_pair`, into windows.

    Of two texts that do not fit together, the longer one is cut into windows and the other stays whole in each of them. If the
    shorter one exceeds half the room, only its first half is read, as tokenizers truncate pairs (longest first).

    Args:
        encoder: encodes the texts.
        max_length: longest window in tokens, special tokens included.
        on_overflow: what happens to longer rows.
        overlap: tokens that neighbouring windows share.
    """

    def __init__(self, encoder: TextEncoder, max_length: int, on_overflow: Overflow, overlap: int) -> None:
        self._encoder, self._max_length = encoder, max_length
        self._on_overflow, self._overlap = on_overflow, overlap

    def windows(self, rows: Iterable[Row], first: int) -> Iterator[tuple[Row, dict[str, Any]]]:
        """Yields each row with one of its windows: `row`, `input_ids`, for pairs `token_type_ids`, `length`, `lost` and
        `weight` (1 / windows of the row).

        Args:
            rows: rows with canonical columns.
            first: number of the first row.

        Raises:
            DataError: a row is too long, with on_overflow=error.
        """
        number = first
        for chunk in chunks(rows):
            for row, texts in zip(chunk, self._ids(chunk), strict=True):
                length = sum(map(len, texts))
                room = self._room(texts)
                if length > room and self._on_overflow is Overflow.error:
                    raise DataError(
                        f"a text has {length} tokens, more than the {room} that fit",
                        where=f"row {number} (id {row['id']})",
                        fix="task.on_overflow=window or task.on_overflow=truncate",
                    )
                spans, lost = self._spans(texts, room)
                for index, span in enumerate(spans):
                    parts = [ids[start:end] for ids, (start, end) in zip(texts, span, strict=True)]
                    yield (
                        row,
                        {
                            "row": number,
                            **self._encoder.encoded(*parts),
                            "length": length + self._encoder.special_tokens(len(texts)),
                            "lost": lost if index == 0 else 0,
                            "weight": 1 / len(spans),
                        },
                    )
                number += 1

    def tokens_beyond(self, rows: Iterable[Row]) -> int:
        """Returns how many tokens of rows come after the first window."""
        return sum(
            max(0, sum(map(len, texts)) - self._room(texts))
            for chunk in chunks(rows)
            for texts in self._ids(chunk)
        )

    def _ids(self, rows: list[Row]) -> Iterator[list[list[int]]]:
        """Yields the tokens of the text, or of both texts, of each row."""
        first = self._encoder.ids([row["text"] for row in rows])
        if rows[0].get("text_pair") is None:
            return ([ids] for ids in first)
        second = self._encoder.ids([row["text_pair"] for row in rows])
        return ([ids, other] for ids, other in zip(first, second, strict=True))

    def _room(self, texts: list[list[int]]) -> int:
        return self._encoder.max_content_tokens(self._max_length, len(texts))

    def _spans(self, texts: list[list[int]], room: int) -> tuple[list[list[tuple[int, int]]], int]:
        """Returns for each window which tokens of each text it holds, and how many tokens no window holds."""
        lengths = [len(ids) for ids in texts]
        # The same choice as tokenizers': of two texts of one length, the second counts as the longer one.
        longer = 0 if len(lengths) == 1 or lengths[0] > lengths[1] else 1
        kept = [min(length, room // 2) for length in lengths]
        size = room - (kept[1 - longer] if len(lengths) == 2 else 0)
        if self._on_overflow is Overflow.truncate:
            spans = [(0, min(lengths[longer], size))]
        else:
            spans = windows(lengths[longer], size, min(self._overlap, size - 1))
        lost = lengths[longer] - max(end for _, end in spans)
        if len(lengths) == 1:
            return [[span] for span in spans], lost
        shorter = (0, kept[1 - longer])
        lost += lengths[1 - longer] - kept[1 - longer]
        return [[span, shorter] if longer == 0 else [shorter, span] for span in spans], lost
