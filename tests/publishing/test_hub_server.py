"""The test Hub itself: the real client round trip by both ways, and that it refuses what the Hub refuses."""

import hashlib
import json
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from tests.publishing.conftest import environment, python
from tests.support.hub.metadata import errors
from tests.support.hub.server import READER, STRANGER, WRITER, serve

ROUND_TRIP = """
from huggingface_hub import CommitOperationAdd, HfApi, snapshot_download
api, weights = HfApi(), {weights!r}
api.create_repo("acme/m", private=True)
commit = lambda: api.create_commit("acme/m", [
    CommitOperationAdd("README.md", b"---\\nlanguage: pt\\n---\\noi"),
    CommitOperationAdd("folder/model.safetensors", weights)], commit_message="first").oid
assert commit() == commit()
api.create_tag("acme/m", tag="v1")
assert api.model_info("acme/m").private
assert {{ref.name for ref in api.list_repo_refs("acme/m").tags}} == {{"v1"}}
pull = api.create_commit("acme/m", [CommitOperationAdd("a.txt", b"a")], commit_message="more", create_pr=True)
assert pull.pr_revision == "refs/pr/1"
print(snapshot_download("acme/m", revision="v1"))
"""


def ask(
    hub, method: str, path: str, body: object = None, token: str | None = WRITER, raw: bytes | None = None
):
    """One request by hand: status, headers, JSON."""
    data = raw if raw is not None else (json.dumps(body).encode() if body is not None else None)
    request = urllib.request.Request(f"{hub.url}{path}", data, method=method)
    if token:
        request.add_header("Authorization", f"Bearer {token}")
    try:
        with urllib.request.urlopen(request) as answer:
            return answer.status, answer.headers, json.loads(answer.read() or b"null")
    except urllib.error.HTTPError as error:
        return error.code, error.headers, json.loads(error.read() or b"null")


def lines(*operations: tuple[str, dict]) -> bytes:
    header = ("header", {"summary": "s", "description": ""})
    return b"\n".join(
        json.dumps({"key": key, "value": value}).encode() for key, value in (header, *operations)
    )


@pytest.mark.parametrize("way", ["lfs", "lfs in parts", "xet"])
def test_the_real_client_round_trip(tmp_path, way):
    weights = tmp_path / "weights.safetensors"
    weights.write_bytes(bytes(range(256)) * 5000)
    with serve(tmp_path / "hub", xet=way == "xet", part=500_000 if "parts" in way else None) as hub:
        done = python(ROUND_TRIP.format(weights=str(weights)), **environment(hub, tmp_path / "home"))
        assert done.returncode == 0, done.stderr
        downloaded = done.stdout.strip()
        assert (tmp_path / "home").as_posix() in downloaded
        assert Path(downloaded, "folder", "model.safetensors").read_bytes() == weights.read_bytes()
        assert (
            hub.files("acme/m")["folder/model.safetensors"]
            == hashlib.sha256(weights.read_bytes()).hexdigest()
        )
        assert hub.commits("acme/m") == 1
        sent = hub.uploaded()
    assert sent == (0 if way == "xet" else weights.stat().st_size)


def test_bad_tokens_and_missing_rights(hub):
    create = "/api/repos/create"
    assert ask(hub, "GET", "/api/whoami-v2", token="hf_nobody")[0] == 401
    assert ask(hub, "POST", create, {"name": "m", "organization": "ana"}, token=None)[0] == 401
    assert ask(hub, "POST", create, {"name": "m", "organization": "ana"}, token=READER)[0] == 403
    assert ask(hub, "POST", create, {"name": "m", "organization": "other"})[0] == 403
    assert ask(hub, "POST", create, {"name": "m", "organization": "ana", "visibility": "private"})[0] == 200
    status, _, answer = ask(hub, "POST", create, {"name": "m", "organization": "ana"})
    assert status == 409 and answer["url"].endswith("ana/m")
    assert ask(hub, "GET", "/api/models/ana/m", token=None)[0] == 401
    status, headers, _ = ask(hub, "GET", "/api/models/ana/m", token=STRANGER)
    assert status == 404 and headers["X-Error-Code"] == "RepoNotFound"
    assert ask(hub, "GET", "/api/models/ana/m", token=READER)[0] == 200
    assert ask(hub, "GET", "/api/models/ana/m/auth-check/write", token=READER)[0] == 403
    assert ask(hub, "GET", "/api/models/ana/m/auth-check/write")[0] == 200


