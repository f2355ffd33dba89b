"""A second make-believe Productive, for these tests alone: it serves plain JSON:API resources from tables
that the test fills, with the manners that the API is known for, and remembers what it was asked.

It knows nothing of the catalog and shares no code with the client or the sandbox, so that a common
misunderstanding of these two shows here.
"""

from __future__ import annotations

import base64
import contextlib
import gzip
import json
import math
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import quote, unquote, urlsplit

Resource = dict[str, Any]

TOKEN = "pat-3f9c1e7ad2-never-to-be-seen"
ORGANIZATION = "4711"
ROOT = "/api/v2"

DEFAULT_SIZE, LARGEST_SIZE = 30, 200


@dataclass(frozen=True)
class Asked:
    """One request: `number` counts from 1 over all of them, `status` is what it was answered with."""

    number: int
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    status: int

    @property
    def page(self) -> tuple[str, str | None, str | None]:
        """What tells two pages apart."""
        return self.path, self.query.get("page[after]"), self.query.get("page[number]")


@dataclass(frozen=True)
class Reply:
    """An answer out of the ordinary. With `cut` only the first half of the body is sent."""

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    cut: bool = False
    delay: float = 0.0


Trouble = Callable[[int, str], Reply | None]
"""From a request's number and path to an answer that comes instead of the right one."""


@dataclass
class Table:
    """One list: its resources, with whole linkage in their relationships, and the endpoint's manners.

    `status` other than 200 refuses the whole list with `code`. `cursor`: "given", "refused" with an
    error, or "ignored" as if the parameter were not known. `unasked` are the relationships that have
    their linkage without being included.
    """

    resources: list[Resource]
    status: int = 200
    code: str = ""
    cursor: str = "given"
    unasked: frozenset[str] = frozenset({"organization"})
    refused_includes: frozenset[str] = frozenset()
    refused_sorts: frozenset[str] = frozenset()
    filters: frozenset[str] = frozenset({"with_draft"})
    hides_drafts: bool = False


class RefusedError(Exception):
    """An error answer."""

    def __init__(self, status: int, code: str, title: str, detail: str = "") -> None:
        super().__init__(title)
        self.reply = problem(status, code, title, detail)


def problem(status: int, code: str, title: str, detail: str = "") -> Reply:
    """The error envelope; its `status` is text, as recorded answers have it."""
    errors = [{"status": str(status), "code": code, "title": title, "detail": detail or title}]
    return Reply(status, json.dumps({"errors": errors}).encode())


