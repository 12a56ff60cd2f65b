"""Model folders of well-known shapes with random weights, and their tokenizers."""

import shutil
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import WhitespaceSplit
from tokenizers.processors import TemplateProcessing
from transformers import (
    AutoModelForCausalLM,
    AutoModelForMaskedLM,
    AutoModelForSeq2SeqLM,
    BertConfig,
    BertTokenizerFast,
    LlamaConfig,
    PreTrainedTokenizerBase,
    PreTrainedTokenizerFast,
    T5Config,
    T5Tokenizer,
)

BERT_VOCABULARY = "tokenizers/bertimbau_cased_vocab.txt"
T5_VOCABULARY = "tokenizers/ptt5_spiece.model"
VOCABULARY_SIZE = {"bert": 29794, "other": 32100}
"""BERTimbau's and PTT5's, also where their files are absent."""
TINY_VOCABULARY = 2000
ENCODERS = ("minilm", "bert", "bert-base")
TINY = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 64}
TINY_T5 = {"d_model": 32, "d_kv": 16, "d_ff": 64, "num_layers": 1, "num_decoder_layers": 1, "num_heads": 2}
SPECIAL = {
    "encoder": ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"],
    "other": ["<pad>", "</s>", "<unk>"],
}


def word(number: int) -> str:
    """A made-up word that is one token of the made-up vocabulary."""
    return f"w{number}"


def build(shape: str, folder: Path, data: Path | None, *, tiny: bool = False) -> Path:
    """Folder of a random model; the same weights every time.

    Args:
        shape: one of cells.SHAPES or cells.GPU_SHAPES.
        folder: where the model's own folder is made.
        data: real data sets, for Portuguese tokenizers; None: made-up words.
        tiny: the same architecture at the smallest sizes, to rehearse.
    """
    target = folder / shape
    if target.is_dir():
        return target
    encoder = shape in ENCODERS
    vocabulary = TINY_VOCABULARY if tiny else VOCABULARY_SIZE["bert" if encoder else "other"]
    tokenizer = _tokenizer(encoder, vocabulary, data, folder)
    auto_class, config = _config(shape, vocabulary, tokenizer)
    if tiny:
        config.update(TINY_T5 if config.model_type == "t5" else TINY)
        config.num_key_value_heads = 2
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        auto_class.from_config(config).save_pretrained(target)
    tokenizer.save_pretrained(target)
    return target


def _tokenizer(encoder: bool, vocabulary: int, data: Path | None, scratch: Path) -> PreTrainedTokenizerBase:
    if data is None:
        return _made_up(encoder, vocabulary)
    if encoder:
        return BertTokenizerFast(vocab=str(data / BERT_VOCABULARY), do_lower_case=False, model_max_length=512)
    source = scratch / "spiece"
    source.mkdir(exist_ok=True)
    shutil.copy(data / T5_VOCABULARY, source / "spiece.model")
    return T5Tokenizer.from_pretrained(source)


def _made_up(encoder: bool, size: int) -> PreTrainedTokenizerBase:
    """One token a word, so that texts of any length can be made."""
    special = SPECIAL["encoder" if encoder else "other"]
    words = [word(number) for number in range(size - len(special))]
    vocabulary = {piece: number for number, piece in enumerate(special + words)}
    made = Tokenizer(WordLevel(vocabulary, unk_token="[UNK]" if encoder else "<unk>"))
    made.pre_tokenizer = WhitespaceSplit()
    if encoder:
        made.post_processor = TemplateProcessing(
            single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
        )
        names = dict(zip(("pad", "unk", "cls", "sep", "mask"), special, strict=True))
    else:
        made.post_processor = TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
        names = dict(zip(("pad", "eos", "unk"), special, strict=True))
    return PreTrainedTokenizerFast(
        tokenizer_object=made, **{f"{name}_token": piece for name, piece in names.items()}
    )


def _config(shape: str, vocabulary: int, tokenizer: PreTrainedTokenizerBase) -> tuple[Any, Any]:
    size: dict[str, Any] = {"vocab_size": vocabulary, "pad_token_id": tokenizer.pad_token_id}
    bert = {"hidden_size": 768, "num_attention_heads": 12, "intermediate_size": 3072}
    t5 = size | {"d_kv": 64, "eos_token_id": 1, "decoder_start_token_id": tokenizer.pad_token_id}
    llama = size | {"bos_token_id": None, "eos_token_id": 1, "tie_word_embeddings": True}
    match shape:
        case "minilm":
            return AutoModelForMaskedLM, BertConfig(
                **size, hidden_size=384, num_hidden_layers=6, num_attention_heads=12, intermediate_size=1536
            )
        case "bert":
            # As wide as BERT-base; three of its twelve layers, so that it can be waited for on a CPU.
            return AutoModelForMaskedLM, BertConfig(**size, **bert, num_hidden_layers=3)
        case "bert-base":
            return AutoModelForMaskedLM, BertConfig(**size, **bert, num_hidden_layers=12)
        case "t5":
            return AutoModelForSeq2SeqLM, T5Config(**t5, d_model=512, d_ff=2048, num_layers=6, num_heads=8)
        case "t5-base":
            return AutoModelForSeq2SeqLM, T5Config(**t5, d_model=768, d_ff=3072, num_layers=12, num_heads=12)
        case "llama":
            return AutoModelForCausalLM, LlamaConfig(
                **llama, hidden_size=512, num_hidden_layers=6, num_attention_heads=8, num_key_value_heads=4,
                intermediate_size=1408, max_position_embeddings=2048,
            )  # fmt: skip
    # Llama 3.2 1B, with a Portuguese vocabulary.
    return AutoModelForCausalLM, LlamaConfig(
        **llama, hidden_size=2048, num_hidden_layers=16, num_attention_heads=32, num_key_value_heads=8,
        intermediate_size=8192, max_position_embeddings=2048,
    )  # fmt: skip
