"""The model card: metadata for the Hub, and what a person should know before using the model.

The text stands in assets/cards, one template a language; everything that comes from data is escaped there.
"""

import json
import logging
from functools import cache
from importlib.resources import files as package_files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from huggingface_hub import ModelCardData
from jinja2 import BaseLoader, Environment, StrictUndefined

from autotune.config.enums import CardLanguage, Visibility
from autotune.config.rules.hub import slug
from autotune.config.rules.licenses import LICENSES
from autotune.config.secrets import redact
from autotune.errors import HubError
from autotune.publishing.card import metadata
from autotune.publishing.card.facts import Facts
from autotune.publishing.card.markdown import SafeMarkdown, block, code, escaped, link
from autotune.publishing.card.merge import marked
from autotune.publishing.files import CARD
from autotune.runtime.files import atomic_write

if TYPE_CHECKING:
    from autotune.publishing.snapshot import Snapshot

logger = logging.getLogger(__name__)

PIPELINES = {
    "sequence classification": "text-classification",
    "token classification": "token-classification",
    "sequence to sequence": "summarization",
    "causal language modelling": "text-generation",
}
"""The Hub's names of what a model with this head does."""
CLASSES = {
    "sequence classification": "AutoModelForSequenceClassification",
    "token classification": "AutoModelForTokenClassification",
    "sequence to sequence": "AutoModelForSeq2SeqLM",
    "causal language modelling": "AutoModelForCausalLM",
}
EXAMPLES = {
    "text-classification": "O atendimento não foi bom em São Luís.",
    "token-classification": "A Câmara de São Luís não aprovou a obra.",
}
METHODS = {"lora": "LoRA", "dora": "DoRA", "rslora": "rsLoRA", "ia3": "(IA)³"}
BASELINES = {
    "majority class": "classe mais frequente",
    "TF-IDF + logistic regression": "TF-IDF + regressão logística",
    "most frequent tag of each word": "etiqueta mais frequente de cada palavra",
    "first sentences": "primeiras frases",
}
"""In Portuguese; what a task of a user's calls its own stays as it is."""
SUMMED_UP = "Texto da notícia …"


