"""What the Hub's validation of a card's metadata is known to refuse."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

MATTER = re.compile(r"---\r?\n(.*?)\r?\n---(\r?\n|$)", re.S)
ID = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?", re.ASCII)
LANGUAGE = re.compile(r"[a-z]{2,3}|code|multilingual")
LICENSES = (
    "apache-2.0", "mit", "other", "cc-by-4.0", "cc-by-sa-4.0", "cc-by-nc-4.0", "cc-by-nc-sa-4.0", "cc0-1.0",
    "gpl-3.0", "bsd-3-clause", "openrail", "unknown",
)  # fmt: skip
RELATIONS = ("finetune", "adapter", "merge", "quantized")


def errors(card: str) -> list[str]:
    """Complaints about the YAML between the first two --- lines."""
    found = MATTER.match(card)
    if found is None:
        return []
    try:
        values = yaml.safe_load(found[1])
    except yaml.YAMLError as error:
        return [f"invalid YAML: {error}"]
    return list(_faults(values)) if isinstance(values, dict) else ["metadata must be a mapping"]


def front_matter(readme: Path) -> dict[str, Any]:
    """The metadata of a card; none where they cannot be read, as in one that was pushed by git."""
    found = MATTER.match(readme.read_text("utf-8"))
    try:
        values = yaml.safe_load(found[1]) if found else None
    except yaml.YAMLError:
        return {}
    return values if isinstance(values, dict) else {}


def _faults(values: dict[str, Any]) -> Iterator[str]:
    for key, pattern in (("language", LANGUAGE), ("datasets", ID), ("base_model", ID)):
        for number, value in enumerate(_listed(values.get(key))):
            if not isinstance(value, str) or not pattern.fullmatch(value):
                yield f'"{key}[{number}]" with value "{value}" is not valid'
    for value in _listed(values.get("license")):
        if value not in LICENSES:
            yield f'"license" must be one of {LICENSES}'
    if values.get("license") == "other" and not values.get("license_name"):
        yield '"license_name" is required when "license" is "other"'
    if values.get("base_model_relation") not in (None, *RELATIONS):
        yield f'"base_model_relation" must be one of {RELATIONS}'
    for key in ("tags", "metrics"):
        if not all(isinstance(value, str) for value in _listed(values.get(key))):
            yield f'"{key}" must be strings'
    for key in ("pipeline_tag", "library_name"):
        if not isinstance(values.get(key, ""), str):
            yield f'"{key}" must be a string'
    yield from _index_faults(values.get("model-index"))


def _index_faults(index: Any) -> Iterator[str]:
    if index is None:
        return
    if not isinstance(index, list) or not all(
        isinstance(model, dict) and model.get("name") for model in index
    ):
        yield '"model-index" must be a list of models with a name'
        return
    for model in index:
        for result in model.get("results", ()):
            task, data, metrics = (result.get(key) for key in ("task", "dataset", "metrics"))
            if not isinstance((task or {}).get("type"), str):
                yield '"model-index[0].results[0].task.type" is required'
            for key in ("type", "name"):
                if not isinstance((data or {}).get(key), str):
                    yield f'"model-index[0].results[0].dataset.{key}" is required'
            for key in ("config", "split", "revision"):
                if key in (data or {}) and not isinstance(data[key], str):
                    yield f'"model-index[0].results[0].dataset.{key}" must be a string'
            for metric in metrics or ():
                if not isinstance(metric.get("type"), str) or isinstance(metric.get("value"), dict | None):
                    yield '"model-index[0].results[0].metrics[0]" needs type and value'


def _listed(value: Any) -> list[Any]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]