class Productive:
    """The organization and its API; `url` once it is started. Lists that no test filled are empty.

    - `trouble` may give an answer of its own.
    - `pace`: seconds that every answer takes.
    - `gate`: answers from the `gated`-th request on wait until it is set.
    - `limit`: requests and seconds, as the API limits them; None for no limit.
    """

    def __init__(self) -> None:
        self.tables: dict[str, Table] = {}
        self.asked: list[Asked] = []
        self.trouble: Trouble = lambda number, path: None
        self.token = TOKEN
        self.organization = ORGANIZATION
        self.compress = False
        self.pace = 0.0
        self.gated: int | None = None
        self.gate = threading.Event()
        self.limit: tuple[int, float] | None = None
        self.unknown_are_missing = False
        self._recent: deque[float] = deque()
        self._count = 0
        self._lock = threading.Lock()
        self._arrival = threading.Condition(self._lock)
        self._server = _Listener(("127.0.0.1", 0), _Handler)
        self._server.productive = self
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    @property
    def url(self) -> str:
        """The API's root."""
        return f"http://127.0.0.1:{self._server.server_address[1]}{ROOT}"

    @contextlib.contextmanager
    def serving(self) -> Iterator[Productive]:
        """Answer while the body runs."""
        self._thread.start()
        try:
            yield self
        finally:
            self._server.shutdown()
            self._server.server_close()
            self._thread.join()

    def fill(self, path: str, resources: list[Resource], **manners: Any) -> Table:
        """Replace the list at `path`."""
        table = self.tables[path] = Table(resources, **manners)
        return table

    def pages_read(self) -> Counter[tuple[str, str | None, str | None]]:
        """How often each page was given."""
        return Counter(asked.page for asked in self.asked if asked.status == 200)

    def wait_for(self, number: int, patience: float = 30.0) -> bool:
        """Return when the request of this number has come; False when it does not."""
        with self._arrival:
            return self._arrival.wait_for(lambda: self._count >= number, patience)

    def least_requests(self, paths: list[str]) -> int:
        """What a full crawl of these lists takes: one per 200 records, one for an empty list."""
        return sum(
            max(1, math.ceil(len(self.tables[path].resources) / LARGEST_SIZE)) if path in self.tables else 1
            for path in paths
        )

    def answer(self, target: str, headers: Mapping[str, str]) -> Reply:
        """The answer to GET `target`."""
        parts = urlsplit(target)
        pairs = (pair.partition("=") for pair in parts.query.split("&") if pair)
        query = {unquote(key): unquote(value) for key, _, value in pairs}
        path = unquote(parts.path).removeprefix(ROOT).strip("/")
        with self._arrival:
            self._count += 1
            number = self._count
            self._arrival.notify_all()
        time.sleep(self.pace)
        if self.gated is not None and number >= self.gated:
            self.gate.wait(60)
        try:
            reply = self.trouble(number, path) or self._limited() or self._list(path, query, headers)
        except RefusedError as refused:
            reply = refused.reply
        with self._lock:
            self.asked.append(Asked(number, path, query, dict(headers), 0 if reply.cut else reply.status))
        return reply

    def _limited(self) -> Reply | None:
        if self.limit is None:
            return None
        requests, seconds = self.limit
        with self._lock:
            now = time.monotonic()
            while self._recent and self._recent[0] <= now - seconds:
                self._recent.popleft()
            if len(self._recent) < requests:
                self._recent.append(now)
                return None
            wait = self._recent[0] + seconds - now
        reply = problem(429, "", "Too many requests", f"limit of {requests} per {seconds} seconds")
        return Reply(429, reply.body, {"X-RateLimit-Reset": str(math.ceil(wait))})

    def _list(self, path: str, query: Mapping[str, str], headers: Mapping[str, str]) -> Reply:
        self._authorize(headers)
        table = self.tables.get(path)
        if table is None and self.unknown_are_missing:
            raise RefusedError(404, "route_not_found", "Route not found")
        table = table or Table([], filters=frozenset({"with_draft", "created_at"}))
        if table.status != 200:
            raise RefusedError(table.status, table.code, table.code.replace("_", " "))
        resources = _filtered(table, query)
        if "sort" in query:
            resources = _sorted(table, resources, query["sort"])
        if "page[after]" in query and table.cursor != "ignored":
            shown, links, meta = self._by_cursor(path, table, resources, query)
        else:
            shown, links, meta = self._by_number(path, resources, query)
        include = _names(query, "include")
        for name in include:
            if name in table.refused_includes:
                raise RefusedError(
                    400, "unsupported_include", "Unsupported Include", f"{name} is not supported"
                )
        document: dict[str, Any] = {
            "data": [_rendered(resource, {*include, *table.unasked}, query) for resource in shown],
            "links": links,
            "meta": meta,
        }
        if include:
            document["included"] = _side_loaded(shown, include, query)
        return Reply(200, dumps(document))

    def _authorize(self, headers: Mapping[str, str]) -> None:
        if headers.get("X-Auth-Token") != self.token:
            raise RefusedError(401, "invalid_auth_token", "Unauthorized", "Invalid auth token")
        if "X-Organization-Id" not in headers:
            raise RefusedError(403, "no_organization_id", "Forbidden", "Missing organization")
        if headers["X-Organization-Id"] != self.organization:
            raise RefusedError(403, "no_person", "Forbidden", "You are not a member of this organization")

    def _by_cursor(
        self, path: str, table: Table, resources: list[Resource], query: Mapping[str, str]
    ) -> tuple[list[Resource], dict[str, str], dict[str, int]]:
        if "page[number]" in query:
            raise RefusedError(400, "keyset_conflict", "Pagination conflict")
        if table.cursor == "refused":
            raise RefusedError(400, "keyset_unsupported_sort", "Cursor pagination is not supported here")
        size = _size(query)
        start = _place(path, query["page[after]"]) if query["page[after]"] else 0
        links = {}
        if start + size < len(resources):
            # The guide prints these links unencoded; what is in the cursor has to survive all the same.
            kept = "&".join(f"{key}={value}" for key, value in query.items() if key != "page[after]")
            cursor = quote(_cursor(path, start + size), safe="")
            links["next"] = f"{self.url}/{path}?{kept}&page[after]={cursor}"
        return resources[start : start + size], links, {"page_size": size, "max_page_size": LARGEST_SIZE}

    def _by_number(
        self, path: str, resources: list[Resource], query: Mapping[str, str]
    ) -> tuple[list[Resource], dict[str, str], dict[str, int]]:
        size, number = _size(query), int(query.get("page[number]", "1"))
        pages = math.ceil(len(resources) / size)

        def link(to: int) -> str:
            other = {**query, "page[number]": str(to), "page[size]": str(size)}
            encoded = "&".join(f"{quote(k, safe='')}={quote(v, safe='')}" for k, v in other.items())
            return f"{self.url}/{path}?{encoded}"

        links = {"self": link(number), "first": link(1), "last": link(max(1, pages))}
        if number < pages:
            links["next"] = link(number + 1)
        meta = {
            "current_page": number,
            "total_pages": pages,
            "total_count": len(resources),
            "page_size": size,
            "max_page_size": LARGEST_SIZE,
        }
        return resources[(number - 1) * size : number * size], links, meta


