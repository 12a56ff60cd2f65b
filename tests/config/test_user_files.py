"""A user's own folder of configurations: relative paths start there, and maps of labels are read as they were typed."""

import pytest

from autotune.config.compose import compose
from autotune.errors import ConfigError
from tests.support.forks import forks


@pytest.fixture
def own(tmp_path, monkeypatch):
    """Puts YAML into a folder of configurations and makes another folder the working one; gives what composes."""
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")

    def put(text, *words, group="dataset"):
        file = tmp_path / "conf" / group / "mine.yaml"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
        (config,) = compose(
            ["--config-dir", str(tmp_path / "conf"), "task=sentiment", f"{group}=mine", *words]
        )
        return config

    put.root = tmp_path
    return put


def test_a_path_starts_at_the_folder_of_its_yaml_where_something_is_there(own):
    data = own.root / "conf" / "dados" / "a.csv"
    data.parent.mkdir(parents=True)
    data.touch()
    assert own("path: ../dados/a.csv\n").dataset.path == str(data)
    (own.root / "work" / "b.csv").touch()
    assert own("path: b.csv\n").dataset.path == "b.csv"
    assert own("path: ../dados/a.csv\n", "dataset.path=b.csv").dataset.path == "b.csv"
    assert own("path: org/name\nformat: hub\n").dataset.path == "org/name"


def test_files_of_splits_and_base_models_start_there_too(own):
    folder = own.root / "conf" / "experiment"
    (folder / "base").mkdir(parents=True)
    (folder / "teste.csv").touch()
    text = "# @package _global_\ndataset:\n  splits:\n    test: teste.csv\nmodel:\n  name_or_path: ./base\n  tiny: null\n"
    config = own(text, group="experiment")
    assert config.dataset.splits.test == str(folder / "teste.csv")
    assert config.model.name_or_path == str(folder / "base")


def test_a_file_that_is_in_neither_place_names_both(own):
    with pytest.raises(ConfigError) as caught:
        own("path: nada.csv\n")
    assert f"neither {own.root}/conf/dataset/nada.csv nor {own.root}/work/nada.csv" in str(caught.value)


def test_a_map_keeps_keys_that_look_like_numbers(own):
    text = "path: sample/sentiment\nlabel_map:\n  01: a\n  1e3: b\n  yes: c\n  2: no\n"
    assert own(text).dataset.label_map == {"01": "a", "1e3": "b", "yes": "c", "2": "no"}
    assert own(text, "dataset.label_map={x: y}").dataset.label_map == {"x": "y"}


@pytest.mark.parametrize("keys", [("1e3", "1_000"), ("1", "1.0"), ("yes", "true"), ("01", "1")])
def test_a_map_of_which_two_keys_are_one_is_refused_with_its_line(own, keys):
    lines = "".join(f"  {key}: {value}\n" for key, value in zip(keys, "ab", strict=True))
    with pytest.raises(ConfigError, match=r"label_map") as caught:
        own(f"path: sample/sentiment\nlabel_map:\n{lines}")
    assert "mine.yaml:3" in caught.value.where


def test_a_key_null_is_kept_in_quotes_and_without_them_refused_with_what_to_do(own):
    with pytest.raises(ConfigError, match="quotes around it: 'null'"):
        own("path: sample/sentiment\nlabel_map: {null: neutro, 5: bom}\n")
    assert own("path: sample/sentiment\nlabel_map: {'null': neutro}\n").dataset.label_map == {
        "null": "neutro"
    }


def test_a_run_finds_its_data_from_another_folder(tmp_path):
    rows = "".join(f"a obra {n} foi boa,bom\no prato {n} veio frio,ruim\n" for n in range(12))
    for name in ("here", "elsewhere"):
        (tmp_path / name).mkdir()
    (tmp_path / "here" / "r.csv").write_text(f"text,label\n{rows}")
    words = [
        "task=sentiment",
        "dataset=csv",
        "dataset.path=r.csv",
        "debug=smoke",
        "report=none",
        "trainer.max_steps=1",
        "name=r",
    ]
    done = forks().start(*words, cwd=tmp_path / "here").ended()
    assert done.returncode == 0, done.stderr
    run = tmp_path / "here" / "runs" / "r"
    done = forks().start("evaluate", run, cwd=tmp_path / "elsewhere").ended()
    assert done.returncode == 0, done.stderr
    # What is in the working folder comes first, and is compared with what the run learned from.
    (tmp_path / "elsewhere" / "r.csv").write_text(f"text,label\nmais uma obra,bom\n{rows}")
    done = forks().start("evaluate", run, cwd=tmp_path / "elsewhere").ended()
    assert done.returncode == 0 and "the data have changed" in done.stderr + done.stdout, done.stderr
    (tmp_path / "elsewhere" / "r.csv").unlink()
    (tmp_path / "here" / "r.csv").unlink()
    done = forks().start("evaluate", run, cwd=tmp_path / "elsewhere").ended()
    assert done.returncode == 2 and "relative paths start at" in done.stderr
    published = [path.read_text() for path in (run / "model").glob("*.json")]
    assert published and not [text for text in published if str(tmp_path) in text]
