"""A stub of GitHub's REST API: issues and their comments, page by page."""

import contextlib
import json
import threading
import urllib.parse
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

__all__ = ["TOKEN", "GitHub", "serving"]

TOKEN = "a-token"


class GitHub(BaseHTTPRequestHandler):
    """The state of GitHub, and the calls that changed it."""

    address: str
    issues: list[dict[str, Any]]
    comments: list[dict[str, Any]]
    calls: list[str]
    writable: bool

    def do_GET(self) -> None:
        path, _, query = self.path.partition("?")
        asked = dict(urllib.parse.parse_qsl(query))
        rows = self.comments if path.endswith("/comments") else self.issues
        if path.endswith("/comments"):
            rows = [each for each in rows if each["issue"] == int(path.split("/")[-2])]
        else:
            rows = [each for each in rows if each["state"] == asked["state"]]
        size, page = int(asked["per_page"]), int(asked["page"])
        self.answer(rows[size * (page - 1) : size * page])

    def do_POST(self) -> None:
        self.write()

    def do_PATCH(self) -> None:
        self.write()

    def write(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        path = self.path.removeprefix("/repos/lab/dropbatch")
        self.calls.append(f"{self.command} {path}")
        if not self.writable or self.headers["Authorization"] != f"Bearer {TOKEN}":
            self.answer({"message": "Resource not accessible by integration"}, 403)
            return
        if self.command == "POST":
            body["user"] = {"login": "github-actions[bot]"}
        match self.command, path.strip("/").split("/"):
            case "POST", ["issues"]:
                number = len(self.issues) + 1
                row = {"number": number, "state": "open", "html_url": f"https://x/issues/{number}", **body}
                self.issues.append(row)
            case "POST", ["issues", number, "comments"]:
                row = {"id": len(self.comments) + 1, "issue": int(number), **body}
                self.comments.append(row)
            case "PATCH", ["issues", "comments", id_]:
                row = next(each for each in self.comments if each["id"] == int(id_))
                row |= body
            case "PATCH", ["issues", number]:
                row = next(each for each in self.issues if each["number"] == int(number))
                row |= body
            case _:
                self.answer({"message": "Not Found"}, 404)
                return
        self.answer(row)

    def answer(self, body: Any, status: int = 200) -> None:
        text = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_: Any) -> None:
        pass


@contextlib.contextmanager
def serving() -> Iterator[type[GitHub]]:
    """An empty repository."""
    state: dict[str, Any] = {"issues": [], "comments": [], "calls": [], "writable": True}
    handler: type[GitHub] = type("Handler", (GitHub,), state)
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    handler.address = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield handler
    server.shutdown()
    thread.join()
    server.server_close()
