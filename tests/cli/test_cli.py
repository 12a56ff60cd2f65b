"""The command line: commands, exit codes, and what is printed where."""

import json
import os
import shlex
import socket
import subprocess
import sys
import textwrap
from dataclasses import replace

import pytest
import yaml

from autotune import __version__
from autotune.cli.commands import COMMANDS
from autotune.cli.environment import OFFLINE, is_reachable, set_offline_mode
from autotune.cli.main import main
from autotune.config.compose import compose
from autotune.config.keys import keys
from autotune.config.reference import descriptions

TOKEN = "hf_" + "aB3" * 11


def autotune(*argv: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "autotune", *argv],
        capture_output=True,
        text=True,
        env=os.environ | environment,
        check=False,
    )


@pytest.fixture
def plugin(tmp_path):
    """Writes a Python file for --plugin."""

    def write(code: str) -> str:
        file = tmp_path / "plugin.py"
        file.write_text(textwrap.dedent(code), encoding="utf-8")
        return str(file)

    return write


@pytest.fixture
def environment(monkeypatch):
    """The environment as if nobody had decided about the Hub."""
    monkeypatch.setenv(OFFLINE, "")
    monkeypatch.delenv(OFFLINE)
    for name in list(os.environ):
        if name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    return monkeypatch


@pytest.fixture
def server():
    """Address of something that accepts connections."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield "http://{}:{}".format(*listening.getsockname())


@pytest.fixture
def silent():
    """Address where nothing listens."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return "http://{}:{}".format(*listening.getsockname())


def test_the_version_is_said(capsys):
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"autotune {__version__}\n"


def test_help_names_every_command(capsys):
    assert main(["--help"]) == 0
    said = capsys.readouterr().out
    assert all(name in said for name in COMMANDS)


def test_show_prints_the_configuration_alone(capsys):
    assert main(["show", "task=ner", "trainer.epochs=2"]) == 0
    printed = yaml.safe_load(capsys.readouterr().out)
    assert (printed["task"]["name"], printed["trainer"]["epochs"]) == ("ner", 2.0)


def test_hydra_says_which_files_a_configuration_is_made_of():
    done = autotune("--info", "defaults", "task=ner")
    assert done.returncode == 0, done.stderr
    assert "task/ner" in done.stdout


