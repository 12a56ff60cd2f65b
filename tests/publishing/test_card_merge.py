"""A card that people edit on the Hub: what is theirs stays, what is ours is ours, and nothing is lost without a word."""

import shutil
from pathlib import Path

import pytest
import yaml

from tests.publishing.conftest import HubForks, push
from tests.support.hub.metadata import errors


@pytest.fixture
def run(trained, tmp_path) -> Path:
    """A copy of the finished run."""
    copy = tmp_path / "runs" / "run"
    shutil.copytree(trained, copy)
    return copy


def card(forks: HubForks, revision: str = "main") -> str:
    return forks.hub.store.read("ana/run", "README.md", revision).decode()


def edit(forks: HubForks, text: str) -> None:
    """By hand, on the Hub's own page."""
    repo = forks.hub.repo("ana/run")
    files = dict(repo.commits[repo.refs["refs/heads/main"]].files)
    repo.commit("refs/heads/main", "by hand", files | {"README.md": forks.hub.store.regular(text.encode())})


def matter(text: str) -> dict:
    return yaml.safe_load(text.split("---\n")[1])


def test_what_people_write_around_our_part_and_their_metadata_stay(forks, run):
    assert push(forks, run).returncode == 0
    ours = card(forks)
    head, body = ours.removeprefix("---\n").split("---\n", 1)
    edit(
        forks,
        f"---\n# Feito à mão\nthumbnail: foto.png\n{head.replace('tags:', 'tags:' + chr(10) + '- saúde')}---\n"
        f"\nAntes: não é <b>oficial</b>.\n{body}\nDepois: cite-nos.\n".replace("\n", "\r\n"),
    )
    done = push(forks, run, "--repo", "ana/run")
    assert done.returncode == 0, done.stderr
    now = card(forks)
    assert "Antes: não é <b>oficial</b>." in now and now.endswith("Depois: cite-nos.\n")
    assert now.index("Antes") < now.index("# run") < now.index("Depois")
    values = matter(now)
    assert values["thumbnail"] == "foto.png" and {"saúde", "ner", "autotune"} <= set(values["tags"])
    assert {key: values[key] for key in values.keys() - {"thumbnail", "tags"}} == {
        key: value for key, value in matter(ours).items() if key != "tags"
    }
    assert errors(now) == []
    assert "holds this run already" in push(forks, run).stdout


def test_a_new_result_replaces_our_part_alone(forks, run):
    assert push(forks, run).returncode == 0
    edit(forks, card(forks) + "\nCite-nos.\n")
    metrics = (run / "metrics.json").read_text()
    (run / "metrics.json").write_text(metrics.replace('"stopped_early": false', '"stopped_early": true'))
    assert push(forks, run).returncode == 0
    assert "parado antes" in card(forks) and card(forks).endswith("Cite-nos.\n")
    assert card(forks).count("# run\n") == 1


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("## Limites", "## Limites\n\nSó para o SUS.", "another text"),
        ("license: apache-2.0", "license: mit", "license"),
    ],
)
def test_edits_in_our_part_are_not_lost_without_a_word(forks, run, old, new, said):
    assert push(forks, run).returncode == 0
    edited = card(forks).replace(old, new)
    assert edited != card(forks)
    edit(forks, edited + "\nCite-nos.\n")
    done = push(forks, run)
    assert done.returncode == 69 and "--overwrite-card" in done.stderr and said in done.stderr, done.stderr
    assert card(forks) == edited + "\nCite-nos.\n"
    assert push(forks, run, "--overwrite-card").returncode == 0
    assert new not in card(forks) and card(forks).endswith("Cite-nos.\n")
    assert push(forks, run).returncode == 0, "it is as we left it again"


@pytest.mark.parametrize(
    ("there", "code"),
    [
        ("# À mão\n\nNosso projeto.\n", 0),
        ("---\nlicense: apache-2.0\nthumbnail: a.png\n---\nNosso projeto.\n", 0),
        ("", 0),
        ("---\nlicense: mit\n---\nNosso projeto.\n", 69),
        ("---\n{a\n---\nNosso projeto.\n", 69),
    ],
)
def test_a_card_that_was_there_before_us(forks, run, there, code):
    forks.hub.store.create("models", "ana/run", private=True)
    edit(forks, there)
    done = push(forks, run)
    assert done.returncode == code and "Traceback" not in done.stderr, done.stderr
    if code:
        assert card(forks) == there
        assert ("cannot be read" if "{" in there else "autotune writes was edited") in done.stderr
    else:
        assert ("Nosso projeto." in card(forks)) == ("Nosso" in there) and "## Uso" in card(forks)
        assert matter(card(forks)).get("thumbnail") == ("a.png" if "thumbnail" in there else None)
        assert "holds this run already" in push(forks, run).stdout


def test_in_a_pull_request_too(forks, run):
    forks.hub.store.create("models", "ana/run", private=True)
    edit(forks, "Nosso projeto.\n")
    for _ in range(2):
        assert push(forks, run, "--create-pr").returncode == 0
        assert "Nosso projeto." in card(forks, "refs/pr/1") and "## Uso" in card(forks, "refs/pr/1")
