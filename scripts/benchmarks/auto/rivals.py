"""Rivals, each by its own library: `python rivals.py TOOL ORDER` reads an order and writes predictions.

This file imports nothing of autotune, because each library lives in an environment of its own. Exit code 3: it is not installed.
Environments of Python 3.11; for CPUs, torch comes first (`pip install torch==2.13.0`, its CPU build):

    python3 -m venv setfit && setfit/bin/pip install setfit==1.2.0
    python3 -m venv autointent && autointent/bin/pip install "autointent[sentence-transformers,transformers]==0.4.0"
    python3 -m venv autogluon && autogluon/bin/pip install autogluon.multimodal==1.6.3
    python3 -m venv lightautoml && lightautoml/bin/pip install "lightautoml[nlp]==0.4.2" "transformers<5" "pandas<3"

AutoGluon needs a build of torchvision for the same devices as torch.
"""

import importlib.metadata
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

MISSING = 3
"""Exit code where the library is not installed."""
STEPS, BATCH, RATE = 200, 16, 5e-5
"""Of the contrastive step: optimizer steps, rows of each class per step at most, learning rate."""
FEW_ROWS = 50
"""Rows below which AutoGluon advises few-shot learning."""
Order = dict[str, Any]
Answer = dict[str, Any]


def contrastive(order: Order) -> Answer:
    """Few-shot as SetFit does it: pairs of a class attract each other, others repel; then logistic regression on the vectors."""
    import torch
    from sklearn.linear_model import LogisticRegression
    from transformers import AutoModel, AutoTokenizer

    torch.manual_seed(order["seed"])
    generator = np.random.default_rng(order["seed"])
    tokenizer = AutoTokenizer.from_pretrained(order["encoder"])
    model = AutoModel.from_pretrained(order["encoder"])

    def vectors(texts: list[str]) -> torch.Tensor:
        inputs = tokenizer(texts, truncation=True, max_length=128, padding=True, return_tensors="pt")
        mask = inputs["attention_mask"].unsqueeze(-1)
        hidden = (model(**inputs).last_hidden_state * mask).sum(1) / mask.sum(1)
        return torch.nn.functional.normalize(hidden, dim=1)

    texts, labels = order["texts"], np.array(order["labels"])
    optimizer = torch.optim.AdamW(model.parameters(), lr=RATE)
    model.train()
    for _ in range(STEPS):
        rows = np.concatenate(
            [generator.permutation(np.flatnonzero(labels == label))[:BATCH] for label in np.unique(labels)]
        )
        encoded = vectors([texts[row] for row in rows])
        same = torch.tensor(labels[rows][:, None] == labels[rows][None, :], dtype=torch.float32)
        upper = torch.triu(torch.ones_like(same), diagonal=1).bool()
        loss = torch.nn.functional.mse_loss((encoded @ encoded.T)[upper], same[upper])
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    model.eval()
    with torch.no_grad():
        learned, asked = (np.concatenate([vectors(part[start : start + 64]).numpy() for start in range(0, len(part), 64)])
                          for part in (texts, order["test"]))  # fmt: skip
    head = LogisticRegression(max_iter=1000).fit(learned, labels)
    return {"predictions": head.predict(asked).tolist(), "reported": None}


def setfit(order: Order) -> Answer:
    """SetFit with its defaults on all rows. It has no time limit: a callback stops its encoder when time is up."""
    from datasets import Dataset
    from setfit import SetFitModel, Trainer, TrainingArguments
    from transformers import TrainerCallback

    end = time.monotonic() + order["seconds"]

    class Clock(TrainerCallback):  # type: ignore[misc]
        def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            control.should_training_stop |= time.monotonic() > end

    names = sorted(set(order["labels"]))
    model = SetFitModel.from_pretrained(order["encoder"], labels=names)
    trainer = Trainer(
        model=model,
        args=TrainingArguments(output_dir=order["folder"], seed=order["seed"], report_to="none"),
        train_dataset=Dataset.from_dict(
            {"text": order["texts"], "label": [names.index(label) for label in order["labels"]]}
        ),
        callbacks=[Clock()],
    )
    trainer.train()
    return {"predictions": [str(label) for label in model.predict(order["test"])], "reported": None}


