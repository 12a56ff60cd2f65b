"""Longest common subsequences of words, a row of the table at a time in the bits of one integer.

The table t of dynamic programming holds at (i, j) the length for the first i words of the reference and the
first j of the candidate. Along a row it grows by 0 or 1, so a row is as many bits as the candidate has words,
and the next row follows from it by an addition and two logical operations (Hyyrö 2004, Bit-parallel LCS-length
computation revisited).
"""

from collections.abc import Sequence


class Candidate:
    """Words that references are compared with.

    Args:
        words: of the candidate.
    """

    def __init__(self, words: Sequence[str]) -> None:
        self.words = words
        self.all = (1 << len(words)) - 1
        self.places: dict[str, int] = {}
        """By word: a bit for each position at which it stands."""
        for position, word in enumerate(words):
            self.places[word] = self.places.get(word, 0) | 1 << position

    def length(self, reference: Sequence[str]) -> int:
        """How many words the longest common subsequence has."""
        still, everything, places = self.all, self.all, self.places
        for word in reference:
            here = still & places.get(word, 0)
            if here:
                still = ((still + here) | (still - here)) & everything
        return len(self.words) - still.bit_count()

    def indices(self, reference: Sequence[str]) -> list[int]:
        """Positions in the reference of one longest common subsequence, the last first.

        Among several it is the one that rouge_score reads out of its table: from the end, words that are equal
        are taken; else a word of the candidate is left where that keeps more than leaving one of the reference.
        """
        # A word that the candidate lacks changes no row and is always left.
        shared = [position for position, word in enumerate(reference) if word in self.places]
        still = self.all
        grows = [0]
        for position in shared:
            here = still & self.places[reference[position]]
            still = ((still + here) | (still - here)) & self.all
            grows.append(still ^ self.all)
        found = []
        row, column = len(shared), len(self.words)
        while row > 0 and column > 0:
            if self.words[column - 1] == reference[shared[row - 1]]:
                found.append(shared[row - 1])
                row -= 1
                column -= 1
                continue
            until = (1 << column) - 1
            grown = grows[row] >> (column - 1) & 1
            if not grown and (grows[row] & until).bit_count() > (grows[row - 1] & until).bit_count():
                column -= 1
            else:
                row -= 1
        return found
