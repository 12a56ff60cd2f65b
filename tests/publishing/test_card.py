"""The card: whatever stands in the data is shown and does nothing; the metadata are those that the Hub accepts."""

import html
import re
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from huggingface_hub import ModelCard, metadata_load
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from autotune.config.enums import CardLanguage
from autotune.config.load import load_config
from autotune.errors import HubError
from autotune.publishing.card.examples import Example
from autotune.publishing.card.facts import Facts, read_facts
from autotune.publishing.card.license import effective_license
from autotune.publishing.card.markdown import block, code, escaped
from autotune.publishing.card.metadata import validate
from autotune.publishing.card.render import render
from tests.publishing.conftest import HubForks
from tests.support import SAMPLES
from tests.support.hub.metadata import errors

EVIL = '<script>alert("x")</script>|`a`|[b](javascript:c)|**no**\n# heading\n---\n'
TEXTS = st.text(
    st.characters(exclude_categories=("C", "Z"), include_characters=" |`*_<>&#[]()\\~-+.:1$\n"), max_size=40
)


def rendered(markdown: str) -> str:
    """As the Hub shows it: HTML passes, tables are tables."""
    return MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"]).render(markdown)


def plain(text: str) -> str:
    return " ".join(text.split())


@given(TEXTS)
def test_a_text_is_shown_as_it_is(text):
    shown = rendered(f"{escaped(text)}X")
    assert set(re.findall(r"</?(\w+)", shown)) == {"p"}, shown
    assert plain(html.unescape(re.sub(r"</?p>", "", shown))) == plain(f"{text}X")


@given(TEXTS, TEXTS)
def test_in_a_table_it_stays_in_its_cell(one, other):
    shown = rendered(f"| a | b |\n| --- | --- |\n| {escaped(one)} | {code(other)} |\n")
    assert shown.count("<td>") == 2 and shown.count("<tr>") == 2
    assert set(re.findall(r"</?(\w+)", shown)) <= {"table", "thead", "tbody", "tr", "th", "td", "code"}


@given(TEXTS)
def test_code_stays_code(text):
    shown = rendered(block(text))
    assert shown.startswith("<pre><code>") and shown.count("<") == 4


@pytest.fixture
def facts(trained) -> Facts:
    return read_facts(
        trained,
        load_config(trained / "config.yaml"),
        "autotune task=ner dataset.path=/home/ana/x.csv runs=/r",
    )


@pytest.mark.parametrize("language", CardLanguage)
def test_names_from_data_do_no_harm(facts, language):
    config = facts.config
    config = replace(config, name=EVIL, hub=replace(config.hub, language=language),
                     dataset=replace(config.dataset, path=f"/home/ana/{EVIL.replace('/', '')}"))  # fmt: skip
    shown = [Example(EVIL, EVIL, EVIL)]
    counts = {split: {EVIL: 3} for split in ("train", "validation", "test")}
    data = {**facts.data, "check": {**facts.data["check"], "labels": {"counts": counts}}}
    scores = {
        **facts.metrics["test"],
        "per_class": {EVIL: {"precision": 0.5, "recall": 1.0, "f1": 0.7, "support": 3}},
    }
    metrics = {**facts.metrics, "test": scores, "baseline": {"test": {EVIL: {"entity_f1": 0.1}}}}
    card = render(
        replace(facts, config=config, data=data, metrics=metrics, examples=shown),
        "acme/x",
        adapter_only=False,
    )
    assert errors(card) == [] and "/home/ana" not in card
    shown = rendered(card.split("\n---\n", 1)[1])
    assert "<script" not in shown and "javascript:" not in re.sub(r"<code>.*?</code>", "", shown).replace(
        "[b](javascript:c)", ""
    )
    assert shown.count("<h1>") == 1 and "<hr" not in shown
    assert 'href="javascript' not in shown


