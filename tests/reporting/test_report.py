"""report.html of each task's sample run: whole, safe against the data, the same again, in both languages."""

import json
import shlex
import shutil

import pytest

from autotune.cli.main import main
from tests.support.forks import forks
from tests.support.page import Page

SMOKE = ("debug=smoke", "guard=none", "check.near_duplicates=null")
EVIL = '<script>alert(1)</script>"><img src=x onerror=alert(2)> {{ 7 * 7 }} $x$'


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A finished sample run of each task."""
    folder = tmp_path_factory.mktemp("reports")
    started = [
        forks().start(
            f"task={task}", *SMOKE, *more, "report=html", f"runs={folder}", f"name={task}", cwd=folder
        )
        for task, *more in (
            ["sentiment"],
            ["ner"],
            ["summarization", "task.max_new_tokens=8", "dataset.limit=16"],
        )
    ]
    for run in started:
        done = run.ended()
        assert done.returncode == 0, done.stderr
        assert "report.html" in done.stdout
    return folder


@pytest.mark.parametrize(
    ("task", "expected"),
    [
        (
            "sentiment",
            ["macro_f1 em test", "Matriz de confusão", "Erro de calibração esperado", "gabarito positivo"],
        ),
        ("ner", ["entity_f1 em test", "fronteira", "não encontrada", "espúria", "PESSOA"]),
        ("summarization", ["rougeL em test", "Menor sobreposição", "Documento", "referência"]),
    ],
)
def test_the_report_of_a_run_is_whole_and_needs_nothing_else(runs, task, expected):
    text = (runs / task / "report.html").read_text("utf-8")
    page = Page(text)
    for words in [*expected, "Dá para confiar no resultado?", "Configuração", "dataset.limit"]:
        assert words in " ".join(page.text.split()), words
    assert all(address.startswith("#") for address in page.addresses)
    assert not page.handlers and not {"script", "img", "link", "iframe"} & set(page.tags)
    assert "default-src 'none'" in text and len(text) < 3e6
    assert page.tags.count("svg") >= 5


def test_the_same_run_gives_the_same_bytes_and_the_language_can_be_chosen(runs, tmp_path, capsys):
    run = runs / "sentiment"
    before = (run / "report.html").read_bytes()
    assert main(["report", str(run)]) == 0
    assert (run / "report.html").read_bytes() == before
    assert main(["report", str(run), "-o", str(tmp_path / "en.html"), "--language", "en"]) == 0
    english = Page((tmp_path / "en.html").read_text("utf-8")).text
    assert "Can the score be trusted?" in english and "Dá para confiar" not in english
    assert capsys.readouterr().out.splitlines()[-1] == str(tmp_path / "en.html")


def test_markup_in_the_data_stays_text(runs, tmp_path):
    for task, target in (("sentiment", "label"), ("ner", "tags"), ("summarization", "summary")):
        run = tmp_path / task
        shutil.copytree(runs / task, run, ignore=shutil.ignore_patterns("*.safetensors"))
        file = run / "predictions_test.jsonl"
        rows = [json.loads(line) for line in file.read_text().splitlines()]
        for row in rows:
            row |= {"id": EVIL, "text": EVIL}
            if "tokens" in row:
                row["tokens"] = [EVIL for _ in row["tokens"]]
                row[target] = [f"B-{EVIL}" for _ in row[target]]
            elif target == "summary":
                row |= {"summary": EVIL, "prediction": EVIL}
        file.write_text("".join(json.dumps(row) + "\n" for row in rows))
        replace(run / "data.json", '"negativo"', json.dumps(EVIL))
        replace(run / "metrics.json", '"negativo"', json.dumps(EVIL))
        replace(run / "metrics.json", '"majority class"', json.dumps(EVIL))
        replace(run / "data.json", '"<=32"', json.dumps("<=32"))
        assert main(["report", str(run)]) == 0
        page = Page((run / "report.html").read_text("utf-8"))
        assert not page.handlers and not {"script", "img"} & set(page.tags)
        assert EVIL in page.text


def replace(file, old, new):
    file.write_text(file.read_text("utf-8").replace(old, new), "utf-8")


def test_a_damaged_folder_is_refused_without_a_traceback(runs, tmp_path, capsys):
    assert main(["report", str(tmp_path)]) == 2
    assert "there is no run in this folder" in capsys.readouterr().err
    shutil.copytree(runs / "ner", tmp_path / "ner", ignore=shutil.ignore_patterns("*.safetensors"))
    (tmp_path / "ner" / "predictions_test.jsonl").write_text('{"id": 1}\n')
    assert main(["report", str(tmp_path / "ner")]) not in (0, 70)
    assert "line 1" in capsys.readouterr().err


def test_each_setting_says_where_it_comes_from(runs, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(runs / "ner", run, ignore=shutil.ignore_patterns("*.safetensors"))
    status = json.loads((run / "status.json").read_text())
    status["command"] = shlex.join(
        ["autotune", "train", "task=ner", *SMOKE, "seed=42", "resume=auto", f"runs={runs}", "name=ner"]
    )
    (run / "status.json").write_text(json.dumps(status))
    assert main(["report", str(run), "--language", "en"]) == 0
    text = " ".join(Page((run / "report.html").read_text("utf-8")).text.split())
    assert "dataset.limit 64 option debug=smoke" in text
    assert "seed 42 command line seed=42" in text
    assert "trainer.learning_rate 0.001 derived from other keys" in text
    assert "dataset.path sample/ner option dataset=sample" in text
    assert "trainer.weight_decay 0.01 default" in text
    assert "not the default" not in text
    assert "/configs/" not in text


BROKEN = """
import sys
from autotune.cli.main import main
from autotune.reporting import page
from autotune.runtime import child_process
child_process.prepare()
page.render = lambda *_: 1 / 0
sys.exit(main(sys.argv[1:]))
"""


def test_report_none_writes_none_and_a_failure_costs_nothing(tmp_path):
    words = (
        "task=sentiment",
        *SMOKE,
        "check=none",
        "trainer.max_steps=2",
        "dataset.limit=16",
        f"runs={tmp_path}",
    )
    without = forks().start(*words, "report=none", "name=without", cwd=tmp_path)
    failing = forks().start(*words, "report=html", "name=failing", cwd=tmp_path, code=BROKEN)
    done = without.ended()
    assert done.returncode == 0 and not list((tmp_path / "without").glob("report*"))
    done = failing.ended()
    assert done.returncode == 0, done.stderr
    assert "the report could not be written; this is a bug" in done.stdout + done.stderr
    assert "ZeroDivisionError" in (tmp_path / "failing" / "log.txt").read_text()
    assert json.loads((tmp_path / "failing" / "status.json").read_text())["state"] == "finished"
