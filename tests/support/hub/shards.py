"""Which objects the client's simulated xet store holds: read from its shards.

A shard is the list of files that one upload registers. After a header of 48 bytes come the files, each with a
header (its hash, flags, number of entries) and as many entries of 48 bytes, perhaps as many again to verify
them, and perhaps one more, whose first 32 bytes are the SHA-256. A header with a hash of ones ends the list.
Hashes stand as four little-endian numbers of 64 bits, and are written as these in hexadecimal.
"""

import struct
from collections.abc import Iterator
from pathlib import Path

ENTRY = 48
VERIFIED, WITH_SHA256 = 1 << 31, 1 << 30
END = b"\xff" * 32


def files(store: Path) -> dict[str, str]:
    """The store's own name of every file by its SHA-256."""
    return {sha256: name for shard in sorted(store.rglob("shards/*.mdb")) for sha256, name in _files(shard)}


def _files(shard: Path) -> Iterator[tuple[str, str]]:
    data, at = shard.read_bytes(), ENTRY
    while data[at : at + 32] != END:
        flags, entries = struct.unpack_from("<II", data, at + 32)
        name = _hexadecimal(data[at : at + 32])
        at += ENTRY * (1 + entries * (2 if flags & VERIFIED else 1))
        if flags & WITH_SHA256:
            yield _hexadecimal(data[at : at + 32]), name
            at += ENTRY


def _hexadecimal(data: bytes) -> str:
    return "".join(f"{number:016x}" for number in struct.unpack("<4Q", data))
