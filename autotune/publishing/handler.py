"""Serves this summarization model on Inference Endpoints: {"inputs": text or texts} -> [{"summary_text": …}].

The Hub's server imports `EndpointHandler` from this file. `parameters` are arguments of `generate`; their defaults
are those of generation_config.json.
"""

import json
import unicodedata
from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForSeq2SeqLM, AutoTokenizer


class EndpointHandler:
    """Loads the model once and answers requests.

    Args:
        path: local folder of the repository.
    """

    def __init__(self, path: str = "") -> None:
        record = json.loads(Path(path, "autotune.json").read_text("utf-8"))
        config = AutoConfig.from_pretrained(path)
        self.is_decoder_only = not config.is_encoder_decoder
        auto_class = AutoModelForCausalLM if self.is_decoder_only else AutoModelForSeq2SeqLM
        self.device = "cuda" if torch.cuda.is_available() else "cpu"
        self.model = auto_class.from_pretrained(path).to(self.device).eval()
        self.tokenizer = AutoTokenizer.from_pretrained(path)
        self.prompt_start, self.prompt_end = map(self._ids, record["serving"]["prompt"].split("{document}"))
        self.max_document_tokens: int = record["serving"]["room"]
        # Finds the special tokens that the tokenizer adds around a text by encoding an example with and without them.
        with_special, bare = list(self.tokenizer("a")["input_ids"]), self._ids("a")
        start = next(i for i in range(len(with_special) + 1) if with_special[i : i + len(bare)] == bare)
        self.prefix_tokens = with_special[:start]
        # A decoder-only model continues the prompt, so no end-of-sequence token may follow it.
        self.suffix_tokens = [] if self.is_decoder_only else with_special[start + len(bare) :]

    def __call__(self, data: dict[str, Any]) -> list[dict[str, str]]:
        """Returns the summaries of one text or several.

        Args:
            data: `inputs`, a text or a list of texts, and optionally `parameters`.
        """
        inputs = data["inputs"]
        texts = [inputs] if isinstance(inputs, str) else list(inputs)
        return [{"summary_text": self._summarize(text, data.get("parameters") or {})} for text in texts]

    @torch.inference_mode()
    def _summarize(self, text: str, parameters: dict[str, Any]) -> str:
        document = self._ids(unicodedata.normalize("NFC", text))[: self.max_document_tokens]
        ids = [
            *self.prefix_tokens, *self.prompt_start, *document, *self.prompt_end, *self.suffix_tokens
        ]  # fmt: skip
        inputs = torch.tensor([ids], device=self.device)
        mask = torch.ones_like(inputs)
        output = self.model.generate(input_ids=inputs, attention_mask=mask, **parameters)[0]
        if self.is_decoder_only:
            output = output[inputs.shape[1] :]
        summary: str = self.tokenizer.decode(output, skip_special_tokens=True)
        return summary.strip()

    def _ids(self, text: str) -> list[int]:
        """Returns the token ids of a text without special tokens; text that looks like one is encoded as plain text."""
        return list(self.tokenizer(text, add_special_tokens=False, split_special_tokens=True)["input_ids"])
