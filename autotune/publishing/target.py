"""Finds out where a push goes and whether the Hub permits it; called before training and before a push."""

import os
from dataclasses import dataclass
from typing import Any

from huggingface_hub import HfApi, get_token
from huggingface_hub.errors import RepositoryNotFoundError

from autotune.config.enums import Visibility
from autotune.config.hub import HubConfig
from autotune.config.rules.hub import slug
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
    """Whether the repository is private, or will be once it is created."""
    head: str | None = None
    """Commit of the revision; None if the revision does not exist yet."""
    tagged: str | None = None
    """Commit of the tag `hub.tag`; None if the tag does not exist yet."""


def offline() -> bool:
    """Whether this process is configured not to connect to the Hub."""
    return os.environ.get("HF_HUB_OFFLINE") == "1"


def find(hub_config: HubConfig, run: str) -> Target:
    """Looks up the Hub user and the repository that a push would write to; writes nothing.

    Args:
        hub_config: the section `hub`; its visibility is private or public.
        run: name of the run; the default name of the repository.

    Raises:
        HubError: there is no token, it has no permission to write there, the repository is public although a private
            one was requested, or the Hub cannot be reached.
    """
    if offline():
        raise HubError(
            "the Hub cannot be reached", where="hub", found="offline", fix="hub.when_offline=queue, or hub=none"
        )  # fmt: skip
    if get_token() is None:
        raise HubError("pushing needs a token, and none was found", where="hub", fix=LOGIN)
    api = HfApi()
    account: dict[str, Any] = _call(
        lambda: api.whoami(cache=True), "identifying the owner of the token", "token", hub_config
    )
    repo = _repo_id(hub_config, run, account)
    if account.get("auth", {}).get("accessToken", {}).get("role") == "read":
        raise HubError("the token is read-only", where="token", found=f"that of {account['name']}",
                       fix=f"{LOGIN}, with a token that may write")  # fmt: skip
    where, private = f"hub.repo={repo}", hub_config.visibility is Visibility.private
    info = _call(lambda: _repo_info(api, repo), "reading the repository", where, hub_config)
    if info is None:
        return Target(repo, account["name"], exists=False, private=private)
    if not info.private and private:
        raise HubError(
            "the repository is public: everybody can see what is pushed there",
            where=where,
            fix="hub=public (autotune push RUN --public), or another hub.repo",
        )
    _call(lambda: api.auth_check(repo, write=True), "checking write access", where, hub_config)
    refs = _call(lambda: api.list_repo_refs(repo), "listing branches and tags", where, hub_config)
    heads = {branch.name: branch.target_commit for branch in refs.branches}
    tags = {tag.name: tag.target_commit for tag in refs.tags}
    return Target(
        repo, account["name"], exists=True, private=bool(info.private), head=heads.get(hub_config.revision),
        tagged=tags.get(hub_config.tag) if hub_config.tag is not None else None,
    )  # fmt: skip


def tag_taken(repo: str, tag: str, commit: str) -> HubError:
    """Returns the error for a tag that exists on another commit."""
    return HubError(
        "the tag already exists on another commit, and tags are not moved",
        where=f"hub.tag={tag}",
        found=f"{repo} at {commit}",
        fix="another hub.tag",
    )


def _call(request: Any, what: str, where: str, hub_config: HubConfig) -> Any:
    return call_with_retries(request, what=what, where=where, patience=hub_config.patience)


def _repo_info(api: HfApi, repo: str) -> Any:
    """Returns the Hub's information about a repository; None if it does not exist or the token cannot see it."""
    try:
        return api.model_info(repo)
    except RepositoryNotFoundError:
        return None


def _repo_id(hub_config: HubConfig, run: str, account: dict[str, Any]) -> str:
    """Returns OWNER/NAME, where the owner is the user or one of their organizations.

    Raises:
        HubError: the configured owner is neither.
    """
    owner, _, name = (hub_config.repo or slug(run)).rpartition("/")
    owners = [account["name"], *(organization["name"] for organization in account.get("orgs", ()))]
    if owner and owner not in owners:
        raise HubError(
            f"{account['name']} does not write for {owner}",
            where=f"hub.repo={hub_config.repo}",
            found=f"the token writes for {listing(owners)}",
            fix=format_override("hub.repo", f"{account['name']}/{name}"),
        )
    return f"{owner or account['name']}/{name}"
