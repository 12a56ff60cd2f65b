"""Rules for publishing: a repository that the Hub accepts, and consistent keys."""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence

from autotune.config.enums import Offline, Quantization, Visibility, WhenOffline
from autotune.config.hub import HubConfig
from autotune.config.rules.addresses import hub_address
from autotune.config.rules.licenses import LICENSES
from autotune.config.schema import RunConfig
from autotune.errors import AutotuneError, ConfigError, format_override, nearest

NAME_PART = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9_])?")
MAX_ID_LENGTH = 96
"""Maximal characters of the id of a repository, including the owner."""
BRANCH = re.compile(r"(?!.*(?:\.\.|//|@\{))[A-Za-z0-9][\w./-]*(?<![./])(?<!\.lock)", re.ASCII)


def push_keys(config: RunConfig) -> Iterator[AutotuneError]:
    """Checks that keys of a push are only set if there is one, and that they fit each other and the model."""
    hub = config.hub
    if hub.visibility is Visibility.none:
        defaults = HubConfig()
        keys_set = [key for key in ("repo", "tag", "create_pr", "adapter_only", "revision", "when_offline", "every",
                                  "overwrite_card")
                 if getattr(hub, key) != getattr(defaults, key)]  # fmt: skip
        if keys_set:
            yield ConfigError(
                "hub.* keys are set, but hub=none",
                where=", ".join(f"hub.{key}" for key in keys_set),
                found="hub=none",
                fix="hub=private, or hub=public",
            )
        return
    yield from push_target(hub)
    offline = hub.offline is Offline.always or config.bundle is not None
    if offline and hub.when_offline is WhenOffline.refuse:
        yield ConfigError(
            "a run that works offline cannot be pushed",
            where="hub.offline" if config.bundle is None else f"bundle={config.bundle}",
            found=f"always, with hub={hub.visibility}",
            fix="hub.when_offline=queue leaves it for autotune push RUN; or hub=none",
        )
    if hub.adapter_only and config.peft is None:
        yield ConfigError(
            "there is no adapter to push", where="hub.adapter_only", found="peft=none", fix="peft=lora"
        )  # fmt: skip
    if hub.every is not None and hub.create_pr:
        yield ConfigError(
            "intermediate weights go to a branch, not into a pull request",
            where="hub.every",
            found=f"{hub.every}, with hub.create_pr=true",
            fix="hub.create_pr=false, or hub.every=null",
        )
    if (
        hub.every is not None
        and config.peft is not None
        and config.peft.quantization is not Quantization.none
    ):
        yield ConfigError(
            "a copy of a quantized base model cannot be merged beside training",
            where="hub.every",
            found=f"{hub.every}, with peft.quantization={config.peft.quantization}",
            fix="hub.every=null, or peft.quantization=none",
        )
    local = config.model.tiny is not None or (config.model.name_or_path or "").startswith((".", "/", "~"))
    if local and config.peft is not None and (hub.adapter_only or not config.peft.merge):
        yield ConfigError(
            "the adapter alone is useless to others: its base model is only on this machine",
            where="hub.adapter_only" if hub.adapter_only else "peft.merge",
            found=f"hub={hub.visibility} with a base model that is not on the Hub",
            fix="hub.adapter_only=false peft.merge=true pushes the merged model",
        )


def distinct_push_targets(configs: Sequence[RunConfig]) -> Iterator[AutotuneError]:
    """Checks that the runs of a sweep do not overwrite each other on the Hub."""
    targets = Counter(
        (config.hub.repo, config.hub.revision)
        for config in configs
        if config.hub.visibility is not Visibility.none and config.hub.repo and not config.hub.create_pr
    )
    for (repo, revision), count in targets.items():
        if count > 1:
            yield ConfigError(
                f"{count} runs of the sweep would be pushed to the same place, one over the other",
                where="hub.repo",
                found=f"{repo}, {revision}",
                fix="hub.repo=null names each after its run; or 'hub.revision=seed-${seed}'",
            )


def push_target(hub: HubConfig) -> Iterator[AutotuneError]:
    """Checks the target of a push without network access."""
    page = hub_address(hub.repo or "")
    if hub.repo is not None and page is not None:
        yield ConfigError(
            "this is the address of a page; a repository is named by its id",
            where="hub.repo",
            found=hub.repo,
            fix=format_override("hub.repo", page.id),
        )
    elif hub.repo is not None and not is_valid_repo(hub.repo):
        yield ConfigError(
            "the Hub does not accept such a name: letters a to z, digits, - _ . and one / behind the owner, "
            f"{MAX_ID_LENGTH} characters at most, neither -- nor ..",
            where="hub.repo",
            found=hub.repo,
            fix=format_override("hub.repo", "/".join(map(slug, hub.repo.split("/")[:2]))),
        )
    if hub.license is not None and hub.license not in LICENSES:
        near = nearest(hub.license, LICENSES)
        yield ConfigError(
            "the Hub has no such licence identifier",
            where="hub.license",
            found=hub.license,
            fix=format_override("hub.license", near)
            if near
            else "hub.license=other, or one of https://hf.co/docs/hub/repositories-licenses",
        )
    for key in ("revision", "tag"):
        name = getattr(hub, key)
        if name is not None and not BRANCH.fullmatch(name):
            yield ConfigError(
                f"this cannot be the name of a {'branch' if key == 'revision' else 'tag'}",
                where=f"hub.{key}",
                found=name,
                fix=f"hub.{key}=v1",
            )
    if hub.create_pr and (hub.revision != "main" or hub.tag is not None):
        yield ConfigError(
            "a pull request goes to main, and its commits are not tagged",
            where="hub.create_pr",
            found=f"hub.revision={hub.revision}, hub.tag={hub.tag or 'null'}",
            fix="hub.create_pr=false, or hub.revision=main hub.tag=null",
        )


def is_valid_repo(repo: str) -> bool:
    """Whether the Hub accepts the id of a repository, NAME or OWNER/NAME."""
    parts = repo.split("/")
    has_forbidden = any(sign in repo for sign in ("--", "..")) or repo.endswith(".git")
    return (
        len(parts) <= 2
        and len(repo) <= MAX_ID_LENGTH
        and not has_forbidden
        and all(map(NAME_PART.fullmatch, parts))
    )


def slug(name: str) -> str:
    """Returns a similar name that the Hub accepts: avaliações (1) becomes avaliacoes_1."""
    ascii_name = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    cleaned = re.sub(r"([-.])\1+", r"\1", re.sub(r"[^\w.-]+", "_", ascii_name))
    return cleaned[: MAX_ID_LENGTH // 2].strip("-._").removesuffix(".git") or "model"
