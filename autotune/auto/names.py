"""What the name of a column says about it, without case and accents."""

import re
from collections.abc import Mapping

from autotune.data.columns import SYNONYMS, plain_name

ROLE, SYNONYM, PART, OTHER = 3, 2, 1, -2
"""Points of a name: the role itself, a synonym, a synonym as a part (overall_rating), a word for something else."""
MORE: Mapping[str, frozenset[str]] = {
    "text": frozenset(
        [
            "autotrain_text",
            "comentarios",
            "comment",
            "comments",
            "opiniao",
            "mensagem",
            "message",
            "post",
            "query",
            "utterance",
            "pergunta",
            "relato",
            "resenha",
            "reclamacao",
            "phrase",
            "texts",
            "textos",
            "documento",
            "document",
            "noticia",
        ]
    ),
    "label": frozenset(
        [
            "autotrain_label",
            "labels",
            "rotulos",
            "sentimentos",
            "intent",
            "intencao",
            "emotion",
            "emocao",
            "overall_rating",
            "score",
            "pontuacao",
            "classificacao",
            "category",
            "topic",
            "topico",
            "tema",
            "toxico",
            "hate",
            "odio",
            "spam",
            "stance",
            "similarity",
            "similaridade",
            "entailment",
        ]
    ),
    "summary": frozenset(["resumos", "summaries", "sumarios", "ementa"]),
    "document": frozenset(
        [
            "documento",
            "documentos",
            "documents",
            "full_text",
            "texto_completo",
            "body",
            "corpo",
            "inteiro_teor",
        ]
    ),
    "tags": frozenset(["ner_labels", "entidades"]),
}
"""Names beside `SYNONYMS`."""
TITLES = frozenset(
    ["titulo", "title", "titles", "headline", "manchete", "assunto", "subject", "subtitulo", "subtitle"]
)
"""Words for a text that stands above another: never a reason to choose it."""
SOMETHING_ELSE = frozenset(
    [
        "ano",
        "annotator",
        "annotators",
        "anotador",
        "arquivo",
        "author",
        "autor",
        "brand",
        "browser",
        "canal",
        "channel",
        "cidade",
        "city",
        "cliente",
        "code",
        "codigo",
        "comprimento",
        "count",
        "country",
        "created",
        "customer",
        "data",
        "date",
        "day",
        "device",
        "dia",
        "doc",
        "endereco",
        "address",
        "estado",
        "state",
        "uf",
        "fase",
        "file",
        "filename",
        "filial",
        "fold",
        "fonte",
        "gender",
        "hora",
        "hour",
        "id",
        "idade",
        "age",
        "ids",
        "idioma",
        "index",
        "lang",
        "language",
        "length",
        "likes",
        "link",
        "loja",
        "marca",
        "mes",
        "month",
        "municipality",
        "municipio",
        "n",
        "num",
        "numero",
        "pais",
        "person",
        "plataforma",
        "platform",
        "preco",
        "price",
        "produto",
        "product",
        "qtd",
        "quantidade",
        "rater",
        "reader",
        "region",
        "regiao",
        "retweets",
        "sexo",
        "site",
        "source",
        "split",
        "store",
        "tamanho",
        "time",
        "timestamp",
        "updated",
        "upvotes",
        "url",
        "user",
        "usuario",
        "valor",
        "version",
        "versao",
        "year",
    ]
)
"""Words for what is neither text nor answer: who, when, where, how much."""
GROUPS = (
    "doc", "documento", "document", "arquivo", "file", "processo", "conversa", "conversation", "thread", "id", "autor",
    "author", "user", "usuario", "cliente", "customer", "paciente", "patient", "livro", "book", "produto", "product",
    "municipio", "municipality",
)  # fmt: skip
"""Words for what several rows may share, the closest tie first."""
PAIRS = (
    ("premise", "hypothesis"), ("premissa", "hipotese"), ("sentence1", "sentence2"), ("sentenca1", "sentenca2"),
    ("frase1", "frase2"), ("texto1", "texto2"), ("text1", "text2"), ("question1", "question2"), ("pergunta1", "pergunta2"),
    ("text", "text_pair"), ("sentence_a", "sentence_b"), ("premise", "hyp"), ("question", "sentence"),
)  # fmt: skip
"""Names of the two texts of a pair."""


def words_of(name: str) -> list[str]:
    """Returns the words of a name: overall, rating of overallRating or overall_rating."""
    return re.findall(r"[^\W\d_]+", plain_name(re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name)))


def points(name: str, role: str) -> int:
    """Returns how much a name speaks for a role: `ROLE`, `SYNONYM`, `PART`, 0 or `OTHER`."""
    plain, words = plain_name(name.strip()), words_of(name)
    synonyms = MORE.get(role, frozenset()) | set(SYNONYMS.get(role, ()))
    if plain == role:
        return ROLE
    if plain in synonyms:
        return SYNONYM
    if TITLES & set(words):
        return 0
    if {*synonyms, role} & set(words) and words[-1] not in SOMETHING_ELSE:
        return PART
    return OTHER if SOMETHING_ELSE & set(words) else 0


def group_rank(name: str) -> int | None:
    """Returns the place in `GROUPS` of what rows with the same value would share; None if the name says nothing of the kind."""
    ranks = [GROUPS.index(word) for word in words_of(name) if word in GROUPS]
    return min(ranks, default=None)


def is_title(name: str) -> bool:
    """Whether the name is that of a text above another one."""
    return bool(TITLES & set(words_of(name)))
