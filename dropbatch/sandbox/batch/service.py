"""Register the sandbox's Batch as a MiniStack service: requests, saved state, start and stop."""

from collections.abc import Callable
from typing import Any

from dropbatch.sandbox import emulator
from dropbatch.sandbox.batch.api import Api, Response
from dropbatch.sandbox.batch.authorization import Check, checks
from dropbatch.sandbox.batch.clock import Clock
from dropbatch.sandbox.batch.events import EventSender
from dropbatch.sandbox.batch.faults import Fault, Faults
from dropbatch.sandbox.batch.faulty import FaultyDelivery, FaultyRunner
from dropbatch.sandbox.batch.model import Job, Status
from dropbatch.sandbox.batch.names import Arns
from dropbatch.sandbox.batch.runner import Runner
from dropbatch.sandbox.batch.scheduler import Scheduler
from dropbatch.sandbox.batch.store import Store

__all__ = ["BatchService"]

_FORMAT = 1


class BatchService:
    """AWS Batch. MiniStack calls the methods that its service modules have too."""

    def __init__(
        self,
        *,
        region: str,
        runner: Runner,
        deliver: Callable[[list[dict[str, Any]]], None],
        clock: Clock | None = None,
    ) -> None:
        self._region = region
        self.store = Store(Arns(emulator.ACCOUNT, region))
        self.clock = clock or Clock()
        self.faults = Faults()
        self._delivery = FaultyDelivery(deliver, self.faults, self.clock)
        self._events = EventSender(self._delivery)
        self._runner = FaultyRunner(runner, self.faults, self.clock)
        self._scheduler = Scheduler(self.store, self._runner, self._events.send, clock=self.clock, faults=self.faults)
        self._api = Api(self.store, self._scheduler, self.faults)

    def start(self) -> None:
        """Start scheduling."""
        self._events.start()
        self._scheduler.start()

    def stop(self) -> None:
        """Stop running jobs and deliver their events."""
        self._runner.stop()
        self._scheduler.stop()
        self._events.stop()
        self._delivery.stop()

    def reevaluate(self) -> None:
        """Wake the scheduler after a change of a fault or the clock."""
        with self.store.lock:
            self._scheduler.environment_changed()

    def reclaim(self, *, queue: str | None = None, job_id: str | None = None) -> list[str]:
        """Reclaim the instance of a job, or of all jobs of a queue; return the ids of the interrupted jobs."""
        place = Fault(fault="reclaim", queue=queue)
        kind = self.store.arns.of("job-queue", "")

        def chosen(job: Job) -> bool:
            mine = job_id is None or job.id == job_id or bool(job.parent and job.parent.id == job_id)
            return mine and place.meets(job.queue_arn.removeprefix(kind), None)

        with self.store.lock:
            return [job.id for job in self._scheduler.reclaim(chosen)]

    def checks(self, operation: str, path: str, body: bytes) -> list[Check]:
        """Return the actions and resources that IAM must allow for a request."""
        with self.store.lock:
            return checks(operation, path, body, self.store)

    def counts(self) -> dict[str, int]:
        """Return the number of jobs by state; children of arrays count, their parents do not."""
        with self.store.lock:
            total = dict.fromkeys(map(str, Status), 0)
            for job in self.store.jobs.values():
                for each in job.children or [job]:
                    total[each.status] += 1
        return total

    async def handle_request(
        self, method: str, path: str, headers: dict[str, str], body: bytes, query_params: dict[str, Any]
    ) -> Response:
        """Answer one request that IAM has allowed on its first resource."""
        return self._api.answer(method, path, body, query_params)

    def get_state(self) -> dict[str, Any]:
        """Return the state to save."""
        return {"format": _FORMAT, **self.store.save()}

    def load_persisted_state(self, data: dict[str, Any]) -> None:
        """Restore saved state."""
        if data.get("format") == _FORMAT:
            self.store.load(data)

    def reset(self) -> None:
        """Delete everything."""
        self.store.clear()

    @property
    def region(self) -> str:
        """Return the emulated region."""
        return self._region
