"""Sends a finished run to the Hub: one commit with all files, or none; the same push again changes nothing."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import file_digest, sha1, sha256
from pathlib import Path
from typing import Any, TypeVar

from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi
from huggingface_hub.errors import EntryNotFoundError, HfHubHTTPError

from autotune.config.enums import Visibility
from autotune.config.schema import HubConfig
from autotune.errors import HubError, listing
from autotune.publishing.card.merge import merged
from autotune.publishing.client import call_with_retries
from autotune.publishing.files import CARD, RECORD, Content, is_managed_file
from autotune.publishing.target import Target, find, tag_taken

logger = logging.getLogger(__name__)

Answer = TypeVar("Answer")

CONFLICT = 409


@dataclass(frozen=True)
class Pushed:
    """What stands on the Hub after a push."""

    repo: str
    revision: str
    commit: str
    url: str
    private: bool
    changed: bool
    """False where everything was there already."""
    pull_request: int | None = None


def push(wish: HubConfig, run: str, contents: Callable[[str], Mapping[str, Content]]) -> Pushed:
    """Puts files into a repository, which is made where there is none, and looks whether they arrived.

    All files are one commit: whoever downloads sees the old ones or the new ones. Files of an earlier push that are
    not among them are removed by the same commit; files of other people stay.

    Args:
        wish: the section `hub`.
        run: name of the run.
        contents: the files by their path in the repository, given the repository's id.

    Raises:
        HubError: it did not succeed; what arrived is not sent again by the next push.
    """
    target = find(wish, run)
    sender = _Sender(wish, target)
    files = dict(contents(target.repo))
    sender.prepare()
    pull = sender.open_pull_request(run) if wish.create_pr else None
    revision = f"refs/pr/{pull}" if pull is not None else wish.revision
    before = sender.head(revision)
    # A pull request that is yet to be opened begins with what main has.
    files[CARD] = sender.card(files[CARD], before or sender.head("main"))
    commit, opened = sender.commit(files, run, revision, new_pull=wish.create_pr and pull is None)
    pull = opened if opened is not None else pull
    sender.compare(files, commit)
    if wish.tag is not None:
        sender.tag(commit)
    url = f"{sender.api.endpoint}/{target.repo}"
    where = f"{url}/discussions/{pull}" if pull is not None else url
    changed = opened is not None or commit != before
    return Pushed(target.repo, f"refs/pr/{pull}" if pull is not None else revision, commit, where,
                  target.private, changed, pull)  # fmt: skip


class _Sender:
    """The steps of a push; each may be done twice."""

    def __init__(self, wish: HubConfig, target: Target) -> None:
        self.api, self.wish, self.target = HfApi(), wish, target
        self.repo = target.repo

    def _ask(self, act: Callable[[], Answer], what: str) -> Answer:
        return call_with_retries(act, what=what, where=f"hub.repo={self.repo}", patience=self.wish.patience)

    def prepare(self) -> None:
        """Repository and branch are there, and nobody sees what was meant to be private.

        Raises:
            HubError: the repository became public, or the Hub refuses.
        """
        private, revision = self.wish.visibility is Visibility.private, self.wish.revision
        if not self.target.exists:
            self._make(
                lambda: self.api.create_repo(self.repo, private=private),
                lambda: self.api.repo_exists(self.repo),
                "making the repository",
            )
            if private and not self._ask(lambda: self.api.model_info(self.repo), "looking at it").private:
                raise HubError(
                    "the repository was to be private, and the Hub made it public",
                    where=f"hub.repo={self.repo}",
                    fix="make it private in its settings",
                )
        if self.head(revision) is None:
            self._make(
                lambda: self.api.create_branch(self.repo, branch=revision),
                lambda: revision in [one.name for one in self.api.list_repo_refs(self.repo).branches],
                "making the branch",
            )

    def _make(self, make: Callable[[], object], there: Callable[[], bool], what: str) -> None:
        """Makes what may be there already: by us, when an answer was lost.

        The client's own `exist_ok` takes every conflict for that, and trips over one without an address.
        """

        def act() -> None:
            try:
                make()
            except HfHubHTTPError as error:
                if error.response.status_code != CONFLICT or not there():
                    raise

        self._ask(act, what)

    def head(self, revision: str) -> str | None:
        """Commit that a branch or pull request is at; None where there is none."""
        refs = self._ask(
            lambda: self.api.list_repo_refs(self.repo, include_pull_requests=True), "asking for branches"
        )  # fmt: skip
        named = {one.name: one.target_commit for one in refs.branches}
        return (named | {one.ref: one.target_commit for one in refs.pull_requests or ()}).get(revision)

    def open_pull_request(self, run: str) -> int | None:
        """Number of our own pull request for this run that is still open."""
        found = self._ask(
            lambda: list(
                self.api.get_repo_discussions(
                    self.repo,
                    author=self.target.user,
                    discussion_type="pull_request",
                    discussion_status="open",
                )
            ),
            "asking for pull requests",
        )
        return next((one.num for one in found if one.title == _title(run)), None)

    def card(self, ours: Content, commit: str | None) -> bytes:
        """Our card, together with what people have written in the one that is there.

        Raises:
            HubError: they have edited our part.
        """
        assert isinstance(ours, bytes), "it is made for the push"

        def there() -> str | None:
            try:
                path = self.api.hf_hub_download(self.repo, CARD, revision=commit)
            except EntryNotFoundError:
                return None
            return Path(path).read_text("utf-8")

        theirs = self._ask(there, "looking at the model card")
        if theirs is None:
            return ours
        where, overwrite = f"hub.repo={self.repo}", self.wish.overwrite_card
        return merged(ours.decode(), theirs, where=where, overwrite=overwrite).encode()

    def commit(
        self, files: Mapping[str, Content], run: str, revision: str, *, new_pull: bool
    ) -> tuple[str, int | None]:
        """The commit at which all files stand, and the number of the pull request that it opened, if any."""
        stale = [] if new_pull else self._stale(files, revision)

        def send() -> Any:
            # New operations for each try: those that were committed may not be used again.
            adds = [
                CommitOperationAdd(path, content if isinstance(content, bytes) else str(content))
                for path, content in files.items()
            ]
            removals = [CommitOperationDelete(path) for path in stale]
            return self.api.create_commit(
                self.repo,
                [*adds, *removals],
                commit_message=_title(run),
                revision=revision,
                create_pr=new_pull,
            )

        done = self._ask(send, "sending the model")
        return str(done.oid), int(done.pr_num) if done.pr_num is not None else None

    def _stale(self, files: Mapping[str, Content], revision: str) -> list[str]:
        """Files of an earlier push of ours that this one does not have."""
        there = self._ask(
            lambda: self.api.list_repo_files(self.repo, revision=revision), "asking for the files"
        )
        return (
            [path for path in there if is_managed_file(path) and path not in files] if RECORD in there else []
        )

    def compare(self, files: Mapping[str, Content], commit: str) -> None:
        """What the Hub holds is what was sent.

        Raises:
            HubError: it is not.
        """
        info = self._ask(
            lambda: self.api.model_info(self.repo, revision=commit, files_metadata=True),
            "looking at the result",
        )
        there = {one.rfilename: one for one in info.siblings or ()}
        wrong = [
            path for path, content in files.items() if path not in there or not _same(content, there[path])
        ]
        if wrong:
            raise HubError(
                "the Hub does not hold what was sent",
                where=f"{self.repo} at {commit}",
                found=listing(sorted(wrong)),
            )

    def tag(self, commit: str) -> None:
        """Puts the tag on the commit.

        Raises:
            HubError: it is on another one.
        """
        wanted = str(self.wish.tag)

        def tagged() -> str | None:
            refs = self.api.list_repo_refs(self.repo)
            return next((one.target_commit for one in refs.tags if one.name == wanted), None)

        if self.target.tagged is None:
            self._make(
                lambda: self.api.create_tag(self.repo, tag=wanted, revision=commit),
                lambda: tagged() is not None,
                "making the tag",
            )
        at = self._ask(tagged, "looking at the tag")
        if at != commit:
            raise tag_taken(self.repo, wanted, str(at))


def _title(run: str) -> str:
    return f"autotune: {run}"


def _same(content: Content, remote: Any) -> bool:
    """Whether a file of the Hub has these bytes: by SHA-256 in LFS, else by git's own SHA-1."""
    if remote.lfs is not None and isinstance(content, Path):
        with content.open("rb") as file:
            return bool(file_digest(file, "sha256").hexdigest() == remote.lfs["sha256"])
    data = content if isinstance(content, bytes) else content.read_bytes()
    if remote.lfs is not None:
        return sha256(data).hexdigest() == str(remote.lfs["sha256"])
    return sha1(b"blob %d\0" % len(data) + data).hexdigest() == remote.blob_id
