"""Submissions that Batch refuses for a reason that no repetition cures: noted on the JOB item, and told.

The job stays PREPARED and is submitted again like any other that was not taken, so that its runs start by themselves
once the cause is removed. One JOB item stands for all the runs of a job: that is one write, however many they are.
"""

import json
import logging
from datetime import datetime
from typing import Any

from botocore.exceptions import ClientError, ParamValidationError

from dropbatch.contract import ledger
from dropbatch.contract.items import Job, Refusal
from dropbatch.contract.metrics import REFUSED, embedded
from lambdas.arrival.dependencies import Dependencies
from lambdas.arrival.jobs import NoDefinitionError
from lambdas.ledger.jobs import mark_refused

__all__ = ["note_refusal", "reason_of"]

log = logging.getLogger("dropbatch")

# Error codes of status 4xx that pass by themselves: too much at once, and credentials that are about to be renewed.
# https://docs.aws.amazon.com/batch/latest/APIReference/CommonErrors.html, and
# `ThrottledRetryableChecker` in https://github.com/boto/botocore/blob/develop/botocore/retries/standard.py
_PASSING = frozenset(
    {
        "ExpiredToken",
        "ExpiredTokenException",
        "IncompleteSignature",
        "InvalidClientTokenId",
        "InvalidSignatureException",
        "LimitExceededException",
        "RequestExpired",
        "RequestLimitExceeded",
        "RequestThrottled",
        "RequestThrottledException",
        "RequestTimeout",
        "SlowDown",
        "Throttling",
        "ThrottledException",
        "ThrottlingException",
        "TooManyRequestsException",
        "UnrecognizedClientException",
    }
)
_CLIENT_ERRORS = range(400, 500)
_TIMEOUT, _TOO_MANY = 408, 429
_LONGEST = 1000


def reason_of(error: Exception) -> str:
    """Why a submission was refused for good, in the words of whoever refused it; empty for anything else.

    Only an answer that blames the request counts: a missing one, or a fault of the service, leaves open what happened.
    """
    if isinstance(error, NoDefinitionError | ParamValidationError):
        return str(error)[:_LONGEST]
    if not isinstance(error, ClientError):
        return ""
    said: Any = error.response.get("Error", {})
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    if status not in _CLIENT_ERRORS or status in (_TIMEOUT, _TOO_MANY) or said.get("Code") in _PASSING:
        return ""
    return f"{said.get('Code', status)}: {said.get('Message', '')}"[:_LONGEST]


def note_refusal(deps: Dependencies, job: Job, reason: str) -> None:
    """Note on the JOB item why a prepared job was refused; raise the alarm when it had been refused before.

    The first refusal may pass: a definition or a right that a deploy is about to make, a queue that is being changed.
    The next one, a round of reconcile later, shows that it does not.
    """
    table, before = deps.ledger, job.refused
    if table.pause() is not None:
        # Its queue was disabled meanwhile. Nothing is wrong: the job is submitted when the pause ends.
        log.warning("job %s not submitted, the deployment was paused: %s", job.name, reason)
        return
    now = table.clock()
    at = ledger.timestamp(now)
    refusal = Refusal(reason=reason, since=before.since if before else at, at=at)
    if not mark_refused(table, job, refusal, until=now + deps.deployment.refusal):
        log.info("job %s was taken over while it was being refused", job.name)
        return
    if before is None:
        log.warning("job %s refused, its %d runs stay held: %s", job.name, job.size, reason)
        return
    log.error("job %s refused again, its %d runs stay held: %s", job.name, job.size, reason)
    _count(deps, job, refusal, at=now)


def _count(deps: Dependencies, job: Job, refusal: Refusal, *, at: datetime) -> None:
    """Write the metric that an alarm watches."""
    fields = {
        "event": "submission refused",
        "job_name": job.name,
        "group": job.group,
        "pipeline": job.pipeline,
        "queue": job.queue,
        "definition": job.definition,
        "runs": job.size,
        **refusal._asdict(),
    }
    print(json.dumps(embedded(REFUSED, 1, environment=deps.deployment.environment, at=at, fields=fields)))
