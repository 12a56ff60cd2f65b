"""From a command line to a typed configuration; what is wrong with it says what fixes it."""

import math

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from hypothesis import given
from hypothesis import strategies as st

from autotune.config.compose import compose
from autotune.config.enums import Architecture, PeftMethod, Precision
from autotune.config.keys import suggest
from autotune.config.load import dump_config, load_config
from autotune.config.overrides import normalize_argv
from autotune.config.schema import RunConfig
from autotune.errors import AutotuneError, ConfigError, Findings
from autotune.registry import tasks

TOKEN = "hf_" + "aB3" * 11


def composed(*argv: str) -> RunConfig:
    (config,) = compose(argv)
    return config


def refused(*argv: str) -> AutotuneError:
    with pytest.raises(AutotuneError) as caught:
        compose(argv)
    assert caught.value.exit_code == 2
    return caught.value


@pytest.fixture
def mine(tmp_path):
    """Adds a file to a user's folder of configurations."""

    def write(name: str, text: str) -> str:
        file = tmp_path / "mine" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
        return str(tmp_path / "mine")

    return write


def test_no_arguments_are_sentiment_on_the_sample_with_a_tiny_model():
    config = composed()
    assert (config.task.name, config.dataset.path, config.model.tiny) == (
        "sentiment",
        "sample/sentiment",
        "auto",
    )


@pytest.mark.parametrize("name", tasks())
def test_a_task_alone_gets_its_own_config_class_and_sample(name):
    config = composed(f"task={name}")
    assert type(config.task) is tasks()[name].Config
    assert config.dataset.path == f"sample/{name}"


@pytest.mark.parametrize(
    "argv",
    [[], ["task=ner", "peft=lora", "debug=smoke"], ["dataset=hub", "dataset.path=o/n", "+model.tokenizer_kwargs.a=é"]],
)  # fmt: skip
def test_it_is_the_configuration_of_hydra_s_own_main(argv):
    """Without flags everything is composed once, and by another way into Hydra."""
    assert compose(argv) == compose([*argv, "--run"])


def test_enums_are_enums():
    config = composed("trainer.precision=fp32", "peft=lora", "model=tiny")
    assert config.trainer.precision is Precision.fp32
    assert config.model.tiny is Architecture.auto
    assert config.peft is not None
    assert config.peft.method is PeftMethod.lora


def test_null_learning_rate_and_epochs_come_from_the_model_or_the_adapter():
    full = composed("model.learning_rate=3e-5", "model.epochs=7", "trainer.min_steps=0")
    assert (full.trainer.learning_rate, full.trainer.epochs) == (3e-5, 7)
    adapter = composed("model.learning_rate=3e-5", "peft=lora", "peft.learning_rate=2e-3")
    assert adapter.trainer.learning_rate == 2e-3
    assert composed("peft=lora", "trainer.learning_rate=1e-4").trainer.learning_rate == 1e-4


@pytest.mark.parametrize(
    ("argv", "readable"),
    [
        (["task=ner"], "ner-sample-tiny-"),
        (["task=ner", "peft=lora"], "ner-sample-tiny-lora-"),
        (["dataset=csv", "dataset.path=dados/avaliações (1).csv"], "sentiment-avaliações_1-tiny-"),
        (["model.name_or_path=org/Um-Modelo.v2"], "sentiment-sample-Um_Modelo.v2-"),
    ],
)
def test_a_name_says_task_data_model_and_adapter(argv, readable):
    name = composed(*argv).name
    assert name is not None
    assert name.startswith(readable)
    assert len(name) == len(readable) + 8


def test_the_same_run_has_the_same_name_however_it_is_spelled():
    name = composed("task=ner", "trainer.epochs=4").name
    assert composed("trainer.epochs=4.0", "task=ner").name == name
    assert composed("task=ner", "+trainer={epochs: 4}").name == name


