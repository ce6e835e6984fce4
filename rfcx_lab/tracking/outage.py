"""An MLflow server that has gone: a sweep goes on without its view, and waits for it at the end."""

from __future__ import annotations

import time

from rfcx_lab.console import duration, say
from rfcx_lab.errors import reason
from rfcx_lab.tracking.client import open_client


def await_server(uri: str, *, patience: float) -> None:
    """Where an MLflow server has gone, wait for it, up to `patience` seconds.

    Fits and trials do without it, and so wait only here, at the end, when all that it lacks can be completed.
    """
    if not uri.startswith("http"):
        return
    client, since, told = open_client(uri), time.monotonic(), False
    while True:
        try:
            client.search_experiments(max_results=1)
            return
        except Exception as error:
            if time.monotonic() - since >= patience:
                return
            if not told:
                waiting = f"Waiting for it, up to {duration(patience)}; results are kept."
                say(f"MLflow: {reason(error)}. {waiting}", style="yellow")
                told = True
            time.sleep(min(1.0, patience / 10))
