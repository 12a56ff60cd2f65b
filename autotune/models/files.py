"""Checks the JSON files of a model: no code that transformers or peft would import or fetch, no implausible sizes.

The files are checked before either library reads them. A base model is untrusted input, and so is a model that autotune
saved and somebody else sends back.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from autotune.errors import ModelError
from autotune.runtime.records import Record, read_record

ADAPTER = "adapter_config.json"
CHECKED_FILES = ("config.json", "tokenizer_config.json", "generation_config.json", ADAPTER)
CODE_KEYS = {
    "auto_map": "classes of its own",
    "custom_pipelines": "pipelines of its own",
    "custom_generate": "a `generate` of its own",
    "trust_remote_code": "that its code be trusted",
    "configuration_files": "other files in the place of this one",
    "compression_config": "a package that would have to unpack it",
    "megatron_config": "a module that peft would import",
}
"""Keys with which a model asks for code or for other files, and what each asks for."""
BUILTIN_IMPLEMENTATIONS = {
    "attn_implementation": ("eager", "sdpa", "flex_attention"),
    "experts_implementation": ("eager", "batched_mm", "grouped_mm"),
}
"""Implementations that are part of transformers. It fetches others from the Hub: flash_attention_2 if it is not installed,
and every name of the form ORG/NAME."""
QUANTIZATION_METHODS = ("bitsandbytes",)
"""Methods whose package autotune depends on; packages of other methods are imported, or fetched."""
PEFT_TYPES = ("LORA", "IA3")
"""Types of adapters that autotune creates. Other types fetch the tokenizers and adapters that they name."""
MAX_VALUES = {
    r"n_layers?|depth|.*_groups|inner_group_num|num_blocks|(?!.*(size|dim|norm)).*layers?(_num)?|num_.*layers?": 1_000,
    r"(?!.*(size|dim)).*experts": 10_000,
    r"num_labels": 100_000,
    r"r": 65_536,
}
"""Limits, above those of every existing model, by pattern of the key. transformers creates a Python object per unit of
these numbers, long before it allocates tensors."""
COPY_AGAIN = "download or copy the model's folder again"
FIX = "choose another model, or remove the key in a copy of its folder"


class AdapterFile(Record):
    """Schema of the fields of adapter_config.json that autotune reads."""

    base_model_name_or_path: str
    revision: str | None = None


def refuse_foreign_code(
    name: str, read: Callable[[str], Any], is_tokenizer: Callable[[str], bool] | None = None
) -> None:
    """Checks the files of a model.

    Args:
        name: name of the model, for messages.
        read: returns the content of a JSON file by its name; None if it does not exist.
        is_tokenizer: returns whether transformers has a tokenizer class of this name; None if tokenizers are not opened.

    Raises:
        ModelError: a key asks for code or is implausibly large; names the file and the key.
    """
    for file in CHECKED_FILES:
        for key, value in _iter_items(read(file)):
            reason = _foreign_code(key, value, file, is_tokenizer) or _implausible_size(key, value)
            if reason is not None:
                entry = f"{key}: {json.dumps(value, ensure_ascii=False)}"
                raise ModelError(reason, where=f"{file} of {name}", found=entry[:200], fix=FIX)


def read_folder(folder: Path) -> Callable[[str], Any]:
    """Returns a function that reads a JSON file of a folder by its name."""

    def read(file: str) -> Any:
        return read_record(folder / file, Record, fix=COPY_AGAIN, nan=True, twice=True)

    return read


def _iter_items(content: Any) -> Iterator[tuple[str, Any]]:
    """Yields every key with its value, at all levels."""
    if isinstance(content, Mapping):
        for key, value in content.items():
            yield key, value
            yield from _iter_items(value)
    elif isinstance(content, list):
        for item in content:
            yield from _iter_items(item)


def _values(value: Any) -> list[str]:
    """Returns the texts of a value that is a text or a map of texts."""
    values = value.values() if isinstance(value, Mapping) else [value]
    return [text for text in values if text is not None]


def _foreign_code(key: str, value: Any, file: str, is_tokenizer: Callable[[str], bool] | None) -> str | None:
    """Describes the code that the value of a key would load; None if it loads none."""
    if key in CODE_KEYS and value:
        return f"the model asks for {CODE_KEYS[key]}, which autotune never runs"
    # transformers also reads these keys in their internal spelling, such as `_attn_implementation_internal`.
    implementation = key.removeprefix("_").removesuffix("_internal")
    for text in _values(value) if implementation in BUILTIN_IMPLEMENTATIONS else ():
        if text not in BUILTIN_IMPLEMENTATIONS[implementation]:
            return "the model asks for an implementation from the Hub, which autotune never runs"
    if key == "quantization_config" and value:
        method = value.get("quant_method") if isinstance(value, Mapping) else value
        if method is not None and method not in QUANTIZATION_METHODS:
            return "the model is quantized by a package that autotune does not use"
    is_known = is_tokenizer is None or value is None or (isinstance(value, str) and is_tokenizer(value))
    if key == "tokenizer_class" and not is_known:
        return "the model asks for a tokenizer that transformers does not have"
    if file == ADAPTER and key == "peft_type" and value not in PEFT_TYPES:
        return "the adapter is of a kind that autotune does not make"
    if file == ADAPTER and key == "parent_library" and value and not str(value).startswith("transformers."):
        return "the adapter asks for a module that peft would import"
    return None


def _implausible_size(key: str, value: Any) -> str | None:
    """Describes a number that is larger than in any existing model; None if it is plausible."""
    if not isinstance(value, int | float):
        return None
    limit = next((limit for names, limit in MAX_VALUES.items() if re.fullmatch(names, key)), value)
    return f"{key} is larger than in any existing model: more than {limit:,}" if value > limit else None
