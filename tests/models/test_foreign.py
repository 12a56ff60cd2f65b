"""Files of a model that ask for code, or for more objects than there is memory, are refused before a library sees them."""

import json
import shutil
from pathlib import Path

import pytest
import transformers

from autotune.config.schema import ModelConfig
from autotune.errors import ModelError
from autotune.models.adapters import merge_adapters
from autotune.models.base import open_base
from autotune.models.repository import to_model_error
from autotune.models.saved_model import load_saved_model, save_model
from autotune.models.spec import Family, Head
from autotune.models.weights import load_model
from autotune.publishing.publish import push_run
from tests.models.conftest import HEADS

KERNEL = {"attn_implementation": "evil/kernel"}
ASKING = {
    "config.json": [
        KERNEL,
        {"_attn_implementation": "evil/kernel@main:forward"},
        {"_attn_implementation_internal": "evil/kernel"},
        {"attn_implementation": "paged|evil/kernel"},
        {"attn_implementation": "flash_attention_2"},
        {"attn_implementation": {"": "sdpa", "text_config": "evil/kernel"}},
        {"text_config": KERNEL},
        {"parts": [{"deeper": KERNEL}]},
        {"experts_implementation": "deepgemm"},
        {"_experts_implementation": "evil/experts"},
        {"auto_map": {"AutoModel": "evil--modeling.Evil"}},
        {"custom_pipelines": {"text-classification": {"impl": "evil.Pipeline"}}},
        {"trust_remote_code": True},
        {"configuration_files": ["config.4.0.0.json"]},
        {"quantization_config": {"quant_method": "gptq", "bits": 4}},
        {"quantization_config": {"quant_method": "torchao", "quant_type": {"default": {"_type": "Evil"}}}},
        {"tokenizer_class": "EvilTokenizer"},
    ],
    "tokenizer_config.json": [
        {"auto_map": {"AutoTokenizer": ["evil.Evil", None]}},
        {"tokenizer_class": "EvilTokenizer"},
        {"tokenizer_class": "AutoModel"},
        {"tokenizer_class": "pipeline"},
        {"tokenizer_class": ["BertTokenizer"]},
    ],
    "generation_config.json": [{"custom_generate": "evil/generate"}, {"auto_map": {"a": "b"}}],
}
CASES = [(file, keys) for file, some in ASKING.items() for keys in some]
SIZES = (
    "num_hidden_layers",
    "num_labels",
    "decoder_layers",
    "n_layer",
    "num_hidden_groups",
    "num_local_experts",
)


@pytest.fixture(scope="session")
def run(opened, tmp_path_factory) -> Path:
    """A run folder with a model that autotune saved."""
    base, folder = opened("bert"), tmp_path_factory.mktemp("run")
    model = load_model(base, HEADS["sentiment"][base.family], ["a", "b"], None, allow_pickle=False, seed=1)
    save_model(merge_adapters(model, base, None), base, folder / "model", {})
    (folder / "status.json").write_text('{"state": "finished"}')
    config = "task: {name: sentiment}\ndataset: {path: sample/sentiment}\nmodel: {tiny: bert}\n"
    (folder / "config.yaml").write_text(config)
    return folder


@pytest.fixture
def saved(run, tmp_path, monkeypatch) -> Path:
    """A copy of its model's folder; transformers is not even asked."""

    def never(*_: object, **__: object) -> None:
        raise AssertionError("transformers saw it")

    for auto in (
        transformers.AutoConfig,
        transformers.AutoTokenizer,
        transformers.AutoModelForSequenceClassification,
    ):
        monkeypatch.setattr(auto, "from_pretrained", never)
    return Path(shutil.copytree(run, tmp_path / "run") / "model")


def change(folder: Path, file: str, keys: dict) -> None:
    path = folder / file
    stated = json.loads(path.read_text("utf-8")) if path.exists() else {}
    path.write_text(json.dumps({**stated, **keys}), "utf-8")


@pytest.mark.parametrize(("file", "keys"), CASES, ids=str)
def test_a_base_model_that_asks_for_code_is_refused(opened, saved, file, keys):
    change(saved, file, keys)
    with pytest.raises(ModelError) as caught:
        opened(saved)
    assert file in caught.value.where and "install" not in str(caught.value)


