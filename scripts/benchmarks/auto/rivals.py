"""Rivals, each by its own library: `python rivals.py TOOL ORDER` reads an order and writes predictions.

This file imports nothing of autotune, because each library lives in an environment of its own. Exit code 3: it is not installed.
"""

import importlib.metadata
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

MISSING = 3
"""Exit code where the library is not installed."""
STEPS, BATCH, RATE = 200, 16, 5e-5
"""Of the contrastive step: optimizer steps, rows of each class per step at most, learning rate."""
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
    """SetFit with its defaults; all rows train."""
    from datasets import Dataset
    from setfit import SetFitModel, Trainer, TrainingArguments

    names = sorted(set(order["labels"]))
    model = SetFitModel.from_pretrained(order["encoder"], labels=names)
    trainer = Trainer(
        model=model,
        args=TrainingArguments(output_dir=order["folder"], seed=order["seed"], report_to="none"),
        train_dataset=Dataset.from_dict(
            {"text": order["texts"], "label": [names.index(label) for label in order["labels"]]}
        ),
    )
    trainer.train()
    return {"predictions": [str(label) for label in model.predict(order["test"])], "reported": None}


def autointent(order: Order) -> Answer:
    """AutoIntent's preset classic-light with the encoder as its embedder."""
    from autointent import Dataset, Pipeline
    from autointent.configs import EmbedderConfig

    names = sorted(set(order["labels"]))
    rows = [
        {"utterance": text, "label": names.index(label)}
        for text, label in zip(order["texts"], order["labels"], strict=True)
    ]
    pipeline = Pipeline.from_preset("classic-light")
    pipeline.set_config(EmbedderConfig(model_name=order["encoder"]))
    pipeline.fit(Dataset.from_dict({"train": rows}))
    predicted = pipeline.predict(order["test"])
    return {"predictions": [names[label or 0] for label in predicted], "reported": None}


def autogluon(order: Order) -> Answer:
    """AutoGluon's MultiModalPredictor, medium quality, with the encoder as its checkpoint and a time limit."""
    import pandas as pd
    from autogluon.multimodal import MultiModalPredictor

    predictor = MultiModalPredictor(
        label="label", path=str(Path(order["folder"]) / "model"), presets="medium_quality"
    )
    predictor.fit(
        pd.DataFrame({"text": order["texts"], "label": order["labels"]}),
        time_limit=order["seconds"],
        hyperparameters={"model.names": ["hf_text"], "model.hf_text.checkpoint_name": order["encoder"]},
        seed=order["seed"],
    )
    return {
        "predictions": predictor.predict(pd.DataFrame({"text": order["test"]})).tolist(),
        "reported": None,
    }


def lightautoml(order: Order) -> Answer:
    """LightAutoML's tabular text preset on TF-IDF."""
    import pandas as pd
    from lightautoml.automl.presets.text_presets import TabularNLPAutoML
    from lightautoml.tasks import Task

    names = sorted(set(order["labels"]))
    automl = TabularNLPAutoML(
        task=Task("binary" if len(names) == 2 else "multiclass"),
        timeout=order["seconds"],
        cpu_limit=order["threads"],
        text_params={"lang": "multi"},
        nested_cv_params={},
    )
    table = pd.DataFrame({"text": order["texts"], "label": [names.index(label) for label in order["labels"]]})
    automl.fit_predict(table, roles={"target": "label", "text": ["text"]})
    scores = automl.predict(pd.DataFrame({"text": order["test"]})).data
    chosen = (scores[:, 0] > 0.5).astype(int) if len(names) == 2 else scores.argmax(axis=1)
    return {"predictions": [names[index] for index in chosen.tolist()], "reported": None}


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
