"""Longest common subsequences of words, computed with one integer per row of the table.

The table of dynamic programming holds at (i, j) the length for the first i words of the reference and the first j
words of the candidate. Along a row it grows by 0 or 1 per word, so a row fits into one bit per word of the candidate,
and the next row follows from it by an addition and two logical operations (Hyyrö 2004, Bit-parallel LCS-length
computation revisited).
"""

from collections.abc import Sequence


class Candidate:
    """Words to compare references with.

    Args:
        words: words of the candidate.
    """

    def __init__(self, words: Sequence[str]) -> None:
        self.words = words
        self.mask = (1 << len(words)) - 1
        self.positions: dict[str, int] = {}
        """For each word, the bits of its positions."""
        for position, word in enumerate(words):
            self.positions[word] = self.positions.get(word, 0) | 1 << position

    def length(self, reference: Sequence[str]) -> int:
        """Returns the number of words in the longest common subsequence."""
        # As in the paper, a bit of `row` is 0 where the table grows.
        row, mask, positions = self.mask, self.mask, self.positions
        for word in reference:
            matches = row & positions.get(word, 0)
            if matches:
                row = ((row + matches) | (row - matches)) & mask
        return len(self.words) - row.bit_count()

    def indices(self, reference: Sequence[str]) -> list[int]:
        """Returns the positions in the reference of one longest common subsequence, the last position first.

        If there are several, it is the one that rouge_score reads out of its table: from the end, equal words are
        taken; otherwise a word of the candidate is skipped if that keeps more than skipping one of the reference.
        """
        # A word that the candidate lacks changes no row and is always skipped.
        shared = [position for position, word in enumerate(reference) if word in self.positions]
        bits = self.mask
        growth = [0]  # for each row of the table, 1 where it grows
        for position in shared:
            matches = bits & self.positions[reference[position]]
            bits = ((bits + matches) | (bits - matches)) & self.mask
            growth.append(bits ^ self.mask)
        indices = []
        row, column = len(shared), len(self.words)
        while row > 0 and column > 0:
            if self.words[column - 1] == reference[shared[row - 1]]:
                indices.append(shared[row - 1])
                row -= 1
                column -= 1
                continue
            # The bits up to a column, counted, are the length in the table there.
            prefix = (1 << column) - 1
            grows = growth[row] >> (column - 1) & 1
            if not grows and (growth[row] & prefix).bit_count() > (growth[row - 1] & prefix).bit_count():
                column -= 1
            else:
                row -= 1
        return indices
