"""The model card: metadata for the Hub, and what a person should know before using the model.

The text is in assets/cards, one template per language; `escaped` is applied to every value that a template inserts.
"""

import json
import logging
from functools import cache
from importlib.resources import files as package_files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from huggingface_hub import ModelCardData
from jinja2 import BaseLoader, Environment, StrictUndefined

from autotune import registry
from autotune.config.enums import CardLanguage, Visibility
from autotune.config.rules.hub import slug
from autotune.config.rules.licenses import LICENSES
from autotune.config.secrets import redact
from autotune.errors import HubError
from autotune.models.spec import HEADS
from autotune.publishing.card import metadata
from autotune.publishing.card.facts import Facts
from autotune.publishing.card.markdown import SafeMarkdown, block, code, escaped, link
from autotune.publishing.card.merge import marked
from autotune.publishing.card.usage import usage_code
from autotune.publishing.files import CARD
from autotune.runtime.files import atomic_write
from autotune.runtime.language import portuguese

if TYPE_CHECKING:
    from autotune.publishing.snapshot import Snapshot

logger = logging.getLogger(__name__)

SAMPLE_TEXTS = {
    "text-classification": "O atendimento não foi bom em São Luís.",
    "token-classification": "A Câmara de São Luís não aprovou a obra.",
}
"""Input of the usage example for each pipeline tag."""
SAMPLE_PAIR = "O atendimento em São Luís foi ruim."
"""Second text of the example for a model of pairs."""
METHODS = {"lora": "LoRA", "dora": "DoRA", "rslora": "rsLoRA", "ia3": "(IA)³"}
SAMPLE_DOCUMENT = "Texto da notícia …"


def write_card(folder: Path, facts: Facts) -> None:
    """Writes README.md into the folder of a saved model. If the Hub would reject a card that is not to be pushed, logs
    a warning and writes no card.

    Raises:
        DiskError: the file cannot be written.
        HubError: the Hub would reject the metadata, and the model is to be pushed.
    """
    try:
        card = render(facts, str(folder.absolute()), adapter_only=facts.is_adapter_only)
    except HubError as error:
        if facts.config.hub.visibility is not Visibility.none:
            raise
        logger.warning("the model has no card, and cannot be pushed as it is: %s", error)
        return
    with atomic_write(folder / CARD) as file:
        file.write(card.encode())


def render(facts: Facts, model: str, *, adapter_only: bool) -> str:
    """Returns the card.

    Args:
        facts: facts about the run.
        model: name with which users load the model: id of the repository, or absolute path of the folder.
        adapter_only: whether the repository holds the adapter without its base model.

    Raises:
        HubError: the Hub would reject the metadata.
    """
    language = facts.config.hub.language
    context = {
        "facts": facts,
        "model": model,
        "title": _title(facts, model),
        "adapter_only": adapter_only,
        "is_regression": "means" in facts.saved["facts"],
        "has_several_labels": _has_several_labels(facts),
        "pipeline": HEADS[facts.head].pipeline_tag,
        "usage": block(_usage(facts, model, adapter_only=adapter_only), "python"),
        "figures": _score_rows(facts),
        "against": facts.metrics.get("against_baseline", {}).get(facts.split),
        "classes": {
            name: row
            for name, row in facts.metrics[facts.split].get("per_class", {}).items()
            if row.keys() >= {"precision", "recall", "f1", "support"}
        },
        "labels": facts.data.get("check", {}).get("labels", {}).get("counts", {}),
        "lengths": facts.data.get("check", {}).get("lengths", {}).get("splits", {}),
    }
    text = _template(language).render(context)
    values = _model_metadata(facts, adapter_only=adapter_only) | _score_metadata(facts, model)
    return _assemble(values, text)


def render_last(
    facts: Facts, snapshot: "Snapshot", model: str, result: str, branch: str, *, adapter_only: bool
) -> str:
    """Returns the short card of the last weights, which are not the result of their run.

    Args:
        facts: facts about the run, finished or not.
        snapshot: description of the weights.
        model: id of the repository.
        result: branch of the run's result.
        branch: branch of these weights.
        adapter_only: whether the branch holds the adapter without its base model.

    Raises:
        HubError: the Hub would reject the metadata.
    """
    context = {
        "facts": facts,
        "snapshot": snapshot,
        "title": model.split("/")[-1],
        "result": result,
        "usage": block(_usage(facts, model, adapter_only=adapter_only, revision=branch), "python"),
    }
    text = _template(facts.config.hub.language, ".last").render(context)
    return _assemble(_model_metadata(facts, adapter_only=adapter_only), text)


