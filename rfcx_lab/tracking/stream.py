"""A fit's epochs on their way to MLflow while it trains."""

from __future__ import annotations

from typing import Any

from rfcx_lab.tracking.client import METRICS, logged_steps, now, open_client
from rfcx_lab.tracking.store import check_unlocked, stops_waiting


class CurveStream:
    """Sends a fit's epochs to its run while it trains. Lives in the worker.

    A store that does not answer ends the stream, not the fit: the driver completes the curve afterwards.
    """

    def __init__(self, *, uri: str, run_id: str) -> None:
        """Connect; epochs that an earlier, interrupted try has logged are not logged twice.

        An empty `run_id` is that of a run which could not be opened.
        """
        self._uri, self._run_id = uri, run_id
        self._alive = bool(run_id)
        self._logged: set[int] = set()
        if self._alive:
            self._guarded(self._connect)

    def __call__(self, number: int, epoch: Any) -> None:
        """Log epoch `number` (from 1)."""
        from mlflow.entities import Metric

        if number in self._logged or not self._alive:
            return
        at = now()
        metrics = [Metric(key, getattr(epoch, field), at, number) for key, field in METRICS.items()]
        self._guarded(lambda: self._client.log_batch(self._run_id, metrics=metrics))

    def _connect(self) -> None:
        check_unlocked(self._uri)
        self._client = open_client(self._uri)
        self._logged |= logged_steps(self._client, self._run_id)

    def _guarded(self, call: Any) -> None:
        try:
            with stops_waiting():
                call()
        except Exception:  # whatever the store's trouble is, it must not cost the fit
            self._alive = False