def test_corrupt_uploads_and_wrong_ids(hub):
    hub.store.create("models", "ana/m", private=False)
    oid = hashlib.sha256(b"right").hexdigest()
    batch = {
        "operation": "upload",
        "hash_algo": "sha256",
        "objects": [{"oid": oid, "size": 5}, {"oid": "xy", "size": 1}],
    }
    _, _, answer = ask(hub, "POST", "/ana/m.git/info/lfs/objects/batch", batch)
    assert answer["objects"][1]["error"]["message"] == "Invalid oid"
    href = answer["objects"][0]["actions"]["upload"]["href"].removeprefix(hub.url)
    assert ask(hub, "PUT", href, raw=b"wrong", token=None)[0] == 400
    assert ask(hub, "PUT", href.partition("?")[0], raw=b"right", token=None)[0] == 403
    assert ask(hub, "PUT", href, raw=b"right")[0] == 403, "the token has no business there"
    commit = lines(("lfsFile", {"path": "w.bin", "algo": "sha256", "oid": oid, "size": 5}))
    assert ask(hub, "POST", "/api/models/ana/m/commit/main", raw=commit)[0] == 422
    assert ask(hub, "POST", "/ana/m.git/info/lfs/objects/verify", {"oid": oid, "size": 5})[0] == 404
    assert ask(hub, "PUT", href, raw=b"right", token=None)[0] == 200
    assert ask(hub, "POST", "/api/models/ana/m/commit/main", raw=commit)[0] == 200
    assert hub.store.read("ana/m", "w.bin") == b"right"


def test_a_stale_parent_is_refused_and_refs_do_not_move(hub):
    repo = hub.store.create("models", "ana/m", private=False)
    old = repo.refs["refs/heads/main"]
    stale = lines().replace(b'"summary"', b'"parentCommit": "%s", "summary"' % old.encode())
    assert ask(hub, "POST", "/api/models/ana/m/commit/main", raw=stale)[0] == 200
    assert ask(hub, "POST", "/api/models/ana/m/commit/main", raw=stale)[0] == 412
    assert ask(hub, "POST", "/api/models/ana/m/tag/main", {"tag": "v1"})[0] == 200
    assert ask(hub, "POST", "/api/models/ana/m/tag/main", {"tag": "v1"})[0] == 409
    assert ask(hub, "POST", "/api/models/ana/m/tag/nowhere", {"tag": "v2"})[0] == 404


def test_downloads_go_on_where_they_stopped_and_listings_have_pages(tmp_path):
    with serve(tmp_path, page=2) as hub:
        repo = hub.store.create("models", "ana/m", private=False)
        repo.commit(
            "refs/heads/main", "x", {f"{name}.txt": hub.store.regular(name.encode()) for name in "abc"}
        )
        request = urllib.request.Request(f"{hub.url}/ana/m/resolve/main/a.txt", headers={"Range": "bytes=0-"})
        with urllib.request.urlopen(request) as answer:
            assert answer.headers["X-Repo-Commit"] == repo.refs["refs/heads/main"] and answer.read() == b"a"
        _, headers, first = ask(hub, "GET", "/api/models/ana/m/tree/main?recursive=true")
        assert [entry["path"] for entry in first] == ["a.txt", "b.txt"] and 'rel="next"' in headers["Link"]
        status, headers, _ = ask(hub, "GET", "/ana/m/resolve/main/nothing")
        assert status == 404 and headers["X-Error-Code"] == "EntryNotFound"


@pytest.mark.parametrize(
    ("metadata", "wrong"),
    [
        ("language: pt\nlicense: mit\nbase_model: org/base\ndatasets: [org/data]", False),
        ("language: pt_BR", True),
        ("language: no\nlicense: mit", True),
        ("datasets: [/home/ana/dados.csv]", True),
        ("base_model: ./modelos/bert", True),
        ("license: other", True),
        ("license: whatever", True),
        ("model-index: [{name: m, results: [{task: {type: t}, dataset: {type: d}, metrics: []}]}]", True),
        ("tags: [1]", True),
        ("a: b: c", True),
    ],
)
def test_metadata_that_the_hub_refuses(metadata, wrong):
    assert bool(errors(f"---\n{metadata}\n---\n# card")) is wrong


@pytest.mark.parametrize(
    "how", [{"status": 503}, {"status": 0}, {"cut_after": 1}, {"status": 0, "after": True}]
)
def test_faults_hit_what_they_are_meant_for(hub, how):
    hub.store.create("models", "ana/m", private=False)
    path = "/api/models/ana/m/tag/main"
    with hub.faults("POST .*/tag/", times=1, **how) as fault:
        try:
            assert ask(hub, "POST", path, {"tag": "v1"})[0] == 503
        except (ConnectionError, urllib.error.URLError):
            assert how != {"status": 503}
        assert fault.hits == 1
        assert ask(hub, "POST", path, {"tag": "v1"})[0] == (409 if how.get("after") else 200)
