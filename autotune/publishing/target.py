"""Where a push goes, and whether the Hub would let it: asked before training and before sending."""

import os
from dataclasses import dataclass
from typing import Any

from huggingface_hub import HfApi, get_token
from huggingface_hub.errors import RepositoryNotFoundError

from autotune.config.enums import Visibility
from autotune.config.rules.hub import slug
from autotune.config.schema import HubConfig
from autotune.errors import HubError, format_override, listing
from autotune.publishing.client import LOGIN, call_with_retries


@dataclass(frozen=True)
class Target:
    """A repository that may be written to."""

    repo: str
    """OWNER/NAME."""
    user: str
    exists: bool
    private: bool
    """What it is, or will be."""
    head: str | None = None
    """Commit that the revision is at; None where it does not exist yet."""
    tagged: str | None = None
    """Commit of the tag that is wished for; None where there is none yet."""


def offline() -> bool:
    """Whether this process has been told not to ask the Hub."""
    return os.environ.get("HF_HUB_OFFLINE") == "1"


def find(wish: HubConfig, run: str) -> Target:
    """Asks the Hub who we are and what stands where the push would go; nothing is written.

    Args:
        wish: the section `hub`; its visibility is private or public.
        run: name of the run, which names the repository where nobody did.

    Raises:
        HubError: there is no token, it may not write there, a public repository stands where a private one was
            wished for, the tag is on another commit, or the Hub cannot be reached.
    """
    if offline():
        raise HubError(
            "the Hub cannot be asked", where="hub", found="offline", fix="hub.when_offline=queue, or hub=none"
        )  # fmt: skip
    if get_token() is None:
        raise HubError("there is no token, and without one nothing can be pushed", where="hub", fix=LOGIN)
    api = HfApi()
    me: dict[str, Any] = _ask(lambda: api.whoami(cache=True), "asking who we are", "token", wish)
    repo = _repo(wish, run, me)
    if me.get("auth", {}).get("accessToken", {}).get("role") == "read":
        raise HubError("the token may only read", where="token", found=f"that of {me['name']}",
                       fix=f"{LOGIN}, with a token that may write")  # fmt: skip
    info = _ask(lambda: _info(api, repo), "asking for the repository", f"hub.repo={repo}", wish)
    if info is None:
        return Target(repo, me["name"], exists=False, private=wish.visibility is Visibility.private)
    if not info.private and wish.visibility is Visibility.private:
        raise HubError(
            "the repository is public, and what is pushed there everybody may see",
            where=f"hub.repo={repo}",
            fix="hub=public (autotune push RUN --public), or another hub.repo",
        )
    _ask(lambda: api.auth_check(repo, write=True), "asking for the right to write", f"hub.repo={repo}", wish)
    refs = _ask(lambda: api.list_repo_refs(repo), "asking for branches and tags", f"hub.repo={repo}", wish)
    heads = {one.name: one.target_commit for one in refs.branches}
    tags = {one.name: one.target_commit for one in refs.tags}
    head = heads.get(wish.revision)
    return Target(
        repo, me["name"], exists=True, private=bool(info.private), head=head,
        tagged=tags.get(wish.tag) if wish.tag is not None else None,
    )  # fmt: skip


def tag_taken(repo: str, tag: str, commit: str) -> HubError:
    """What is said where a tag is on another commit."""
    return HubError(
        "there is such a tag on another commit, and tags stay where they are",
        where=f"hub.tag={tag}",
        found=f"{repo} at {commit}",
        fix="another hub.tag",
    )


def _ask(act: Any, what: str, where: str, wish: HubConfig) -> Any:
    return call_with_retries(act, what=what, where=where, patience=wish.patience)


def _info(api: HfApi, repo: str) -> Any:
    """What is known of the repository; None where there is none that we may see."""
    try:
        return api.model_info(repo)
    except RepositoryNotFoundError:
        return None


def _repo(wish: HubConfig, run: str, me: dict[str, Any]) -> str:
    """OWNER/NAME, the owner being somebody for whom we may write.

    Raises:
        HubError: it is somebody else.
    """
    owner, _, name = (wish.repo or slug(run)).rpartition("/")
    owners = [me["name"], *(one["name"] for one in me.get("orgs", ()))]
    if owner and owner not in owners:
        raise HubError(
            f"{me['name']} does not write for {owner}",
            where=f"hub.repo={wish.repo}",
            found=f"the token writes for {listing(owners)}",
            fix=format_override("hub.repo", f"{me['name']}/{name}"),
        )
    return f"{owner or me['name']}/{name}"
