"""The fast form of BERTweet's tokenizer, which transformers has only as Python code that cannot say where a token was.

Its byte-pair encoding is that of fastBPE (github.com/glample/fastBPE): a piece within a word ends in "@@" in vocab.txt, and
the last letter of a word in "</w>" in bpe.codes.
"""

from typing import Any

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast

from autotune.errors import ModelError

WORD_END, CONTINUED = "</w>", "@@"


def fast_form(slow: Any, name: str) -> PreTrainedTokenizerFast:
    """Returns a fast tokenizer that gives the ids of a `BertweetTokenizer`.

    Merges into a piece that the vocabulary lacks are left out, as in fastBPE: its parts have ids, and the piece has none.
    Line breaks are blanks.

    Args:
        slow: the tokenizer as transformers opens it.
        name: the user's name for the model, for messages.

    Raises:
        ModelError: the tokenizer rewrites its texts first, which only the Python code does.
    """
    if slow.normalization:
        raise ModelError(
            "the tokenizer rewrites user names, links and emoji, and its fast form cannot",
            where=f"model.name_or_path={name}",
            found="normalization: true",
            fix="'model.tokenizer_kwargs={normalization: false}'; texts are then read as they are",
        )
    vocabulary = {
        token.removesuffix(CONTINUED) if token.endswith(CONTINUED) else f"{token}{WORD_END}": number
        for token, number in slow.encoder.items()
        if token not in slow.all_special_tokens
    } | {token: slow.convert_tokens_to_ids(token) for token in slow.all_special_tokens}
    merges = [
        (first, second)
        for first, second in slow.bpe_ranks
        if {first, second, first + second} <= vocabulary.keys()
    ]
    backend = Tokenizer(
        models.BPE(
            vocab=vocabulary,
            merges=merges,
            unk_token=slow.unk_token,
            end_of_word_suffix=WORD_END,
            fuse_unk=False,
        )
    )
    backend.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    backend.decoder = decoders.BPEDecoder(suffix=WORD_END)
    sep, cls = (slow.sep_token, slow.sep_token_id), (slow.cls_token, slow.cls_token_id)
    backend.post_processor = processors.RobertaProcessing(
        sep, cls, trim_offsets=False, add_prefix_space=False
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=backend, model_max_length=slow.model_max_length, **slow.special_tokens_map
    )
