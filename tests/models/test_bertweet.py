"""The fast form of BERTweet's tokenizer gives the ids of transformers' own."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from transformers import AutoTokenizer, BertweetTokenizer, RobertaConfig

from autotune.errors import ModelError
from autotune.models.tokenizer import open_tokenizer
from tests.models.conftest import LETTERS, SENTENCES, write_bertweet_vocabulary


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bertweet")
    config = RobertaConfig(tokenizer_class="BertweetTokenizer", vocab_size=write_bertweet_vocabulary(folder))
    config.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def both(folder):
    config = RobertaConfig.from_pretrained(folder)
    fast = open_tokenizer("t", str(folder), None, config, kwargs={}, pretokenized=True)
    return BertweetTokenizer(str(folder / "vocab.txt"), str(folder / "bpe.codes")), fast


@given(text=st.text([*LETTERS, " ", "ш", "🙂", "@", "q"], max_size=40) | st.sampled_from(SENTENCES))
def test_the_ids_are_equal(both, text):
    slow, fast = both
    assert fast(text)["input_ids"] == slow(text)["input_ids"]


def test_words_are_found_again_and_the_saved_tokenizer_is_the_same(both, tmp_path):
    _, fast = both
    encoded = fast(SENTENCES[0].split(), is_split_into_words=True)
    numbers = [number for number in encoded.word_ids() if number is not None]
    assert sorted(set(numbers)) == list(range(len(SENTENCES[0].split())))
    assert all(second - first in (0, 1) for first, second in pairwise(numbers))
    fast.save_pretrained(tmp_path)
    again = AutoTokenizer.from_pretrained(tmp_path)
    assert again(SENTENCES)["input_ids"] == fast(SENTENCES)["input_ids"]
    assert again.decode(again(SENTENCES[0])["input_ids"], skip_special_tokens=True) == SENTENCES[0]


def test_rewriting_is_refused_in_words(folder):
    config = RobertaConfig.from_pretrained(folder)
    with pytest.raises(ModelError, match="normalization: false"):
        open_tokenizer("t", str(folder), None, config, kwargs={"normalization": True}, pretokenized=False)