def _assemble(values: dict[str, Any], text: str) -> str:
    """Joins metadata and text to a card with marks, with secrets redacted."""
    data = ModelCardData(**{key: value for key, value in values.items() if value is not None})
    return marked(redact(metadata.front_matter(data)), redact(text))


@cache
def _template(language: CardLanguage, variant: str = "") -> Any:
    """Compiles the template of a language; variant `.last` is that of the last weights."""
    separators = str.maketrans(",.", ".,") if language is CardLanguage.pt else {}

    def number(value: Any, digits: int = 4) -> SafeMarkdown:
        text = f"{value:,.{digits}f}" if isinstance(value, float) else f"{value:,}"
        return SafeMarkdown(text.translate(separators))

    def short(value: float) -> SafeMarkdown:
        return SafeMarkdown(f"{value:g}".translate(separators))

    # `finalize` escapes every value that is not SafeMarkdown; jinja's autoescape knows HTML only.
    environment = Environment(
        loader=BaseLoader(), finalize=escaped, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True,
        autoescape=False,
    )  # fmt: skip
    environment.filters |= {
        "code": code,
        "block": block,
        "number": number,
        "short": short,
        "method": METHODS.__getitem__,
    }
    environment.globals |= {"hub": _hub_link, "portuguese": portuguese}
    text = package_files("autotune").joinpath("assets", "cards", f"{language}{variant}.md").read_text("utf-8")
    return environment.from_string(text)


def _hub_link(name: str, commit: str | None, prefix: str = "") -> SafeMarkdown:
    """Returns a link to the commit on the Hub, or just the name if there is none.

    Args:
        name: Hub id, or a local name.
        commit: commit on the Hub; None for local ones.
        prefix: first part of the address: `datasets/`, or nothing for models.
    """
    return link(name, f"https://huggingface.co/{prefix}{name}/tree/{commit}") if commit else code(name)


def _score_rows(facts: Facts) -> list[dict[str, Any]]:
    """Returns the rows of the score table: each score with its confidence interval and those of the baselines."""
    intervals = facts.metrics.get("interval", {}).get(facts.split, {})
    baselines = facts.metrics["baseline"][facts.split]
    return [
        {"name": name, "value": value, "interval": intervals.get(name),
         "baselines": [scores.get(name) for scores in baselines.values()]}
        for name, value in facts.scores.items()
    ]  # fmt: skip


def _model_metadata(facts: Facts, *, adapter_only: bool) -> dict[str, Any]:
    """Returns the metadata that do not depend on scores."""
    config, origins, licence = facts.config, facts.origins, facts.licence
    language, *region = config.dataset.language.split("-")
    method_tags = [str(method) for method in (config.peft and config.peft.method, facts.baseline) if method]
    values: dict[str, Any] = {
        "language": language.lower(),
        "license": licence.id if licence.id in (None, *LICENSES) else "other",
        "library_name": _library(facts, adapter_only=adapter_only),
        "pipeline_tag": HEADS[facts.head].pipeline_tag,
        "base_model": facts.base if origins.model else None,
        "base_model_relation": ("adapter" if adapter_only else "finetune") if origins.model else None,
        "datasets": [facts.dataset] if origins.dataset else None,
        "tags": ["autotune", config.task.name, *method_tags, *([config.dataset.language] if region else [])],
    }
    if values["license"] == "other":
        name = licence.id if licence.id != "other" else f"{licence.base} / {licence.data}"
        values["license_name"] = slug(str(name)).lower()
    return values


def _library(facts: Facts, *, adapter_only: bool) -> str:
    """Returns the library that reads the model."""
    if facts.baseline is not None:
        return "autotune"
    return "peft" if adapter_only else "transformers"


def _score_metadata(facts: Facts, model: str) -> dict[str, Any]:
    """Returns the metadata of the scores; an empty dict if the Hub has no name for any metric of the task, or all rows that
    were scored are rows that the model has learned from."""
    fold, scores = facts.config.dataset.fold, facts.scores if facts.split != "train" else {}
    split = facts.split if fold is None else f"fold {fold} of train"
    if facts.selection is not None:
        scores = {facts.selection["metric"]: facts.selection["score"]}
        split = "cross-validation" if facts.selection["folds"] else "validation"
        split = "held-out rows" if facts.selection.get("learned") else split
    results = metadata.results(
        scores,
        task=HEADS[facts.head].pipeline_tag,
        data=" ".join(facts.dataset.split()),
        data_id=facts.dataset if facts.origins.dataset else slug(facts.dataset),
        config=facts.config.dataset.name,
        split=split,
        revision=facts.origins.dataset,
    )
    if not results:
        return {}
    return {
        "metrics": sorted({result.metric_type for result in results}),
        "model_name": _title(facts, model),
        "eval_results": results,
    }


