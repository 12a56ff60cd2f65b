"""Python code that uses a model without a neural network: it needs numpy and safetensors, and nothing of autotune.

The code is in assets/cards/usage, one template for each kind of model.
"""

import json
from functools import cache
from importlib.resources import files as package_files
from pathlib import Path
from typing import Any

from jinja2 import BaseLoader, Environment, StrictUndefined

from autotune.config.enums import BaselineMethod

TEXTS = {
    "text": "O atendimento não foi bom em São Luís.",
    "text_pair": "O atendimento em São Luís foi ruim.",
    "document": "A câmara aprovou a obra. O custo é de dez mil reais. Ninguém falou contra.",
}
"""Texts of the examples, by the names in the templates."""


def usage_code(
    method: BaselineMethod,
    model: str,
    revision: str | None = None,
    *,
    problem: str = "single_label_classification",
    is_pair: bool = False,
) -> str:
    """Returns code that loads the files of a model and predicts a text; it works without changes.

    Args:
        method: kind of the model.
        model: id of its repository on the Hub, or absolute path of its folder.
        revision: branch, tag or commit on the Hub; None: the main branch.
        problem: `problem_type` of the task, which says what the outputs of `tfidf` are.
        is_pair: whether it reads pairs of texts.
    """
    values = {name: json.dumps(text, ensure_ascii=False) for name, text in TEXTS.items()}
    name = json.dumps(model, ensure_ascii=False)
    download = ""
    if not Path(model).is_absolute():
        download = "from huggingface_hub import snapshot_download"
        name = (
            f"snapshot_download({name})"
            if revision is None
            else f'snapshot_download({name}, revision="{revision}")'
        )
    code: str = _template(method).render(
        values, folder=name, download=download, problem=problem, is_pair=is_pair
    )
    return code.strip()


@cache
def _template(method: BaselineMethod) -> Any:
    environment = Environment(
        loader=BaseLoader(), undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, autoescape=False
    )
    path = package_files("autotune").joinpath("assets", "cards", "usage", f"{method}.py.jinja")
    return environment.from_string(path.read_text("utf-8"))