def test_a_user_error_is_words_on_stderr_and_exit_code_2(capsys):
    assert main(["show", "trainer.epochs=-1", "trainer.batch_size=0"]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.count("error: ") == 2
    assert "Traceback" not in said.err


def test_debug_shows_the_traceback_of_a_user_error_too(capsys):
    assert main(["show", "task=nerr", "--debug"]) == 2
    said = capsys.readouterr().err
    assert "Traceback" in said
    assert "error: there is no task 'nerr'" in said


@pytest.mark.parametrize(
    ("argv", "fix"),
    [
        (["trian"], "autotune train"),
        (["evalute", "runs/x"], "autotune evaluate"),
        (["zzz"], "autotune --help"),
        (["predict"], "usage: autotune predict"),
        (["evaluate", "runs/x", "--dta", "f.csv"], "usage: autotune evaluate"),
        (["--plugin"], "needs a value"),
        (["--plugin", "nada.py"], "does not exist"),
    ],
)
def test_a_wrong_call_is_answered_with_the_right_one(capsys, argv, fix):
    assert main(argv) == 2
    assert fix in capsys.readouterr().err


@pytest.mark.parametrize(
    ("raised", "code", "said"),
    [
        ("ZeroDivisionError('so')", 2, "error in plugin"),
        ("KeyboardInterrupt", 130, "interrupted"),
        ("OSError(28, 'No space left on device', 'file')", 74, "No space left on device"),
        ("OSError(2, 'No such file', 'file')", 2, "FileNotFoundError"),
        ("SystemExit(3)", 3, ""),
    ],
)
def test_every_way_to_end_has_its_exit_code(capsys, plugin, raised, code, said):
    assert main(["show", "--plugin", plugin(f"raise {raised}")]) == code
    assert said in capsys.readouterr().err


def test_what_autotune_itself_raises_is_a_bug_of_its_own(capsys, monkeypatch, plugin):
    monkeypatch.setitem(COMMANDS, "show", replace(COMMANDS["show"], run=lambda *_: 1 / 0))
    assert main(["show"]) == 70
    assert "this is a bug in autotune: please report it" in capsys.readouterr().err
    assert main(["show", "--plugin", plugin("seen = 1")]) == 70
    assert "or in the plug-in" in capsys.readouterr().err


def test_a_token_is_printed_nowhere(capsys, plugin, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "a-token-of-another-form")
    code = f"""
        import sys
        print("{TOKEN}")
        sys.stderr.write("a-token-of-another-form")
        raise ValueError("{TOKEN}")
    """
    assert main(["show", f"--plugin={plugin(code)}"]) == 2
    said = "".join(capsys.readouterr())
    assert TOKEN not in said
    assert "a-token-of-another-form" not in said
    assert said.count("hf_…") >= 3


def test_a_task_of_the_users_own_is_one_file_and_one_yaml(tmp_path, plugin):
    code = """
        from dataclasses import dataclass
        from autotune.config.schema import TaskConfig
        from autotune.registry import register
        from autotune.tasks.sentiment import Sentiment

        @dataclass
        class StanceConfig(TaskConfig):
            name: str = "stance"
            target: str = "todos"

        @register
        class Stance(Sentiment):
            name = "stance"
            Config = StanceConfig
    """
    (tmp_path / "task").mkdir()
    (tmp_path / "task" / "stance.yaml").write_text(
        "defaults: [/schema/task/stance@_here_, _self_]\ntarget: água\n"
    )
    done = autotune("show", "--config-dir", str(tmp_path), "task=stance", "--plugin", plugin(code))
    assert done.returncode == 0, done.stderr
    assert yaml.safe_load(done.stdout)["task"] == {"name": "stance", "max_length": None, "target": "água"}


def test_a_task_with_the_configuration_of_another_is_refused(capsys, plugin):
    code = """
        from autotune.registry import register
        from autotune.tasks.sentiment import Sentiment

        @register
        class Stance(Sentiment):
            name = "stance"
    """
    assert main(["show", "--plugin", plugin(code)]) == 2
    assert "name: str = 'stance'" in capsys.readouterr().err


def test_a_reader_that_goes_away_is_no_error():
    words = f"'{sys.executable}' -m autotune show | true; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", words], capture_output=True, text=True, check=False)
    assert done.stdout.strip() in ("0", "141")
    assert done.stderr == ""


def test_data_and_model_on_disk_never_ask_the_hub(environment, server):
    environment.setenv("HF_ENDPOINT", server)
    set_offline_mode(compose(["task=ner"]))
    assert os.environ[OFFLINE] == "1"


@pytest.mark.parametrize(("wish", "expected"), [("always", "1"), ("never", "0")])
def test_a_wish_about_the_hub_is_followed(environment, silent, wish, expected):
    environment.setenv("HF_ENDPOINT", silent)
    set_offline_mode(compose(["model.name_or_path=org/name", f"hub.offline={wish}"]))
    assert os.environ[OFFLINE] == expected


@pytest.mark.parametrize("override", ["model.name_or_path=org/name", "dataset.path=org/name"])
def test_the_hub_is_asked_once_whether_it_answers(environment, server, silent, override):
    environment.setenv("HF_ENDPOINT", server)
    set_offline_mode(compose([override]))
    assert OFFLINE not in os.environ
    environment.setenv("HF_ENDPOINT", silent)
    set_offline_mode(compose([override]))
    assert os.environ[OFFLINE] == "1"


def test_the_way_to_the_hub_may_lead_through_a_proxy(environment, server, silent):
    environment.setenv("http_proxy", server)
    assert is_reachable("http://hub.invalid")
    environment.setenv("http_proxy", silent)
    assert not is_reachable("http://hub.invalid")


