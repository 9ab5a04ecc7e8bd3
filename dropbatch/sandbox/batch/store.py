"""In-memory store of Batch's resources and jobs, with one lock; saved and restored as JSON."""

import threading
from collections import Counter
from dataclasses import asdict
from typing import Any

from dropbatch.sandbox.batch.errors import ClientError
from dropbatch.sandbox.batch.model import Attempt, Job, Status, Template
from dropbatch.sandbox.batch.names import Arns, split_definition

__all__ = ["Resource", "Store"]

Resource = dict[str, Any]
"""A compute environment, queue, policy or job definition in the shape AWS answers with."""


class Store:
    """All resources and jobs. Hold `lock` while reading or writing; notify `changed` when the scheduler has work."""

    def __init__(self, arns: Arns) -> None:
        self.arns = arns
        self.lock = threading.RLock()
        self.changed = threading.Condition(self.lock)
        self.environments: dict[str, Resource] = {}
        self.queues: dict[str, Resource] = {}
        self.policies: dict[str, Resource] = {}
        self.definitions: dict[str, list[Resource]] = {}
        self.jobs: dict[str, Job] = {}
        self.jobs_by_queue: dict[str, dict[str, Job]] = {}

    def environment(self, reference: str) -> Resource | None:
        """Return a compute environment by name or ARN."""
        return self.environments.get(self.arns.name("compute-environment", reference))

    def queue(self, reference: str) -> Resource | None:
        """Return a job queue by name or ARN."""
        return self.queues.get(self.arns.name("job-queue", reference))

    def definition(self, reference: str) -> Resource | None:
        """Return a job definition by name (newest active revision), ``name:revision``, or an ARN of either."""
        name, revision = split_definition(self.arns.name("job-definition", reference))
        revisions = self.definitions.get(name, [])
        if revision is None:
            return next((each for each in reversed(revisions) if each["status"] == "ACTIVE"), None)
        return next((each for each in revisions if each["revision"] == revision), None)

    def job(self, job_id: str) -> Job | None:
        """Return a job by id; the id of an array's child is ``<parent's id>:<index>``."""
        job = self.jobs.get(job_id)
        if job is None and ":" in job_id:
            parent_id, _, index = job_id.rpartition(":")
            parent = self.jobs.get(parent_id)
            if parent and index.isdigit() and int(index) < len(parent.children):
                return parent.children[int(index)]
        return job

    def tagged(self, arn: str) -> dict[str, str]:
        """Return the tags of the resource with this ARN; callers may change them in place."""
        prefix = self.arns.of("", "")[:-1]
        kind, _, name = arn.removeprefix(prefix).partition("/")
        found: Resource | None = None
        if kind == "job" and (job := self.job(name)):
            return job.template.tags
        if kind == "compute-environment":
            found = self.environments.get(name)
        elif kind == "job-queue":
            found = self.queues.get(name)
        elif kind == "scheduling-policy":
            found = self.policies.get(name)
        elif kind == "job-definition":
            found = self.definition(name)
        if not arn.startswith(prefix) or found is None:
            raise ClientError(f"resource {arn} does not exist")
        tags: dict[str, str] = found.setdefault("tags", {})
        return tags

    def add_job(self, job: Job) -> None:
        """Add a single job, or an array with its children."""
        self.jobs[job.id] = job
        self.jobs_by_queue.setdefault(job.queue_arn, {})[job.id] = job

    def forget_jobs(self, ended_before: int) -> None:
        """Drop jobs that ended before a time in milliseconds since 1970; AWS does so after about seven days."""
        old = [job for job in self.jobs.values() if job.stopped_at is not None and job.stopped_at < ended_before]
        for job in old:
            del self.jobs[job.id]
            self.jobs_by_queue[job.queue_arn].pop(job.id, None)

    def save(self) -> dict[str, Any]:
        """Return everything as JSON-ready data."""
        with self.lock:
            return {
                "environments": self.environments,
                "queues": self.queues,
                "policies": self.policies,
                "definitions": self.definitions,
                "jobs": [_job_data(job) for job in self.jobs.values()],
            }

    def load(self, data: dict[str, Any]) -> None:
        """Replace everything by the result of `save`."""
        with self.lock:
            self.environments = data["environments"]
            self.queues = data["queues"]
            self.policies = data["policies"]
            self.definitions = data["definitions"]
            self.jobs = {}
            self.jobs_by_queue = {}
            for each in data["jobs"]:
                self.add_job(_job_from(each))

    def clear(self) -> None:
        """Delete everything."""
        self.load({"environments": {}, "queues": {}, "policies": {}, "definitions": {}, "jobs": []})


_PLAIN_FIELDS = (
    "id", "name", "queue_arn", "created_at", "index", "status_reason", "started_at", "stopped_at",
    "cancelled", "terminated",
)  # fmt: skip


def _job_data(job: Job) -> dict[str, Any]:
    data: dict[str, Any] = {name: getattr(job, name) for name in _PLAIN_FIELDS}
    data["status"] = str(job.status)
    data["attempts"] = [asdict(attempt) for attempt in job.attempts]
    data["current"] = asdict(job.current) if job.current else None
    if job.parent is None:
        data["template"] = asdict(job.template)
        data["children"] = [_job_data(child) for child in job.children]
    return data


def _job_from(data: dict[str, Any], parent: Job | None = None) -> Job:
    job = Job(
        template=parent.template if parent else Template(**data["template"]),
        parent=parent,
        status=Status(data["status"]),
        attempts=[Attempt(**attempt) for attempt in data["attempts"]],
        current=Attempt(**data["current"]) if data["current"] else None,
        **{name: data[name] for name in _PLAIN_FIELDS},
    )
    job.children = [_job_from(child, parent=job) for child in data.get("children", [])]
    job.summary = Counter(child.status for child in job.children)
    return job