@pytest.mark.parametrize("override", ["runs=elsewhere", "resume=never", "hub.offline=always"])
def test_what_does_not_shape_the_result_does_not_change_the_name(override):
    assert composed(override).name == composed().name


@pytest.mark.parametrize(
    "override", ["seed=7", "trainer.batch_size=8", "dataset.label_map={1: bom}", "task.max_length=64"]
)
def test_what_shapes_the_result_changes_the_name(override):
    assert composed(override).name != composed().name


def test_a_saved_configuration_reads_back_as_it_was(tmp_path):
    config = composed(
        "task=ner",
        "peft=lora",
        "dataset.label_map={1: não, -1: null, é: O}",
        "name=ação",
        "trainer.patience=2",
    )
    saved = tmp_path / "config.yaml"
    saved.write_text(dump_config(config), encoding="utf-8")
    again = load_config(saved)
    assert again == config
    assert type(again.task) is type(config.task)


def test_a_saved_configuration_is_read_strictly(tmp_path):
    saved = tmp_path / "config.yaml"
    saved.write_text(dump_config(composed()).replace("batch_size:", "batchsize:"), encoding="utf-8")
    with pytest.raises(ConfigError, match=r"trainer\.batch_size"):
        load_config(saved)


@pytest.mark.parametrize(
    ("override", "value"),
    [
        ("dataset.path=dados/avaliações.csv", "dados/avaliações.csv"),
        ("dataset.path=a (1).csv", "a (1).csv"),
        ("dataset.path=d'água.csv", "d'água.csv"),
        ("dataset.path=/tmp/a,b.csv", "/tmp/a,b.csv"),
        ("dataset.path=[rascunho].csv", "[rascunho].csv"),
        ("dataset.path=lr=1/x", "lr=1/x"),
        ("dataset.path=a#b", "a#b"),
        ("dataset.path=C:\\dados\\", "C:\\dados\\"),
        ("dataset.delimiter=;", ";"),
        ("dataset.delimiter=\t", "\t"),
        ("dataset.columns.text=Avaliação do produto", "Avaliação do produto"),
        ("dataset.splits.train=train[:100]", "train[:100]"),
        ("dataset.labels=[não,sim]", ["não", "sim"]),
        ("dataset.label_map={não: ruim, muito bom: bom}", {"não": "ruim", "muito bom": "bom"}),
        ("dataset.label_map={não:ruim}", {"não": "ruim"}),
        ("dataset.label_map={1: péssimo, 3: null}", {"1": "péssimo", "3": None}),
    ],
)
def test_values_that_hydra_refuses_arrive_as_they_were_typed(override, value):
    config = composed(override)
    found = config
    for part in override.split("=")[0].split("."):
        found = getattr(found, part)
    assert found == value


@pytest.mark.parametrize("sign", ["", "+", "++"])
def test_what_a_map_holds_needs_no_plus(sign):
    config = composed(
        f"{sign}model.tokenizer_kwargs={{do_lower_case: false}}", "model.tokenizer_kwargs.truncation=1"
    )
    assert config.model.tokenizer_kwargs == {"do_lower_case": False, "truncation": 1}
    assert composed(
        "dataset=hub", "dataset.path=o/n", "dataset.data_files={train: ação.csv}"
    ).dataset.data_files == {"train": "ação.csv"}


def test_a_home_directory_is_found(monkeypatch):
    monkeypatch.setenv("HOME", "/casa")
    assert composed("dataset.path=~/avaliações.csv").dataset.path == "/casa/avaliações.csv"


@given(st.text(st.characters(codec="utf-8", exclude_characters="$", categories=("L", "N", "P", "S", "Zs"))))
def test_any_text_survives_the_quoting(text):
    (override,) = normalize_argv([f"dataset.path=é{text}x"])
    assert OverridesParser.create().parse_override(override).value() == f"é{text}x"


