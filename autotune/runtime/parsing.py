"""Parses untrusted JSON and YAML within limits, and explains what is invalid instead of raising a parser's own errors.

Values are plain dicts, lists, texts and numbers that nest no deeper than `DEEPEST` and hold no cycle, so code that walks
them needs no checks of its own.
"""

import json
import stat
from collections.abc import Hashable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import yaml

DEEPEST = 64
"""Maximum levels of lists and objects; real files have fewer than ten."""
MAX_BYTES = 50_000_000
"""Maximum bytes of a file, or of a line if lines are read one by one."""
MAX_NODES = 200_000
"""Maximum values of a YAML document with its aliases expanded; a few lines can expand to billions."""


class Unreadable(ValueError):
    """The text is invalid or exceeds a limit; the message is for users."""


def read_bytes(path: Path) -> bytes:
    """Returns the content of a regular file of at most `MAX_BYTES` bytes.

    Raises:
        FileNotFoundError: there is no such file.
        PermissionError: the file may not be read.
        Unreadable: it is not a regular file, is too large, or the system cannot read it.
    """
    with _open(path) as file:
        content = file.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise Unreadable(f"it has more than {MAX_BYTES:,} bytes")
    return content


def read_lines(path: Path) -> Iterator[bytes]:
    """Yields the lines of a regular file, each of at most `MAX_BYTES` bytes. Raises the errors of `read_bytes`."""
    with _open(path) as file:
        while line := file.readline(MAX_BYTES + 1):
            if len(line) > MAX_BYTES:
                raise Unreadable(f"a line has more than {MAX_BYTES:,} bytes")
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
    """Decodes UTF-8 text.

    Raises:
        Unreadable: the content is not UTF-8.
    """
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Unreadable(
            f"it is not UTF-8 text: byte {error.start} is 0x{content[error.start]:02x}"
        ) from error


def parse_json(text: str, *, nan: bool = False, twice: bool = False) -> Any:
    """Parses a JSON text.

    Args:
        text: one JSON value.
        nan: whether NaN and Infinity are numbers; JSON has neither, but Python writes them.
        twice: whether a key may occur twice in an object; the last one counts.

    Raises:
        Unreadable: the text is not JSON, an object has a key twice, or it nests too deeply.
    """
    try:
        value = json.loads(
            text,
            object_pairs_hook=None if twice else _make_object,
            parse_constant=None if nan else _refuse_constant,
        )
    except RecursionError as error:
        raise _too_deep() from error
    except Unreadable:
        raise
    except ValueError as error:  # also for a number with more than 4300 digits
        raise Unreadable(f"it is not JSON: {error}") from error
    refuse_depth(value)
    return value


def refuse_depth(value: Any) -> None:
    """Raises Unreadable if lists and objects nest deeper than `DEEPEST`."""
    # Level by level and not recursively: the values may be deep enough to exhaust Python's stack.
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
    """Parses a YAML document; refuses tags that build objects.

    Raises:
        Unreadable: the text is not YAML, a mapping has a key twice, it nests too deeply, an alias contains itself, or
            aliases expand to too many values.
    """
    try:
        loader = _ShallowLoader(text)
        root = loader.get_single_node()
        if root is None:
            return None
        # Before construction, which would expand the aliases.
        _count_values(root, {})
        value = loader.construct_document(root)
    except yaml.YAMLError as error:
        raise Unreadable(f"it is not YAML: {_one_line(error)}") from error
    except (ValueError, TypeError, KeyError, OverflowError, AttributeError, IndexError) as error:
        # For example 2024-13-45: the constructors of dates, numbers and sets trust their patterns.
        if isinstance(error, Unreadable):
            raise
        raise Unreadable(f"it holds an invalid value: {error}") from error
    refuse_depth(value)
    return value


def _make_object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) < len(pairs):
        raise _duplicate_key(name for name, _ in pairs)
    return values


def _duplicate_key(names: Iterable[Hashable]) -> Unreadable:
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
    """Counts the levels as it reads, and stops before a deeply nested document exhausts Python's stack."""

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


def _count_values(node: yaml.Node, counts: dict[int, int | None]) -> int:
    """Counts the values below a node with aliases expanded; in `counts`, a node that is being counted is None."""
    if id(node) in counts:
        count = counts[id(node)]
        if count is None:
            raise Unreadable("an alias refers to itself")
        return count
    counts[id(node)] = None
    count = 1
    if isinstance(node, yaml.MappingNode):
        names = [(key.tag, key.value) for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
        if len(set(names)) < len(names):
            raise _duplicate_key(name for _, name in names)
        count += sum(_count_values(key, counts) + _count_values(value, counts) for key, value in node.value)
    elif isinstance(node, yaml.SequenceNode):
        count += sum(_count_values(inner, counts) for inner in node.value)
    if count > MAX_NODES:
        raise Unreadable(f"its aliases expand to more than {MAX_NODES:,} values")
    counts[id(node)] = count
    return count


def _one_line(error: yaml.YAMLError) -> str:
    """Returns PyYAML's message with the line number and without the excerpt."""
    mark = getattr(error, "problem_mark", None)
    line = f", line {mark.line + 1}" if mark is not None else ""
    parts = [getattr(error, name, None) for name in ("context", "problem")]
    return f"{', '.join(filter(None, parts)) or str(error).splitlines()[0]}{line}"
