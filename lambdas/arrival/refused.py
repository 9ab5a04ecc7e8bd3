"""Jobs that Batch refuses permanently: store the reason in the JOB item, and raise an alarm.

The job stays PREPARED, and reconcile has it submitted again, so its runs start once the cause is removed.
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

# Error codes of status 4xx that are temporary: throttling, and credentials that are about to be renewed.
# https://docs.aws.amazon.com/batch/latest/APIReference/CommonErrors.html, and
# `ThrottledRetryableChecker` in https://github.com/boto/botocore/blob/develop/botocore/retries/standard.py
_TEMPORARY = frozenset(
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
_MAX_LENGTH = 1000


def reason_of(error: Exception) -> str:
    """Return the error text of a permanent refusal; an empty text for any other error.

    Only errors that blame the request are permanent. After a timeout or a server error the job may exist.
    """
    if isinstance(error, NoDefinitionError | ParamValidationError):
        return str(error)[:_MAX_LENGTH]
    if not isinstance(error, ClientError):
        return ""
    details: Any = error.response.get("Error", {})
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    if status not in _CLIENT_ERRORS or status in (_TIMEOUT, _TOO_MANY) or details.get("Code") in _TEMPORARY:
        return ""
    return f"{details.get('Code', status)}: {details.get('Message', '')}"[:_MAX_LENGTH]


def note_refusal(deps: Dependencies, job: Job, reason: str) -> None:
    """Store in the JOB item why a prepared job was refused; raise the alarm from the second refusal on.

    The first refusal may be temporary: a deploy may be about to create the definition or a permission, or be changing
    the queue. A second one, a round of reconcile later, shows that it is not.
    """
    table, before = deps.ledger, job.refused
    if table.pause() is not None:
        # The pause disabled the queue. The job is submitted when the pause ends.
        log.warning("job %s not submitted, the deployment was paused: %s", job.name, reason)
        return
    now = table.clock()
    at = ledger.timestamp(now)
    refusal = Refusal(reason=reason, since=before.since if before else at, at=at)
    if not mark_refused(table, job, refusal, until=now + deps.deployment.refusal):
        log.info("job %s was taken over by another invocation", job.name)
        return
    if before is None:
        log.warning("job %s refused, its %d runs stay held: %s", job.name, job.size, reason)
        return
    log.error("job %s refused again, its %d runs stay held: %s", job.name, job.size, reason)
    _count(deps, job, refusal, at=now)


def _count(deps: Dependencies, job: Job, refusal: Refusal, *, at: datetime) -> None:
    """Write the metric that triggers the alarm."""
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
