"""The control endpoint of the sandbox, ``/_dropbatch/control``: faults and the speed of Batch's clock.

It takes the owner's secret access key as a bearer token, so neither a web page nor a job can call it.

======  ========================================  ==========================================================
GET                                               ``{"clock": speed, "faults": [{…}, …], "killed": {function: times}}``
POST    ``{"fault": kind, …}``                    set a fault (`KINDS` in ``batch/faults.py``); answers as GET
POST    ``{"fault": "reclaim", …}``               at once; members ``queue`` or ``job``; answers ``{"jobs": [ids]}``
POST    ``{"fault": "kill-function", …}``         members ``function``, ``seconds`` after its invocation, ``times``
POST    ``{"clock": speed}``                      seconds of Batch's time per second
POST    ``{"grants": true}``                      permissions that were used: ``{"uses": [[role, action, ARN], …]}``
POST    ``{"clear": true}`` or ``{"clear": kind}``  clear faults
======  ========================================  ==========================================================
"""

import hmac
import json
from typing import Any

from dropbatch.sandbox.batch.errors import BatchError, ClientError
from dropbatch.sandbox.batch.faults import Fault
from dropbatch.sandbox.batch.service import BatchService
from dropbatch.sandbox.functions import Killer
from dropbatch.sandbox.grants import Recorder

__all__ = ["PATH", "Control"]

PATH = "/_dropbatch/control"
_SPEEDS = (0.01, 100_000)


class Control:
    """Handle requests to the control endpoint."""

    def __init__(self, batch: BatchService, grants: Recorder, secret: str) -> None:
        self._batch = batch
        self._grants = grants
        self._killer = Killer()
        self._token = f"Bearer {secret}".encode()

    def answer(self, method: str, authorization: bytes, body: bytes) -> tuple[int, dict[str, Any]]:
        """Return status and JSON of the response."""
        if not hmac.compare_digest(authorization, self._token):
            return 403, {"message": "the control endpoint takes the sandbox's secret access key as a bearer token"}
        try:
            if method == "GET":
                return 200, self._state()
            if method != "POST":
                raise ClientError(f"GET or POST, got {method}")
            request = json.loads(body)
            if not isinstance(request, dict):
                raise ClientError("a JSON object is needed")
            return 200, self._act(request)
        except BatchError as error:
            return error.status, {"message": str(error)}
        except ValueError as error:
            return 400, {"message": f"the body is not JSON: {error}"}

    def _state(self) -> dict[str, Any]:
        faults = self._batch.faults.report() + self._killer.report()
        return {"clock": self._batch.clock.speed, "faults": faults, "killed": self._killer.killed()}

    def _act(self, request: dict[str, Any]) -> dict[str, Any]:
        fault = request.get("fault")
        if "grants" in request:
            return {"uses": self._grants.uses()}
        if "clock" in request:
            self._set_clock(request["clock"])
        elif clear := request.get("clear"):
            self._batch.faults.clear(None if clear is True else str(clear))
            if clear in (True, "kill-function"):
                self._killer.clear()
        elif fault == "reclaim":
            self._check_queue(request)
            return {"jobs": self._batch.reclaim(queue=request.get("queue"), job_id=request.get("job"))}
        elif fault == "kill-function":
            self._kill(request)
        else:
            self._check_queue(request)
            self._batch.faults.put(request)
        self._batch.reevaluate()
        return self._state()

    def _check_queue(self, request: dict[str, Any]) -> None:
        """Refuse an unknown queue: its fault would never occur."""
        wanted = Fault(fault="", queue=request.get("queue"))
        names = sorted(self._batch.store.queues)
        if wanted.queue and not any(wanted.meets(name, None) for name in names):
            raise ClientError(f"no job queue is named {wanted.queue!r}: there are {', '.join(names) or 'none'}")

    def _kill(self, request: dict[str, Any]) -> None:
        try:
            seconds, times = float(request.get("seconds", 0)), int(request.get("times", 1))
        except (TypeError, ValueError):
            raise ClientError("kill-function: seconds and times are numbers") from None
        self._killer.order(str(request.get("function", "")), seconds=seconds, times=times)

    def _set_clock(self, speed: Any) -> None:
        least, most = _SPEEDS
        if not isinstance(speed, (int, float)) or not least <= speed <= most:
            raise ClientError(f"clock: {least} to {most} seconds per second, got {speed!r}")
        self._batch.clock.set_speed(float(speed))
