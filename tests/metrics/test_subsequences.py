"""ROUGE from bits: the figures of rouge_score, to the last digit, on texts of any shape."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rouge_score import rouge_scorer
from rouge_score.rouge_scorer import RougeScorer

from autotune.metrics.lcs import Candidate
from autotune.metrics.rouge import rouge

WORD = st.sampled_from("abcdefgh")
SENTENCE = st.lists(WORD, max_size=90)
SENTENCES = st.lists(SENTENCE, max_size=6)

thorough = settings(max_examples=300, deadline=None)


class Blanks:
    def tokenize(self, text):
        return text.split()


@thorough
@given(SENTENCE, SENTENCE)
def test_the_subsequence_is_the_one_that_rouge_score_finds(reference, words):
    found = Candidate(words).indices(reference)
    assert found[::-1] == rouge_scorer.lcs_ind(reference, words)
    assert Candidate(words).length(reference) == len(found)


@thorough
@given(SENTENCES, SENTENCES)
def test_all_figures_are_those_of_rouge_score(reference, prediction):
    texts = ["\n".join(" ".join(sentence) for sentence in text) for text in (reference, prediction)]
    names = ["rouge1", "rouge2", "rougeL", "rougeLsum"]
    expected = {
        name: score.fmeasure for name, score in RougeScorer(names, tokenizer=Blanks()).score(*texts).items()
    }
    found = rouge(*([sentence for sentence in text if sentence] for text in (reference, prediction)))
    assert found == pytest.approx(expected, rel=0, abs=1e-12)


def test_texts_longer_than_a_machine_word_are_counted_whole():
    words = [str(number % 97) for number in range(3000)]
    assert Candidate(words).length(words) == 3000
    assert Candidate(words).length(words[::2]) == 1500
    assert Candidate(words).indices(words)[::-1] == list(range(3000))