def write_card(folder: Path, facts: Facts) -> None:
    """Writes README.md into the folder of a saved model.

    Raises:
        DiskError: it cannot be written.
        HubError: the Hub would refuse its metadata, and the model is to be pushed; otherwise that is a warning.
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
    """The card.

    Args:
        facts: of the run.
        model: as users will call it: id of the repository, or the folder's absolute path.
        adapter_only: whether the repository holds the adapter without its base model.

    Raises:
        HubError: the Hub would refuse its metadata.
    """
    language = facts.config.hub.language
    head = facts.saved["head"]
    context = {
        "facts": facts,
        "model": model,
        "title": _name(facts, model),
        "adapter_only": adapter_only,
        "pipeline": PIPELINES[head],
        "usage": block(_usage(facts, model, adapter_only=adapter_only), "python"),
        "figures": _figures(facts),
        "classes": {
            name: row
            for name, row in facts.metrics[facts.split].get("per_class", {}).items()
            if row.keys() >= {"precision", "recall", "f1", "support"}
        },
        "labels": facts.data.get("check", {}).get("labels", {}).get("counts", {}),
        "lengths": facts.data.get("check", {}).get("lengths", {}).get("splits", {}),
    }
    text = _template(language).render(context)
    values = _about(facts, adapter_only=adapter_only) | _scored(facts, model)
    return _page(values, text)


def render_last(
    facts: Facts, snapshot: "Snapshot", model: str, result: str, branch: str, *, adapter_only: bool
) -> str:
    """The short card of weights that are not the result of their run.

    Args:
        facts: of the run, finished or not.
        snapshot: what the weights are.
        model: id of the repository.
        result: branch of the run's result.
        branch: of these weights.
        adapter_only: whether the branch holds the adapter without its base model.

    Raises:
        HubError: the Hub would refuse its metadata.
    """
    context = {
        "facts": facts,
        "snapshot": snapshot,
        "title": model.split("/")[-1],
        "result": result,
        "usage": block(_usage(facts, model, adapter_only=adapter_only, revision=branch), "python"),
    }
    text = _template(facts.config.hub.language, ".last").render(context)
    return _page(_about(facts, adapter_only=adapter_only), text)


def _page(values: dict[str, Any], text: str) -> str:
    data = ModelCardData(**{key: value for key, value in values.items() if value is not None})
    return marked(redact(metadata.front_matter(data)), redact(text))


@cache
def _template(language: CardLanguage, kind: str = "") -> Any:
    swapped = str.maketrans(",.", ".,") if language is CardLanguage.pt else {}

    def number(value: Any, digits: int = 4) -> SafeMarkdown:
        text = f"{value:,.{digits}f}" if isinstance(value, float) else f"{value:,}"
        return SafeMarkdown(text.translate(swapped))

    def short(value: float) -> SafeMarkdown:
        return SafeMarkdown(f"{value:g}".translate(swapped))

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
    environment.globals |= {"hub": _hub_link, "baseline": BASELINES.get}
    text = package_files("autotune").joinpath("assets", "cards", f"{language}{kind}.md").read_text("utf-8")
    return environment.from_string(text)


def _hub_link(name: str, commit: str | None, kind: str = "") -> SafeMarkdown:
    """A name, with a link to its commit where it is on the Hub."""
    return link(name, f"https://huggingface.co/{kind}{name}/tree/{commit}") if commit else code(name)


def _figures(facts: Facts) -> list[dict[str, Any]]:
    """Each figure with its interval and what the baselines reach."""
    ends = facts.metrics.get("interval", {}).get(facts.split, {})
    baselines = facts.metrics["baseline"][facts.split]
    return [
        {"name": name, "value": value, "interval": ends.get(name),
         "baselines": [figures.get(name) for figures in baselines.values()]}
        for name, value in facts.scores.items()
    ]  # fmt: skip


def _about(facts: Facts, *, adapter_only: bool) -> dict[str, Any]:
    """Metadata of the model, whatever its figures."""
    config, origins, licence = facts.config, facts.origins, facts.licence
    language, *region = config.dataset.language.split("-")
    adapted = [str(config.peft.method)] if config.peft is not None else []
    values: dict[str, Any] = {
        "language": language.lower(),
        "license": licence.id if licence.id in (None, *LICENSES) else "other",
        "library_name": "peft" if adapter_only else "transformers",
        "pipeline_tag": PIPELINES[facts.saved["head"]],
        "base_model": facts.base if origins.model else None,
        "base_model_relation": ("adapter" if adapter_only else "finetune") if origins.model else None,
        "datasets": [facts.dataset] if origins.dataset else None,
        "tags": ["autotune", config.task.name, *adapted, *([config.dataset.language] if region else [])],
    }
    if values["license"] == "other":
        named = licence.id if licence.id != "other" else f"{licence.base} / {licence.data}"
        values["license_name"] = slug(str(named)).lower()
    return values


def _scored(facts: Facts, model: str) -> dict[str, Any]:
    """Metadata of the figures."""
    scored = metadata.results(
        facts.scores,
        task=PIPELINES[facts.saved["head"]],
        data=" ".join(facts.dataset.split()),
        data_id=facts.dataset if facts.origins.dataset else slug(facts.dataset),
        config=facts.config.dataset.name,
        split=facts.split,
        revision=facts.origins.dataset,
    )
    if not scored:  # a task may have figures that the Hub has no name for
        return {}
    return {
        "metrics": sorted({result.metric_type for result in scored}),
        "model_name": _name(facts, model),
        "eval_results": scored,
    }


def _name(facts: Facts, model: str) -> str:
    return str(facts.config.name) if Path(model).is_absolute() else model.split("/")[-1]


def _usage(facts: Facts, model: str, *, adapter_only: bool, revision: str | None = None) -> str:
    """Code that works as pasted."""
    at = f', revision="{revision}"' if revision is not None else ""
    head, pipeline = facts.saved["head"], PIPELINES[facts.saved["head"]]
    lines = [f"MODEL = {json.dumps(model, ensure_ascii=False)}", ""]
    auto = CLASSES[head]
    if adapter_only:
        lines[:0] = [
            "from peft import PeftConfig, PeftModel",
            f"from transformers import AutoConfig, {auto}, AutoTokenizer, pipeline",
            "",
        ]
        lines += [
            f"config = AutoConfig.from_pretrained(MODEL{at})",
            f"adapter = PeftConfig.from_pretrained(MODEL{at})",
            "base, commit = adapter.base_model_name_or_path, adapter.revision",
            f"base = {auto}.from_pretrained(base, revision=commit, config=config)",
            f"model = PeftModel.from_pretrained(base, MODEL{at}).merge_and_unload()",
            f"tokenizer = AutoTokenizer.from_pretrained(MODEL{at})",
        ]
    if pipeline in EXAMPLES:
        settings = f", truncation=True, max_length={facts.max_length}"
        if pipeline == "token-classification":
            settings = ', aggregation_strategy="simple"'
        parts = "model=model, tokenizer=tokenizer" if adapter_only else f"model=MODEL{at}"
        if not adapter_only:
            lines[:0] = ["from transformers import pipeline", ""]
        lines += [f'use = pipeline("{pipeline}", {parts}{settings})', f'print(use("{EXAMPLES[pipeline]}"))']
        return "\n".join(lines)
    if not adapter_only:
        lines[:0] = [f"from transformers import {auto}, AutoTokenizer", ""]
        lines += [
            f"tokenizer = AutoTokenizer.from_pretrained(MODEL{at})",
            f"model = {auto}.from_pretrained(MODEL{at})",
        ]
    prompt = facts.saved.get("serving", {}).get("prompt", "{document}")
    only_new = '[inputs["input_ids"].shape[1] :]' if pipeline == "text-generation" else ""
    lines += [
        f"text = {json.dumps(prompt.replace('{document}', SUMMED_UP), ensure_ascii=False)}",
        'inputs = tokenizer(text, return_tensors="pt", truncation=True)',
        f"written = model.generate(**inputs)[0]{only_new}",
        "print(tokenizer.decode(written, skip_special_tokens=True))",
    ]
    return "\n".join(lines)
