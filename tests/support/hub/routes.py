"""What the test Hub says about users and repositories, and how commits reach it."""

import base64
import json
from typing import Any
from urllib.parse import urlencode

from aiohttp import web

from tests.support.hub import metadata
from tests.support.hub.server import Refusal, TestHub, listed
from tests.support.hub.store import Commit, File, PullRequest, Repo, goes_to_lfs, stamp

REPO = "/api/{kind:models|datasets}/{owner}/{name}"


async def whoami(hub: TestHub, request: web.Request) -> web.Response:
    """GET /api/whoami-v2."""
    user = hub.who(request)
    if user is None:
        raise Refusal(401, "Unauthorized")
    return web.json_response(
        {
            "type": "user",
            "name": user["name"],
            "orgs": [{"type": "org", "name": name} for name in user["orgs"]],
            "auth": {"type": "access_token", "accessToken": {"displayName": "test", "role": user["role"]}},
        }
    )


async def create(hub: TestHub, request: web.Request) -> web.Response:
    """POST /api/repos/create."""
    user, given = hub.who(request), await request.json()
    if user is None:
        raise Refusal(401, "Unauthorized")
    owner, kind = given.get("organization") or user["name"], f"{given.get('type') or 'model'}s"
    if user["role"] != "write" or owner not in (user["name"], *user["orgs"]):
        raise Refusal(403, f'You don\'t have the rights to create a model under the namespace "{owner}"')
    name = f"{owner}/{given['name']}"
    answer = {"url": f"{hub.url}/{'datasets/' if kind == 'datasets' else ''}{name}", "name": name}
    if (kind, name) in hub.store.repos:
        return web.json_response({"error": "You already created this model repo", **answer}, status=409)
    hub.store.create(kind, name, private=given.get("visibility") == "private")
    return web.json_response(answer)


async def settings(hub: TestHub, request: web.Request) -> web.Response:
    """PUT settings: visibility and gate."""
    repo, given = hub.writable(request), await request.json()
    if "visibility" in given or "private" in given:
        repo.private = given.get("visibility", "") == "private" or bool(given.get("private"))
    return web.json_response({"private": repo.private})


async def auth_check(hub: TestHub, request: web.Request) -> web.Response:
    """GET auth-check, auth-check/write."""
    if request.match_info.get("right"):
        hub.writable(request)
    else:
        hub.readable(request)
    return web.json_response({})


async def info(hub: TestHub, request: web.Request) -> web.Response:
    """GET a repository, at a revision or main."""
    repo = hub.readable(request)
    commit = at(repo, request)
    found = (
        metadata.front_matter(hub.store.path(commit.files["README.md"].sha256))
        if "README.md" in commit.files
        else {}
    )
    return web.json_response(
        {
            "id": repo.id, "modelId": repo.id, "author": repo.id.split("/")[0], "sha": commit.oid,
            "private": repo.private, "gated": repo.gated, "disabled": False, "downloads": 0, "likes": 0,
            "lastModified": stamp(), "createdAt": repo.created, "cardData": found,
            "tags": listed(found.get("tags", [])), "pipeline_tag": found.get("pipeline_tag"),
            "library_name": found.get("library_name"),
            "siblings": [{"rfilename": path, **blob(file)} for path, file in commit.files.items()],
        }
    )  # fmt: skip


async def tree(hub: TestHub, request: web.Request) -> web.Response:
    """GET the files under a path; further pages are in Link."""
    repo = hub.readable(request)
    commit, under = at(repo, request), request.match_info.get("path", "").strip("/")
    entries = list(
        listing(hub, commit, under, deep=request.query.get("recursive", "").lower() in ("true", "1"))
    )
    start = int(request.query.get("cursor", 0))
    headers = {}
    if start + hub.page < len(entries):
        query = urlencode({**request.query, "cursor": start + hub.page})
        headers["Link"] = f'<{hub.url}{request.path}?{query}>; rel="next"'
    return web.json_response(entries[start : start + hub.page], headers=headers)


async def paths_info(hub: TestHub, request: web.Request) -> web.Response:
    """POST: the entries of given paths."""
    repo = hub.readable(request)
    commit, form = at(repo, request), await request.post()
    wanted = {str(path).strip("/") for path in form.getall("paths", [])}
    entries = [entry for entry in listing(hub, commit, "", deep=True) if entry["path"] in wanted]
    return web.json_response(entries)


async def refs(hub: TestHub, request: web.Request) -> web.Response:
    """GET branches and tags."""
    repo = hub.readable(request)
    named: dict[str, list[dict[str, str]]] = {"branches": [], "tags": [], "converts": [], "pullRequests": []}
    for ref, oid in repo.refs.items():
        kind, name = ref.removeprefix("refs/").split("/", 1)
        group = {"heads": "branches", "tags": "tags", "pr": "pullRequests"}[kind]
        named[group].append({"name": name, "ref": ref, "targetCommit": oid})
    return web.json_response(named)


