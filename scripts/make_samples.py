#!/usr/bin/env python3
"""Writes the sample data that ship with autotune: autotune/assets/samples/<task>/{train,validation,test}.jsonl.

    python scripts/make_samples.py [FOLDER]

Sentences are put together from the Brazilian Portuguese material below, by a seeded generator: run again, it
writes the same bytes. Everybody and everything named here is invented. What each task asks of a model:

sentiment      "não" turns the verdict around, an adjective in a question or in hearsay says nothing, and of
               two opinions the verdict counts: no list of words gives the classes.
ner            a surname is also a street and a bakery, and most names of validation and test do not occur in
               train: only the context tells.
summarization  the facts stand in the middle and at the end, in any order, among sentences that do not matter.
"""

import json
import random
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

SEED = 7
import os; NEG=float(os.environ.get("NEG","0.3")); CON=int(os.environ.get("CON","1"))
SIZES = {"train": 600, "validation": 80, "test": 120}
ALIKE = 0.6
"""Rows that share more than this part of their word triples are near duplicates; the second is left out."""

Row = dict[str, Any]
Sampler = Callable[[random.Random, str], Row]


def lines(text: str) -> list[str]:
    """The lines of a block of material."""
    return [line.strip() for line in text.strip().splitlines()]


def sentence(text: str) -> str:
    """With a capital letter first."""
    return text[:1].upper() + text[1:]


CONTRACTIONS = {
    "de": {"o": "do", "a": "da", "": "de"},
    "em": {"o": "no", "a": "na", "": "em"},
    "por": {"o": "pelo", "a": "pela", "": "por"},
    "a": {"o": "ao", "a": "à", "": "a"},
}


# --- sentiment ---------------------------------------------------------------------------------------------

# What is reviewed, with an article, and what can be said of it: pairs of a praising and a complaining adjective.
ITEMS = [
    (*item.split(" ", 1), [pair.split("/") for pair in pairs.split(", ")])
    for item, pairs in (line.split(": ") for line in lines("""
    o ventilador: eficiente/ineficiente, resistente/frágil, útil/inútil
    o liquidificador: eficiente/ineficiente, resistente/frágil, útil/inútil
    o aspirador: eficiente/ineficiente, resistente/frágil, útil/inútil
    o sofá: confortável/desconfortável, resistente/frágil, incrível/horrível
    o colchão: confortável/desconfortável, agradável/desagradável, incrível/horrível
    o tênis: confortável/desconfortável, resistente/frágil, incrível/horrível
    o fone de ouvido: confortável/desconfortável, resistente/frágil, eficiente/ineficiente
    o hotel: confortável/desconfortável, agradável/desagradável, incrível/horrível
    o ônibus: confortável/desconfortável, agradável/desagradável, eficiente/ineficiente
    o salão: agradável/desagradável, eficiente/ineficiente, incrível/horrível
    o curso: interessante/entediante, útil/inútil, agradável/desagradável
    o livro: interessante/entediante, útil/inútil, incrível/horrível
    o filme: interessante/entediante, agradável/desagradável, incrível/horrível
    o aplicativo: eficiente/ineficiente, útil/inútil, agradável/desagradável
    a cafeteira: eficiente/ineficiente, resistente/frágil, útil/inútil
    a impressora: eficiente/ineficiente, resistente/frágil, útil/inútil
    a cadeira: confortável/desconfortável, resistente/frágil, útil/inútil
    a mochila: confortável/desconfortável, resistente/frágil, útil/inútil
    a bicicleta: confortável/desconfortável, resistente/frágil, incrível/horrível
    a jaqueta: confortável/desconfortável, agradável/desagradável, incrível/horrível
    a pousada: confortável/desconfortável, agradável/desagradável, incrível/horrível
    a clínica: agradável/desagradável, eficiente/ineficiente, confortável/desconfortável
    a academia: agradável/desagradável, eficiente/ineficiente, útil/inútil
    a palestra: interessante/entediante, útil/inútil, agradável/desagradável
    a peça de teatro: interessante/entediante, agradável/desagradável, incrível/horrível
    a exposição: interessante/entediante, agradável/desagradável, incrível/horrível
    """))
]

