"""The metadata of a card: built with the Hub's own classes, and validated locally by the same rules as on the Hub."""

from typing import Annotated, Any, Literal

from huggingface_hub import EvalResult, ModelCardData
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from autotune.config.rules.licenses import LICENSES
from autotune.errors import HubError

RepoId = Annotated[str, Field(pattern=r"^[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?$", max_length=96)]
Language = Annotated[str, Field(pattern=r"^[a-z]{2,3}$")]
Tag = Annotated[str, Field(min_length=1)]

METRICS: dict[str, tuple[str, dict[str, str] | None]] = {
    "macro_f1": ("f1", {"average": "macro"}),
    "micro_f1": ("f1", {"average": "micro"}),
    "weighted_f1": ("f1", {"average": "weighted"}),
    "accuracy": ("accuracy", None),
    "mse": ("mse", None),
    "rmse": ("mse", {"squared": "False"}),
    "mae": ("mae", None),
    "r2": ("r_squared", None),
    "pearson": ("pearsonr", None),
    "spearman": ("spearmanr", None),
    "qwk": ("cohen_kappa", {"weights": "quadratic"}),
    "entity_f1": ("f1", {"scheme": "IOB2", "mode": "strict"}),
    "entity_precision": ("precision", {"scheme": "IOB2", "mode": "strict"}),
    "entity_recall": ("recall", {"scheme": "IOB2", "mode": "strict"}),
    "entity_f1_conll": ("f1", {"mode": "conlleval"}),
    "rouge1": ("rouge", {"rouge_types": "rouge1"}),
    "rouge2": ("rouge", {"rouge_types": "rouge2"}),
    "rougeL": ("rouge", {"rouge_types": "rougeL"}),
    "rougeLsum": ("rouge", {"rouge_types": "rougeLsum"}),
    "chrf": ("chrf", None),
}
"""Name and arguments of each of our metrics on the Hub's leaderboards."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class _Task(_Strict):
    type: str
    name: str | None = None


class _Data(_Strict):
    type: RepoId
    name: str
    config: str | None = None
    split: str | None = None
    revision: str | None = None


class _Metric(_Strict):
    type: str
    value: float
    name: str | None = None
    args: dict[str, str] | None = None


class _Result(_Strict):
    task: _Task
    dataset: _Data
    metrics: Annotated[list[_Metric], Field(min_length=1)]


class _Model(_Strict):
    name: str
    results: Annotated[list[_Result], Field(min_length=1)]


class _Metadata(_Strict):
    language: Language | list[Language]
    license: str | None = None
    license_name: str | None = None
    library_name: Literal["transformers", "peft", "autotune"]
    pipeline_tag: Annotated[str, Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")]
    base_model: RepoId | None = None
    base_model_relation: Literal["finetune", "adapter"] | None = None
    datasets: list[RepoId] | None = None
    tags: list[Tag]
    metrics: list[str] | None = None
    index: Annotated[list[_Model] | None, Field(alias="model-index", min_length=1)] = None


def results(
    scores: dict[str, float],
    *,
    task: str,
    data: str,
    data_id: str,
    config: str | None,
    split: str,
    revision: str | None,
) -> list[EvalResult]:
    """Returns the scores on a split in the Hub's format.

    Args:
        scores: scores by our metric names; metrics without a name on the Hub are left out.
        task: pipeline tag.
        data: display name of the data set.
        data_id: id of the data set on the Hub, or a name in the same format.
        config: configuration of the data set.
        split: split that was scored.
        revision: commit of the data set.
    """
    return [
        EvalResult(
            task_type=task, dataset_type=data_id, dataset_name=data, dataset_config=config, dataset_split=split,
            dataset_revision=revision, metric_type=METRICS[name][0], metric_name=name, metric_value=float(value),
            metric_args=METRICS[name][1],
        )
        for name, value in scores.items()
        if name in METRICS
    ]  # fmt: skip


def front_matter(data: ModelCardData) -> str:
    """Returns the metadata between two lines of dashes.

    Raises:
        HubError: the Hub would reject it.
    """
    validate(data.to_dict())
    return f"---\n{data.to_yaml()}\n---\n"


def validate(values: dict[str, Any]) -> None:
    """Validates metadata by the Hub's rules.

    Raises:
        HubError: the Hub would reject the metadata; the error names the first invalid key.
    """
    try:
        _Metadata.model_validate(values)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise HubError(
            f"the Hub would refuse the card's metadata: {first['msg']}",
            where=".".join(map(str, first["loc"])),
            found=str(first["input"])[:200],
        ) from error
    if values.get("license") not in (None, *LICENSES):
        raise HubError("the Hub does not know the licence", where="license", found=str(values["license"]))
