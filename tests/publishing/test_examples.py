"""Rows of the data in the card: only where they are asked for, and without what identifies people."""

import json

import pytest

from autotune.publishing.card.examples import MAX_CHARACTERS, examples, masked
from autotune.registry import task


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Fale com ana.s@exemplo.com.br já", "Fale com [e-mail] já"),
        ("CPF 123.456.789-09 ou 12345678909", "CPF [CPF] ou [CPF]"),
        ("CNPJ 12.345.678/0001-90.", "CNPJ [CNPJ]."),
        ("ligue (98) 99123-4567 ou +55 98 3222-1111", "ligue [phone] ou [phone]"),
        ("@fulano veja https://a.b/c?d=1", "[user] veja [URL]"),
        ("em 2023-2024 houve 1.234 casos, art. 5º", "em 2023-2024 houve 1.234 casos, art. 5º"),
    ],
)
def test_what_identifies_people_is_masked(text, expected):
    assert masked(text) == expected


def test_rows_of_each_task_are_read_as_people_do(tmp_path):
    rows = {
        "sentiment": {"id": "1", "text": "ó" * 400, "label": "bom", "prediction": "mau"},
        "ner": {"id": "1", "tokens": ["Ana", "Sá", "viu", "Ita"], "tags": ["B-P", "I-P", "O", "B-L"],
                "text": "Ana Sá viu Ita", "prediction": ["O", "O", "O", "B-L"]},
        "summarization": {"id": "d7", "summary": "Um resumo de a@b.cc.", "prediction": ""},
    }  # fmt: skip
    for name, row in rows.items():
        file = tmp_path / f"{name}.jsonl"
        file.write_text((json.dumps(row) + "\n") * 3)
        assert examples(file, 0, task(name).columns) == []
        found = examples(file, 2, task(name).columns)
        assert len(found) == 2
        expected = {
            "sentiment": ("ó" * (MAX_CHARACTERS - 1) + "…", "bom", "mau"),
            "ner": ("Ana Sá viu Ita", "Ana Sá (P); Ita (L)", "Ita (L)"),
            "summarization": ("d7", "Um resumo de [e-mail].", ""),
        }[name]
        assert (found[0].text, found[0].reference, found[0].prediction) == expected
