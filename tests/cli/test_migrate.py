"""`autotune migrate`: files of AutoTrain and of the example scripts become experiments that compose, check and train."""

import json
from pathlib import Path

import pytest
import yaml
from datasets import ClassLabel, Dataset, DatasetDict, Features, Value

from autotune import registry
from autotune.cli.main import main
from autotune.config.compose import compose
from tests.support.forks import forks

TINY = ("model.name_or_path=null", "model.tiny=auto", "trainer.precision=auto")
TEXTS = [("gostei muito do filme", "bom"), ("que filme chato e longo", "ruim")] * 12
EXAMPLES = {
    # task, columns, data on the Hub, its splits, mixed precision; the layout of the files in AutoTrain's configs
    "text_classification": ({"text_column": "texto", "target_column": "classe"}, "org/resenhas", "test", "fp16"),
    "text_regression": ({"text_column": "texto", "target_column": "nota"}, "notas", None, "fp16"),
    "token_classification": ({"tokens_column": "tokens", "tags_column": "ner_tags"}, "org/leis", "validation", "fp16"),
    "seq2seq": ({"text_column": "conversa", "target_column": "resumo"}, "conversas", "test", "none"),
}  # fmt: skip
TASKS = {
    "text_classification": "classification",
    "text_regression": "regression",
    "token_classification": "ner",
    "seq2seq": "summarization",
}
ROLES = {"text_column": ("text", "document"), "target_column": ("label", "summary"), "tokens_column": ("tokens",),
         "tags_column": ("tags",)}  # fmt: skip


def autotrain(task: str, path: str, valid: str | None, **params: object) -> dict[str, object]:
    """An AutoTrain configuration."""
    columns, _, _, precision = EXAMPLES[task]
    settings = {
        "max_seq_length": 512, "epochs": 3, "batch_size": 4, "lr": "2e-5", "optimizer": "adamw_torch",
        "scheduler": "linear", "gradient_accumulation": 1, "mixed_precision": precision,
    }  # fmt: skip
    return {
        "task": task,
        "base_model": "google-bert/bert-base-uncased",
        "project_name": f"autotrain-{task.replace('_', '-')}",
        "log": "tensorboard",
        "backend": "local",
        "data": {"path": path, "train_split": "train", "valid_split": valid, "column_mapping": columns},
        "params": settings | params,
        "hub": {"username": "${HF_USERNAME}", "token": "${HF_TOKEN}", "push_to_hub": True},
    }


@pytest.fixture
def write(tmp_path, monkeypatch):
    """Writes a file where the commands are run; gives its name."""
    monkeypatch.chdir(tmp_path)
    for name in ("AUTOTUNE_CONFIGS", "HF_USERNAME"):
        monkeypatch.delenv(name, raising=False)

    def put(name, content):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        text = content if isinstance(content, str) else json.dumps(content) if name.endswith("json") else None
        Path(name).write_text(
            yaml.safe_dump(content, sort_keys=False, allow_unicode=True).replace("'2e-5'", "2e-5") if text is None else text,
            encoding="utf-8",
        )  # fmt: skip
        return name

    return put


def experiment(name: str, *words: str):
    (config,) = compose(["--config-dir", "config", f"experiment={name}", *words])
    return config


def rows_of(task: str, folder: str, valid: str, write) -> None:
    columns = list(EXAMPLES[task][0].values())
    for split in ("train", valid):
        if task == "token_classification":
            rows = [{columns[0]: ["Ana", "viu", "Rui"], columns[1]: ["B-PES", "O", "B-PES"]}] * 6
        else:
            rows = [{columns[0]: f"{text} {number}", columns[1]: number / 2 if task == "text_regression" else label}
                    for number, (text, label) in enumerate(TEXTS)]  # fmt: skip
        write(f"{folder}/{split}.jsonl", "".join(json.dumps(row) + "\n" for row in rows))