async def history(hub: TestHub, request: web.Request) -> web.Response:
    """GET commits of a revision."""
    repo = hub.readable(request)
    at(repo, request)
    return web.json_response(
        [{"id": commit.oid, "title": commit.title, "message": "", "authors": [], "date": stamp()}
         for commit in repo.history(request.match_info["revision"])]
    )  # fmt: skip


async def tag(hub: TestHub, request: web.Request) -> web.Response:
    """POST a tag on a revision."""
    repo, given = hub.writable(request), await request.json()
    return named(repo, f"refs/tags/{given['tag']}", at(repo, request).oid)


async def branch(hub: TestHub, request: web.Request) -> web.Response:
    """POST a branch from a starting point."""
    repo, given = hub.writable(request), json.loads(await request.read() or b"{}")
    start = repo.resolve(given.get("startingPoint") or "main")
    if start is None:
        raise Refusal(404, "Invalid rev id", "RevisionNotFound")
    return named(repo, f"refs/heads/{request.match_info['revision']}", start.oid)


async def preupload(hub: TestHub, request: web.Request) -> web.Response:
    """POST names, samples and sizes: how each file is to be sent, and what stands there now."""
    repo, given = hub.writable(request), await request.json()
    there = at(repo, request).files
    answers = []
    for file in given["files"]:
        assert len(base64.b64decode(file["sample"])) == min(512, file["size"]), "the client's own sample"
        mode = "lfs" if goes_to_lfs(file["path"], file["size"]) else "regular"
        known = {"oid": there[file["path"]].oid} if file["path"] in there else {}
        answers.append({"path": file["path"], "uploadMode": mode, "shouldIgnore": False, **known})
    return web.json_response({"files": answers})


async def commit(hub: TestHub, request: web.Request) -> web.Response:
    """POST a commit as NDJSON: whole or not at all."""
    repo, base = hub.writable(request), at(hub.readable(request), request)
    lines = [json.loads(line) for line in (await request.read()).splitlines() if line.strip()]
    header = next(line["value"] for line in lines if line["key"] == "header")
    if header.get("parentCommit") not in (None, base.oid):
        raise Refusal(412, "A commit has happened since. Please refresh and try again.")
    files = dict(base.files)
    for line in lines:
        apply(hub, files, line["key"], line["value"])
    answer: dict[str, Any] = {}
    ref = next(ref for ref in (f"refs/heads/{request.match_info['revision']}", request.match_info["revision"])
               if ref in repo.refs)  # fmt: skip
    if request.query.get("create_pr"):
        pull = open_pull(hub, repo, request, header["summary"])
        ref = f"refs/pr/{pull.num}"
        answer["pullRequestUrl"] = f"{hub.url}/{repo.id}/discussions/{pull.num}"
    made = repo.commit(ref, header["summary"], files)
    return web.json_response(
        {
            "success": True,
            "commitOid": made.oid,
            "commitUrl": f"{hub.url}/{repo.id}/commit/{made.oid}",
            **answer,
        }
    )


async def discuss(hub: TestHub, request: web.Request) -> web.Response:
    """POST a new pull request."""
    repo, given = hub.writable(request), await request.json()
    return web.json_response({"num": open_pull(hub, repo, request, given["title"]).num})


async def discussions(hub: TestHub, request: web.Request) -> web.Response:
    """GET pull requests, by status and author."""
    repo, wanted = hub.readable(request), request.query
    found = [
        described(repo, pull)
        for pull in repo.pulls
        if wanted.get("status", "all") in ("all", pull.status)
        and wanted.get("author", pull.author) == pull.author
    ]
    return web.json_response({"count": len(found), "start": 0, "discussions": found})


async def discussion(hub: TestHub, request: web.Request) -> web.Response:
    """GET one pull request."""
    repo, num = hub.readable(request), int(request.match_info["num"])
    pull = next((pull for pull in repo.pulls if pull.num == num), None)
    if pull is None:
        raise Refusal(404, "No such discussion")
    extra = {"changes": {"base": "refs/heads/main"}, "filesWithConflicts": [], "events": [], "diff": ""}
    return web.json_response(described(repo, pull) | extra)


async def validate(hub: TestHub, request: web.Request) -> web.Response:
    """POST a card: complaints about its metadata."""
    found = metadata.errors((await request.json())["content"])
    answer = {"errors": [{"message": one} for one in found], "warnings": []}
    return web.json_response(answer, status=400 if found else 200)


def at(repo: Repo, request: web.Request) -> Commit:
    """The commit that a request names.

    Raises:
        Refusal: there is no such revision.
    """
    found = repo.resolve(request.match_info.get("revision", "main"))
    if found is None:
        raise Refusal(404, "Invalid rev id", "RevisionNotFound")
    return found


