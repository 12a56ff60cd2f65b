"""A Hub on the loopback interface, for the real client: `with serve(folder) as hub`, then HF_ENDPOINT=hub.url.

It keeps real bytes by their SHA-256, checks tokens, rights, object ids and digests, and lets things go wrong on
demand. Nothing of huggingface_hub is replaced: what a test shows holds for the client that users have.
"""

import asyncio
import shutil
import socket
import threading
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from queue import Queue
from typing import Any

from aiohttp import web

from tests.support.hub import shards
from tests.support.hub.faults import Faults, Seen
from tests.support.hub.store import Repo, Store

WRITER, READER, STRANGER = (
    "hf_writerCanary0123456789ab",
    "hf_readerCanary0123456789ab",
    "hf_strangerCanary0123456789",
)
USERS: dict[str, dict[str, Any]] = {
    WRITER: {"name": "ana", "orgs": ["acme"], "role": "write"},
    READER: {"name": "ana", "orgs": ["acme"], "role": "read"},
    STRANGER: {"name": "eva", "orgs": [], "role": "write"},
}
"""Who a token belongs to, the organizations they may write to, and what the token allows."""

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Refusal(Exception):
    """An answer with the Hub's headers for errors."""

    def __init__(self, status: int, message: str, code: str | None = None, **headers: str) -> None:
        super().__init__(message)
        self.status, self.message, self.code, self.headers = status, message, code, headers

    def response(self) -> web.Response:
        """What is sent."""
        headers = {"X-Error-Message": self.message, **({"X-Error-Code": self.code} if self.code else {})}
        return web.json_response(
            {"error": self.message}, status=self.status, headers={**headers, **self.headers}
        )