@pytest.mark.parametrize("task", EXAMPLES)
@pytest.mark.parametrize("local", [False, True], ids=["hub", "local"])
def test_every_example_of_autotrain_converts_and_composes(task, local, write, capsys):
    columns, hub, valid, precision = EXAMPLES[task]
    path, valid = ("data/", "valid") if local else (hub, valid)
    if local:
        rows_of(task, "data", "valid", write)
    old = autotrain(task, path, valid)
    assert main(["migrate", write("conf/autotrain.yml", old)]) == 0, capsys.readouterr().err
    config = experiment(old["project_name"])
    assert config.task.name == TASKS[task]
    assert (config.dataset.path, config.dataset.format) == (path, "jsonl" if local else "hub")
    assert config.dataset.splits.validation == (valid or "validation")
    assert config.dataset.splits.test == (None if valid == "test" else "test")
    for key, column in columns.items():
        role = next(
            role for role in ROLES[key] if any(role == one.role for one in registry.task(TASKS[task]).columns)
        )
        assert getattr(config.dataset.columns, role) == column or role == column
    trainer = config.trainer
    assert (trainer.epochs, trainer.batch_size, trainer.learning_rate) == (3, 4, 2e-5)
    assert (trainer.weight_decay, trainer.warmup_ratio, trainer.schedule) == (0, 0.1, "linear")
    assert (trainer.precision, config.task.max_length) == ({"none": "fp32"}.get(precision, precision), 512)
    assert config.model.name_or_path == "google-bert/bert-base-uncased" and config.model.tiny is None
    assert (config.hub.visibility, config.hub.repo) == ("private", old["project_name"])
    assert config.tracking.tracker == "tensorboard"


@pytest.mark.parametrize("task", EXAMPLES)
def test_local_rows_pass_the_check(task, write):
    rows_of(task, "data", "valid", write)
    old = autotrain(task, "data", "valid")
    assert main(["migrate", write("a.yml", old)]) == 0
    words = [
        "--config-dir",
        "config",
        f"experiment={old['project_name']}",
        *TINY,
        "hub=none",
        "hub.repo=null",
    ]
    done = forks().start("check", *words, "task.max_length=null", cwd=Path.cwd()).ended()
    assert done.returncode == 0, done.stdout + done.stderr
    assert "\n0 errors, " in done.stdout


def test_the_account_and_the_file_of_a_whole_conversion(write, capsys):
    old = autotrain(
        "text_classification", "dados", None, max_seq_length=256, optimizer="adafactor", early_stopping_patience=2,
        gradient_accumulation=4, scheduler="cosine_with_restarts", dropout=0.1, lora_r=8,
    )  # fmt: skip
    del old["hub"]
    rows_of("text_classification", "dados", "valid", write)
    assert main(["migrate", write("autotrain.yml", old)]) == 0
    assert capsys.readouterr().out == ACCOUNT
    assert Path("config/experiment/autotrain-text-classification.yaml").read_text("utf-8") == EXPERIMENT


