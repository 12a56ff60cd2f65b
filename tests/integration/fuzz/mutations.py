"""Damage and malice, drawn from a seed: bytes of any file, values of JSON and YAML, parts of a zip archive."""

import io
import json
import random
import zipfile
from collections.abc import Callable
from typing import Any

DEEP = 3000
WEIRD: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 2, 7, 0.5, 10**12, -(10**12), 10**30, float("nan"), float("inf"), 1e308, "", "x", "0", "null",
    "\ud800", "\0", "a" * 5000, "../../etc/passwd", "/dev/zero", "{document}", [], {}, [[]], [None], ["x"], [1, 2], {"a": 1},
    [[[[[[]]]]]], {"": {}},
)  # fmt: skip
TEXTS = (
    b"", b" ", b"5", b"null", b"true", b'"x"', b"[]", b"{}", b"[[1]]", b"[" * DEEP, b'{"a":' * DEEP, b"\xff\xfe\x00",
    b"\x00" * 64,
    b"\xef\xbb\xbf", b"NaN", b"-", b"a: &a [*a]", b"{a: &a {b: *a}}", b"x: !!python/object/apply:os.getcwd []", b"a: 1\na: 2",
    b"? [1, 2]\n: 3", b"--- 1\n--- 2", b"%YAML 9.9\n---\na", b"\t", b"9" * 5000, b"<html>", b"version https://git-lfs",
    b"a: &a [x,x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b]\n"
    b"d: &d [*c,*c,*c,*c,*c,*c]\n"
    b"e: &e [*d,*d,*d,*d,*d,*d,*d,*d]\nf: [*e,*e,*e,*e,*e,*e,*e,*e,*e]",
)  # fmt: skip
"""What a whole file is replaced by."""


def mutated(rng: random.Random, content: bytes) -> bytes:
    """The content of a file, damaged in one of many ways."""
    ways: list[Callable[[random.Random, bytes], bytes]] = [_bits, _bits, _cut, _bytes, _twice, _whole]
    if content.startswith(b"PK"):
        ways += [_member] * 6
    else:
        try:
            json.loads(content)
            ways += [_json] * 10
        except ValueError:
            ways += [_line] * 6
    return rng.choice(ways)(rng, content)


def _bits(rng: random.Random, content: bytes) -> bytes:
    damaged = bytearray(content)
    for _ in range(rng.choice((1, 1, 1, 2, 8))):
        if damaged:
            # Half of them near the beginning, where formats keep what they are.
            damaged[rng.randrange(rng.choice((len(damaged), min(len(damaged), 200))))] ^= 1 << rng.randrange(
                8
            )
    return bytes(damaged)


def _cut(rng: random.Random, content: bytes) -> bytes:
    return content[: rng.choice((1, 8, len(content) // 2, max(0, len(content) - rng.randrange(1, 20))))]


def _bytes(rng: random.Random, content: bytes) -> bytes:
    at, count = rng.randrange(len(content) + 1), rng.choice((1, 2, 4, 16))
    over = rng.choice((0, count))
    new = rng.choice(
        (rng.randbytes(count), b"\xff" * count, b"\0" * count, b'"', b"[" * count, b"\n", b"9" * 20)
    )
    return content[:at] + new + content[at + over :]


def _twice(rng: random.Random, content: bytes) -> bytes:
    start, end = sorted(rng.randrange(len(content) + 1) for _ in range(2))
    return content[:end] + content[start : min(end, start + 100_000)] + content[end:]


def _whole(rng: random.Random, _: bytes) -> bytes:
    return rng.choice(TEXTS)


def _line(rng: random.Random, content: bytes) -> bytes:
    """A line of text, or a value of YAML or JSON on it, replaced."""
    lines = content.split(b"\n")
    at = rng.randrange(len(lines))
    try:
        lines[at] = _json(rng, lines[at])
        return b"\n".join(lines)
    except ValueError:
        pass
    key, colon, _ = lines[at].partition(b":")
    weird = json.dumps(rng.choice(WEIRD)).encode()
    lines[at] = rng.choice(
        (key + colon + b" " + weird, weird, rng.choice(TEXTS), lines[at] + lines[at - 1], b"", b"- - -")
    )
    return b"\n".join(lines)


def _json(rng: random.Random, content: bytes) -> bytes:
    """A value somewhere in JSON replaced, removed, renamed, or nested deeply."""
    value = json.loads(content)
    if not isinstance(value, dict | list) or not value:
        return rng.choice(TEXTS)
    where = value
    while True:
        key = rng.choice(list(where) if isinstance(where, dict) else range(len(where)))
        inner = where[key]
        if not isinstance(inner, dict | list) or not inner or rng.random() < 0.2:
            break
        where = inner
    way = rng.randrange(8)
    if way == 0:
        del where[key]
    elif way == 1 and isinstance(where, dict):
        where[str(key) + "x"] = where.pop(key)
    elif way == 2:
        where[key] = "\1"
        return json.dumps(value).encode().replace(b'"\\u0001"', b"[" * DEEP + b"]" * DEEP)
    elif way == 3 and isinstance(inner, int | float) and not isinstance(inner, bool):
        where[key] = rng.choice((-inner, inner + 1, inner * 1000, inner / 3, str(inner)))
    elif way == 4 and isinstance(where, dict):
        text = json.dumps(value)
        name = json.dumps(key) + ":"
        return text.replace(name, f"{name} 1, {name}", 1).encode()
    else:
        where[key] = rng.choice(WEIRD)
    return json.dumps(value, ensure_ascii=rng.random() < 0.5).encode("utf-8", "surrogatepass")


def _member(rng: random.Random, content: bytes) -> bytes:
    """A part of an archive, damaged inside (its checksum right), removed, or its stream damaged."""
    sink = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as new:
        names = old.namelist()
        chosen = rng.choice(
            [name for name in names if "sheet" in name or "shared" in name or "styles" in name] or names
        )
        for name in names:
            part = old.read(name)
            if name == chosen:
                if rng.random() < 0.1:
                    continue
                part = rng.choice((_bits, _cut, _bytes, _twice, _xml, _xml))(rng, part)
            new.writestr(zipfile.ZipInfo(name), part, zipfile.ZIP_DEFLATED)
    made = sink.getvalue()
    return _bits(rng, made) if rng.random() < 0.3 else made


def _xml(rng: random.Random, content: bytes) -> bytes:
    """An attribute or a number in XML replaced."""
    pieces = content.split(b'"')
    if len(pieces) > 2:
        pieces[rng.randrange(1, len(pieces), 2)] = rng.choice(
            (
                b"",
                b"x",
                b"-1",
                b"99999999999",
                b"1e999",
                b"nan",
                b"A0",
                b"ZZZZZZ99999999",
                b"e",
                b"d",
                b"s",
                b"b",
                b"n",
                b"str",
            )
        )
    return b'"'.join(pieces)
