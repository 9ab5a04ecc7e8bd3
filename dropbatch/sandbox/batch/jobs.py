"""Jobs: describe, list, cancel, terminate."""

from collections.abc import Callable, Iterable
from typing import Any

from dropbatch.sandbox.batch.describe import describe, summarize
from dropbatch.sandbox.batch.errors import ClientError
from dropbatch.sandbox.batch.faults import Faults
from dropbatch.sandbox.batch.model import Job, Status
from dropbatch.sandbox.batch.paging import page
from dropbatch.sandbox.batch.scheduler import Scheduler
from dropbatch.sandbox.batch.store import Store

__all__ = ["Jobs"]

_PAGE = 1000


class Jobs:
    """Operations on existing jobs."""

    def __init__(self, store: Store, scheduler: Scheduler, faults: Faults) -> None:
        self._store = store
        self._scheduler = scheduler
        self._faults = faults

    def describe(self, request: dict[str, Any]) -> dict[str, Any]:
        """DescribeJobs; unknown ids are left out, as on AWS."""
        ids = request["jobs"]
        prefix = self._store.arns.of("job", "")
        found = [self._store.job(each.removeprefix(prefix)) for each in dict.fromkeys(ids)]
        return {"jobs": [describe(job, self._store.arns) for job in found if job]}

    def list(self, request: dict[str, Any]) -> dict[str, Any]:
        """ListJobs of a queue or an array: RUNNING jobs, unless a status or a filter is given."""
        array_id = request.get("arrayJobId")
        if array_id:
            parent = self._store.job(array_id)
            if parent is None:
                raise ClientError(f"job {array_id} does not exist")
            jobs: Iterable[Job] = parent.children
        else:
            queue = self._store.queue(request["jobQueue"])
            if queue is None:
                raise ClientError(f"job queue {request['jobQueue']} does not exist")
            jobs = reversed(list(self._store.jobs_by_queue.get(queue["jobQueueArn"], {}).values()))
        wanted = _filter(request)
        newest = self._newest()
        found, token = page([job for job in jobs if job.created_at <= newest and wanted(job)], request, default=_PAGE)
        return {"jobSummaryList": [summarize(job, self._store.arns) for job in found], **token}

    def cancel(self, request: dict[str, Any]) -> dict[str, Any]:
        """CancelJob: end a job that has not started."""
        self._scheduler.cancel(self._get(request["jobId"]), request["reason"])
        return {}

    def terminate(self, request: dict[str, Any]) -> dict[str, Any]:
        """TerminateJob."""
        self._scheduler.terminate(self._get(request["jobId"]), request["reason"])
        return {}

    def _newest(self) -> int:
        """Return the creation time of the newest job visible to ListJobs."""
        lag = self._faults.holds("list-lag")
        return self._scheduler.now_ms() - int(lag.seconds * 1000 if lag else 0)

    def _get(self, job_id: str) -> Job:
        job = self._store.job(job_id)
        if job is None:
            raise ClientError(f"job {job_id} does not exist")
        return job


def _filter(request: dict[str, Any]) -> Callable[[Job], bool]:
    """Return a predicate from the request's filter, which on AWS overrides the status, or from the status."""
    filters = request.get("filters") or []
    if not filters:
        status = Status(request.get("jobStatus") or Status.RUNNING)
        return lambda job: job.status is status
    name, value = filters[0]["name"], str(filters[0]["values"][0])
    if name == "JOB_NAME":
        if value.endswith("*"):
            return lambda job: job.name.lower().startswith(value[:-1].lower())
        return lambda job: job.name.lower() == value.lower()
    if name == "JOB_DEFINITION":
        return lambda job: value in _definition_forms(job)
    if name == "BEFORE_CREATED_AT":
        return lambda job: job.created_at < int(value)
    if name == "AFTER_CREATED_AT":
        return lambda job: job.created_at > int(value)
    status = Status(request.get("jobStatus") or Status.RUNNING)
    return lambda job: job.template.share_identifier == value and job.status is status


def _definition_forms(job: Job) -> set[str]:
    arn = job.template.definition_arn
    revision = arn.rpartition("/")[2]
    return {arn, revision, revision.partition(":")[0]}
