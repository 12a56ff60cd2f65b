"""Serves this summarization model on Inference Endpoints: {"inputs": text or texts} -> [{"summary_text": …}].

The Hub's server looks for `EndpointHandler` in this file. `parameters` are arguments of `generate`; the settings
of generation_config.json hold where none are given.
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
        path: folder of the repository.
    """

    def __init__(self, path: str = "") -> None:
        record = json.loads(Path(path, "autotune.json").read_text("utf-8"))
        config = AutoConfig.from_pretrained(path)
        self.writes_after_prompt = not config.is_encoder_decoder
        kind = AutoModelForCausalLM if self.writes_after_prompt else AutoModelForSeq2SeqLM
        self.device = "cuda" if torch.cuda.is_available() else "cpu"
        self.model = kind.from_pretrained(path).to(self.device).eval()
        self.tokenizer = AutoTokenizer.from_pretrained(path)
        self.before, self.after = map(self._ids, record["serving"]["prompt"].split("{document}"))
        self.room: int = record["serving"]["room"]
        # What the tokenizer puts around a whole text is read off an example.
        whole, bare = list(self.tokenizer("a")["input_ids"]), self._ids("a")
        at = next(i for i in range(len(whole) + 1) if whole[i : i + len(bare)] == bare)
        self.first = whole[:at]
        # Where the model goes on writing after the prompt, nothing that marks an end may follow it.
        self.last = [] if self.writes_after_prompt else whole[at + len(bare) :]

    def __call__(self, data: dict[str, Any]) -> list[dict[str, str]]:
        """Summaries of one text or of several.

        Args:
            data: `inputs`, a text or a list of texts, and perhaps `parameters`.
        """
        given = data["inputs"]
        texts = [given] if isinstance(given, str) else list(given)
        return [{"summary_text": self._write(text, data.get("parameters") or {})} for text in texts]

    @torch.inference_mode()
    def _write(self, text: str, parameters: dict[str, Any]) -> str:
        document = self._ids(unicodedata.normalize("NFC", text))[: self.room]
        ids = [*self.first, *self.before, *document, *self.after, *self.last]
        inputs = torch.tensor([ids], device=self.device)
        written = self.model.generate(input_ids=inputs, attention_mask=torch.ones_like(inputs), **parameters)[
            0
        ]
        if self.writes_after_prompt:
            written = written[inputs.shape[1] :]
        summary: str = self.tokenizer.decode(written, skip_special_tokens=True)
        return summary.strip()

    def _ids(self, text: str) -> list[int]:
        """Tokens of a text alone; what looks like a special token in it is text."""
        return list(self.tokenizer(text, add_special_tokens=False, split_special_tokens=True)["input_ids"])
