"""The Optuna dashboard as `python -m rfcx_lab.ui` serves it: with the figures, and links to the MLflow UI beside it.

A note's link to MLflow names the address that the MLflow UI has by default. Where it has another one today, the link is
changed on its way to the browser, and the study stays as it is.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from rfcx_lab.errors import hide_password, reason
from rfcx_lab.search.artifacts import artifact_folder
from rfcx_lab.server import HOST

STORAGE = "RFCX_LAB_STORAGE"
"""The environment variable that names the storage: other than an argument, its password is not seen by everybody."""

_MLFLOW = re.compile(rb"http://127\.0\.0\.1:\d+(?=/#/experiments/)")
_NAMES = (HOST, "localhost")  # a page from elsewhere that has its own name lead here is not answered

App = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


def link_to(app: App, mlflow: str) -> App:
    """`app`, with its notes' links into MLflow leading to `mlflow`."""

    def linked(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        if not environ["PATH_INFO"].startswith("/api/studies/"):
            return app(environ, start)
        head: list[Any] = []
        body = app(environ, lambda *told, **options: head.extend(told))
        content = _MLFLOW.sub(mlflow.encode(), b"".join(body))
        status, headers, *more = head
        kept = [(name, value) for name, value in headers if name.lower() != "content-length"]
        start(status, [*kept, ("Content-Length", str(len(content)))], *more)
        return [content]

    return linked


def for_this_machine(app: App) -> App:
    """`app`, for requests that call this machine by its own name."""

    def guarded(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        if environ.get("HTTP_HOST", HOST).rpartition(":")[0] not in _NAMES:
            start("403 Forbidden", [("Content-Type", "text/plain")])
            return [b"This server answers this machine alone."]
        return app(environ, start)

    return guarded


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _Handler(WSGIRequestHandler):
    def log_message(self, format: str, *values: object) -> None:
        """Say nothing: what is said is kept until the server ends."""


def main() -> None:
    """Serve; ends with a sentence where the storage can't be opened."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--runs-dir", type=Path, required=True)
    parser.add_argument("--mlflow")
    chosen = parser.parse_args()
    storage = os.environ[STORAGE]
    from rfcx_lab.search.dashboard import make_app

    try:
        app = for_this_machine(make_app(storage, artifact_folder(storage, chosen.runs_dir)))
    except Exception as error:  # a broken journal, a database and its driver each raise their own
        sys.exit(f"error: {hide_password(storage)} can't be read: {reason(error)}")
    app = link_to(app, chosen.mlflow) if chosen.mlflow else app
    make_server(HOST, chosen.port, app, server_class=_Server, handler_class=_Handler).serve_forever()


if __name__ == "__main__":
    main()
