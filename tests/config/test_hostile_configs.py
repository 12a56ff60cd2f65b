"""Command lines and YAML that are wrong in ways that Hydra and its parser do not expect: 2 and a sentence."""

import os

import pytest

from autotune.cli.main import main

DATA = ["show", "task=sentiment", "dataset=mine", "--config-dir=configs"]
BOMB = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{new}: &{new} [{','.join([f'*{old}'] * 9)}]\n" for old, new in zip("abcdefgh", "bcdefghi", strict=True)
)

YAML = {
    "an alias that holds itself": (b"x: &a [*a]\n", "an alias refers to itself"),
    "a merge that holds itself": (b"x: &a {<<: *a}\n", "an alias refers to itself"),
    "nine lines that stand for billions": (BOMB.encode(), "200,000 values"),
    "deep": (b"x: " + b"[" * 100_000, "64 levels"),
    "no UTF-8": (b"path: S\xe3o.csv\n", "byte 7 is 0xe3"),
    "a key twice": (b"path: a.csv\npath: b.csv\n", "the key 'path' occurs twice"),
    "a date that is none": (b"path: 2024-13-45\n", "mine.yaml"),
    "a tag": (b"path: !!python/object/apply:os.getcwd []\n", "mine.yaml"),
    "a number": (b"5\n", "it holds a number"),
}


@pytest.mark.parametrize("case", YAML)
def test_a_configuration_file_beyond_the_bounds_is_named(tmp_path, monkeypatch, capsys, case):
    monkeypatch.chdir(tmp_path)
    content, expected = YAML[case]
    (tmp_path / "configs" / "dataset").mkdir(parents=True)
    (tmp_path / "configs" / "dataset" / "mine.yaml").write_bytes(content)
    assert main(DATA) == 2
    said = capsys.readouterr().err
    assert expected in said and "Traceback" not in said, said


def test_a_configuration_file_that_is_a_pipe_is_not_waited_for(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "configs" / "dataset").mkdir(parents=True)
    os.mkfifo(tmp_path / "configs" / "dataset" / "mine.yaml")
    assert main(DATA) == 2
    assert "Traceback" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("+peft.r=8", "peft=lora peft.r=8"), ("++peft.r=8", "peft=lora peft.r=8"),
        ("~peft.r", "peft.r"), ("name=" + "[" * 2000 + "]" * 2000, "20 levels"),
        ("name=" + "{a:" * 300 + "1" + "}" * 300, "20 levels"), ("x=" + "f(" * 500, "20 levels"),
        ("x=" + "${" * 500, "20 levels"),
        ("seed=[&a [*a]]", "seed"), ("dataset.label_map=x: &a [*a]", "dataset.label_map"),
        ("dataset.labels=[a,[[[[[[[[[b]]]]]]]]]", "dataset.labels"),
        ("~model@x", ""), ("~model@x=\\", ""), ("trainer.x.y.z=1", "trainer"), ("seed.x=1", "seed"), ("+seed.x=1", "seed"),
        ("seed=${seed}", "seed"), ("+x={a: ${x}}", "x"),
    ],
)  # fmt: skip
def test_a_word_that_hydra_trips_over_is_told(capsys, word, expected):
    assert main(["show", "task=sentiment", word]) == 2
    said = capsys.readouterr().err
    assert expected in said and said.startswith("error: ") and "Traceback" not in said, said


PLUGINS = {
    "mine.txt": ("", "its name ends in .py"),
    "syntax.py": ("x = (\n", "syntax.py, line 1"),
    "raises.py": ("import os\n\ndef f():\n    return 1 / 0\n\nf()\n", "raises.py, line 4"),
    "imports.py": ("import no_such_package\n", "imports.py, line 1"),
    "exits.py": ("raise TypeError('mine')\n", "TypeError: mine"),
    "bytes.py": ("\0", "bytes.py"),
}


@pytest.mark.parametrize("name", PLUGINS)
def test_a_plug_in_that_cannot_be_imported_is_told_with_its_line(tmp_path, capsys, name):
    content, expected = PLUGINS[name]
    (tmp_path / name).write_text(content)
    assert main([f"--plugin={tmp_path / name}", "show", "task=sentiment"]) == 2
    said = capsys.readouterr().err
    assert expected in said and "Traceback" not in said, said


def test_a_file_of_the_system_is_no_plug_in(capsys):
    assert main(["--plugin=/etc/passwd", "show", "task=sentiment"]) == 2
    assert "ends in .py" in capsys.readouterr().err
