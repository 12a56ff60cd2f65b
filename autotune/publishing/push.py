"""Sends a finished run to the Hub in one commit that holds all files; repeating a push changes nothing."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import file_digest, sha1, sha256
from pathlib import Path
from typing import Any, TypeVar

from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi
from huggingface_hub.errors import EntryNotFoundError, HfHubHTTPError

from autotune.config.enums import Visibility
from autotune.config.hub import HubConfig
from autotune.errors import HubError, listing
from autotune.publishing.card.merge import merged
from autotune.publishing.client import call_with_retries
from autotune.publishing.files import CARD, RECORD, Content, is_managed_file
from autotune.publishing.target import Target, find, tag_taken

logger = logging.getLogger(__name__)

Response = TypeVar("Response")

CONFLICT = 409


@dataclass(frozen=True)
class Pushed:
    """The result of a push."""

    repo: str
    revision: str
    commit: str
    url: str
    private: bool
    changed: bool
    """False if the Hub already had all files."""
    pull_request: int | None = None


def push(hub_config: HubConfig, run: str, contents: Callable[[str], Mapping[str, Content]]) -> Pushed:
    """Sends files to a repository, creates the repository if necessary, and verifies that the files arrived.

    All files are in one commit, so downloads get either the old files or the new ones. The same commit removes
    outdated files of earlier pushes; files that autotune does not manage are kept.

    Args:
        hub_config: the section `hub`.
        run: name of the run.
        contents: takes the repository's id and returns the files by their path in the repository.

    Raises:
        HubError: the push failed; the next push does not send files again that have already arrived.
    """
    target = find(hub_config, run)
    sender = _Sender(hub_config, target)
    files = dict(contents(target.repo))
    sender.prepare()
    pull_request = sender.open_pull_request(run) if hub_config.create_pr else None
    revision = f"refs/pr/{pull_request}" if pull_request is not None else hub_config.revision
    previous = sender.head(revision)
    # A pull request that is not open yet will start from main, so its card is merged with the one on main.
    files[CARD] = sender.merge_card(files[CARD], previous or sender.head("main"))
    commit, opened = sender.commit(
        files, run, revision, new_pull_request=hub_config.create_pr and pull_request is None
    )
    pull_request = opened if opened is not None else pull_request
    sender.verify(files, commit)
    # Tagged last: a tag never points to a commit that was not verified.
    if hub_config.tag is not None:
        sender.tag(commit)
    repo_url = f"{sender.api.endpoint}/{target.repo}"
    return Pushed(
        target.repo,
        revision if pull_request is None else f"refs/pr/{pull_request}",
        commit,
        repo_url if pull_request is None else f"{repo_url}/discussions/{pull_request}",
        target.private,
        changed=opened is not None or commit != previous,
        pull_request=pull_request,
    )


class _Sender:
    """The steps of a push; each is safe to repeat."""

    def __init__(self, hub_config: HubConfig, target: Target) -> None:
        self.api, self.hub_config, self.target = HfApi(), hub_config, target
        self.repo = target.repo

    def _call(self, request: Callable[[], Response], what: str) -> Response:
        where, patience = f"hub.repo={self.repo}", self.hub_config.patience
        return call_with_retries(request, what=what, where=where, patience=patience)

    def prepare(self) -> None:
        """Creates repository and branch if they do not exist.

        Raises:
            HubError: the new repository is public although a private one was requested, or a request failed.
        """
        private, revision = self.hub_config.visibility is Visibility.private, self.hub_config.revision
        if not self.target.exists:
            self._create(
                lambda: self.api.create_repo(self.repo, private=private),
                lambda: self.api.repo_exists(self.repo),
                "creating the repository",
            )
            # Check before anything is sent: the Hub may have created a public repository all the same.
            if (
                private
                and not self._call(lambda: self.api.model_info(self.repo), "reading the repository").private
            ):
                raise HubError(
                    "the repository should be private, but the Hub made it public",
                    where=f"hub.repo={self.repo}",
                    fix="make it private in its settings",
                )
        if self.head(revision) is None:
            self._create(
                lambda: self.api.create_branch(self.repo, branch=revision),
                lambda: revision in [branch.name for branch in self.api.list_repo_refs(self.repo).branches],
                "creating the branch",
            )

    def _create(self, create: Callable[[], object], exists: Callable[[], bool], what: str) -> None:
        """Creates something that may already exist, because the response to an earlier try was lost.

        Not the client's own `exist_ok`: it treats every conflict as success and fails on a response without a URL.
        """

        def request() -> None:
            try:
                create()
            except HfHubHTTPError as error:
                if error.response.status_code != CONFLICT or not exists():
                    raise

        self._call(request, what)

    def head(self, revision: str) -> str | None:
        """Returns the commit of a branch or pull request; None if it does not exist."""
        refs = self._call(
            lambda: self.api.list_repo_refs(self.repo, include_pull_requests=True), "listing branches"
        )  # fmt: skip
        commits = {branch.name: branch.target_commit for branch in refs.branches}
        commits |= {pull_request.ref: pull_request.target_commit for pull_request in refs.pull_requests or ()}
        return commits.get(revision)

    def open_pull_request(self, run: str) -> int | None:
        """Returns the number of the open pull request that an earlier push of this run created, if any."""
        pull_requests = self._call(
            lambda: list(
                self.api.get_repo_discussions(
                    self.repo,
                    author=self.target.user,
                    discussion_type="pull_request",
                    discussion_status="open",
                )
            ),
            "listing pull requests",
        )
        title = _commit_title(run)
        return next((pull_request.num for pull_request in pull_requests if pull_request.title == title), None)

    def merge_card(self, ours: Content, commit: str | None) -> bytes:
        """Returns our card, merged with what people have added to the card on the Hub.

        Raises:
            HubError: they have edited our part.
        """
        assert isinstance(ours, bytes), "it is made for the push"

        def download() -> str | None:
            try:
                path = self.api.hf_hub_download(self.repo, CARD, revision=commit)
            except EntryNotFoundError:
                return None
            return Path(path).read_text("utf-8")

        theirs = self._call(download, "reading the model card")
        if theirs is None:
            return ours
        where, overwrite = f"hub.repo={self.repo}", self.hub_config.overwrite_card
        return merged(ours.decode(), theirs, where=where, overwrite=overwrite).encode()

    def commit(
        self, files: Mapping[str, Content], run: str, revision: str, *, new_pull_request: bool
    ) -> tuple[str, int | None]:
        """Commits all files; returns the commit and the number of the pull request that it opened, if any."""
        stale = [] if new_pull_request else self._stale_files(files, revision)

        def send() -> Any:
            # Create the operations for each try: the client refuses to commit the same objects again.
            adds = [
                CommitOperationAdd(path, content if isinstance(content, bytes) else str(content))
                for path, content in files.items()
            ]
            removals = [CommitOperationDelete(path) for path in stale]
            return self.api.create_commit(
                self.repo,
                [*adds, *removals],
                commit_message=_commit_title(run),
                revision=revision,
                create_pr=new_pull_request,
            )

        done = self._call(send, "uploading the model")
        return str(done.oid), int(done.pr_num) if done.pr_num is not None else None

    def _stale_files(self, files: Mapping[str, Content], revision: str) -> list[str]:
        """Returns the files of an earlier push that are not in this one."""
        paths = self._call(
            lambda: self.api.list_repo_files(self.repo, revision=revision), "listing the files"
        )
        # Without autotune.json the repository is not from a push, and its files belong to the user.
        return (
            [path for path in paths if is_managed_file(path) and path not in files] if RECORD in paths else []
        )

    def verify(self, files: Mapping[str, Content], commit: str) -> None:
        """Compares the files of a commit on the Hub with those that were sent.

        Raises:
            HubError: a file is missing or differs.
        """
        info = self._call(
            lambda: self.api.model_info(self.repo, revision=commit, files_metadata=True),
            "checking the result",
        )
        remote = {file.rfilename: file for file in info.siblings or ()}
        wrong = [
            path
            for path, content in files.items()
            if path not in remote or not _same_content(content, remote[path])
        ]
        if wrong:
            raise HubError(
                "the Hub does not have the files that were sent",
                where=f"{self.repo} at {commit}",
                found=listing(sorted(wrong)),
            )

    def tag(self, commit: str) -> None:
        """Creates the tag on a commit.

        Raises:
            HubError: the tag exists on another commit.
        """
        name = str(self.hub_config.tag)

        def tagged_commit() -> str | None:
            refs = self.api.list_repo_refs(self.repo)
            return next((tag.target_commit for tag in refs.tags if tag.name == name), None)

        if self.target.tagged is None:
            self._create(
                lambda: self.api.create_tag(self.repo, tag=name, revision=commit),
                lambda: tagged_commit() is not None,
                "creating the tag",
            )
        tagged = self._call(tagged_commit, "reading the tag")
        if tagged != commit:
            raise tag_taken(self.repo, name, str(tagged))


def _commit_title(run: str) -> str:
    """Returns the message of the commit, which is also the title of the pull request."""
    return f"autotune: {run}"


def _same_content(content: Content, remote: Any) -> bool:
    """Whether a file on the Hub has the given content, by SHA-256 for LFS files, else by git's blob SHA-1."""
    if remote.lfs is not None and isinstance(content, Path):
        with content.open("rb") as file:
            return bool(file_digest(file, "sha256").hexdigest() == remote.lfs["sha256"])
    data = content if isinstance(content, bytes) else content.read_bytes()
    if remote.lfs is not None:
        return sha256(data).hexdigest() == str(remote.lfs["sha256"])
    return sha1(b"blob %d\0" % len(data) + data).hexdigest() == remote.blob_id
