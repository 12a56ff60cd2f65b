"""What the JSON files of a model may say: no code that transformers or peft would import or fetch, no absurd sizes.

They are looked at before either library sees them. A base model, and what autotune saved and somebody else sends back,
are data of others.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from autotune.errors import ModelError
from autotune.runtime.records import Record, read_record

ADAPTER = "adapter_config.json"
FILES = ("config.json", "tokenizer_config.json", "generation_config.json", ADAPTER)
CODE = {
    "auto_map": "classes of its own",
    "custom_pipelines": "pipelines of its own",
    "custom_generate": "a `generate` of its own",
    "trust_remote_code": "that its code be trusted",
    "configuration_files": "other files in the place of this one",
    "compression_config": "a package that would have to unpack it",
    "megatron_config": "a module that peft would import",
}
"""Keys by which a model asks for code or for other files, and what each asks for."""
IMPLEMENTATIONS = {
    "attn_implementation": ("eager", "sdpa", "flex_attention"),
    "experts_implementation": ("eager", "batched_mm", "grouped_mm"),
}
"""What transformers computes by itself. It fetches the others from the Hub: flash_attention_2 where it is not installed, and
whatever is written ORG/NAME."""
QUANTIZATION = ("bitsandbytes",)
"""Methods whose package is one of ours; those of others are imported, or fetched."""
PEFT_TYPES = ("LORA", "IA3")
"""Adapters that autotune makes. Those of other kinds fetch tokenizers and adapters that they name."""
LARGEST = {
    r"n_layers?|depth|.*_groups|inner_group_num|num_blocks|(?!.*(size|dim|norm)).*layers?(_num)?|num_.*layers?": 1_000,
    r"(?!.*(size|dim)).*experts": 10_000,
    r"num_labels": 100_000,
    r"r": 65_536,
}
"""Numbers for which transformers makes a Python object each, long before memory is asked for: names of keys, and what is
beyond every model that there is."""
AGAIN = "download or copy the model's folder again"
FIX = "choose another model, or remove the key in a copy of its folder"


class AdapterFile(Record):
    """adapter_config.json, as far as it is read by us."""

    base_model_name_or_path: str
    revision: str | None = None


def refuse_foreign_code(
    name: str, read: Callable[[str], Any], is_tokenizer: Callable[[str], bool] | None = None
) -> None:
    """Looks through the files of a model.

    Args:
        name: of the model, for messages.
        read: content of a JSON file by its name; None where there is none.
        is_tokenizer: whether transformers has a tokenizer class of a name; None: tokenizers are not opened.

    Raises:
        ModelError: names the file and the key.
    """
    for file in FILES:
        for key, value in _keys(read(file)):
            refused = _code(key, value, file, is_tokenizer) or _size(key, value)
            if refused is not None:
                entry = f"{key}: {json.dumps(value, ensure_ascii=False)}"
                raise ModelError(refused, where=f"{file} of {name}", found=entry[:200], fix=FIX)


def read_folder(folder: Path) -> Callable[[str], Any]:
    """Reads JSON files of a folder by their names."""

    def read(file: str) -> Any:
        return read_record(folder / file, Record, fix=AGAIN, nan=True, twice=True)

    return read


def _keys(content: Any) -> Iterator[tuple[str, Any]]:
    """Every key with its value, all the way down."""
    if isinstance(content, Mapping):
        for key, value in content.items():
            yield key, value
            yield from _keys(value)
    elif isinstance(content, list):
        for item in content:
            yield from _keys(item)


def _texts(value: Any) -> list[str]:
    """Texts in a value, be it one or a map of them."""
    values = value.values() if isinstance(value, Mapping) else [value]
    return [text for text in values if text is not None]


def _code(key: str, value: Any, file: str, is_tokenizer: Callable[[str], bool] | None) -> str | None:
    """What the value of a key would bring in; None where that is nothing."""
    if key in CODE and value:
        return f"the model asks for {CODE[key]}, which autotune never runs"
    implementation = key.removeprefix("_").removesuffix("_internal")
    for text in _texts(value) if implementation in IMPLEMENTATIONS else ():
        if text not in IMPLEMENTATIONS[implementation]:
            return "the model asks for an implementation from the Hub, which autotune never runs"
    if key == "quantization_config" and value:
        method = value.get("quant_method") if isinstance(value, Mapping) else value
        if method is not None and method not in QUANTIZATION:
            return "the model is quantized by a package that autotune does not use"
    known = is_tokenizer is None or value is None or (isinstance(value, str) and is_tokenizer(value))
    if key == "tokenizer_class" and not known:
        return "the model asks for a tokenizer that transformers does not have"
    if file == ADAPTER and key == "peft_type" and value not in PEFT_TYPES:
        return "the adapter is of a kind that autotune does not make"
    if file == ADAPTER and key == "parent_library" and value and not str(value).startswith("transformers."):
        return "the adapter asks for a module that peft would import"
    return None


def _size(key: str, value: Any) -> str | None:
    """Whether a number is beyond every model that there is."""
    if not isinstance(value, int | float):
        return None
    limit = next((limit for names, limit in LARGEST.items() if re.fullmatch(names, key)), value)
    return f"{key} is beyond every model that there is: more than {limit:,}" if value > limit else None