def _title(facts: Facts, model: str) -> str:
    """Returns the name of the repository, or of the run if the model is in a local folder."""
    return str(facts.config.name) if Path(model).is_absolute() else model.split("/")[-1]


def _sample_input(facts: Facts, pipeline: str) -> str:
    """Returns the arguments of a pipeline's call in the usage example."""
    text = json.dumps(SAMPLE_TEXTS[pipeline], ensure_ascii=False)
    if pipeline == "text-classification" and facts.config.dataset.columns.text_pair is not None:
        text = f'{{"text": {text}, "text_pair": {json.dumps(SAMPLE_PAIR, ensure_ascii=False)}}}'
    # Else only the most probable label would be shown.
    return f"{text}, top_k=None" if _has_several_labels(facts) else text


def _has_several_labels(facts: Facts) -> bool:
    """Returns whether the model gives a text any number of labels."""
    return registry.task(facts.config.task.name).problem_type == "multi_label_classification"


def _usage(facts: Facts, model: str, *, adapter_only: bool, revision: str | None = None) -> str:
    """Returns Python code that loads and calls the model and works without changes."""
    revision_argument = f', revision="{revision}"' if revision is not None else ""
    if facts.baseline is not None:
        return usage_code(
            facts.baseline,
            model,
            revision,
            problem=registry.task(facts.config.task.name).problem_type,
            is_pair=facts.config.dataset.columns.text_pair is not None,
        )
    head, pipeline = facts.head, HEADS[facts.head].pipeline_tag
    lines = [f"MODEL = {json.dumps(model, ensure_ascii=False)}", ""]
    auto_class = HEADS[head].auto_class
    if adapter_only:
        lines[:0] = [
            "from peft import PeftConfig, PeftModel",
            f"from transformers import AutoConfig, {auto_class}, AutoTokenizer, pipeline",
            "",
        ]
        lines += [
            f"config = AutoConfig.from_pretrained(MODEL{revision_argument})",
            f"adapter = PeftConfig.from_pretrained(MODEL{revision_argument})",
            "base, commit = adapter.base_model_name_or_path, adapter.revision",
            f"base = {auto_class}.from_pretrained(base, revision=commit, config=config)",
            f"model = PeftModel.from_pretrained(base, MODEL{revision_argument}).merge_and_unload()",
            f"tokenizer = AutoTokenizer.from_pretrained(MODEL{revision_argument})",
        ]
    if pipeline in SAMPLE_TEXTS:
        settings = f", truncation=True, max_length={facts.max_length}"
        if pipeline == "token-classification":
            settings = ', aggregation_strategy="simple"'
        parts = "model=model, tokenizer=tokenizer" if adapter_only else f"model=MODEL{revision_argument}"
        if not adapter_only:
            lines[:0] = ["from transformers import pipeline", ""]
        lines += [
            f'use = pipeline("{pipeline}", {parts}{settings})',
            f"print(use({_sample_input(facts, pipeline)}))",
        ]
        return "\n".join(lines)
    if not adapter_only:
        lines[:0] = [f"from transformers import {auto_class}, AutoTokenizer", ""]
        lines += [
            f"tokenizer = AutoTokenizer.from_pretrained(MODEL{revision_argument})",
            f"model = {auto_class}.from_pretrained(MODEL{revision_argument})",
        ]
    prompt = facts.saved.get("serving", {}).get("prompt", "{document}")
    only_new = '[inputs["input_ids"].shape[1] :]' if pipeline == "text-generation" else ""
    lines += [
        f"text = {json.dumps(prompt.replace('{document}', SAMPLE_DOCUMENT), ensure_ascii=False)}",
        'inputs = tokenizer(text, return_tensors="pt", truncation=True)',
        f"written = model.generate(**inputs)[0]{only_new}",
        "print(tokenizer.decode(written, skip_special_tokens=True))",
    ]
    return "\n".join(lines)
