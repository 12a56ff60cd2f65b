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

import random
import re
from collections.abc import Callable
from typing import Any

SEED = 7
import os

NEG = float(os.environ.get("NEG", "0.3"))
CON = int(os.environ.get("CON", "1"))
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
    "o": {"o": "o", "a": "a", "": ""},
    "para": {"o": "para o", "a": "para a", "": "para"},
    "de": {"o": "do", "a": "da", "": "de"},
    "em": {"o": "no", "a": "na", "": "em"},
    "por": {"o": "pelo", "a": "pela", "": "por"},
    "a": {"o": "ao", "a": "à", "": "a"},
}


# --- sentiment ---------------------------------------------------------------------------------------------

# What is reviewed, with an article, and what can be said of it: pairs of a praising and a complaining adjective.
ITEMS = [
    (*item.split(" ", 1), [pair.split("/") for pair in pairs.split(", ")])
    for item, pairs in (
        line.split(": ")
        for line in lines("""
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
    """)
    )
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
        shape = rng.choice(
            os.environ.get("SHAPES", "verdict description agreeing agreeing last first").split()
        )
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
    if rng.random() < float(os.environ.get("ASIDE", "0.4")):
        sentences.append(f"{rng.choice(ASIDES)}.")
    return {"text": " ".join(map(sentence, sentences)), "label": label}


# --- named entities ----------------------------------------------------------------------------------------

def invented(stems: str, endings: str) -> list[str]:
    """Every stem with every ending, in a fixed random order: train uses the first part of the list alone,
    validation and test mostly the rest, so they hold names that were never seen, made of known parts."""
    names = [stem + ending for stem in stems.split() for ending in endings.split()]
    random.Random(SEED).shuffle(names)
    return names


NAMES = {
    "WOMAN": invented(
        "Ad Bel Cec Dor El Fab Gl Hel In Jul Lav Mar Nat Ol Ros Sev Tal Val Zen",
        "ália iana ina élia ice ora ênia ussa eide ete",
    ),
    "MAN": invented(
        "Ad Bel Cec Dor El Fab Gl Hel In Jul Lav Mar Nat Ol Ros Sev Tal Val Zen",
        "aldo élio ino ildo ôncio úcio emar ivaldo enor ides",
    ),
    "SURNAME": invented(
        "Abr Alv Barr Cald Carv Dam Esp Ferr Gald Guim Jord Lac Mont Negr Palm Pinh Quint Sald Seab Vilh Zamb",
        "ares eira elos eto inho oso ães ão ano uela edo ória im enço ante ilha",
    ),
    "BRAND": invented(
        "Aur Bris Caf Camp Flor Gir Lum Nebl Ond Prat Sert Tram Verd", "elha ívia alume ália otec amar ísia erva"
    ),
    "TOWN": invented(
        "Arar Bat Cariú Gua Igu Ita Jaç Lind Mar Pira Sapu Taqu Ubá", "ópolis ândia aré tinga mirim çu aíba"
    ),
    "HEAD": "Porto Vila Lagoa Barra Salto Pontal Serra Morro Campo Ribeirão".split(),
    "TREE": "Jatobá Cedro Sabiá Jenipapo Buriti Cajueiro Ipê Tatu Umbuzeiro Jacarandá Tucano Pequi".split(),
    "MONTH": "janeiro fevereiro março abril maio junho julho agosto setembro outubro novembro dezembro".split(),
}
ORGANIZATIONS = lines("""
    o Instituto SURNAME
    o Hospital SURNAME
    o Grupo BRAND
    o Clube BRAND
    a Fundação SURNAME
    a Padaria SURNAME
    a Construtora SURNAME
    a Escola SURNAME
    a Editora BRAND
    a Rádio BRAND
    a Cooperativa BRAND
    a Universidade de TOWN
    a Prefeitura de TOWN
    a Associação de Moradores de TOWN
    """)
PLACES = lines("""
    TOWN
    TOWN
    HEAD do TREE
    São MAN
    Santa WOMAN
    a Rua SURNAME
    a Avenida SURNAME
    a Praça SURNAME
    o Parque SURNAME
    """)
MONTHS = ["janeiro", "fevereiro", "março", "abril", "maio", "junho", "julho", "agosto", "setembro", "outubro", "novembro", "dezembro"]
# Before the bar stands the preposition, which is not part of the entity.
TIMES = lines("""
    em | MONTH
    em | MONTH de YEAR
    em | DAY de MONTH de YEAR
    em | YEAR
    no dia | DAY de MONTH
    na | segunda-feira
    na | terça-feira
    na | quinta-feira
    no | sábado
    no | domingo
    às | HOURh30
    às | HOUR horas
    | ontem
    | hoje
    """)
OPENINGS = lines("""
    {TEMPO},
    {em LOCAL},
    segundo {o ORGANIZACAO},
    de acordo com {PESSOA},
    na opinião {de dentista PESSOA},
    """)
NEWS = lines("""
    {o jornalista PESSOA} trabalha {em ORGANIZACAO}
    {PESSOA} assumiu a direção {de ORGANIZACAO}
    {o cientista PESSOA} recebeu um prêmio {de ORGANIZACAO}
    {PESSOA} deixou {o ORGANIZACAO} {TEMPO}
    {o ORGANIZACAO} contratou {o dentista PESSOA}
    {o ORGANIZACAO} homenageou {o artista PESSOA} {TEMPO}
    {PESSOA} e {PESSOA} fundaram {o ORGANIZACAO}
    {o gerente PESSOA} pediu desculpas em nome {de ORGANIZACAO}
    {PESSOA} nasceu {em LOCAL} e estudou {em ORGANIZACAO}
    {o motorista PESSOA} mora {em LOCAL}
    {PESSOA} se mudou {para LOCAL} {TEMPO}
    {o estudante PESSOA} viajou {para LOCAL} {TEMPO}
    {o atleta PESSOA} venceu a corrida {em LOCAL}
    a família {de PESSOA} veio {de LOCAL}
    {PESSOA} encontrou {PESSOA} {em LOCAL}
    {o ORGANIZACAO} abriu uma filial {em LOCAL}
    {o ORGANIZACAO} vai construir NUMBER casas {em LOCAL}
    a sede {de ORGANIZACAO} fica {em LOCAL}
    a obra {de ORGANIZACAO} {em LOCAL} custou NUMBER mil reais
    {o ORGANIZACAO} plantou NUMBER árvores {em LOCAL}
    a reunião com {o ORGANIZACAO} foi {TEMPO}
    choveu muito {em LOCAL} {TEMPO}
    {o ORGANIZACAO} fechou as portas {TEMPO}
    mais de NUMBER pessoas visitaram {o LOCAL} {TEMPO}
    {PESSOA} fez aniversário {TEMPO}
    {o pianista PESSOA} tocou {em LOCAL} {TEMPO}
    as inscrições {de ORGANIZACAO} terminaram {TEMPO}
    faltou água {em LOCAL} {TEMPO}
    {o vigilante PESSOA} achou um gato {em LOCAL}
    a feira {de LOCAL} vendeu NUMBER quilos de feijão
    o preço do pão subiu NUMBER centavos {TEMPO}
    """)
SURNAME_PATTERNS = ["", "SURNAME", "SURNAME", "SURNAME", "SURNAME SURNAME", "de SURNAME"]
NUMBERS = {"YEAR": (1990, 2025), "DAY": (2, 28), "HOUR": (8, 21), "NUMBER": (12, 980)}
SLOT = re.compile(r"\{(?:(\w+) )?(?:(\w+) )?(PESSOA|LOCAL|ORGANIZACAO|TEMPO)\}")


def ner(rng: random.Random, split: str) -> Row:
    """A sentence of local news, as words and IOB2 tags."""

    def word(slot: str) -> str:
        if slot in NUMBERS:
            return str(rng.randint(*NUMBERS[slot]))
        names = NAMES[slot]
        known = len(names) if slot in ("HEAD", "MONTH") else len(names) * 2 // 3
        return rng.choice(names[:known] if split == "train" or rng.random() < 0.3 else names[known:] or names)

    def filled(pattern: str) -> str:
        return re.sub("|".join([*NAMES, *NUMBERS]), lambda match: word(match[0]), pattern)

    def person() -> tuple[str, str]:
        article = rng.choice("ao")
        first = "WOMAN" if article == "a" else "MAN"
        return article, filled(f"{first} {rng.choice(SURNAME_PATTERNS)}".strip())

    def before_and_name(preposition: str, noun: str, kind: str) -> tuple[str, str]:
        """What stands before the entity, and the entity."""
        if kind == "TEMPO":
            before, words = rng.choice(TIMES).split("|")
            return before.strip(), filled(words.strip())
        if kind == "PESSOA":
            article, words = person()
            article = article if noun else ""
        else:
            article, words = article_of(
                filled(rng.choice(ORGANIZATIONS if kind == "ORGANIZACAO" else PLACES))
            )
        contracted = CONTRACTIONS[preposition][article] if preposition else ""
        return f"{contracted} {noun}".strip(), words

    template = rng.choice(NEWS)
    openings = [opening for opening in OPENINGS if SLOT.search(opening)[3] not in template]
    if openings and rng.random() < 0.3:
        template = f"{rng.choice(openings)} {template}"
    tokens: list[str] = []
    tags: list[str] = []
    end = 0
    for match in [*SLOT.finditer(template), None]:
        plain = template[end : match.start()] if match else f"{template[end:]}."
        before, entity = before_and_name(match[1] or "", match[2] or "", match[3]) if match else ("", "")
        outside = words_of(f"{filled(plain)} {before}")
        inside = words_of(entity)
        tokens += outside + inside
        tags += ["O"] * len(outside) + [
            f"{'I' if i else 'B'}-{match[3]}" for i in range(len(inside)) if match
        ]
        end = match.end() if match else end
    return {"tokens": [sentence(tokens[0]), *tokens[1:]], "tags": tags}


def words_of(text: str) -> list[str]:
    """Words and single punctuation marks."""
    return re.findall(r"\w+|[^\w\s]", text)


def article_of(name: str) -> tuple[str, str]:
    """The article before a name, or none, and the name."""
    article, _, rest = name.partition(" ")
    return (article, rest) if article in ("o", "a") else ("", name)


# --- summarization -----------------------------------------------------------------------------------------

# What can happen: words of the summary in capitals are drawn from SLOTS and told in the sentences called facts.
STORIES = [
    {
        "summary": "WHO propõe AMOUNT para WORK no bairro DISTRICT.",
        "opening": [
            "A sessão da câmara começou pouco depois das sete horas da noite.",
            "O plenário ficou cheio durante a última reunião da câmara municipal.",
            "Muitos moradores acompanharam de perto os debates desta semana.",
        ],
        "facts": [
            ["A proposta foi apresentada por WHO.", "Quem levou o assunto à tribuna foi WHO."],
            ["O custo previsto é de AMOUNT.", "O texto reserva AMOUNT do orçamento."],
            ["O dinheiro servirá para WORK.", "A ideia é usar a verba para WORK."],
            ["O serviço ficará no bairro DISTRICT.", "Os beneficiados moram no bairro DISTRICT."],
        ],
        "asides": [
            "Ninguém pediu a palavra no fim.",
            "A votação ficou para outro dia.",
            "O café foi servido no intervalo.",
            "Houve aplausos e algumas vaias.",
        ],
    },
    {
        "summary": "CLUB vence RIVAL por SCORE no estádio STADIUM com gol de SCORER.",
        "opening": [
            "A chuva não afastou os torcedores na tarde de futebol.",
            "A rodada do campeonato regional trouxe um jogo muito disputado.",
            "Foi uma partida nervosa desde os primeiros minutos.",
        ],
        "facts": [
            ["A vitória ficou com o CLUB.", "Quem levou os três pontos foi o CLUB."],
            ["Do outro lado, o RIVAL não conseguiu reagir.", "Já o RIVAL saiu de campo cabisbaixo."],
            ["O placar terminou em SCORE.", "O jogo acabou em SCORE."],
            ["A bola rolou no estádio STADIUM.", "O palco foi o estádio STADIUM."],
            ["O gol decisivo foi de SCORER.", "Brilhou a estrela de SCORER."],
        ],
        "asides": [
            "O árbitro mostrou quatro cartões.",
            "O gramado estava em boas condições.",
            "A torcida cantou até o apito final.",
            "Os técnicos evitaram entrevistas.",
        ],
    },
    {
        "summary": "EVENT reúne CROWD na cidade de TOWN e arrecada AMOUNT para CAUSE.",
        "opening": [
            "O fim de semana foi de festa e de reencontro para muitas famílias.",
            "As ruas amanheceram enfeitadas com bandeirinhas e flores de papel.",
            "Voluntários trabalharam durante meses para que tudo desse certo.",
        ],
        "facts": [
            ["A atração foi EVENT.", "Todos queriam ver EVENT."],
            ["O público chegou a CROWD.", "Passaram pelo local CROWD."],
            ["Tudo aconteceu na cidade de TOWN.", "A anfitriã foi a cidade de TOWN."],
            ["A renda somou AMOUNT.", "O caixa fechou com AMOUNT."],
            ["O valor será entregue para CAUSE.", "Tudo será doado para CAUSE."],
        ],
        "asides": [
            "O cheiro de milho verde tomou conta da praça.",
            "As crianças ganharam balões coloridos.",
            "Uma banda tocou do começo ao fim.",
            "O tempo ajudou e não choveu.",
        ],
    },
]
SLOTS = {
    "WHO": lines("""
        a vereadora Dália Fontoura
        a vereadora Ilma Sarmento
        a vereadora Núbia Caldas
        a vereadora Zélia Portinho
        o vereador Aldir Mansur
        o vereador Élcio Ramalhete
        o vereador Osório Leme
        o vereador Túlio Arantes
        """),
    "AMOUNT": [f"{number} mil reais" for number in (20, 35, 40, 60, 75, 90, 120, 150, 180, 200, 250, 300)],
    "WORK": lines("""
        a reforma da creche
        a limpeza do córrego
        a iluminação da praça
        a construção da ponte
        a ampliação do posto de saúde
        a compra de ônibus escolares
        o conserto das calçadas
        o plantio de ipês
        """),
    "DISTRICT": lines("""
        Água Fria
        Boa Esperança
        Jardim das Acácias
        Lagoa Seca
        Morro Alto
        Pedra Branca
        Santa Luzia
        São Cosme
        Vila Operária
        Vista Alegre
        """),
    "CLUB": lines("""
        Atlético Serrano
        Botões de Ouro
        Canarinho
        Estrela do Vale
        Ferroviário Azul
        Guarani da Várzea
        Leão do Cerrado
        União Ribeirinha
        """),
    "STADIUM": lines("""
        da Baixada
        do Ipê
        da Lagoa
        do Trabalhador
        das Mangueiras
        dos Coqueiros
        """),
    "SCORE": ["1 a 0", "2 a 0", "2 a 1", "3 a 0", "3 a 1", "3 a 2", "4 a 1", "4 a 3"],
    "SCORER": ["Biriba", "Cauã", "Dinho", "Juninho Pará", "Léo Sabiá", "Nêgo", "Pingo", "Tião", "Vavá", "Zezé"],
    "EVENT": lines("""
        a feira do livro
        a festa do milho
        a exposição de orquídeas
        a corrida de rua
        a mostra de cinema
        o bingo da paróquia
        o concurso de quadrilhas
        o festival de música
        o leilão de artesanato
        o passeio ciclístico
        """),
    "CROWD": [f"{number} pessoas" for number in (150, 200, 280, 350, 400, 500, 600, 750, 800, 900)],
    "TOWN": lines("""
        Araçá do Sul
        Cambuí Velho
        Jequitaí Mirim
        Maracujá da Serra
        Nova Conceição
        Palmeirinha
        Rio das Onças
        São Benício
        Taperá
        Uruçu Grande
        """),
    "CAUSE": lines("""
        a escola de surdos
        a banda municipal
        a santa casa
        o abrigo de animais
        o asilo São José
        o corpo de bombeiros
        o hospital infantil
        o lar das crianças
        """),
}
SLOTS["RIVAL"] = SLOTS["CLUB"]


def summarization(rng: random.Random, split: str) -> Row:
    """A piece of local news and its one-sentence summary."""
    story = rng.choice(STORIES)
    chosen: dict[str, str] = {}
    for slot in re.findall("[A-Z]{3,}", story["summary"]):
        chosen[slot] = rng.choice([value for value in SLOTS[slot] if value not in chosen.values()])

    def filled(text: str) -> str:
        return re.sub("|".join(chosen), lambda match: chosen[match[0]], text)

    body = [rng.choice(variants) for variants in story["facts"]] + rng.sample(story["asides"], 1)
    rng.shuffle(body)
    document = [rng.choice(story["opening"]), *body]
    return {"document": filled(" ".join(document)), "summary": sentence(filled(story["summary"]))}


# --- files -------------------------------------------------------------------------------------------------

SAMPLERS: dict[str, Sampler] = {"sentiment": sentiment, "ner": ner, "summarization": summarization}


def triples(row: Row) -> set[tuple[str, ...]]:
    """All runs of three words of a row's text."""
    words = row.get("tokens") or words_of(row.get("text") or row["document"])
    return set(zip(words, words[1:], words[2:], strict=False))


def rows(task: str) -> Iterator[tuple[str, Row]]:
    """Splits and their rows; no row nearly repeats another."""
    rng = random.Random(f"{SEED} {task}")
    seen: list[set[tuple[str, ...]]] = []
    for split, size in SIZES.items():
        number = 0
        while number < size:
            row = SAMPLERS[task](rng, split)
            own = triples(row)
            if any(len(own & other) > ALIKE * len(own | other) for other in seen):
                continue
            seen.append(own)
            number += 1
            yield split, {"id": f"{task}-{split}-{number:03}", **row}


def main(folder: Path) -> None:
    """Writes all files under a folder."""
    for task in SAMPLERS:
        texts = dict.fromkeys(SIZES, "")
        for split, row in rows(task):
            texts[split] += json.dumps(row, ensure_ascii=False) + "\n"
        for split, text in texts.items():
            file = folder / task / f"{split}.jsonl"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8", newline="\n")


if __name__ == "__main__":
    here = Path(__file__).resolve().parent.parent / "autotune" / "assets" / "samples"
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else here)
