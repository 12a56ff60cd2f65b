"""Texts longer than the model: overlapping windows over their tokens, and which window answers for a token."""

from collections.abc import Sequence


def windows(length: int, room: int, overlap: int) -> list[tuple[int, int]]:
    """Cuts `length` tokens into windows of at most `max_content_tokens`, neighbours sharing at least `overlap`.

    The last window ends with the text and is as long as the others, so that its tokens have full context.

    Returns:
        (first, end) of each window, end exclusive; one empty window for an empty text.
    """
    if length <= room:
        return [(0, length)]
    step = room - overlap
    starts = list(range(0, length - room, step)) + [length - room]
    return [(start, start + room) for start in starts]


def most_central(position: int, spans: Sequence[tuple[int, int]]) -> int:
    """Number of the window in which a token has the most context on its poorer side.

    The rule of BERT's SQuAD evaluation (Devlin et al. 2019) that BERTimbau uses for NER (Souza et al. 2019,
    section 6.2.2). Ties go to the earlier window. At least one span holds the position.
    """
    return max(
        (index for index, (start, end) in enumerate(spans) if start <= position < end),
        key=lambda index: (min(position - spans[index][0], spans[index][1] - 1 - position), -index),
    )
