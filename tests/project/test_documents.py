"""The READMEs: their command lines compose, their tables are those of the code, and the twins are in step."""

import json
import re
import shlex
from pathlib import Path

import pytest

import autotune
from autotune.cli.command import COMPOSED
from autotune.cli.commands import COMMANDS
from autotune.cli.main import main
from tests.support import ROOMS, ROOT
from tests.support.forks import forks

PACKAGE = Path(autotune.__file__).parent
TWINS = ("README.md", "README.pt-BR.md")
GUIDE, SCORES = PACKAGE / "GUIA.md", PACKAGE / "config" / "SCORES.md"
DOCUMENTS = sorted([*ROOT.glob("README*.md"), *PACKAGE.rglob("README.md"), GUIDE, SCORES, ROOT / "tests" / "README.md",
                    ROOT / "scripts" / "slurm" / "README.md", *(ROOT / ".github").glob("*.md")])  # fmt: skip
FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def blocks(file: Path, language: str) -> list[str]:
    return [body for name, body in FENCE.findall(file.read_text(encoding="utf-8")) if name == language]


def command_lines(file: Path) -> list[list[str]]:
    """Words of every line of a bash block that calls autotune, without comments."""
    text = "".join(blocks(file, "bash")).replace("\\\n", " ")
    lines = [shlex.split(line, comments=True) for line in text.splitlines()]
    return [words[1:] for words in lines if words[:1] == ["autotune"]]


LINES = [
    pytest.param(words, id=f"{file.parent.name}-{number}")
    for file in DOCUMENTS
    if file.name != "README.pt-BR.md"
    for number, words in enumerate(command_lines(file))
]


@pytest.mark.parametrize("words", LINES)
def test_every_command_line_composes(words, capsys):
    name = words[0] if words[0] in COMMANDS else "train"
    rest = words[words[0] in COMMANDS :]
    if COMPOSED.items() <= COMMANDS[name].flags.items():
        assert main(["show", *rest]) == 0, capsys.readouterr().err
        return
    flags = [word for word in rest if word.startswith("-") and word != "-"]
    known = COMMANDS[name].flags
    assert all(flag.partition("=")[0] in known for flag in flags), flags


def test_the_twins_have_the_same_commands_and_tables():
    english, portuguese = (ROOT / name for name in TWINS)
    assert command_lines(english) == command_lines(portuguese)
    first, second = ([re.findall(r"`[^`]+`", line) for line in file.read_text(encoding="utf-8").splitlines()
                      if line.startswith("| ")] for file in (english, portuguese))  # fmt: skip
    assert first == second
    sections = [
        len(re.findall("^## ", (ROOT / name).read_text(encoding="utf-8"), re.MULTILINE)) for name in TWINS
    ]
    assert sections[0] == sections[1]


@pytest.mark.parametrize("name", TWINS)
def test_the_table_of_rooms_is_the_order_of_the_code(name):
    text = (ROOT / name).read_text(encoding="utf-8")
    table = text[text.index("`cli/`") :]
    rooms = re.findall(r"^\| \[?`(\w+)/?`(?:, `(\w+)`)?", table[: table.index("\n\n")], re.MULTILINE)
    listed = ["cli", *[room for pair in rooms for room in pair if room and room != "cli"]]
    assert listed[::-1] == ["errors", "registry", *ROOMS[2:-1]]


@pytest.mark.parametrize("name", TWINS)
def test_the_table_of_options_is_that_of_the_folders(name):
    text = (ROOT / name).read_text(encoding="utf-8")
    for folder in sorted(path for path in (ROOT / "configs").iterdir() if path.is_dir()):
        (line,) = re.findall(rf"^\| `{folder.name}` \| (.*) \|$", text, re.MULTILINE)
        options = {file.stem for file in folder.glob("*.yaml")}
        listed = set(re.findall(r"`([\w.-]+)`", line))
        if "(autotune/config/README.md)" in line:  # some of them, and all of them there
            assert listed <= options, folder.name
            listed = set(re.findall(r"`([\w.-]+)`", (PACKAGE / "config" / "README.md").read_text("utf-8")))
            assert options <= listed, options - listed
        else:
            assert listed == options, folder.name


@pytest.mark.parametrize("file", DOCUMENTS, ids=lambda file: f"{file.parent.name}-{file.name}")
def test_links_lead_to_files(file):
    for target in re.findall(r"\]\(([^)#]+)\)", file.read_text(encoding="utf-8")):
        assert target.startswith("http") or (file.parent / target).exists(), target


@pytest.mark.parametrize("name", TWINS)
def test_guide_and_scores_are_linked(name):
    text = (ROOT / name).read_text(encoding="utf-8")
    assert all(f"]({file.relative_to(ROOT)})" in text for file in (GUIDE, SCORES))


def test_the_guide_turns_folders_of_texts_into_files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    texts = {"Textos-fonte/St-a1.txt": "Choveu em Évora.", "Sumarios/Sum-a1.txt": "Chuva.",
             "CSTNews/C1_Mundo_Chuva/Textos-fonte/D1_C1_Folha.txt": "Choveu.",
             "CSTNews/C1_Mundo_Chuva/Textos-fonte/D1_C1_Folha_titulo.txt": "Chuva",
             "CSTNews/C1_Mundo_Chuva/Sumarios/D1_C1_Folha_sumario_humano.txt": "Choveu ontem."}  # fmt: skip
    for name, text in texts.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(text.encode("cp1252" if "CSTNews" not in name else "utf-8"))
    for code in blocks(GUIDE, "python"):
        exec(code, {})
    (row,) = map(json.loads, Path("temario.jsonl").read_text("utf-8").splitlines())
    assert row == {"id": "St-a1", "text": "Choveu em Évora.", "summary": "Chuva."}
    (row,) = map(json.loads, Path("cstnews.jsonl").read_text("utf-8").splitlines())
    assert row == {"id": "D1_C1_Folha", "cluster": "C1", "text": "Choveu.", "summary": "Choveu ontem."}


def test_the_readme_is_read_in_five_minutes():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 155 and len(text.split()) <= 1100


def test_the_task_of_the_documents_runs(tmp_path):
    (code,) = [body for body in blocks(PACKAGE / "tasks" / "README.md", "python") if "stance" in body]
    (options,) = blocks(PACKAGE / "tasks" / "README.md", "yaml")
    assert len(code.splitlines()) <= 40
    (tmp_path / "stance.py").write_text(code, encoding="utf-8")
    (tmp_path / "mine" / "task").mkdir(parents=True)
    (tmp_path / "mine" / "task" / "stance.yaml").write_text(options, encoding="utf-8")
    words = ["--plugin", "stance.py", "--config-dir", "mine", "task=stance", "dataset.path=sample/sentiment"]
    done = forks().start(*words, "debug=smoke", "check=none", "guard=none", "name=run", cwd=tmp_path).ended()
    assert done.returncode == 0, done.stderr
    assert "always against" in (tmp_path / "runs" / "run" / "metrics.json").read_text()
