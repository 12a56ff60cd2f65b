"""Overlapping windows over texts that are longer than the model's input, and the window that predicts each token."""

from collections.abc import Sequence


def windows(length: int, size: int, overlap: int) -> list[tuple[int, int]]:
    """Cuts `length` tokens into windows of at most `size`; neighbours share at least `overlap` tokens.

    The last window ends with the text and is as long as the others, which gives its tokens full context.

    Returns:
        (first, end) of each window, end exclusive; one empty window for an empty text.
    """
    if length <= size:
        return [(0, length)]
    stride = size - overlap
    starts = list(range(0, length - size, stride)) + [length - size]
    return [(start, start + size) for start in starts]


def most_central(position: int, spans: Sequence[tuple[int, int]]) -> int:
    """Returns the number of the window in which a token has the most context on the side that has less.

    This is the rule of BERT's SQuAD evaluation (Devlin et al. 2019), which BERTimbau uses for NER (Souza et al. 2019,
    section 6.2.2). Ties go to the earlier window. At least one span must contain the position.
    """
    return max(
        (index for index, (start, end) in enumerate(spans) if start <= position < end),
        key=lambda index: (min(position - spans[index][0], spans[index][1] - 1 - position), -index),
    )
