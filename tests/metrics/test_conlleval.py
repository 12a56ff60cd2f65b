"""entity_f1_conll against conlleval, the script of the CoNLL-2000 shared task.

Its published example (https://www.clips.uantwerpen.be/conll2000/chunking/output.html) is "processed 961 tokens with 459
phrases; found: 539 phrases; correct: 371. … precision: 68.83%; recall: 80.83%; FB1: 74.35". Its data are not ours to copy;
tags of our own with these counts must give these figures, and on any tags our counts must be those of the script's rules.
"""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autotune.metrics.entities import EntityState

TAGS = st.sampled_from(["O", "B-NP", "I-NP", "B-VP", "I-VP"])
SENTENCES = st.lists(
    st.lists(st.tuples(TAGS, TAGS), min_size=1, max_size=9).map(lambda pairs: list(zip(*pairs, strict=True))),
    min_size=1,
    max_size=5,
)


def split(tag):
    return (tag[0], tag[2:])


def ends(previous, current):
    """endOfChunk of conlleval.pl, without its bracket tags: whether a phrase ends before the current tag."""
    (tag, name), (following, other) = split(previous), split(current)
    return (tag, following) in (("B", "B"), ("B", "O"), ("I", "B"), ("I", "O")) or (
        tag != "O" and name != other
    )


def starts(previous, current):
    """startOfChunk of conlleval.pl: whether a phrase starts at the current tag."""
    (tag, name), (following, other) = split(previous), split(current)
    return (tag, following) in (("B", "B"), ("I", "B"), ("O", "B"), ("O", "I")) or (
        following != "O" and name != other
    )


def conlleval(sentences):
    """The main loop of conlleval.pl: phrases of gold and prediction, and those that are correct."""
    gold = predicted = correct = 0
    inside, last_gold, last_predicted = False, "O", "O"
    words = [pair for tags in sentences for pair in [*zip(*tags, strict=True), ("O", "O")]]
    for one, other in words:
        same_type = split(one)[1] == split(other)[1]
        if inside:
            gold_ends, predicted_ends = ends(last_gold, one), ends(last_predicted, other)
            if gold_ends and predicted_ends and split(last_gold)[1] == split(last_predicted)[1]:
                inside, correct = False, correct + 1
            elif gold_ends != predicted_ends or not same_type:
                inside = False
        gold_starts, predicted_starts = starts(last_gold, one), starts(last_predicted, other)
        inside = inside or (gold_starts and predicted_starts and same_type)
        gold, predicted = gold + gold_starts, predicted + predicted_starts
        last_gold, last_predicted = one, other
    return gold, predicted, correct


def counted(sentences):
    state = EntityState()
    for gold, predicted in sentences:
        state.add(gold, predicted)
    return state


def test_the_counts_of_the_published_example_give_its_figures():
    state = counted(
        [(["B-NP"], ["B-NP"])] * 371 + [(["B-NP"], ["O"])] * (459 - 371) + [(["O"], ["B-NP"])] * (539 - 371)
    )
    counts = state.conll
    assert (counts["gold"], counts["predicted"], counts["correct"]) == (459, 539, 371)
    figures = state.figures()
    assert round(100 * figures["entity_f1_conll"], 2) == 74.35
    assert round(100 * figures["entity_precision"], 2) == 68.83
    assert round(100 * figures["entity_recall"], 2) == 80.83


def test_phrases_by_hand():
    """Gold: NP(0-1), VP(2), NP(3), NP(4-5). Predicted: NP(0-1) by stray I-, VP(2), NP(3-4), NP(5): two are correct."""
    gold = ["B-NP", "I-NP", "B-VP", "B-NP", "B-NP", "I-NP"]
    predicted = ["I-NP", "I-NP", "I-VP", "B-NP", "I-NP", "B-NP"]
    assert conlleval([(gold, predicted)]) == (4, 4, 2)
    assert counted([(gold, predicted)]).figures()["entity_f1_conll"] == pytest.approx(0.5)


@settings(max_examples=150, deadline=None)
@given(SENTENCES)
def test_our_counts_are_those_of_the_script(sentences):
    counts = counted(sentences).conll
    assert (counts["gold"], counts["predicted"], counts["correct"]) == conlleval(sentences)