def _filtered(table: Table, query: Mapping[str, str]) -> list[Resource]:
    for key in query:
        name = key.removeprefix("filter[").partition("]")[0]
        if key.startswith("filter[") and name not in table.filters:
            raise RefusedError(
                400, "unsupported_filter", "Unsupported Filter", f"{name} is not supported here"
            )
    if table.hides_drafts and query.get("filter[with_draft]") != "true":
        return [r for r in table.resources if not r["attributes"].get("draft")]
    return table.resources


def _sorted(table: Table, resources: list[Resource], sort: str) -> list[Resource]:
    name = sort.removeprefix("-")
    if name in table.refused_sorts:
        raise RefusedError(400, "sort_param_unsupported", "Unsupported sort", f"{name} is not supported")

    def key(resource: Resource) -> tuple[str, str]:
        return str(resource.get("attributes", {}).get(name, "")), str(resource.get("id"))

    return sorted(resources, key=key, reverse=sort.startswith("-"))


def _size(query: Mapping[str, str]) -> int:
    return min(int(query.get("page[size]", DEFAULT_SIZE)), LARGEST_SIZE)


def _names(query: Mapping[str, str], key: str) -> list[str]:
    return [name for name in query.get(key, "").split(",") if name]


def _cursor(path: str, start: int) -> str:
    return base64.b64encode(f"\xfb\xef\xbe{path}>{start}?".encode("latin-1")).decode()


def _place(path: str, cursor: str) -> int:
    try:
        of, _, start = base64.b64decode(cursor, validate=True).decode("latin-1")[3:-1].partition(">")
        if of == path:
            return int(start)
    except ValueError:
        pass
    raise RefusedError(400, "keyset_invalid_cursor", "Invalid cursor")


def _rendered(resource: Resource, linked: set[str], query: Mapping[str, str]) -> Resource:
    """As it is sent: only the `linked` relationships hold their linkage."""
    if not isinstance(resource.get("relationships"), dict):
        return _slimmed(resource, query)
    shown = {
        name: {"data": linkage} if name in linked else {"meta": {"included": False}}
        for name, linkage in resource["relationships"].items()
    }
    return _slimmed({**resource, "relationships": shown}, query)


def _slimmed(resource: Resource, query: Mapping[str, str]) -> Resource:
    """Sparse fieldsets govern attributes and relationships of their type alike."""
    wanted = query.get(f"fields[{resource.get('type')}]")
    if wanted is None:
        return resource
    names = wanted.split(",")
    return {
        key: {name: item for name, item in value.items() if name in names}
        if key in {"attributes", "relationships"}
        else value
        for key, value in resource.items()
    }


def _side_loaded(shown: list[Resource], include: list[str], query: Mapping[str, str]) -> list[Resource]:
    found: dict[tuple[str, str], Resource] = {}
    for resource in shown:
        for name in include:
            linkage = (resource.get("relationships") or {}).get(name)
            for one in linkage if isinstance(linkage, list) else [linkage]:
                if isinstance(one, dict):
                    stub = {**one, "attributes": {"name": "side-loaded"}, "relationships": {}}
                    found[one["type"], one["id"]] = _slimmed(stub, query)
    return list(found.values())


class Raw(str):
    """A JSON text to be sent as it is, for what Python's encoder would not write."""

    __slots__ = ()


def dumps(value: Any) -> bytes:
    """JSON with every digit of decimals, and with `Raw` texts put in as they are."""
    raw: list[str] = []

    def marked(item: Any) -> Any:
        if isinstance(item, Raw | Decimal):
            raw.append(str(item))
            return f"\x01raw{len(raw) - 1}\x01"
        if isinstance(item, dict):
            return {key: marked(value) for key, value in item.items()}
        return [marked(one) for one in item] if isinstance(item, list) else item

    pieces = json.dumps(marked(value)).split('"\\u0001raw')
    text = pieces[0]
    for piece in pieces[1:]:
        index, _, rest = piece.partition('\\u0001"')
        text += raw[int(index)] + rest
    return text.encode()


class _Listener(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64
    productive: Productive

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that was killed hangs up in the middle; nobody needs to be told."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Listener

    def do_GET(self) -> None:
        productive = self.server.productive
        reply = productive.answer(self.path, dict(self.headers))
        if reply.delay:
            time.sleep(reply.delay)
        body = reply.body
        headers = {"Content-Type": "application/vnd.api+json", **reply.headers}
        if productive.compress and "gzip" in self.headers.get("Accept-Encoding", ""):
            body = gzip.compress(body, 1)
            headers["Content-Encoding"] = "gzip"
        self.send_response(reply.status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: len(body) // 2] if reply.cut else body)
        if reply.cut:
            self.close_connection = True

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 -- the base class's name
        """Tests look at `Productive.asked` instead."""
