"""Repositories of the test Hub: real bytes by their SHA-256, commits, branches, tags and pull requests."""

import hashlib
import json
import os
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

LARGE = (".safetensors", ".bin", ".model", ".parquet", ".arrow", ".png", ".zip", ".pt")
"""Suffixes that a new repository's .gitattributes keeps in LFS."""
LARGEST_REGULAR = 10 * 1024 * 1024
"""Larger files go to LFS whatever their name: so says the Hub."""


@dataclass(frozen=True)
class File:
    """One version of a file."""

    sha256: str
    size: int
    blob: str
    """Git's SHA-1: of the content, or of the LFS pointer."""
    lfs: bool

    @property
    def oid(self) -> str:
        """What tells the client that a file has not changed."""
        return self.sha256 if self.lfs else self.blob


@dataclass(frozen=True)
class Commit:
    """One state of a repository."""

    oid: str
    parent: str | None
    title: str
    files: dict[str, File]


@dataclass
class PullRequest:
    """A pull request; its branch is refs/pr/<num>."""

    num: int
    title: str
    author: str
    status: str = "open"


@dataclass
class Repo:
    """A repository with everything that is asked of one."""

    id: str
    kind: str
    """models or datasets."""
    private: bool
    gated: bool = False
    commits: dict[str, Commit] = field(default_factory=dict)
    refs: dict[str, str] = field(default_factory=dict)
    """refs/heads/main, refs/tags/v1, refs/pr/1 -> commit."""
    pulls: list[PullRequest] = field(default_factory=list)
    created: str = field(default_factory=lambda: stamp())

    def resolve(self, revision: str) -> Commit | None:
        """The commit of a branch, tag, pull request or hash."""
        for name in (revision, f"refs/heads/{revision}", f"refs/tags/{revision}"):
            if name in self.refs:
                return self.commits[self.refs[name]]
        return self.commits.get(revision)

    def commit(self, ref: str, title: str, files: dict[str, File]) -> Commit:
        """Adds a commit on top of a ref."""
        parent = self.refs.get(ref)
        tree = json.dumps(
            [parent, title, len(self.commits), {path: files[path].blob for path in sorted(files)}]
        )
        oid = hashlib.sha1(f"{self.id}{tree}".encode()).hexdigest()
        commit = self.commits[oid] = Commit(oid, parent, title, files)
        self.refs[ref] = oid
        return commit

    def history(self, revision: str = "main") -> list[Commit]:
        """Commits of a revision, the newest first."""
        commits, oid = [], self.refs.get(f"refs/heads/{revision}", self.refs.get(revision))
        while oid is not None:
            commits.append(self.commits[oid])
            oid = commits[-1].parent
        return commits


class Store:
    """Objects on disk and repositories in memory."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.repos: dict[tuple[str, str], Repo] = {}
        (root / "objects").mkdir(parents=True, exist_ok=True)

    def clear(self) -> None:
        """Forgets all repositories and objects."""
        self.repos.clear()
        for file in (self.root / "objects").iterdir():
            file.unlink()

    def path(self, sha256: str) -> Path:
        """Where an object is, or would be."""
        return self.root / "objects" / sha256

    def has(self, sha256: str, size: int) -> bool:
        """Whether an object arrived whole."""
        path = self.path(sha256)
        return path.is_file() and path.stat().st_size == size

    def put(self, data: bytes) -> str:
        """Keeps bytes; returns their SHA-256."""
        sha256 = hashlib.sha256(data).hexdigest()
        beside = self.path(f".{sha256}")
        beside.write_bytes(data)
        os.replace(beside, self.path(sha256))
        return sha256

    def regular(self, data: bytes) -> File:
        """A file that git holds itself."""
        return File(self.put(data), len(data), blob_sha1(data), lfs=False)

    def large(self, sha256: str, size: int) -> File:
        """A file that git holds a pointer to."""
        pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{sha256}\nsize {size}\n"
        return File(sha256, size, blob_sha1(pointer.encode()), lfs=True)

    def create(self, kind: str, name: str, *, private: bool) -> Repo:
        """A repository with its first commit, as the Hub makes it."""
        repo = self.repos[kind, name] = Repo(name, kind, private)
        attributes = "".join(f"*{suffix} filter=lfs diff=lfs merge=lfs -text\n" for suffix in LARGE)
        repo.commit(
            "refs/heads/main", "initial commit", {".gitattributes": self.regular(attributes.encode())}
        )
        return repo

    def read(self, repo: str, path: str, revision: str = "main", kind: str = "models") -> bytes:
        """The bytes of a file, for tests to look at."""
        commit = self.repos[kind, repo].resolve(revision)
        assert commit is not None, revision
        return self.path(commit.files[path].sha256).read_bytes()


def goes_to_lfs(path: str, size: int) -> bool:
    """What preupload answers."""
    return path.endswith(LARGE) or size > LARGEST_REGULAR


def blob_sha1(data: bytes) -> str:
    """Git's name for a blob."""
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


def stamp() -> str:
    """A time as the Hub writes it."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")