def test_what_the_user_decided_about_the_hub_stays(environment, server):
    environment.setenv("HF_ENDPOINT", server)
    environment.setenv(OFFLINE, "1")
    set_offline_mode(compose(["model.name_or_path=org/name"]))
    assert os.environ[OFFLINE] == "1"


@pytest.mark.parametrize(
    ("words", "fix"),
    [
        ("--config-dir . check task=ner", "autotune check --config-dir . task=ner"),
        ("task=ner plan", "autotune plan task=ner"),
        ("--debug -m seed=1,2 'name=a b' show", "autotune show -m seed=1,2 'name=a b'"),
        ("--plugin p.py name=x check", "autotune check --plugin p.py name=x"),
    ],
)
def test_a_command_behind_flags_is_told_to_come_first(words, fix, capsys):
    assert main(shlex.split(words)) == 2
    said = capsys.readouterr().err
    assert "error: the command comes first" in said
    assert f"fix:   {fix}\n" in said


def test_a_folder_that_is_called_like_a_command_is_none(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "check").mkdir()
    assert main(["--config-dir", "check", "--cfg", "job", "task=ner"]) == 0
    assert "the command" not in capsys.readouterr().err


def test_help_fits_a_screen_and_every_command_shows_an_example_first(capsys):
    assert main(["--help"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) <= 37 and max(map(len, lines)) <= 120
    for name in COMMANDS:
        if name != "completion":
            assert main([name, "--help"]) == 0
            assert capsys.readouterr().out.lstrip().startswith("example: autotune ")


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["trainer.learning_rate", "peft=lora"], ["number or null", "value    0.0005", "autotune fills it in"]),
        (["trainer.epochs", "trainer.epochs=2"], ["value    2.0", "from     the command line: trainer.epochs=2"]),
        (["dataset.path", "task=ner", "dataset=lener_br"], ["lener_br.yaml (dataset=lener_br)"]),
        (["trainer.max_steps", "debug=smoke"], ["value    4", "debug/smoke.yaml (debug=smoke)"]),
        (["trainer"], ["trainer.batch_size: Rows per"]),
        (["task.overlap", "task=summarization"], ["value    null"]),
    ],
)  # fmt: skip
def test_a_key_is_explained_with_where_its_value_comes_from(capsys, words, expected):
    assert main(["explain", *words]) == 0
    printed = capsys.readouterr().out
    assert all(text in printed for text in expected), printed


def test_a_file_of_the_user_is_named_as_the_origin(tmp_path, capsys):
    (tmp_path / "trainer").mkdir()
    (tmp_path / "trainer" / "mine.yaml").write_text("epochs: 7\n")
    assert main(["explain", "trainer.epochs", f"--config-dir={tmp_path}", "trainer=mine"]) == 0
    assert f"{tmp_path}/trainer/mine.yaml (trainer=mine)" in capsys.readouterr().out


def test_one_question_at_a_time(capsys):
    assert main(["show", "--cfg", "job", "--info", "defaults"]) == 2
    assert "only one of" in capsys.readouterr().err


def test_a_key_that_is_misspelt_is_explained_with_the_right_one(capsys):
    assert main(["explain", "trainer.lerning_rate"]) == 2
    assert "autotune explain trainer.learning_rate" in capsys.readouterr().err


def test_the_schema_knows_every_key_with_its_text(capsys):
    assert main(["schema"]) == 0
    schema = json.loads(capsys.readouterr().out)

    def targets(node: dict) -> list[dict]:
        options = [option for option in (node, *node.get("anyOf", ())) if "$ref" in option]
        return [schema["$defs"][option["$ref"].rpartition("/")[2]] for option in options]

    def at(key: str) -> list[dict]:
        sections, found = [schema], []
        for part in key.split("."):
            found = [section["properties"][part] for section in sections if part in section["properties"]]
            sections = [target for node in found for target in targets(node)]
        return found

    for key, text in descriptions().items():
        if key in keys():
            assert any(node.get("description") == text for node in at(key)), key