@pytest.mark.parametrize(
    ("argv", "fix"),
    [
        (["trainer.lerning_rate=1"], "trainer.learning_rate=1"),
        (["lr=3e-5"], "trainer.learning_rate=3e-5"),
        (["per_device_train_batch_size=8"], "trainer.batch_size=8"),
        (["tsk=ner"], "task=ner"),
        (["task=nerr"], "task=ner"),
        (["dataset.columns.txt=review"], "dataset.columns.text=review"),
        (["peft.r=4"], "peft=lora peft.r=4"),
        (["peft=null"], "peft=none"),
        (["seed=1,2"], "--multirun seed=1,2"),
        (["dataset=dados/avaliações.csv"], "dataset=csv dataset.path=dados/avaliações.csv"),
        (["model=someone/some-model"], "model.name_or_path=someone/some-model"),
        (["--multrun"], "--multirun"),
        (["+trainer.nope=1"], None),
        (["+trainer.lerning_rate=1"], "trainer.learning_rate=1"),
        (["trainer.precision=fp17"], None),
        (["trainer.epochs=abc"], None),
        (["name=${nothing}"], None),
        (["experiment=nothing"], None),
        (["word"], "key=value"),
    ],
)
def test_a_mistake_is_answered_with_what_fixes_it(argv, fix):
    error = refused(*argv)
    assert isinstance(error, ConfigError)
    assert fix is None or fix in (error.fix or "")
    assert argv[-1].split("=")[0].lstrip("+") in str(error)
    assert "hydra" not in str(error).lower()


def test_an_unknown_option_lists_those_there_are():
    assert "sentiment, summarization" in str(refused("task=nothing_like_it"))


@pytest.mark.parametrize(
    ("argv", "where"),
    [
        (["dataset=csv"], "dataset.path"),
        (["model=custom"], "model.name_or_path"),
        (["model=tiny", "model.name_or_path=x/y"], "model"),
        (["trainer.learning_rate=0"], "trainer.learning_rate"),
        (["trainer.learning_rate=-1"], "trainer.learning_rate"),
        (["trainer.epochs=-1"], "trainer.epochs"),
        (["trainer.evaluate_every=3"], "trainer.evaluate_every"),
        (["trainer.evaluate_every=0ep"], "trainer.evaluate_every"),
        (["trainer.evaluate_every=1.5st"], "trainer.evaluate_every"),
        (["dataset.validation_fraction=0.6", "dataset.test_fraction=0.4"], "dataset.validation_fraction"),
        (["dataset.task=ner"], "task"),
        (["name=../outside"], "name"),
        (["name=.."], "name"),
        (["name="], "name"),
        (["trainer.nope.deeper=1"], "trainer.nope"),
    ],
)
def test_values_that_contradict_each_other_are_refused(argv, where):
    error = refused(*argv)
    assert (error.where or "").startswith(where)


def test_all_that_is_wrong_is_said_at_once():
    error = refused(
        "trainer.epochs=-1", "trainer.batch_size=0", "dataset.validation_fraction=2", "+model.nope=1"
    )
    assert isinstance(error, Findings)
    assert len(error.errors) == 4


@pytest.mark.parametrize("every", ["1ep", "0.5ep", "200st", "10ep"])
def test_evaluations_are_counted_in_epochs_or_steps(every):
    assert composed(f"trainer.evaluate_every={every}").trainer.evaluate_every == every


def test_a_model_that_is_named_takes_the_place_of_the_tiny_default():
    config = composed("model.name_or_path=org/name")
    assert (config.model.name_or_path, config.model.tiny) == ("org/name", None)


@pytest.mark.parametrize("where", ["name", "dataset.path", "+hub.token", "dataset.labels", "+trainer.nope"])
def test_a_token_is_refused_and_not_repeated(where):
    error = refused(f"{where}={TOKEN}")
    assert "HF_TOKEN" in str(error)
    assert TOKEN not in str(error)


def test_a_token_behind_an_interpolation_is_refused(monkeypatch):
    monkeypatch.setenv("SECRET", TOKEN)
    error = refused("name=${oc.env:SECRET}")
    assert TOKEN not in str(error)


