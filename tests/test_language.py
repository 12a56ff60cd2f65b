"""The tool in Portuguese: the catalogue against the code, and each part of it through the front door."""

import ast
import errno
import io
import json
import os
import re
import tomllib
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from string import Formatter

import pytest

import autotune
from autotune import cli
from autotune.errors import ConfigError, listing
from autotune.language import CATALOGUE, LOCALE, VARIABLE, Pieces, Template, check_language, local, shown, word

PACKAGE = Path(autotune.__file__).parent
TABLES = tomllib.loads(CATALOGUE.read_text(encoding="utf-8"))
MADE_OF_PARTS = ("words", "pieces", "composed")
"""Tables whose English texts need not be one text of the code."""
HOLE = "\0"
PERCENT = re.compile(r"%(?:\(\w+\))?[-+# 0]*\d*(?:\.\d+)?[sdrfgi]")
BRACES = re.compile(r"\{\w*\}")
PASTED = re.compile(
    r"(?<!\S)--?[a-z][\w-]*|\b[\w.]+=[^\s,;:)]+|\bautotune (?:predict|push|resume)|\b(?:pip install|git lfs|hf (?:auth|download)|chmod)"
)
"""What can be pasted."""


REFUSED = {
    "show trainer.epochs=-1": ("{key} should be greater than {limit}",),
    "show trainer.warmup_ratio=-1": ("{key} should be greater than or equal to {limit}",),
    "show trainer.warmup_ratio=2": ("{key} should be less than {limit}",),
    "show dataset.labels=[[a]]": ("{key} should be a valid string",),
    "show trainer.epochs=abc": ("Value {value} of type {kind} could not be converted to {wanted}",),
    "show trainer.compile=maybe": ("Value {value} is not a valid bool (type {kind})",),
    "show trainer.precision=fp8": ("Invalid value {value}, expected one of {options}",),
    "show dataset.labels=3": ("Invalid value assigned: {kind} is not a ListConfig, list or tuple.",),
    "show dataset.path=[a]": ("Cannot convert {kind} to string: {value}",),
    "evaluate": ("the following arguments are required: {names}", "usage: {words}"),
    "push a b": ("unrecognized arguments: {words}",),
    "push a --repo": ("argument {name}: expected one argument",),
}
"""Command lines that a library refuses, and the entries of the catalogue that its words fit."""


def places(template: str) -> list[str]:
    return sorted(name for _, name, _, _ in Formatter().parse(template) if name is not None)


def skeleton(text: str) -> str:
    """A text with one mark for each run of values; values at its ends do not count."""
    return re.sub(f"{HOLE}+", HOLE, text).strip(HOLE)


def said_by(node: ast.AST) -> set[str]:
    """The skeletons of a text in code, an f-string, one of logging or one of `str.format`; none of other code."""
    if isinstance(node, ast.JoinedStr):
        parts = (part.value if isinstance(part, ast.Constant) else HOLE for part in node.values)
        return {skeleton(BRACES.sub(HOLE, "".join(map(str, parts))))}
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        percent = PERCENT.sub(HOLE, node.value).replace("%%", "%")
        return {skeleton(text) for text in (node.value, percent, BRACES.sub(HOLE, node.value))}
    return set()


def texts_of(code: str) -> set[str]:
    """All texts in code, as skeletons."""
    return {text for node in ast.walk(ast.parse(code)) for text in said_by(node)}


@pytest.fixture(scope="module")
def texts() -> set[str]:
    """What autotune, and the system, can say."""
    found = set()
    for file in PACKAGE.rglob("*.py"):
        found |= texts_of(file.read_text(encoding="utf-8"))
    return found | {os.strerror(number) for number in errno.errorcode}


def faults(table: str, english: str, other: str, texts: set[str]) -> list[str]:
    """What is wrong with an entry of the catalogue."""
    chunks = Template(english, other).chunks
    names = places(english)
    if table == "libraries":
        said = any(english in entries for entries in REFUSED.values())
    elif table in MADE_OF_PARTS:
        parts = [part.strip() for chunk in chunks for part in re.split("[,;:()]", chunk)]
        said = all(any(part in text for text in texts) for part in parts if re.search("[A-Za-z]", part))
    else:
        said = skeleton(HOLE.join(chunks)) in texts
    wrong = {
        "no code says it": not said,
        "the values differ": places(other) != names,
        "a name stands for two values": len(set(names)) < len(names),
        "two values without anything between": "" in chunks[1:-1],
        "what is pasted differs": sorted(PASTED.findall(other)) != sorted(PASTED.findall(english)),
    }
    return [fault for fault, is_so in wrong.items() if is_so]


@pytest.mark.parametrize("table", TABLES)
def test_each_entry_of_the_catalogue_is_said_by_code_and_is_the_same_in_both_languages(table, texts):
    found = {english: faults(table, english, other, texts) for english, other in TABLES[table].items()}
    assert {english: wrong for english, wrong in found.items() if wrong} == {}


SAYING = re.compile(r"((Config|Data|Model|Hub|Disk|Path|Training|Plugin)Error|warning|note|Finding)")
"""Calls whose texts people see."""
COMMAND = re.compile(r"\s*(autotune|pip|git|--to) ")
"""How a fix begins that is nothing but a command."""


def messages(code: str) -> Iterator[set[str]]:
    """What errors, findings and loggers of some code say, each as skeletons."""
    for node in ast.walk(ast.parse(code)):
        if not isinstance(node, ast.Call):
            continue
        called = ast.unparse(node.func)
        if SAYING.fullmatch(called):
            fixes = [keyword.value for keyword in node.keywords if keyword.arg == "fix"]
            yield from map(said_by, [*node.args, *fixes])
        elif re.fullmatch(r"logger\.(info|warning|error)", called):
            yield from map(said_by, node.args[:1])


def test_each_message_of_the_code_is_in_the_catalogue():
    known = {
        skeleton(HOLE.join(Template(english, "").chunks)) for table in TABLES.values() for english in table
    }
    missing = {
        (file.name, max(texts))
        for file in PACKAGE.rglob("*.py")
        for texts in messages(file.read_text(encoding="utf-8"))
        if any(re.search("[a-z]{2,} [a-z]{2,}", text) and not COMMAND.match(text) for text in texts)
        and not texts & known
    }
    assert missing == set()