ACCOUNT = """\
autotrain.yml (AutoTrain, classification) -> config/experiment/autotrain-text-classification.yaml
keys of the file, and what they are now:
  task: text_classification                     ->  task=classification
  data.path: dados                              ->  dataset=jsonl dataset.path=dados
  data.train_split: train                       ->  dataset.splits.train=train
  data.valid_split: null                        ->  dataset.splits.validation=null dataset.validation_fraction=0.2
  data.column_mapping.text_column: texto        ->  dataset.columns.text=texto
  data.column_mapping.target_column: classe     ->  dataset.columns.label=classe
  base_model: google-bert/bert-base-uncased     ->  model=custom model.name_or_path=google-bert/bert-base-uncased
  params.lr: 2e-5                               ->  trainer.learning_rate=2e-05
  params.epochs: 3                              ->  trainer.epochs=3
  params.batch_size: 4, params.gradient_accumulation: 4  ->  trainer.batch_size=16
  params.scheduler: cosine_with_restarts        ->  trainer.schedule=cosine
  params.mixed_precision: fp16                  ->  trainer.precision=fp16
  params.max_seq_length: 256                    ->  task.max_length=256
  params.early_stopping_patience: 2             ->  trainer.patience=2
  log: tensorboard                              ->  tracking=tensorboard
defaults of AutoTrain that are kept:
  weight_decay: 0.0  ->  trainer.weight_decay=0.0
keys that are left out:
  params.optimizer: the optimizer is AdamW; one that needs less memory is not offered: peft=lora does
  params.lora_r: every weight is trained; these belong to adapters: peft=lora
  backend: training runs where the command is given
  project_name: it names the experiment; a run folder is named after task, data, model and a hash, or name=NAME
keys that are not known, and have no effect:
  params.dropout
    perhaps: peft.dropout=0.1
what changes on purpose:
  - with 100 validation rows the best checkpoint by macro_f1 is saved, else the last one: trainer.keep; AutoTrain chose by loss
  - texts beyond the limit are read in overlapping windows; as AutoTrain cut them: task.max_length=256 task.on_overflow=truncate
  - a split named test, if the data have one, is scored once at the end, and chooses nothing
  - the schedule cosine_with_restarts becomes cosine, the nearest one
  - trainer.batch_size counts the rows of a step over all processes; AutoTrain counted those of one GPU
  - the seed decides on the order of rows and new weights; AutoTrain passed none to its trainer
  - a run that fails ends with an exit code above 0; AutoTrain ended with 0
  - code of a model or data repository is never run
check it, then train it:
  autotune check --config-dir config experiment=autotrain-text-classification
  autotune --config-dir config experiment=autotrain-text-classification
"""
EXPERIMENT = """\
# @package _global_
# autotrain.yml, AutoTrain, became this by autotune migrate
#   autotune --config-dir config experiment=autotrain-text-classification
defaults:
- override /task: classification
- override /dataset: jsonl
- override /model: custom
- override /tracking: tensorboard
- _self_
dataset:
  path: dados
  splits:
    validation: null
  validation_fraction: 0.2
  columns:
    text: texto
    label: classe
model:
  name_or_path: google-bert/bert-base-uncased
trainer:
  learning_rate: 2.0e-05
  epochs: 3
  weight_decay: 0.0
  batch_size: 16
  schedule: cosine
  precision: fp16
  patience: 2
task:
  max_length: 256
"""


def test_a_migrated_experiment_trains(write, tmp_path):
    text = "texto,classe\n" + "".join(f"{text} {n},{label}\n" for n, (text, label) in enumerate(TEXTS))
    write("dados/train.csv", text)
    write("dados/valid.csv", text)
    old = autotrain("text_classification", "dados", "valid", epochs=1)
    old |= {"log": "none", "project_name": "meu"}
    del old["hub"]
    assert main(["migrate", write("autotrain.yml", old)]) == 0
    words = [
        "--config-dir",
        "config",
        "experiment=meu",
        *TINY,
        "check=none",
        "guard=none",
        "name=r",
        "task.max_length=null",
    ]
    done = forks().start(*words, cwd=tmp_path).ended()
    assert done.returncode == 0, done.stderr
    metrics = json.loads(Path("runs/r/metrics.json").read_text())
    assert 0 <= metrics["validation"]["macro_f1"] <= 1
    saved = yaml.safe_load(Path("runs/r/config.yaml").read_text())
    assert (saved["trainer"]["batch_size"], saved["trainer"]["weight_decay"]) == (4, 0.0)


def project(folder: str, label: object, labels: list[object], **params: object) -> str:
    """An AutoTrain project with its rows and parameters."""
    features = Features({"autotrain_text": Value("string"), "autotrain_label": label})
    rows = Dataset.from_dict(
        {"autotrain_text": [f"texto {n}" for n in range(len(labels))], "autotrain_label": labels},
        features=features,
    )
    DatasetDict(train=rows, validation=rows).save_to_disk(f"{folder}/autotrain-data")
    values = {
        "data_path": f"{folder}/autotrain-data", "model": "neuralmind/bert-base-portuguese-cased", "lr": 5e-5, "epochs": 10,
        "max_seq_length": 128, "batch_size": 8, "warmup_ratio": 0.1, "gradient_accumulation": 1, "optimizer": "adamw_torch",
        "scheduler": "linear", "weight_decay": 0.0, "max_grad_norm": 1.0, "seed": 42, "train_split": "train",
        "valid_split": "validation", "text_column": "autotrain_text", "target_column": "autotrain_label",
        "logging_steps": -1, "project_name": folder, "auto_find_batch_size": False, "mixed_precision": None,
        "save_total_limit": 1, "push_to_hub": False, "eval_strategy": "epoch", "username": None, "log": "none",
        "early_stopping_patience": 5, "early_stopping_threshold": 0.01,
    }  # fmt: skip
    Path(folder, "training_params.json").write_text(json.dumps(values | params), encoding="utf-8")
    return folder


