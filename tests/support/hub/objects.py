"""How bytes reach the test Hub and leave it: LFS whole or in parts, xet by token, downloads."""

import hashlib
import json
import math
import re
import time
from typing import Any

from aiohttp import web

from tests.support.hub.routes import REPO, at
from tests.support.hub.server import Refusal, TestHub

OID = re.compile(r"[0-9a-f]{64}")
SIGNATURE = "sig=signed"
"""Of upload addresses, which need no token."""
FILE = "/{owner}/{name}/resolve/{revision}/{path:.+}"


async def batch(hub: TestHub, request: web.Request) -> web.Response:
    """POST the LFS batch: where to send each object; none that is here already."""
    repo, given = hub.writable(request), await request.json()
    if given["operation"] != "upload" or given["hash_algo"] != "sha256":
        raise Refusal(422, "only uploads of sha256 objects")
    objects = []
    for wanted in given["objects"]:
        oid, size = wanted["oid"], wanted["size"]
        if not OID.fullmatch(oid):
            objects.append({"oid": oid, "size": size, "error": {"code": 422, "message": "Invalid oid"}})
        elif hub.store.has(oid, size):
            objects.append({"oid": oid, "size": size})
        else:
            objects.append({"oid": oid, "size": size, "actions": actions(hub, repo.id, oid, size)})
    transfer = "multipart" if hub.part else "basic"
    answer = json.dumps({"transfer": transfer, "objects": objects}).encode()
    return web.Response(body=answer, content_type="application/vnd.git-lfs+json")


def actions(hub: TestHub, repo: str, oid: str, size: int) -> dict[str, Any]:
    """Where an object, or each of its parts, is to be sent."""
    verify = {"href": f"{hub.url}/{repo}.git/info/lfs/objects/verify"}
    if hub.part is None or size <= hub.part:
        return {"upload": {"href": f"{hub.url}/storage/{oid}?{SIGNATURE}&size={size}"}, "verify": verify}
    parts = {
        f"{number + 1:05d}": f"{hub.url}/storage/{oid}/{number + 1}?{SIGNATURE}"
        for number in range(math.ceil(size / hub.part))
    }
    upload = {
        "href": f"{hub.url}/storage/{oid}/complete?{SIGNATURE}",
        "header": {"chunk_size": str(hub.part), **parts},
    }
    return {"upload": upload, "verify": verify}


async def put(hub: TestHub, request: web.Request) -> web.Response:
    """PUT an object: kept only if its digest is its name."""
    data = await signed(request)
    if hashlib.sha256(data).hexdigest() != request.match_info["oid"]:
        raise Refusal(400, "BadDigest: the content does not have the SHA-256 that was announced")
    if str(len(data)) != request.query.get("size"):
        raise Refusal(400, "IncompleteBody")
    hub.store.put(data)
    return web.Response()


async def put_part(hub: TestHub, request: web.Request) -> web.Response:
    """PUT one part."""
    data = await signed(request)
    hub.parts.setdefault(request.match_info["oid"], {})[int(request.match_info["number"])] = data
    return web.Response(headers={"ETag": f'"{hashlib.md5(data).hexdigest()}"'})


async def complete(hub: TestHub, request: web.Request) -> web.Response:
    """POST the end of a multipart upload."""
    given, oid = json.loads(await signed(request)), request.match_info["oid"]
    held = hub.parts.get(oid, {})
    for part in given["parts"]:
        data = held.get(part["partNumber"])
        if data is None or part["etag"].strip('"') != hashlib.md5(data).hexdigest():
            raise Refusal(400, "InvalidPart")
    whole = b"".join(held[part["partNumber"]] for part in given["parts"])
    if hashlib.sha256(whole).hexdigest() != oid or given["oid"] != oid:
        raise Refusal(400, "BadDigest: the parts do not make the object that was announced")
    hub.store.put(whole)
    del hub.parts[oid]
    return web.json_response({})


async def verify(hub: TestHub, request: web.Request) -> web.Response:
    """POST: whether an object arrived whole."""
    hub.writable(request)
    given = await request.json()
    if not hub.store.has(given["oid"], given["size"]):
        raise Refusal(404, "the object is not here")
    return web.json_response({})


async def signed(request: web.Request) -> bytes:
    """The body of an upload.

    Raises:
        Refusal: the address is not one that was given out, or a token was sent to it.
    """
    if SIGNATURE not in request.query_string or "Authorization" in request.headers:
        raise Refusal(403, "SignatureDoesNotMatch")
    return await request.read()


async def xet_token(hub: TestHub, request: web.Request) -> web.Response:
    """GET the right to write to or read from the xet store."""
    (hub.writable if request.match_info["right"] == "write" else hub.readable)(request)
    if hub.xet is None:
        raise Refusal(404, "this Hub has no xet store")
    hub.xet.mkdir(exist_ok=True)
    url, token, until = f"local://{hub.xet}", "xet", int(time.time()) + 3600
    headers = {"X-Xet-Cas-Url": url, "X-Xet-Access-Token": token, "X-Xet-Token-Expiration": str(until)}
    return web.json_response({"casUrl": url, "accessToken": token, "exp": until}, headers=headers)


async def resolve(hub: TestHub, request: web.Request) -> web.Response:
    """GET or HEAD a file."""
    repo = hub.readable(request)
    commit, path = at(repo, request), request.match_info["path"]
    headers = {"X-Repo-Commit": commit.oid, "Accept-Ranges": "bytes"}
    file = commit.files.get(path)
    if file is None:
        raise Refusal(404, "Entry not found", "EntryNotFound", **headers)
    headers["ETag"] = f'"{file.oid}"'
    if file.lfs:
        headers |= {"X-Linked-ETag": f'"{file.sha256}"', "X-Linked-Size": str(file.size)}
        known = hub.xet_hash(file.sha256)
        if known is not None:
            token = f"{hub.url}/api/{repo.kind}/{repo.id}/xet-read-token/{commit.oid}"
            headers |= {"X-Xet-Hash": known, "Link": f'<{token}>; rel="xet-auth"'}
            return web.Response(headers=headers)
    data = hub.store.path(file.sha256).read_bytes()
    start = request.http_range.start
    if not start:
        return web.Response(body=data, headers=headers)
    stop = request.http_range.stop or len(data)
    headers["Content-Range"] = f"bytes {start}-{stop - 1}/{len(data)}"
    return web.Response(status=206, body=data[start:stop], headers=headers)


ROUTES = (
    ("POST", "/{owner}/{name}.git/info/lfs/objects/batch", batch),
    ("POST", "/{owner}/{name}.git/info/lfs/objects/verify", verify),
    ("POST", "/{kind:datasets}/{owner}/{name}.git/info/lfs/objects/batch", batch),
    ("POST", "/{kind:datasets}/{owner}/{name}.git/info/lfs/objects/verify", verify),
    ("PUT", "/storage/{oid}", put),
    ("PUT", "/storage/{oid}/{number:[0-9]+}", put_part),
    ("POST", "/storage/{oid}/complete", complete),
    ("GET", f"{REPO}/xet-{{right:write|read}}-token/{{revision}}", xet_token),
    ("GET", FILE, resolve),
    ("HEAD", FILE, resolve),
    ("GET", f"/{{kind:datasets}}{FILE}", resolve),
    ("HEAD", f"/{{kind:datasets}}{FILE}", resolve),
)
"""Method, path, handler."""
