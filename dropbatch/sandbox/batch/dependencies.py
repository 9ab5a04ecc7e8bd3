"""Job dependencies: ``dependsOn`` with a job id, N_TO_N and SEQUENTIAL.

With an id, a job waits for the entire other job. With N_TO_N, each child waits for the child of the same index in
another array. With SEQUENTIAL, each child waits for the previous child of its own array. Source: AWS Batch user guide,
"Job dependencies" and "Array jobs".
"""

from collections.abc import Iterator
from enum import Enum, auto
from typing import Any

from dropbatch.sandbox.batch.errors import ClientError
from dropbatch.sandbox.batch.model import Job, Status
from dropbatch.sandbox.batch.store import Store

__all__ = ["Hold", "JobDependencies", "check_dependencies"]


class Hold(Enum):
    """Effect of a job's dependencies on the job."""

    FREE = auto()
    WAITS = auto()
    FAILED = auto()


class JobDependencies:
    """Jobs waiting for other jobs. Callers hold the store's lock."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._waiting: dict[str, dict[str, Job]] = {}

    def hold(self, job: Job) -> Hold:
        """Return whether `job` may proceed. If it must wait, `pop` returns it when one of its dependencies ends."""
        before = list(self._before(job))
        if any(each.status is Status.FAILED for each in before):
            return Hold.FAILED
        unfinished = [each for each in before if each.status is not Status.SUCCEEDED]
        for each in unfinished:
            self._waiting.setdefault(each.id, {})[job.id] = job
        return Hold.WAITS if unfinished else Hold.FREE

    def pop(self, ended: Job) -> list[Job]:
        """Return the jobs to check again after this one ended."""
        return list(self._waiting.pop(ended.id, {}).values())

    def _before(self, job: Job) -> Iterator[Job]:
        """Return the jobs it depends on, except those that Batch has already dropped."""
        for each in job.template.depends_on:
            kind = each.get("type")
            other = self._store.job(each.get("jobId", ""))
            if not kind and other:
                yield other
            elif kind == "SEQUENTIAL" and job.parent and job.index:
                yield job.parent.children[job.index - 1]
            elif kind == "N_TO_N" and job.index is not None and other:
                yield other.children[job.index]


def check_dependencies(request: dict[str, Any], store: Store) -> list[dict[str, str]]:
    """Return the validated `dependsOn` of a SubmitJob request."""
    dependencies: list[dict[str, str]] = list(request.get("dependsOn") or [])
    size = int((request.get("arrayProperties") or {}).get("size") or 0)
    for each in dependencies:
        kind, job_id = each.get("type"), each.get("jobId")
        if kind and not size:
            raise ClientError(f"dependsOn.type: {kind} is for array jobs only")
        if kind == "SEQUENTIAL":
            if job_id:
                raise ClientError("dependsOn: SEQUENTIAL is about the array's own children and takes no jobId")
            continue
        other = store.job(job_id or "")
        if other is None:
            raise ClientError(f"dependsOn: job {job_id} does not exist")
        if kind and len(other.children) != size:
            raise ClientError(
                f"dependsOn: N_TO_N needs an array of the same size: this one has {size} children, "
                f"{job_id} has {len(other.children)}"
            )
    return dependencies