def autointent(order: Order) -> Answer:
    """AutoIntent's preset classic-light by cross-validation, as its guide advises for few rows, with macro-F1 for both nodes."""
    os.environ["XDG_CACHE_HOME"] = order["folder"]  # Else vectors of an earlier run would be read.
    from autointent import Dataset, Pipeline
    from autointent.utils import load_preset

    names = sorted(set(order["labels"]))
    rows = [
        {"utterance": text, "label": names.index(label)}
        for text, label in zip(order["texts"], order["labels"], strict=True)
    ]
    preset = load_preset("classic-light")
    for node in preset["search_space"]:
        node["target_metric"] = f"{node['node_type']}_f1"
    preset["hpo_config"]["timeout"] = order["seconds"] / len(preset["search_space"])
    preset |= {
        "embedder_config": {"model_name": order["encoder"]},
        "data_config": {"scheme": "cv"},
        "logging_config": {"project_dir": order["folder"]},
        "seed": order["seed"] + 1,
    }
    pipeline = Pipeline.from_optimization_config(preset)
    context = pipeline.fit(Dataset.from_dict({"train": rows}))
    trials = context.optimization_info.trials.get_trials("decision")
    return {
        "predictions": ["" if label is None else names[label] for label in pipeline.predict(order["test"])],
        "reported": float(max(trial.metric_value for trial in trials)),
    }


def autogluon(order: Order) -> Answer:
    """AutoGluon's MultiModalPredictor: the preset medium_quality; below 50 rows few-shot, as it advises itself.

    Its score is that of the rows that it held out; few-shot holds none out.
    """
    import pandas as pd
    from autogluon.multimodal import MultiModalPredictor

    few = len(order["texts"]) < FEW_ROWS
    predictor = MultiModalPredictor(
        label="label",
        problem_type="few_shot_classification" if few else None,
        presets="medium_quality",
        # While it trains, it takes the F1 of one of two classes for macro-F1: there its own choice (ROC-AUC) is better.
        eval_metric="f1_macro" if len(set(order["labels"])) > 2 else None,
        path=str(Path(order["folder"]) / "model"),
    )
    predictor.fit(
        pd.DataFrame({"text": order["texts"], "label": order["labels"]}),
        time_limit=int(order["seconds"]),
        hyperparameters={"model.names": ["hf_text"], "model.hf_text.checkpoint_name": order["encoder"]},
        seed=order["seed"],
    )
    held_out = predictor._learner._tuning_data
    return {
        "predictions": predictor.predict(pd.DataFrame({"text": order["test"]})).tolist(),
        "reported": None if few else predictor.evaluate(held_out, metrics=["f1_macro"])["f1_macro"],
    }


def lightautoml(order: Order) -> Answer:
    """LightAutoML's preset for texts: linear models on TF-IDF, LightGBM on the vectors of the encoder, a blend of both.

    Its score is that of its out-of-fold predictions.
    """
    import pandas as pd
    from lightautoml.automl.presets.text_presets import TabularNLPAutoML
    from lightautoml.tasks import Task
    from sklearn.metrics import f1_score

    names = sorted(set(order["labels"]))
    two = len(names) == 2

    def chosen(scores: np.ndarray) -> np.ndarray:
        return (scores[:, 0] > 0.5).astype(int) if two else scores.argmax(axis=1)

    def macro_f1(gold: np.ndarray, scores: np.ndarray) -> float:
        return float(f1_score(gold, scores > 0.5, average="macro"))

    automl = TabularNLPAutoML(
        task=Task("binary", metric=macro_f1) if two else Task("multiclass", metric="f1_macro"),
        timeout=int(order["seconds"]),
        cpu_limit=order["threads"],
        text_params={"lang": "multi", "bert_model": order["encoder"]},
        # Else it trains word vectors where there is no GPU, and reads its file of texts before that is written.
        autonlp_params={"force": True},
        # Selection fails where the text is the only column.
        selection_params={"mode": 0},
    )
    classes = np.array([names.index(label) for label in order["labels"]])
    table = pd.DataFrame({"text": order["texts"], "label": classes})
    held_out = automl.fit_predict(table, roles={"target": "label", "text": ["text"]}).data
    scored = ~np.isnan(held_out).any(axis=1)
    predicted = chosen(automl.predict(pd.DataFrame({"text": order["test"]})).data)
    return {
        "predictions": [names[index] for index in predicted.tolist()],
        "reported": float(f1_score(classes[scored], chosen(held_out[scored]), average="macro")),
    }


TOOLS: dict[str, Callable[[Order], Answer]] = {
    "contrastive": contrastive, "setfit": setfit, "autointent": autointent, "autogluon": autogluon, "lightautoml": lightautoml,
}  # fmt: skip
"""By name; contrastive is not a tool, but what the rule-based one does with few rows."""
PACKAGES = {"autogluon": "autogluon.multimodal", "contrastive": "transformers"}
"""Packages whose names are not those of the tools."""


def main() -> None:
    """Answers one order."""
    tool, path = sys.argv[1:]
    os.environ["HF_HUB_OFFLINE"] = "1"
    try:
        version = importlib.metadata.version(PACKAGES.get(tool, tool))
    except importlib.metadata.PackageNotFoundError:
        raise SystemExit(MISSING) from None
    order = json.loads(Path(path).read_text("utf-8"))
    answer = TOOLS[tool](order) | {"version": version}
    Path(order["answer"]).write_text(json.dumps(answer, ensure_ascii=False), encoding="utf-8")


if __name__ == "__main__":
    main()