# Verdicts: {não} is nothing or "não", which turns them around; where {nunca} stands, "nunca" can do it too.
# {o}, {de} and {a} carry the article. Beside the whole sentence stands its short form, for when the item was
# named before.
PRAISES = [
    tuple(line.split(" | "))
    for line in lines("""
    {não}gostei {de} {item} | {não}gostei
    {não}recomendo {o} {item} | {não}recomendo
    {o} {item} {não}vale o que custa | {não}vale o que custa
    {o} {item} {não}cumpre o que promete | {não}cumpre o que promete
    """)
]
COMPLAINTS = [
    tuple(line.split(" | "))
    for line in lines("""
    {não}me arrependi {de} {item} | {não}me arrependi da escolha
    {nunca}fiquei irritada com {o} {item} | {nunca}fiquei irritada
    {o} {item} {nunca}decepciona | {nunca}decepciona
    {o} {item} {nunca}me deu problemas | {nunca}me deu problemas
    {o} {item} {nunca}deixa a desejar | {nunca}deixa a desejar
    """)
]
DESCRIPTIONS = lines("""
    {o} {item} {não}é {adjective}
    {não}achei {o} {item} {adjective}
    """)
SHORT_DESCRIPTIONS = lines("""
    {não}é {adjective}
    {não}achei {adjective}
    """)
AGREEING = lines("""
    {first} e {second}
    {first}: {second}
    """)
LAST_COUNTS = lines("""
    {first}, mas {second}
    {first}, só que {second}
    {first}; mesmo assim, {second}
    """)
FIRST_COUNTS = lines("""
    {second}, e olha que {first}
    """)
NEUTRALS = lines("""
    {o} {item} não é {adjective} nem {opposite}
    alguém sabe se {o} {item} é {adjective}?
    dizem que {o} {item} é {adjective}, mas ainda não tenho opinião
    li que {o} {item} não é {adjective}, mas ainda não tenho opinião
    uns acham {o} {item} {adjective}, outros não
    {o} {item} é igual a tantos outros
    """)
ASIDES = lines("""
    foi indicação da minha irmã
    a dica veio de um colega do trabalho
    conheci pela internet
    escolhi em março
    escolhi na semana passada
    foi presente de aniversário para o meu avô
    a minha mãe escolheu comigo
    procurei durante dois meses
    estava em promoção no sábado
    paguei em três vezes
    paguei com cartão
    é a primeira avaliação que escrevo
    escrevo depois de um mês
    vi o anúncio no jornal da cidade
    a minha vizinha também conhece
    cheguei a comparar com outras opções
    """)

def sentiment(rng: random.Random, split: str) -> Row:
    """A review of one or two sentences."""
    label = rng.choice(["negativo", "neutro", "positivo"])
    article, noun, pairs = rng.choice(ITEMS)
    adjectives = rng.choice(pairs)
    words = {"item": noun, "o": article, "de": CONTRACTIONS["de"][article], "a": CONTRACTIONS["a"][article]}

    def opinion(positive: bool, templates: tuple[list[str], list[str]]) -> str:
        """A sentence of that polarity: half of them get it by negating one of the other."""
        negated = rng.random() < NEG
        praises = positive != negated
        template = rng.choice(templates[0] if praises else templates[1])
        adjective = adjectives[0] if praises else adjectives[1]
        no, never = ("não ", rng.choice(["não ", "nunca "])) if negated else ("", "")
        return template.format(**words, adjective=adjective, não=no, nunca=never)

    def verdicts(form: int) -> tuple[list[str], list[str]]:
        return [pair[form] for pair in PRAISES], [pair[form] for pair in COMPLAINTS]

    if label == "neutro":
        order = rng.sample(adjectives, 2)
        text = rng.choice(NEUTRALS).format(**words, adjective=order[0], opposite=order[1])
    else:
        positive = label == "positivo"
        shape = rng.choice(os.environ.get("SHAPES","verdict description agreeing agreeing last first").split())
        if shape == "verdict":
            text = opinion(positive, verdicts(0))
        elif shape == "description":
            text = opinion(positive, (DESCRIPTIONS, DESCRIPTIONS))
        elif shape == "agreeing":
            first = opinion(positive, verdicts(0))
            second = opinion(positive, (SHORT_DESCRIPTIONS, SHORT_DESCRIPTIONS))
            text = rng.choice(AGREEING).format(first=first, second=second)
        elif shape == "last":
            first = opinion(not positive, (DESCRIPTIONS, DESCRIPTIONS))
            text = rng.choice(LAST_COUNTS).format(first=first, second=opinion(positive, verdicts(1)))
        else:
            first = opinion(not positive, (SHORT_DESCRIPTIONS, SHORT_DESCRIPTIONS))
            text = rng.choice(FIRST_COUNTS).format(first=first, second=opinion(positive, verdicts(0)))
    sentences = [text if text.endswith("?") else f"{text}."]
    if rng.random() < float(os.environ.get("ASIDE","0.4")):
        sentences.append(f"{rng.choice(ASIDES)}.")
    return {"text": " ".join(map(sentence, sentences)), "label": label}
