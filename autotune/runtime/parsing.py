"""JSON and YAML from anybody: read within bounds, and refused in words instead of with whatever a parser raises.

Values come back as plain dicts, lists, texts and numbers that nest no deeper than `DEEPEST` and hold no cycle, so
that code which walks them needs no guards of its own.
"""

import json
import stat
from collections.abc import Hashable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import yaml

DEEPEST = 64
"""Levels of lists and objects; what people and programs write has fewer than ten."""
LARGEST = 50_000_000
"""Bytes of a file, or of a line where lines are read one by one."""
MOST_NODES = 200_000
"""Values of a YAML document once its aliases are written out; a few lines can stand for billions."""


class Unreadable(ValueError):
    """The text is not what its form demands, or exceeds the bounds; the message is for people."""


def read_bytes(path: Path) -> bytes:
    """The content of a regular file of at most `LARGEST` bytes.

    Raises:
        FileNotFoundError: there is no such file.
        PermissionError: it may not be read.
        Unreadable: it is no regular file, too large, or the system cannot read it.
    """
    with _open(path) as file:
        content = file.read(LARGEST + 1)
    if len(content) > LARGEST:
        raise Unreadable(f"it has more than {LARGEST:,} bytes")
    return content


def read_lines(path: Path) -> Iterator[bytes]:
    """The lines of a regular file; each of at most `LARGEST` bytes. Raises as `read_bytes` does."""
    with _open(path) as file:
        while line := file.readline(LARGEST + 1):
            if len(line) > LARGEST:
                raise Unreadable(f"a line has more than {LARGEST:,} bytes")
            yield line


@contextmanager
def _open(path: Path) -> Iterator[IO[bytes]]:
    try:
        if not stat.S_ISREG(path.stat().st_mode):  # opening a pipe would wait for somebody to write
            raise Unreadable("it is a folder or a device, not a file")
        with path.open("rb") as file:
            yield file
    except (FileNotFoundError, PermissionError):
        raise
    except OSError as error:
        raise Unreadable(error.strerror or str(error)) from error


def text_of(content: bytes) -> str:
    """UTF-8 text.

    Raises:
        Unreadable: it is not.
    """
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Unreadable(
            f"it is not UTF-8 text: byte {error.start} is 0x{content[error.start]:02x}"
        ) from error


def parse_json(text: str, *, nan: bool = False, twice: bool = False) -> Any:
    """The value of a JSON text.

    Args:
        text: one JSON value.
        nan: whether NaN and Infinity are numbers; JSON has none, but Python writes them.
        twice: whether a key may occur twice in an object, of which the last counts.

    Raises:
        Unreadable: it is no JSON, an object has a key twice, or it nests too deeply.
    """
    try:
        value = json.loads(
            text,
            object_pairs_hook=None if twice else _object,
            parse_constant=None if nan else _refuse_constant,
        )
    except RecursionError as error:
        raise _too_deep() from error
    except Unreadable:
        raise
    except ValueError as error:  # of which some are of numbers with more than 4300 digits
        raise Unreadable(f"it is no JSON: {error}") from error
    refuse_depth(value)
    return value


def refuse_depth(value: Any) -> None:
    """Raises Unreadable where lists and objects nest deeper than `DEEPEST`."""
    level: list[Any] = [value]
    for _ in range(DEEPEST + 1):
        level = [
            inner
            for outer in level
            if isinstance(outer, dict | list)
            for inner in (outer.values() if isinstance(outer, dict) else outer)
        ]
        if not level:
            return
    raise _too_deep()


def parse_yaml(text: str) -> Any:
    """The value of a YAML document, without tags that build objects.

    Raises:
        Unreadable: it is no YAML, a mapping has a key twice, it nests too deeply, an alias contains itself or
            aliases stand for too much.
    """
    try:
        loader = _ShallowLoader(text)
        root = loader.get_single_node()
        if root is None:
            return None
        _size(root, {})
        value = loader.construct_document(root)
    except yaml.YAMLError as error:
        raise Unreadable(f"it is no YAML: {_one_line(error)}") from error
    except (ValueError, TypeError, KeyError, OverflowError, AttributeError, IndexError) as error:
        # 2024-13-45 and its like: the constructors of dates, numbers and sets trust their patterns.
        if isinstance(error, Unreadable):
            raise
        raise Unreadable(f"it holds a value that is none: {error}") from error
    refuse_depth(value)
    return value


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        raise _twice(name for name, _ in pairs)
    return made


def _twice(names: Iterable[Hashable]) -> Unreadable:
    seen: set[Hashable] = set()
    for name in names:
        if name in seen:
            return Unreadable(f"the key {str(name)[:80]!r} occurs twice")
        seen.add(name)
    raise AssertionError("called where one occurs twice")


def _refuse_constant(name: str) -> Any:
    raise Unreadable(f"it holds {name}, which is not a JSON number")


def _too_deep() -> Unreadable:
    return Unreadable(f"it nests more than {DEEPEST} levels of lists and objects")


class _ShallowLoader(yaml.SafeLoader):
    """Counts the levels while it reads, so that what nests too deeply ends before Python's own stack does."""

    _depth = 0

    def get_event(self) -> yaml.Event:
        event = super().get_event()
        if isinstance(event, yaml.CollectionStartEvent):
            self._depth += 1
            if self._depth > DEEPEST:
                raise _too_deep()
        elif isinstance(event, yaml.CollectionEndEvent):
            self._depth -= 1
        return event


def _size(node: yaml.Node, known: dict[int, int | None]) -> int:
    """Values below a node with aliases written out; nodes that are being counted are None in `known`."""
    if id(node) in known:
        size = known[id(node)]
        if size is None:
            raise Unreadable("an alias stands inside of what it stands for")
        return size
    known[id(node)] = None
    size = 1
    if isinstance(node, yaml.MappingNode):
        names = [(key.tag, key.value) for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
        if len(set(names)) < len(names):
            raise _twice(name for _, name in names)
        size += sum(_size(key, known) + _size(value, known) for key, value in node.value)
    elif isinstance(node, yaml.SequenceNode):
        size += sum(_size(inner, known) for inner in node.value)
    if size > MOST_NODES:
        raise Unreadable(f"its aliases stand for more than {MOST_NODES:,} values")
    known[id(node)] = size
    return size


def _one_line(error: yaml.YAMLError) -> str:
    """What PyYAML says, with the line and without the excerpt."""
    mark = getattr(error, "problem_mark", None)
    at = f", line {mark.line + 1}" if mark is not None else ""
    parts = [getattr(error, name, None) for name in ("context", "problem")]
    return f"{', '.join(filter(None, parts)) or str(error).splitlines()[0]}{at}"
