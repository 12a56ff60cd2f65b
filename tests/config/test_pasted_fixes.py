"""What predict and evaluate propose is taken by them when it is pasted behind the same call."""

import ast
import re
import shlex
import subprocess
from pathlib import Path

import pytest

import autotune
from autotune.cli.main import main
from autotune.config.compose import compose
from autotune.config.keys import keys
from autotune.errors import format_text_override

ROWS = [(f"Frase {'boa' if n % 2 else 'má'} número {n}.", "sim" if n % 2 else "não") for n in range(40)]
FILES = {
    "columns.csv": "o comentário (1),Nota\nbom dia,sim\nque pena,não\n",
    "header.csv": "Gostei muito deste produto.,sim\nNão gostei nada dele.,não\n",
    "classes.csv": "text,label\nbom dia,Sim\nque pena,não\n",
    "strange.csv": "text,label\nbom dia,sim\nque pena,talvez\n",
    "latin.csv": "text,label\nbom dia,sim\nque pena,n\xe3o\n",
    "form.dat": "text;label\nbom dia;sim\nque pena;não\n",
    "tab.json": "text\tlabel\nbom dia\tsim\nque pena\tnão\n",
}
NAMES = ["o comentário (1)", "d'água", 'a "b"', "Preço, R$ 1", "[x]", "{a: b}", "null", "1e3", "01", "7", "-", "$HOME `ls`",
         "a=b", " antes", "depois\\", "x\\'y", "ação", "~", "#1", "*", "é;!"]  # fmt: skip


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run whose labels were renamed."""
    folder = tmp_path_factory.mktemp("dados")
    (folder / "t.csv").write_text("text,label\n" + "".join(f"{text},{label}\n" for text, label in ROWS))
    words = [
        "dataset=csv",
        f"dataset.path={folder}/t.csv",
        "dataset.label_map={sim: pos, não: neg}",
        f"runs={folder}",
    ]
    assert (
        main([*words, "name=um r", "model=tiny_bert", "trainer.max_steps=1", "check=none", "guard=none"]) == 0
    )
    return folder / "um r"


@pytest.fixture
def files(tmp_path, monkeypatch):
    """Files that are not like those of training, where the command is run."""
    monkeypatch.chdir(tmp_path)
    for name, text in FILES.items():
        Path(name).write_text(text, encoding="latin-1" if name == "latin.csv" else "utf-8")


def fix_of(said: str) -> list[str]:
    """The words that a shell reads where the fix is pasted."""
    (fix,) = re.findall(r"^  fix: +(.*)$", said, re.M)
    return shlex.split(fix, comments=True)


@pytest.mark.usefixtures("files")
@pytest.mark.parametrize("name", ["columns.csv", "clases.csv", "classes.csv", "strange.csv", "form.dat"])
@pytest.mark.parametrize("verb", ["predict", "evaluate"])
def test_every_fix_is_accepted(run, capsys, verb, name):
    words = [verb, str(run), *(["--data"] if verb == "evaluate" else []), name]
    words += ["dataset.columns.label=Nota"] if name == "columns.csv" else []
    for _ in range(4):
        if main(words) == 0:
            return
        fix = fix_of(capsys.readouterr().err)
        fix = [word.replace("=COLUMN", "=o comentário (1)").replace("=conll,", "=csv") for word in fix]
        assert not set(fix) <= set(words), fix
        words += [word for word in fix if "=" in word]
    pytest.fail(" ".join(words))


@pytest.mark.usefixtures("files")
@pytest.mark.parametrize(
    ("name", "overrides"),
    [
        ("columns.csv", ["dataset.columns={text: 'o comentário (1)', label: Nota}"]),
        ("header.csv", ["dataset.header=false", "dataset.columns.text=0", "dataset.columns.label=1"]),
        ("strange.csv", ["dataset.label_map={sim: pos, talvez: null}"]),
        ("latin.csv", ["dataset.encoding=latin-1"]),
        ("form.dat", ["dataset=csv", "dataset.delimiter=;"]),
        ("tab.json", ["dataset.format=csv"]),
        ("classes.csv", ["dataset.label_map={Sim: pos, não: neg}", "task.on_overflow=truncate"]),
        ("classes.csv", ["trainer.micro_batch_tokens=64", "dataset.path=latin.csv"]),
    ],
)
def test_data_are_read_as_overrides_say(run, name, overrides):
    assert main(["evaluate", str(run), "--data", name, *overrides]) == 0
    assert main(["predict", *overrides, str(run), name]) == 0


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("trainer.epochs=3", "cannot change what was trained"),
        ("task=ner", "cannot change what was trained"),
        ("peft=lora", "there is no key"),
        ("dataset.colunms.text=x", "dataset.columns.text=x"),
        ("text_column=x", "dataset.columns.text=x"),
        ("dataset.header=talvez", "talvez"),
    ],
)
def test_other_overrides_are_refused_in_words(run, capsys, word, said):
    assert main(["predict", str(run), "--text", "a=b", word]) == 2
    assert said in capsys.readouterr().err


def test_a_shell_and_hydra_read_names_as_they_are():
    line = " ".join(format_text_override("dataset.columns.text", name) for name in NAMES)
    done = subprocess.run(
        ["bash", "-c", f"printf '%s\\0' {line}"], capture_output=True, text=True, check=True
    )
    for word, name in zip(done.stdout.split("\0"), NAMES, strict=False):
        assert compose([word])[0].dataset.columns.text == name


def fixed_texts(tree: ast.AST):
    """f-strings in the argument `fix` of a call."""
    for node in ast.walk(tree):
        if isinstance(node, ast.keyword) and node.arg == "fix":
            yield from (part for part in ast.walk(node) if isinstance(part, ast.JoinedStr))


def test_no_text_is_printed_behind_a_key_without_quotes():
    """Where a name of a file, a column or a run follows `key=` or a command, autotune.errors writes it."""
    numbers = {key for key, kind in keys().items() if not {str, list, dict, "typing.Any"} & {kind, str(kind)}
               and "str" not in str(kind)}  # fmt: skip
    numbers |= {"task", "dataset", "dataset.language", "trainer.evaluate_every", "plan.budget.X", "dataset.X"}
    unquoted = []
    for file in sorted(Path(autotune.__file__).parent.rglob("*.py")):
        for node in fixed_texts(ast.parse(file.read_text(encoding="utf-8"))):
            before = ""
            for part in node.values:
                if isinstance(part, ast.Constant):
                    before += part.value
                    continue
                quotes = isinstance(part.value, ast.Call) and getattr(part.value.func, "id", "") in (
                    "shell_words", "format_override", "format_text_override", "hydra_quote",
                )  # fmt: skip
                key = re.search(
                    r"(?:^|[\s;(])(?:([a-z_]+(?:\.[\w.]*\w)*)=|(autotune [a-z]+|mv|rm|rm -r|mkdir -p|git -C) )$",
                    before,
                )
                if key and not quotes and key[1] not in numbers:
                    unquoted.append(f"{file.name}:{node.lineno}: {ast.unparse(node)}")
                before += "X"
    assert unquoted == []