class TestHub:
    """A running server.

    Args:
        folder: objects are kept in it.
        xet: whether tokens of the xet store are given out; its bytes are then kept by the client's own
            simulator, in a folder beside the objects.
        part: size of the parts in which objects are uploaded; None: in one.
        page: files on one page of a listing.
    """

    __test__ = False

    def __init__(self, folder: Path, *, xet: bool = False, part: int | None = None, page: int = 1000) -> None:
        self.store, self.faults = Store(folder), Faults()
        self.xet, self.part, self.page = (folder / "xet" if xet else None), part, page
        self.users: Mapping[str, dict[str, Any]] = USERS
        self.seen: list[Seen] = []
        self.parts: dict[str, dict[int, bytes]] = {}
        self.wishes: Queue[bool | None] = Queue()
        """To its thread: whether to listen; None: to end."""
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"

    def forget(self, *, xet: bool = False) -> None:
        """As if it had just been started.

        Args:
            xet: as for a new one.
        """
        self.xet = self.store.root / "xet" if xet else None
        shutil.rmtree(self.store.root / "xet", ignore_errors=True)
        self.store.clear()
        self.seen.clear()
        self.parts.clear()
        self.faults.active.clear()

    async def listen(self, runner: web.AppRunner) -> web.TCPSite:
        """Takes connections."""
        site = web.TCPSite(runner, "127.0.0.1", self.port)
        await site.start()
        return site

    @contextmanager
    def away(self) -> Iterator[None]:
        """Connections are refused while the block runs."""
        self._wish(False)
        try:
            yield
        finally:
            self._wish(True)

    def _wish(self, wish: bool) -> None:
        self.wishes.put(wish)
        self.wishes.join()

    def repo(self, name: str, kind: str = "models") -> Repo:
        """A repository, for tests to look at."""
        return self.store.repos[kind, name]

    def files(self, name: str, revision: str = "main", kind: str = "models") -> dict[str, str]:
        """SHA-256 of the files of a revision by path; what the Hub itself puts there is left out."""
        commit = self.repo(name, kind).resolve(revision)
        assert commit is not None, revision
        return {path: file.sha256 for path, file in sorted(commit.files.items()) if path != ".gitattributes"}

    def commits(self, name: str, revision: str = "main") -> int:
        """How many commits were pushed."""
        return len(self.repo(name).history(revision)) - 1

    def uploaded(self) -> int:
        """Bytes of objects received so far."""
        return sum(seen.received for seen in self.seen if seen.method == "PUT" and "/storage/" in seen.path)

    def holds(self, sha256: str, size: int) -> bool:
        """Whether an object has arrived, by either way."""
        return self.store.has(sha256, size) or self.xet_hash(sha256) is not None

    def xet_hash(self, sha256: str) -> str | None:
        """The xet store's own name for an object; None where it does not hold it."""
        return shards.files(self.xet).get(sha256) if self.xet is not None else None

    def who(self, request: web.Request) -> dict[str, Any] | None:
        """The user of a request; None for strangers.

        Raises:
            Refusal: the token is nobody's.
        """
        given = request.headers.get("Authorization")
        if given is None:
            return None
        user = self.users.get(given.removeprefix("Bearer "))
        if user is None:
            raise Refusal(401, "Invalid credentials in Authorization header")
        return user

    def readable(self, request: web.Request) -> Repo:
        """The repository that a request is about.

        Raises:
            Refusal: there is none that this user may see.
        """
        user = self.who(request)
        kind, name = request.match_info.get("kind", "models"), "{owner}/{name}".format(**request.match_info)
        repo = self.store.repos.get((kind, name))
        if repo is None or (repo.private and not owns(user, repo)):
            raise Refusal(404 if user else 401, "Repository not found", "RepoNotFound")
        if repo.gated and not owns(user, repo):
            raise Refusal(403 if user else 401, "Access to this repository is restricted", "GatedRepo")
        return repo

    def writable(self, request: web.Request) -> Repo:
        """The repository that a request writes to.

        Raises:
            Refusal: the user may not.
        """
        repo, user = self.readable(request), self.who(request)
        if not owns(user, repo) or user is None or user["role"] != "write":
            raise Refusal(403, "Forbidden: you need a token with write access to this repository")
        return repo

    def application(self) -> web.Application:
        """All routes."""
        from tests.support.hub import objects, routes

        application = web.Application(middlewares=[self._answer], client_max_size=0)
        for module in (routes, objects):
            for method, path, handler in module.ROUTES:
                application.router.add_route(method, path, self._bound(handler))
        return application

    def _bound(self, handler: Callable[["TestHub", web.Request], Awaitable[web.StreamResponse]]) -> Handler:
        async def answer(request: web.Request) -> web.StreamResponse:
            return await handler(self, request)

        return answer

    @web.middleware
    async def _answer(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        fault = self.faults.of(request.method, request.path_qs)
        received = 0
        if fault is not None:
            await asyncio.sleep(fault.delay)
            while fault.gate is not None and not fault.gate.is_set():
                await asyncio.sleep(0.02)
            if fault.cut_after is not None:
                while received < fault.cut_after and (piece := await request.content.readany()):
                    received += len(piece)
                return self._dropped(request, received)
            if fault.status is not None and not fault.after:
                received = len(await request.read()) if fault.status else 0
                return (
                    self._dropped(request, 0)
                    if not fault.status
                    else self._noted(request, _injected(fault), received)
                )
        try:
            received = len(await request.read())
            response = await handler(request)
        except Refusal as refusal:
            response = refusal.response()
        except web.HTTPException as error:
            response = Refusal(error.status, error.reason).response()
        except ConnectionResetError:  # its client was killed
            return self._dropped(request, received)
        if fault is not None and fault.after:
            return (
                self._noted(request, _injected(fault), received)
                if fault.status
                else self._dropped(request, received)
            )
        return self._noted(request, response, received)

    def _noted(self, request: web.Request, response: web.StreamResponse, received: int) -> web.StreamResponse:
        known = "Authorization" in request.headers
        self.seen.append(Seen(request.method, request.path_qs, response.status, received, known))
        return response

    def _dropped(self, request: web.Request, received: int) -> web.StreamResponse:
        if request.transport is not None:
            request.transport.abort()
        return self._noted(request, web.Response(status=0, reason="dropped"), received)


def owns(user: dict[str, Any] | None, repo: Repo) -> bool:
    """Whether a repository is in one of the user's namespaces."""
    return user is not None and repo.id.split("/")[0] in (user["name"], *user["orgs"])


@contextmanager
def serve(folder: Path, **options: Any) -> Iterator[TestHub]:
    """A server in a thread of its own while the block runs; see `TestHub` for the options."""
    hub, ready = TestHub(folder, **options), threading.Event()

    async def run() -> None:
        runner = web.AppRunner(hub.application(), access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        site = await hub.listen(runner)
        ready.set()
        while (wish := await asyncio.to_thread(hub.wishes.get)) is not None:
            if wish:
                site = await hub.listen(runner)
            else:
                await site.stop()
            hub.wishes.task_done()
        await runner.cleanup()
        # Requests that a gate or a delay holds, and that nobody waits for any more.
        held = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in held:
            task.cancel()
        await asyncio.gather(*held, return_exceptions=True)

    thread = threading.Thread(target=asyncio.run, args=(run(),), daemon=True)
    thread.start()
    assert ready.wait(300), "the test Hub did not start"
    try:
        yield hub
    finally:
        hub.wishes.put(None)
        thread.join(10)


def _injected(fault: Any) -> web.Response:
    return Refusal(fault.status, fault.message, **fault.headers).response()


def listed(value: Sequence[Any] | Any) -> list[Any]:
    """A value that may stand alone, as a list."""
    return list(value) if isinstance(value, list | tuple) else [value]
