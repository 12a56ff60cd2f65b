"""Tables for the tests of `autotune auto`: invented texts, in the layouts that people have."""

import csv
import json
import random
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

SUBJECTS = re.split(
    ",", "o produto,a entrega,o atendimento,a tela,a bateria,o preço,o livro,o hotel,a comida,o aplicativo"
)
GOOD = re.split(
    ",", "chegou antes do prazo,funciona muito bem,superou o que eu esperava,é de ótima qualidade"
)
BAD = re.split(
    ",", "veio com defeito,parou de funcionar em uma semana,é pior do que a foto,não vale o que custa"
)
ENDS = re.split(
    ",",
    "e comprei para a minha mãe,depois de muita espera,na loja do centro,com toda a família,no mês passado",
)
ENGLISH = re.split(
    ",", "the product,the delivery,the service,the screen,the battery,the price,the book,the hotel"
)
THINGS = re.split(
    ",",
    "janela,mesa,cadeira,vidro,sapato,garrafa,caderno,tinta,colher,relógio,tapete,lâmpada,espelho,martelo,viol"
    "ão,bicicleta,panela,toalha,chinelo,mochila,estante,sofá,travesseiro,ventilador,guarda-chuva,camisa,boné,c"
    "ortina,chave,fogão",
)
NAMES = re.split(",", "Ana Souza,João Lima,Marta Reis,Caio Prado,Lúcia Melo")
CITIES = re.split(",", "Recife,Manaus,Porto Alegre,Belém,Curitiba")
Row = dict[str, Any]


def opinions(count: int, seed: int = 0) -> Iterator[tuple[str, bool]]:
    """Yields texts in Portuguese, all different, and whether each is positive."""
    rng = random.Random(seed)
    for number in range(count):
        good = rng.random() < 0.6
        parts = [rng.choice(SUBJECTS), rng.choice(GOOD if good else BAD), rng.choice(ENDS)]
        yield (
            f"{' '.join(parts).capitalize()}, com {' e '.join(rng.sample(THINGS, 6))}, pedido {number * 7 + seed}.",
            good,
        )


def reviews(count: int = 120, seed: int = 0) -> list[Row]:
    """Rows with a text and what may be beside it in an export of a shop."""
    rng = random.Random(seed + 1)
    rows = []
    for number, (text, good) in enumerate(opinions(count, seed)):
        stars = rng.choice((4, 5) if good else (1, 2)) if rng.random() < 0.9 else 3
        rows.append(
            {
                "id": 1000 + number,
                "data": f"{rng.randint(1, 28):02}/{rng.randint(1, 12):02}/2024",
                "comentário": text,
                "sentimento": "positivo" if good else "negativo",
                "estrelas": stars,
                "produto": f"SKU-{rng.randint(1, 8)}",
                "url": f"https://loja.example/p/{number}",
            }
        )
    return rows


def paragraphs(number: int, sentences: int, seed: int = 0) -> str:
    """A text of several sentences."""
    return " ".join(text for text, _ in opinions(sentences, seed * 1000 + number))


def news(count: int = 60, seed: int = 0) -> list[Row]:
    """Rows with a title, a document and a summary in the words of the document."""
    rows = []
    for number in range(count):
        document = paragraphs(number, 12, seed)
        sentences = document.split(". ")
        rows.append(
            {
                "título": " ".join(sentences[0].split()[:6]),
                "notícia": document,
                "resumo": f"{sentences[0]}. {sentences[4]}. {sentences[8]}.",
            }
        )
    return rows


def sentences(count: int = 60, seed: int = 0) -> list[tuple[str, list[tuple[int, int, str]]]]:
    """Texts with the offsets of persons and places."""
    rng = random.Random(seed)
    rows = []
    for number in range(count):
        text, spans = "", []
        for piece, label in ((rng.choice(NAMES), "PESSOA"), (" mora em ", ""), (rng.choice(CITIES), "LOCAL")):
            if label:
                spans.append((len(text), len(text) + len(piece), label))
            text += piece
        rows.append((f"{text} desde {1950 + number}.", spans))
    return rows


def tokens(text: str, spans: Sequence[tuple[int, int, str]]) -> tuple[list[str], list[str]]:
    """Words of a text and their IOB2 tags."""
    words, tags, start = text.split(" "), [], 0
    for word in words:
        inside = next((span for span in spans if span[0] <= start < span[1]), None)
        tags.append("O" if inside is None else f"{'B' if inside[0] == start else 'I'}-{inside[2]}")
        start += len(word) + 1
    return words, tags


def write_csv(
    path: Path, rows: Sequence[Mapping[str, Any]], delimiter: str = ",", encoding: str = "utf-8"
) -> Path:
    """Writes rows under the names of the first."""
    with path.open("w", encoding=encoding, newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), delimiter=delimiter)
        writer.writeheader()
        writer.writerows(rows)
    return path


def write_jsonl(path: Path, rows: Sequence[Any]) -> Path:
    """Writes one JSON value per line."""
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


def write_conll(path: Path, seed: int = 0, count: int = 60) -> Path:
    """Writes words with their tags."""
    blocks = ["\n".join(map(" ".join, zip(*tokens(*item), strict=True))) for item in sentences(count, seed)]
    path.write_text("\n\n".join(blocks) + "\n", encoding="utf-8")
    return path
