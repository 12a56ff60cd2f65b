"""The model card: README.md beside the saved model, with code that works as pasted."""

from pathlib import Path

import yaml

from autotune.config import RunConfig
from autotune.files import replaced
from autotune.tasks.base import Base, Head, Scores, Task

PIPELINES = {
    Head.sequence: "text-classification",
    Head.token: "token-classification",
    Head.seq2seq: "summarization",
    Head.causal: "text-generation",
}
"""The Hub's names of what a model with this head does."""

PIPELINE_CODE = """\
from transformers import pipeline

model = pipeline("{pipeline}", model="PATH_OR_ID")
print(model("O atendimento não foi bom em São Luís."))"""

GENERATE_CODE = """\
from transformers import {auto_class}, AutoTokenizer

tokenizer = AutoTokenizer.from_pretrained("PATH_OR_ID")
model = {auto_class}.from_pretrained("PATH_OR_ID")
inputs = tokenizer({text}, return_tensors="pt", truncation=True)
written = model.generate(**inputs)[0]{only_new}
print(tokenizer.decode(written, skip_special_tokens=True))"""


def write_card(folder: Path, config: RunConfig, base: Base, task: Task, split: str, scores: Scores) -> None:
    """Writes README.md into the folder of a saved model.

    Raises:
        DiskError: it cannot be written.
    """
    head = task.heads[base.family]
    metadata = {
        "language": config.dataset.language.split("-")[0],
        "library_name": "transformers",
        "pipeline_tag": PIPELINES[head],
        "tags": [task.name, "autotune"],
    }
    figures = "\n".join(f"| {name} | {value:.4f} |" for name, value in scores.values.items())
    licence = config.dataset.license or "not stated; ask whoever made them"
    text = f"""---
{yaml.safe_dump(metadata, sort_keys=False, allow_unicode=True)}---

# {task.name}, fine-tuned from {Path(base.name).name}

Learned from `{Path(config.dataset.path).name}` (language {config.dataset.language}; licence of the data: {licence}).
The base model's licence holds too.

```python
{_code(head, task)}
```

| {split} | |
| --- | --- |
{figures}
"""
    with replaced(folder / "README.md") as file:
        file.write(text.encode("utf-8"))


def _code(head: Head, task: Task) -> str:
    if head is Head.seq2seq:
        return GENERATE_CODE.format(
            auto_class="AutoModelForSeq2SeqLM", text=repr(task.prompt_of("Texto da notícia …")), only_new=""
        )
    if head is Head.causal:
        return GENERATE_CODE.format(
            auto_class="AutoModelForCausalLM",
            text=repr(task.prompt_of("Texto da notícia …")),
            only_new='[inputs["input_ids"].shape[1] :]',
        )
    return PIPELINE_CODE.format(pipeline=PIPELINES[head])
