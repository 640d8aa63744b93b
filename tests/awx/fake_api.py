# SPDX-License-Identifier: GPL-3.0-or-later
"""As much of the API of AWX as the modules of awx.awx need to make objects: lists by name, create, change, associate.

It checks nothing, as AWX would; it keeps what it was given, for a test to look at.
"""

from __future__ import annotations

import contextlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterator

_ROOT = "/api/v2/"
# What AWX lists together as what a node of a workflow can run.
_UNIFIED = ("job_templates", "projects", "workflow_job_templates")
# What an object leads to, besides itself.
_RELATED = ("survey_spec", "credentials", "failure_nodes", "success_nodes", "always_nodes", "labels", "instance_groups")


class Awx:
    """The objects by their kind, and how often anything was written."""

    def __init__(self) -> None:
        self.objects: dict[str, list[dict[str, Any]]] = {"organizations": [{"id": 1, "name": "Default"}]}
        self.related: dict[str, Any] = {}
        self.writes = 0
        self.url = ""

    def get(self, path: str, query: dict[str, str]) -> Any:  # noqa: ANN401 - a JSON document
        """Return a list, an object, or what is related to one."""
        kind, number, relation = [*path.removeprefix(_ROOT).strip("/").split("/"), "", ""][:3]
        if relation == "survey_spec":
            return self.related.get(path, {})
        if relation:
            found = self.related.get(path, [])
            return {"count": len(found), "results": found, "next": None}
        if number:
            return self._shown(kind, next(one for one in self.objects[kind] if one["id"] == int(number)))
        kinds = _UNIFIED if kind == "unified_job_templates" else (kind,)
        every = [(each, one) for each in kinds for one in self.objects.get(each, [])]
        found = [self._shown(each, one) for each, one in every if _matches(one, query)]
        return {"count": len(found), "results": found, "next": None}

    def post(self, path: str, given: dict[str, Any]) -> tuple[int, Any]:
        """Make an object, or relate something to one."""
        self.writes += 1
        kind, number, relation = [*path.removeprefix(_ROOT).strip("/").split("/"), "", ""][:3]
        if relation == "survey_spec":
            self.related[path] = given
            return 200, {}
        if number:
            self.related.setdefault(path, []).append({"id": given["id"]})
            return 204, None
        made = {**given, "id": 10 + sum(len(found) for found in self.objects.values())}
        self.objects.setdefault(kind, []).append(made)
        return 201, self._shown(kind, made)

    def patch(self, path: str, given: dict[str, Any]) -> Any:  # noqa: ANN401 - a JSON document
        """Change an object."""
        self.writes += 1
        kind, number = path.removeprefix(_ROOT).strip("/").split("/")
        found = next(one for one in self.objects[kind] if one["id"] == int(number))
        found.update(given)
        return self._shown(kind, found)

    def named(self, kind: str) -> dict[str, dict[str, Any]]:
        """Return the objects of a kind by name."""
        return {str(one.get("name") or one.get("identifier")): one for one in self.objects.get(kind, [])}

    def related_of(self, kind: str, name: str, relation: str) -> Any:  # noqa: ANN401 - a JSON document
        """Return what is related to an object."""
        return self.related.get(f"{_ROOT}{kind}/{self.named(kind)[name]['id']}/{relation}/")

    @staticmethod
    def _shown(kind: str, one: dict[str, Any]) -> dict[str, Any]:
        url = f"{_ROOT}{kind}/{one['id']}/"
        related = {relation: f"{url}{relation}/" for relation in _RELATED}
        more = {"status": "successful", "scm_revision": "0" * 40} if kind == "projects" else {}
        return {"summary_fields": {}, **more, **one, "type": kind.removesuffix("s"), "url": url, "related": related}


def _matches(one: dict[str, Any], query: dict[str, str]) -> bool:
    wanted = {name: value for name, value in query.items() if name in one}
    return all(str(one[name]) == value for name, value in wanted.items())


@contextlib.contextmanager
def served() -> Iterator[Awx]:
    """Serve an AWX that has nothing but the organization Default, on a port of this machine."""
    awx = Awx()

    class Handler(BaseHTTPRequestHandler):
        """Takes the requests of the modules."""

        def do_GET(self) -> None:
            """Answer with a document."""
            address = urlsplit(self.path)
            self._answer(200, awx.get(address.path, dict(parse_qsl(address.query))))

        def do_POST(self) -> None:
            """Make something."""
            self._answer(*awx.post(self.path, self._given()))

        def do_PATCH(self) -> None:
            """Change something."""
            self._answer(200, awx.patch(self.path, self._given()))

        def _given(self) -> dict[str, Any]:
            return dict(json.loads(self.rfile.read(int(self.headers["Content-Length"])) or "{}"))

        def _answer(self, code: int, document: object) -> None:
            body = b"" if document is None else json.dumps(document).encode()
            self.send_response(code)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_words: object) -> None:
            """Keep quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        awx.url = f"http://127.0.0.1:{server.server_port}"
        try:
            yield awx
        finally:
            server.shutdown()
            thread.join()