def test_a_sweep_is_one_configuration_a_combination(tmp_path):
    configs = compose(["-m", f"runs={tmp_path}", "seed=1,2", "trainer.batch_size=4,8"])
    assert [(config.seed, config.trainer.batch_size) for config in configs] == [
        (1, 4),
        (1, 8),
        (2, 4),
        (2, 8),
    ]
    assert len({config.name for config in configs}) == 4


def test_a_sweep_over_nothing_is_refused(tmp_path):
    assert "no runs" in str(refused("-m", f"runs={tmp_path}", "experiment=glob(nothing_like_it*)"))


def test_flags_may_stand_anywhere(mine):
    folder = mine("dataset/meus_dados.yaml", "path: org/name\nformat: hub\n")
    config = composed("task=ner", "--config-dir", folder, "dataset=meus_dados")
    assert config.dataset.path == "org/name"
    assert (config.name or "").startswith("ner-meus_dados-tiny-")


def test_a_folder_in_the_environment_replaces_shipped_files(mine, monkeypatch):
    monkeypatch.setenv("AUTOTUNE_CONFIGS", mine("trainer/default.yaml", "batch_size: 3\n"))
    assert composed().trainer.batch_size == 3


def test_a_folder_of_configurations_that_does_not_exist_is_refused(tmp_path, monkeypatch):
    assert "nada" in str(refused("--config-dir", str(tmp_path / "nada")))
    monkeypatch.setenv("AUTOTUNE_CONFIGS", str(tmp_path / "nada"))
    assert "AUTOTUNE_CONFIGS" in str(refused())


def test_mistakes_in_a_users_file_name_the_file(mine):
    folder = mine("model/meu.yaml", "nme_or_path: x\n")
    error = refused("--config-dir", folder, "model=meu")
    assert (error.where, error.fix) == ("model/meu.yaml", "model.name_or_path")
    folder = mine("model/quebrado.yaml", "tiny: [auto\n")
    assert "quebrado.yaml" in str(refused("--config-dir", folder, "model=quebrado"))


def test_questions_to_hydra_are_answered_without_a_run(capsys):
    assert compose(["task=ner", "--cfg", "job", "--package", "trainer"]) == []
    assert "batch_size: null" in capsys.readouterr().out
    assert compose(["--help"]) == []
    assert "sentiment, summarization" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("key", "meant"),
    [
        ("lerning_rate", "trainer.learning_rate"),
        ("model.name", "model.name_or_path"),
        ("trainer.pression", "trainer.precision"),
        ("weight_decay", "trainer.weight_decay"),
        ("zzz", None),
    ],
)
def test_the_key_that_was_meant_is_found(key, meant):
    assert suggest(key) == meant


def test_numbers_keep_their_precision(tmp_path):
    config = composed("trainer.learning_rate=3e-5", "trainer.adam_epsilon=1e-12")
    saved = tmp_path / "config.yaml"
    saved.write_text(dump_config(config), encoding="utf-8")
    again = load_config(saved)
    assert math.isclose(again.trainer.learning_rate or 0, 3e-5, rel_tol=0)
    assert again.trainer.adam_epsilon == 1e-12


def test_files_are_read_once_for_each_content_and_results_are_not_shared(tmp_path, monkeypatch):
    monkeypatch.setenv("AUTOTUNE_CONFIGS", str(tmp_path))
    option = tmp_path / "trainer" / "mine.yaml"
    option.parent.mkdir()
    for epochs in (2, 3, 2):
        option.write_text(f"defaults: [default, _self_]\nepochs: {epochs}\n")
        (config,) = compose(["trainer=mine", "dataset.columns.text=texto"])
        assert config.trainer.epochs == epochs and config.dataset.columns.text == "texto"
    (other,) = compose(["trainer=mine"])
    assert other.dataset.columns.text != "texto"