def test_a_project_of_autotrain_keeps_its_rows_and_what_its_defaults_do(write, capsys):
    project("resenhas", ClassLabel(names=["ruim", "bom"]), [0, 1] * 8)
    assert main(["migrate", "resenhas"]) == 0
    config = experiment("resenhas")
    assert (config.task.name, config.dataset.path, config.dataset.columns.text) == (
        "classification",
        "resenhas",
        None,
    )
    assert config.model.name_or_path == "neuralmind/bert-base-portuguese-cased" and config.model.allow_pickle
    assert (config.trainer.patience, config.trainer.epochs, config.task.max_length) == (5, 10, None)
    assert "AutoTrain stopped at 128: task.max_length=128" in capsys.readouterr().out
    done = (
        forks()
        .start(
            "convert",
            "resenhas",
            "rows.jsonl",
            "task=classification",
            "dataset.splits.validation=null",
            cwd=Path.cwd(),
        )
        .ended()
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(Path("rows.jsonl").read_text().splitlines()[1])["label"] == "bom"


def test_the_rows_of_a_project_tell_regression_from_classification(write, capsys):
    project("notas", Value("float64"), [0.5, 1.0] * 8)
    assert main(["migrate", "notas"]) == 0
    assert experiment("notas").task.name == "regression"
    Path("notas/autotrain-data").rename("outro")
    assert main(["migrate", "notas"]) == 2
    assert (
        "fix:   autotune migrate notas/training_params.json --task text_classification"
        in capsys.readouterr().err
    )
    assert main(["migrate", "notas", "--task", "text_classification", "--force"]) == 0
    assert (experiment("notas").dataset.path, experiment("notas").dataset.format) == (
        "notas/autotrain-data",
        "arrow",
    )


SCRIPTS = {
    "run_glue": (
        {"task_name": "sst2", "max_seq_length": 128, "per_device_train_batch_size": 32, "do_train": True, "do_eval": True},
        {"task.name": "classification", "dataset.path": "nyu-mll/glue", "dataset.name": "sst2", "task.max_length": 128,
         "dataset.columns.text": "sentence", "dataset.splits.test": None, "trainer.batch_size": 32,
         "trainer.warmup_ratio": 0.0, "trainer.weight_decay": 0.0},
    ),
    "run_classification": (
        {"train_file": "d/a.csv", "validation_file": "d/b.csv", "test_file": "d/c.csv", "text_column_names": "texto",
         "label_column_name": "classe", "fp16": True, "eval_strategy": "steps", "eval_steps": 50, "warmup_steps": 10,
         "max_steps": 100, "report_to": ["wandb"], "push_to_hub": True, "hub_model_id": "eu/m", "hub_private_repo": False},
        {"task.name": "classification", "dataset.path": "d/a.csv", "dataset.splits.validation": "d/b.csv",
         "dataset.splits.test": "d/c.csv", "dataset.columns.text": "texto", "dataset.columns.label": "classe",
         "trainer.precision": "fp16", "trainer.evaluate_every": "50st", "trainer.warmup_ratio": 0.1,
         "trainer.max_steps": 100, "tracking.tracker": "wandb", "hub.repo": "eu/m", "hub.visibility": "public"},
    ),
    "run_ner": (
        {"dataset_name": "org/leis", "dataset_config_name": "br", "label_all_tokens": True, "lr_scheduler_type": "constant",
         "adam_beta2": 0.98, "gradient_accumulation_steps": 2},
        {"task.name": "ner", "dataset.path": "org/leis", "dataset.name": "br", "dataset.columns.tags": "ner_tags",
         "trainer.schedule": "constant", "trainer.adam_beta2": 0.98, "trainer.batch_size": 16},
    ),
    "run_summarization": (
        {"train_file": "a.json", "validation_file": "b.json", "text_column": "texto", "summary_column": "resumo",
         "source_prefix": "resuma: ", "max_source_length": 512, "max_target_length": 64, "num_beams": 4, "bf16": True,
         "label_smoothing_factor": 0.1, "predict_with_generate": True},
        {"task.name": "summarization", "dataset.format": "jsonl", "dataset.columns.document": "texto",
         "dataset.columns.summary": "resumo", "task.prompt": "resuma: {document}", "task.max_new_tokens": 64,
         "task.num_beams": 4, "task.label_smoothing": 0.1, "trainer.precision": "bf16"},
    ),
}  # fmt: skip
"""Arguments of a script, and what they become."""


@pytest.mark.parametrize("script", SCRIPTS)
def test_arguments_of_the_example_scripts_convert_and_compose(script, write, capsys):
    arguments, expected = SCRIPTS[script]
    common = {"model_name_or_path": "xlm-roberta-base", "output_dir": f"/tmp/{script}", "learning_rate": 3e-5,
              "num_train_epochs": 2, "seed": 7, "overwrite_output_dir": True}  # fmt: skip
    for name in (arguments.get("train_file"), arguments.get("validation_file")):
        if name is not None:
            write(name, "{}" if name.endswith("json") else "texto,classe\n")
    assert main(["migrate", write("args.json", common | arguments)]) == 0, capsys.readouterr().err
    config = experiment(script)
    assert (config.seed, config.trainer.epochs, config.trainer.learning_rate) == (7, 2, 3e-5)
    assert config.model.name_or_path == "FacebookAI/xlm-roberta-base"
    for key, value in expected.items():
        found = config
        for part in key.split("."):
            found = getattr(found, part)
        assert found == value, key
    assert "have no effect" not in capsys.readouterr().out


def test_a_pair_of_texts_is_read_as_a_pair(write):
    arguments = {"model_name_or_path": "roberta-base", "task_name": "mrpc", "output_dir": "mrpc"}
    assert main(["migrate", write("args.json", arguments)]) == 0
    assert experiment("mrpc").dataset.columns.text_pair == "sentence2"


@pytest.mark.parametrize("form", ["csv", "json"])
@pytest.mark.parametrize("regression", [False, True], ids=["classes", "numbers"])
def test_the_pairs_that_run_glue_finds_in_a_file_pass_the_check(form, regression, write, capsys):
    rows = [
        {
            "idx": number,
            "sentence1": f"a loja {number} abre cedo",
            "sentence2": f"a loja {number * 7} fecha tarde",
            "label": number / 4 if regression else ["sim", "nao"][number % 2],
        }
        for number in range(24)
    ]
    for split in ("train", "dev"):
        if form == "csv":
            lines = [",".join(rows[0]), *(",".join(map(str, row.values())) for row in rows)]
        else:
            lines = [json.dumps(row) for row in rows]
        write(f"pares/{split}.{form}", "".join(f"{line}\n" for line in lines))
    arguments = {
        "model_name_or_path": "neuralmind/bert-base-portuguese-cased", "train_file": f"pares/train.{form}",
        "validation_file": f"pares/dev.{form}", "do_train": True, "max_seq_length": 128, "output_dir": "saida/pares",
        "load_best_model_at_end": True, **({"do_regression": True} if regression else {}),
    }  # fmt: skip
    task = [] if regression else ["--task", "classification"]
    assert main(["migrate", write("args.json", arguments), *task]) == 0, capsys.readouterr().err
    account = capsys.readouterr().out
    assert "guessed columns" not in account and "not joined" not in account
    assert ("do_regression: true  " in account and "->  task=regression" in account) == regression
    config = experiment("pares")
    assert config.task.name == ("regression" if regression else "classification")
    columns = config.dataset.columns
    assert (columns.text, columns.text_pair, columns.label) == ("sentence1", "sentence2", None)
    words = ["--config-dir", "config", "experiment=pares", *TINY, "model.allow_pickle=false"]
    done = forks().start("check", *words, cwd=Path.cwd()).ended()
    assert done.returncode == 0, done.stdout + done.stderr
    assert "\n0 errors, " in done.stdout


def test_adapters_of_seq2seq(write, capsys):
    params = {"peft": True, "lora_r": 8, "lora_alpha": 16, "target_modules": "q,v", "max_target_length": 64}
    old = autotrain("seq2seq", "org/x:", "validation", **params) | {"base_model": "google/flan-t5-base"}
    old["data"] |= {"path": "org/x", "train_split": "pt:train[:500]", "valid_split": "pt:validation"}
    old["params"]["mixed_precision"] = "fp16"
    assert main(["migrate", write("a.yml", old)]) == 0, capsys.readouterr().err
    config = experiment("autotrain-seq2seq")
    assert (config.peft.r, config.peft.alpha, config.peft.target_modules) == (8, 16, ["q", "v"])
    assert (config.peft.quantization, config.task.max_new_tokens, config.trainer.precision) == (
        "none",
        64,
        "auto",
    )
    assert (config.dataset.name, config.dataset.splits.train) == ("pt", "train[:500]")
    said = capsys.readouterr().out
    assert "8 bits by default; here it stays whole: peft.quantization=int8" in said
    assert "params.mixed_precision: models of the T5 family overflow in fp16" in said


def changed(**changes: object) -> dict[str, object]:
    old = autotrain("text_classification", "org/x", "validation")
    return {key: value for key, value in (old | changes).items() if value != "REMOVE"}


TOKEN = "hf_" + "a1B2" * 8
REFUSED = [
    (changed(hub={"username": "eu", "token": TOKEN, "push_to_hub": True}), ["a.yml:", "holds a Hub token", "${HF_TOKEN}"]),
    (changed(hub={"username": "eu", "token": "segredo", "push_to_hub": True}), ["(hub.token)", "holds a Hub token"]),
    (changed(task="llm-sft"), ["a.yml:1 (task)", "does not train this task", "TRL or axolotl"]),
    (changed(task="image_classification"), ["does not train this task", "diffusers"]),
    (changed(task="text_clasification"), ["has no such task", "task: text_classification"]),
    (changed(backend="spaces-a10g-large"), ["rents no machines", "autotune submit cluster=slurm"]),
    (changed(data={"path": "x", "train_split": "train"}, log="REMOVE"),
     ["missing: log, data.valid_split, data.column_mapping", "a.yml"]),
    (changed(base_model="${MODEL}"), ["read only for username and token", "a.yml:2 (base_model)"]),
    (changed(params={"lr": "muito", "epochs": 2.5, "batch_size": True}),
     ["params.lr should be a number", "params.batch_size should be a whole number", "(params.lr)"]),
    (changed(params={"lr": 5}), ["learning rate above 1"]),
    ("task: [\n", ["the configuration cannot be read", "it is not YAML"]),
    ("task: a\ntask: b\n", ["'task' occurs twice"]),
    ("a: !!python/object/apply:os.system [ls]\n", ["the configuration cannot be read"]),
    ("- a\n", ["holds no keys"]),
    ("a: 1\n" + "# x\n" * 300_000, ["more than 1,000,000 bytes"]),
    ("defaults: [_self_]\n", ["an experiment of autotune already"]),
    ("learning_rate: 1\n", ["not a configuration of AutoTrain", "model_name_or_path"]),
    ("model_name_or_path: x\nsource_lang: pt\n", ["the task of this script", "run_summarization"]),
    ("model_name_or_path: x\ntrain_file: a.csv\n", ["does not say which task", "--task classification"]),
]  # fmt: skip


@pytest.mark.parametrize("number", range(len(REFUSED)))
def test_what_cannot_be_migrated_is_refused_in_words_and_nothing_is_written(number, write, capsys):
    content, parts = REFUSED[number]
    assert main(["migrate", write("a.yml", content)]) == 2
    out, err = capsys.readouterr()
    assert [part for part in parts if part not in err] == [], err
    assert TOKEN not in out + err and "Traceback" not in err
    assert not Path("config").exists()


def test_addresses_and_missing_files_are_refused(write, capsys):
    assert main(["migrate", "https://example.org/a/autotrain.yml?raw=1"]) == 2
    assert "fix:   download it, then autotune migrate autotrain.yml\n" in capsys.readouterr().err
    assert main(["migrate", "nada.yml"]) == 2
    assert "there is no such file or folder" in capsys.readouterr().err
    Path("vazia").mkdir()
    assert main(["migrate", "vazia"]) == 2
    assert "has no training_params.json" in capsys.readouterr().err


def test_where_the_experiment_is_written(write, capsys, monkeypatch):
    old = write("a.yml", "\ufeff" + yaml.safe_dump(changed()))
    assert main(["migrate", old]) == 0
    assert main(["migrate", old]) == 2
    assert "only overwritten with --force" in capsys.readouterr().err
    assert main(["migrate", old, "--force"]) == 0
    assert main(["migrate", old, "-o", "meus"]) == 0
    assert main(["migrate", old, "-o", "meus/experiment/outro nome.yaml"]) == 0
    said = capsys.readouterr().out
    (line,) = [
        line
        for line in said.splitlines()
        if line.startswith("  autotune --config-dir meus 'experiment=outro nome'")
    ]
    assert line.endswith("nome'")
    assert main(["migrate", old, "-o", "outro.yaml"]) == 2
    assert "fix:   -o experiment/outro.yaml" in capsys.readouterr().err
    shipped = "lener_br-bertimbau_base"
    assert main(["migrate", old, "-o", f"meus/experiment/{shipped}.yaml"]) == 2
    assert f"fix:   -o meus/experiment/my-{shipped}.yaml" in capsys.readouterr().err
    write("arquivo", "")
    assert main(["migrate", old, "-o", "arquivo"]) == 74
    assert "arquivo" in capsys.readouterr().err
    Path("own").mkdir()
    monkeypatch.setenv("AUTOTUNE_CONFIGS", "own")
    monkeypatch.setenv("HF_USERNAME", "eu")
    assert main(["migrate", old]) == 0
    assert "\n  autotune experiment=autotrain-text-classification\n" in capsys.readouterr().out
    (config,) = compose(["experiment=autotrain-text-classification"])
    assert config.hub.repo == "eu/autotrain-text-classification"


def test_a_data_folder_beside_the_file_is_found_from_elsewhere(write, tmp_path, monkeypatch):
    rows_of("text_classification", "projeto/dados", "valid", write)
    write("projeto/a.yml", autotrain("text_classification", "dados", "valid"))
    Path("aqui").mkdir()
    monkeypatch.chdir("aqui")
    assert main(["migrate", "../projeto/a.yml"]) == 0
    assert experiment("autotrain-text-classification").dataset.path == str(tmp_path / "projeto" / "dados")


def test_every_sentence_is_said_in_portuguese(write, capsys, monkeypatch):
    rows_of("text_classification", "dados", "valid", write)
    project("notas", ClassLabel(names=["a", "b"]), [0, 1] * 4)
    write(
        "1.yml",
        autotrain("text_classification", "dados", None, dropout=1, scheduler="polynomial_x", optimizer="sgd"),
    )
    write("2.yml", autotrain("token_classification", "leis", "test", lora_r=8))
    write(
        "3.yml",
        autotrain("seq2seq", "fora/", "valid", peft=True, early_stopping_threshold=0.1) | {"log": "comet_ml"},
    )
    for number, (script, (arguments, _)) in enumerate(SCRIPTS.items()):
        write(f"{number + 4}.json", {"model_name_or_path": "t5-small", "output_dir": script, "trust_remote_code": False,
              "dataloader_num_workers": 2, "optim": "adafactor", "max_eval_samples": 3} | arguments)  # fmt: skip
    sources = ["notas", *(f"{n}.yml" for n in (1, 2, 3)), *(f"{n + 4}.json" for n in range(len(SCRIPTS)))]
    said = {}
    for language in ("en", "pt"):
        monkeypatch.setenv("AUTOTUNE_LANG", language)
        for source in sources:
            assert main(["migrate", source, "--force"]) == 0, capsys.readouterr().err
        said[language] = capsys.readouterr().out.splitlines()
    assert len(said["en"]) == len(said["pt"])
    same = [line for line, other in zip(said["en"], said["pt"], strict=True) if line == other]
    assert [line for line in same if "  ->  " not in line and not line.startswith("  autotune")] == [
        "notas/training_params.json (AutoTrain, classification) -> config/experiment/notas.yaml",
        "1.yml (AutoTrain, classification) -> config/experiment/autotrain-text-classification.yaml",
        "  params.dropout",
        "2.yml (AutoTrain, ner) -> config/experiment/autotrain-token-classification.yaml",
        "3.yml (AutoTrain, summarization) -> config/experiment/autotrain-seq2seq.yaml",
    ]