def apply(hub: TestHub, files: dict[str, File], key: str, value: dict[str, Any]) -> None:
    """One line of a commit.

    Raises:
        Refusal: an object that never arrived, or a line of no known kind.
    """
    if key == "file":
        assert value["encoding"] == "base64"
        files[value["path"]] = hub.store.regular(base64.b64decode(value["content"]))
    elif key == "lfsFile":
        assert value["algo"] == "sha256"
        if not hub.holds(value["oid"], value["size"]):
            raise Refusal(422, f"LFS object {value['oid']} of {value['path']} has not been uploaded")
        files[value["path"]] = hub.store.large(value["oid"], value["size"])
    elif key == "deletedFile":
        if files.pop(value["path"], None) is None:
            raise Refusal(404, "A file with this name doesn't exist", "EntryNotFound")
    elif key != "header":
        raise Refusal(400, f"unknown operation {key}")


def named(repo: Repo, ref: str, oid: str) -> web.Response:
    """Makes a ref.

    Raises:
        Refusal: it is there already.
    """
    if ref in repo.refs:
        raise Refusal(409, f"Reference {ref} already exists")
    repo.refs[ref] = oid
    return web.json_response({})


def open_pull(hub: TestHub, repo: Repo, request: web.Request, title: str) -> PullRequest:
    """A new pull request whose branch stands where main does."""
    user = hub.who(request)
    assert user is not None, "whoever writes is known"
    pull = PullRequest(len(repo.pulls) + 1, title, user["name"])
    repo.pulls.append(pull)
    repo.refs[f"refs/pr/{pull.num}"] = repo.refs["refs/heads/main"]
    return pull


def described(repo: Repo, pull: PullRequest) -> dict[str, Any]:
    """JSON of a pull request."""
    return {
        "num": pull.num, "title": pull.title, "status": pull.status, "isPullRequest": True, "createdAt": stamp(),
        "author": {"name": pull.author}, "repo": {"name": repo.id, "type": repo.kind.removesuffix("s")},
    }  # fmt: skip


def blob(file: File) -> dict[str, Any]:
    """What model_info says of a file."""
    lfs = {"lfs": {"sha256": file.sha256, "size": file.size, "pointerSize": 134}} if file.lfs else {}
    return {"size": file.size, "blobId": file.blob, **lfs}


def listing(hub: TestHub, commit: Commit, under: str, *, deep: bool) -> list[dict[str, Any]]:
    """Entries of a tree: files, and the folders that hold some."""
    prefix = f"{under}/" if under else ""
    entries: dict[str, dict[str, Any]] = {}
    for path, file in sorted(commit.files.items()):
        if not path.startswith(prefix):
            continue
        parts = path.removeprefix(prefix).split("/")
        for depth in range(1, len(parts) if deep else min(2, len(parts))):
            folder = prefix + "/".join(parts[:depth])
            entries[folder] = {"type": "directory", "path": folder, "oid": "0" * 40, "size": 0}
        if deep or len(parts) == 1:
            lfs = {"lfs": {"oid": file.sha256, "size": file.size, "pointerSize": 134}} if file.lfs else {}
            xet = {"xetHash": known} if file.lfs and (known := hub.xet_hash(file.sha256)) else {}
            entries[path] = {"type": "file", "path": path, "oid": file.blob, "size": file.size, **lfs, **xet}
    if under and not entries:
        raise Refusal(404, f"{under} does not exist", "EntryNotFound")
    return list(entries.values())


ROUTES = (
    ("GET", "/api/whoami-v2", whoami),
    ("POST", "/api/repos/create", create),
    ("POST", "/api/validate-yaml", validate),
    ("PUT", f"{REPO}/settings", settings),
    ("GET", f"{REPO}/auth-check", auth_check),
    ("GET", f"{REPO}/auth-check/{{right:write}}", auth_check),
    ("GET", REPO, info),
    ("GET", f"{REPO}/revision/{{revision}}", info),
    ("GET", f"{REPO}/tree/{{revision}}", tree),
    ("GET", f"{REPO}/tree/{{revision}}/{{path:.+}}", tree),
    ("POST", f"{REPO}/paths-info/{{revision}}", paths_info),
    ("GET", f"{REPO}/refs", refs),
    ("GET", f"{REPO}/commits/{{revision}}", history),
    ("POST", f"{REPO}/tag/{{revision}}", tag),
    ("POST", f"{REPO}/branch/{{revision}}", branch),
    ("POST", f"{REPO}/preupload/{{revision}}", preupload),
    ("POST", f"{REPO}/commit/{{revision}}", commit),
    ("GET", f"{REPO}/discussions", discussions),
    ("POST", f"{REPO}/discussions", discuss),
    ("GET", f"{REPO}/discussions/{{num}}", discussion),
)
"""Method, path, handler."""