@pytest.mark.parametrize("language", CardLanguage)
def test_the_hub_s_own_code_reads_the_card(facts, language, tmp_path):
    config = replace(facts.config, hub=replace(facts.config.hub, language=language))
    card = render(replace(facts, config=config), "acme/name", adapter_only=False)
    (tmp_path / "README.md").write_text(card, encoding="utf-8")
    metadata = metadata_load(tmp_path / "README.md")
    assert metadata is not None and metadata["license"] == "apache-2.0" and metadata["language"] == "pt"
    loaded = ModelCard.load(tmp_path / "README.md")
    found = {result.metric_name: result.metric_value for result in loaded.data.eval_results}
    assert found["entity_f1"] == facts.metrics["test"]["entity_f1"]
    assert 'MODEL = "acme/name"' in card
    assert "autotune task=ner dataset.path=x.csv\n" in card
    ends = facts.metrics["interval"]["test"]["entity_f1"]
    assert ends[0] <= facts.metrics["test"]["entity_f1"] <= ends[1]
    figures = re.findall(r"\d+[.,]\d{4} (?=\|)", card)
    assert figures and all(("," in one) is (language is CardLanguage.pt) for one in figures)
    shown = rendered(card.split("\n---\n", 1)[1])
    assert shown.count("<table>") == 5 and "{{" not in shown and "{%" not in shown
    samples = SAMPLES / "ner" / "train.jsonl"
    texts = [
        " ".join(yaml.safe_load(line)["tokens"]) for line in samples.read_text("utf-8").splitlines()[:50]
    ]
    assert not any(text in card for text in texts)


def pasted(forks: HubForks, run: Path, cwd: Path) -> "subprocess.CompletedProcess[str]":
    """The code of the card in the run folder, somewhere else; it asks no Hub."""
    code = (run / "model" / "README.md").read_text("utf-8").split("```python\n")[1].split("```")[0]
    forks.hub.seen.clear()
    done = forks.python(code, cwd, HF_TOKEN="")
    assert not forks.hub.seen
    return done


def test_the_code_of_the_card_in_the_run_folder_works_as_pasted(elsewhere, trained, tmp_path):
    done = pasted(elsewhere, trained, tmp_path)
    assert done.returncode == 0 and "'score'" in done.stdout, done.stderr


def test_that_of_an_adapter_alone_too(forks, elsewhere, tmp_path):
    words = (
        "task=sentiment",
        "peft=lora",
        "peft.merge=false",
        "debug=smoke",
        'name="a b"',
        "check=none",
        "report=none",
    )
    done = forks(*words, cwd=tmp_path, HF_HUB_OFFLINE="1")
    assert done.returncode == 0, done.stderr
    run = tmp_path / "runs" / "a b"
    assert not (run / "model" / "model.safetensors").exists()
    done = pasted(elsewhere, run, tmp_path)
    assert done.returncode == 0 and "'score'" in done.stdout, done.stderr


@pytest.mark.parametrize(
    ("base", "data", "stated", "licence", "contradiction"),
    [
        ("mit", "mit", None, "mit", False),
        ("mit", None, None, "mit", False),
        (None, "cc-by-4.0", None, "cc-by-4.0", False),
        (None, None, None, None, False),
        ("mit", "cc-by-nc-sa-4.0", None, "cc-by-nc-sa-4.0", False),
        ("gpl-3.0", "apache-2.0", None, "gpl-3.0", False),
        ("gpl-3.0", "cc-by-nc-sa-4.0", None, "other", True),
        ("mit", "cc-by-nc-sa-4.0", "mit", "mit", True),
        ("mit", "apache-2.0", "mit", "mit", False),
        ("unknown", "mit", None, "mit", False),
    ],
)
def test_the_licence_that_is_carried_over(base, data, stated, licence, contradiction):
    found = effective_license(base, data, stated)
    assert (found.id, found.contradiction) == (licence, contradiction)


@pytest.mark.parametrize(
    ("base", "data"),
    [("gpl-3.0", "cc-by-nc-sa-4.0"), ("minha-licença", None), (None, "minha"), ("other", None)],
)
def test_licences_that_the_hub_does_not_know_are_named(facts, base, data):
    saved = {**facts.saved, "base_model": {**facts.saved["base_model"], "license": base}}
    config = replace(facts.config, dataset=replace(facts.config.dataset, license=data))
    card = render(replace(facts, saved=saved, config=config), "acme/x", adapter_only=False)
    metadata = yaml.safe_load(card.split("---\n")[1])
    assert metadata["license"] == "other" and metadata["license_name"] and errors(card) == []


@pytest.mark.parametrize(
    ("key", "value"),
    [("language", "pt-BR"), ("license", "beerware"), ("base_model", "/home/ana/bert"), ("datasets", ["./dados.csv"]),
     ("datasets", [None]), ("library_name", "keras"), ("tags", ["a", 1]), ("model-index", []), ("token", "x")],
)  # fmt: skip
def test_what_the_hub_would_refuse_is_found_here(facts, key, value):
    card = render(facts, "acme/x", adapter_only=False)
    values = yaml.safe_load(card.split("---\n")[1])
    validate(values)
    with pytest.raises(HubError):
        validate({**values, key: value})