@pytest.mark.parametrize("key", SIZES)
@pytest.mark.parametrize("inside", [False, True])
def test_numbers_beyond_every_model_are_refused(opened, saved, key, inside):
    """10,000,000 layers would be built one by one, without weights, too."""
    change(saved, "config.json", {"text_config": {key: 10_000_000}} if inside else {key: 10_000_000})
    with pytest.raises(ModelError, match=key):
        opened(saved)


@pytest.mark.parametrize(
    "keys",
    [
        {"attn_implementation": "sdpa"}, {"_attn_implementation": None}, {"auto_map": {}}, {"num_labels": 3},
        {"tokenizer_class": "BertTokenizerFast"}, {"layer_norm_eps": 1e-5, "max_window_layers": 28},
        {"quantization_config": None},
    ],
)  # fmt: skip
def test_what_transformers_does_by_itself_is_opened(opened, checkpoint, keys):
    folder = checkpoint("bert", **keys)
    assert opened(folder).config.model_type == "bert"


@pytest.mark.parametrize(
    ("file", "keys"),
    [("config.json", KERNEL), ("config.json", {"num_hidden_layers": 10**7}),
     ("tokenizer_config.json", {"auto_map": {"AutoTokenizer": ["evil.Evil", None]}}),
     ("generation_config.json", {"custom_generate": "evil/generate"}),
     ("adapter_config.json", {"peft_type": "PROMPT_TUNING", "tokenizer_kwargs": {"trust_remote_code": True}}),
     ("adapter_config.json", {"peft_type": "XLORA", "adapters": {"a": "evil/adapter"}}),
     ("adapter_config.json", {"peft_type": "LORA", "megatron_config": {"a": 1}, "megatron_core": "evil"}),
     ("adapter_config.json", {"peft_type": "LORA", "auto_mapping": {"parent_library": "evil"}}),
     ("adapter_config.json", {"peft_type": "LORA", "r": 10**9})],
    ids=str,
)  # fmt: skip
def test_a_saved_model_of_somebody_else_is_refused_to_be_read_and_to_be_pushed(saved, file, keys):
    change(saved, file, keys)
    with pytest.raises(ModelError, match=file):
        load_saved_model(saved)
    with pytest.raises(ModelError, match=file):
        push_run(str(saved.parent), {}, public=False, dry_run=True)


def test_the_base_of_an_adapter_is_looked_at(saved, tmp_path, monkeypatch):
    """The adapter is harmless, and names a folder that is not."""
    monkeypatch.setattr(
        transformers.AutoConfig, "from_pretrained", lambda *_, **__: transformers.BertConfig()
    )
    monkeypatch.setattr(transformers.AutoTokenizer, "from_pretrained", lambda *_, **__: None)
    for name in ("read_as_text", "refuse_small_vocabulary"):
        monkeypatch.setattr(f"autotune.models.saved_model.{name}", lambda *_: None)
    evil = shutil.copytree(saved, tmp_path / "evil")
    change(evil, "config.json", KERNEL)
    change(saved, "adapter_config.json", {"peft_type": "LORA", "base_model_name_or_path": str(evil)})
    with pytest.raises(ModelError, match=str(evil)):
        load_saved_model(saved)


def test_a_tiny_model_that_somebody_changed_in_the_cache_is_built_again(texts, tmp_path):
    def open_it() -> str:
        heads = {Family.encoder: Head.sequence}
        return open_base(
            ModelConfig(tiny="bert"), heads, "sentiment", "", "bert", lambda: texts, tmp_path
        ).path

    config = Path(open_it(), "config.json")
    before = config.read_bytes()
    change(config.parent, "config.json", KERNEL)
    assert config.read_bytes() != before
    open_it()
    assert config.read_bytes() == before


@pytest.mark.parametrize(
    "error",
    [ImportError("`kernels` is either not installed: `pip install kernels==0.18.2`"),
     ImportError("Using gptq needs it.\nPlease `pip install gptqmodel`"),
     ValueError("Set `trust_remote_code=True` to run it"),
     ValueError("This needs more.\npip install some-package")],
)  # fmt: skip
def test_nobody_is_told_to_install_what_opens_a_door(error):
    said = str(to_model_error("org/name", error))
    assert "install" not in said and "trust_remote_code" not in said and "True" not in said
