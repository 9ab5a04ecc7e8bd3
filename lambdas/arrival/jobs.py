"""Prepare and submit jobs: write the manifest, write the JOB item, call SubmitJob.

The function may be stopped at any point. Since manifest and JOB item are written first, a later invocation can find out
whether the job was submitted, and submit the same work if it was not.
"""

import logging
import secrets
from collections.abc import Sequence
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from dropbatch.contract import job_environment, keys, ledger
from dropbatch.contract.deployment import DEFAULT_PRIORITY
from dropbatch.contract.items import Job
from dropbatch.contract.manifest import Manifest, RunSpec
from dropbatch.contract.overrides import Overrides
from lambdas.arrival.dependencies import Dependencies
from lambdas.common.failures import Failures
from lambdas.ledger.jobs import mark_submitted, set_definition

__all__ = ["MAX_ARRAY", "NoDefinitionError", "Submitter", "new_job_name"]

MAX_ARRAY = 10_000
"""Maximum size of an array job."""

log = logging.getLogger("dropbatch")


class NoDefinitionError(LookupError):
    """A job definition has no active revision."""


_FAULTS = (ClientError, BotoCoreError, NoDefinitionError)


def new_job_name(pipeline: str, group: str) -> str:
    """Return a unique job name; reconcile finds jobs in Batch by their name."""
    return f"{pipeline}-{group}-{secrets.token_hex(8)}"


class Submitter:
    """Submits the jobs of claimed runs."""

    def __init__(self, deps: Dependencies) -> None:
        self._deps = deps

    def start(
        self,
        job_name: str,
        runs: Sequence[RunSpec],
        *,
        definition: str,
        queue: str,
        lease_until: str,
        overrides: Overrides,
    ) -> None:
        """Prepare and submit the job of runs that share group and pipeline.

        The lease (`lease_until`) must have begun before the runs were claimed. Errors are logged and not raised: the
        runs stay HELD in the ledger, where reconcile finds them.
        """
        group, pipeline = runs[0].group, runs[0].pipeline
        with Failures().collect(job_name):
            job = Job(
                name=job_name,
                asked=definition,
                definition=definition,
                queue=queue,
                group=group,
                pipeline=pipeline,
                size=len(runs),
                manifest=keys.uri(self._deps.bucket, keys.manifest_key(group, pipeline, job_name)),
                lease_until=lease_until,
                overrides=overrides,
            )
            try:
                job = job._replace(definition=self._revision(definition))
            except _FAULTS as error:
                # The job is prepared nevertheless: its JOB item shows why it is not submitted.
                log.warning("no revision of %s found for job %s: %s", definition, job_name, error)
            self._prepare(job, runs)
            self.submit(job)

    def _prepare(self, job: Job, runs: Sequence[RunSpec]) -> None:
        """Write the manifest and the JOB item."""
        self._deps.objects.write_manifest(job, Manifest(job_name=job.name, runs=tuple(runs)))
        self._deps.ledger.put(job.to_item())

    def submit(self, job: Job) -> bool:
        """Submit a prepared job; return whether Batch accepted it.

        When Batch refuses the job, or its answer is lost, the runs stay HELD: reconcile looks for the job by its name,
        and asks to submit it again if it does not exist.
        """
        if job.refused is not None or ":" not in job.definition:
            try:
                job = self._renewed(job)
            except _FAULTS as error:
                self._not_taken(job, error)
                return False
        if self._deps.ledger.now() >= job.lease_until:
            # Another invocation may have taken over the job.
            log.warning("job %s not submitted: its lease expired", job.name)
            return False
        try:
            answer = self._deps.batch.submit_job(**self._request(job))
        except _FAULTS as error:
            self._not_taken(job, error)
            return False
        mark_submitted(self._deps.ledger, job.name, answer["jobId"])
        return True

    def _not_taken(self, job: Job, error: Exception) -> None:
        """Store a permanent refusal; log any other error."""
        # Imported here to keep cold starts short: few submissions fail.
        from lambdas.arrival.refused import note_refusal, reason_of  # noqa: PLC0415

        if reason := reason_of(error):
            note_refusal(self._deps, job, reason)
        else:
            log.warning("job %s not submitted, its %d runs stay held: %s", job.name, job.size, error)

    def _renewed(self, job: Job) -> Job:
        """Return the job with the newest revision, since a deploy may have removed the cause of the refusal."""
        definition = self._revision(job.asked)
        if definition == job.definition:
            return job
        return set_definition(self._deps.ledger, job, definition)

    def _request(self, job: Job) -> dict[str, Any]:
        wanted = job.overrides.request()
        pipeline = self._deps.deployment.pipelines.get(job.pipeline)
        return {
            **wanted,
            "jobName": job.name,
            "jobQueue": job.queue,
            "jobDefinition": job.definition,
            # Every queue has a fair-share policy, which requires a share identifier.
            "shareIdentifier": job.group,
            # It also requires a priority, which older revisions of a definition may lack:
            # terraform-provider-aws#31226, nextflow#3505.
            "schedulingPriorityOverride": pipeline.priority if pipeline else DEFAULT_PRIORITY,
            "containerOverrides": {
                "environment": [
                    {"name": job_environment.MANIFEST, "value": job.manifest},
                    {"name": job_environment.JOB_DEFINITION, "value": job.definition},
                ],
                **wanted.get("containerOverrides", {}),
            },
            "tags": {"dropbatch:group": job.group, "dropbatch:pipeline": job.pipeline},
            "propagateTags": True,
            **({"arrayProperties": {"size": job.size}} if job.size > 1 else {}),
        }

    def _revision(self, definition: str) -> str:
        """Return ``name:revision``: the requested revision, or the newest active one.

        Jobs name their revision explicitly, so that their runs can be reproduced.
        """
        if ":" in definition:
            return definition
        pages = self._deps.batch.get_paginator("describe_job_definitions").paginate(
            jobDefinitionName=definition, status="ACTIVE"
        )
        revisions = [each["revision"] for page in pages for each in page["jobDefinitions"]]
        if not revisions:
            raise NoDefinitionError(f"no active job definition {definition!r}: deploy the stack again")
        return f"{definition}:{max(revisions)}"

    def lease(self) -> str:
        """Return the end of a lease that begins now, as a `timestamp`."""
        return ledger.timestamp(self._deps.ledger.clock() + self._deps.deployment.lease)
