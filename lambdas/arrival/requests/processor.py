"""Process requests step by step.

A step fits into one invocation; further steps are sent to the arrival queue. A repeated step makes the same runs again,
and the ledger stores each of them once.
"""

import logging
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from botocore.exceptions import ClientError

from dropbatch.contract.batches import chunks
from dropbatch.contract.runs import request_id
from lambdas.arrival.admission import Admitted, Rejected, Requested, classify, rejection_of
from lambdas.arrival.dependencies import Dependencies
from lambdas.arrival.requests import parse
from lambdas.arrival.requests.actions import read_prefix
from lambdas.arrival.requests.faults import Fault, FaultsError
from lambdas.arrival.requests.listing import Listing
from lambdas.arrival.requests.plans import Part, Plans, expand, runs_of
from lambdas.arrival.requests.rejections import Rejections
from lambdas.arrival.requests.run_requests import RunRequests
from lambdas.arrival.requests.submission import Submission, read_submission
from lambdas.common.failures import Failures
from lambdas.common.messages import Arrival
from lambdas.common.system_messages import RequestStep, requests_body

__all__ = ["RUNS_AT_ONCE", "RequestProcessor"]

log = logging.getLogger("dropbatch")

RUNS_AT_ONCE = 2000
"""Maximum number of runs of one step."""

_MAX_RUNS = 2 * RUNS_AT_ONCE  # of one invocation
_MAX_TIME = 0.1  # share of the invocation's time after which no step begins; the rest is needed to claim the runs
_STEPS_PER_MESSAGE = 50  # fits into an SQS message even with the longest keys
_GONE = {"NoSuchKey", "NoSuchVersion", "404"}

_START = "start"

Outcome = Admitted | Rejected


class RequestProcessor:
    """Processes requests within one invocation."""

    def __init__(self, deps: Dependencies, runs: RunRequests) -> None:
        self._deps = deps
        self._deployment = deps.deployment
        self._runs = runs
        self._plans = Plans(s3=deps.s3, bucket=deps.bucket)
        self._listing = Listing(deps.s3)
        self._rejections = Rejections(s3=deps.s3, bucket=deps.bucket, listing=self._listing)
        self._later: list[tuple[str, RequestStep]] = []

    def first_step(self, requested: Requested) -> RequestStep:
        """Return the first step of a request."""
        arrival = requested.arrival
        return RequestStep(
            group=requested.group,
            request=requested.kind,
            bucket=arrival.bucket,
            key=arrival.key,
            version_id=arrival.version_id,
            size=arrival.size,
        )

    def work(self, steps: Iterable[tuple[str, RequestStep]], failures: Failures) -> Iterator[tuple[str, Outcome]]:
        """Process steps, each with its message id; yield the runs to start and the rejected requests."""
        runs = taken = 0
        waiting = deque(dict.fromkeys(steps))
        while waiting:
            message_id, step = waiting.popleft()
            if runs >= _MAX_RUNS or (taken and failures.spent() > _MAX_TIME):
                self._later.append((message_id, step))
                continue
            taken += 1
            with failures.collect(message_id):
                outcomes, following = self._take(step)
                runs += len(outcomes)
                yield from ((message_id, outcome) for outcome in outcomes)
                waiting.extend((message_id, each) for each in following)

    def send_on(self, failures: Failures) -> None:
        """Send the remaining steps to the arrival queue. Call it when the runs of the earlier steps are claimed.

        Steps whose message failed are not sent: the message is delivered again.
        """
        left = [(message_id, step) for message_id, step in self._later if message_id not in failures.ids]
        self._later = []
        for part in chunks(left, _STEPS_PER_MESSAGE):
            with failures.collect(*(message_id for message_id, _ in part)):
                body = requests_body([step for _, step in part])
                self._deps.sqs.send_message(QueueUrl=self._deps.arrival_url, MessageBody=body)

    def _take(self, step: RequestStep) -> tuple[list[Outcome], list[RequestStep]]:
        """Process one step; return the runs to start or a rejection, and the next steps."""
        try:
            body = self._read(step)
            match step.request:
                case "submit":
                    return self._submit(step, body)
                case "backfill":
                    return self._backfill(step, body)
            outcomes, following = self._runs.process(step, body)
            if step.page == 0:
                self._rejections.clear(step)
        except FaultsError as error:
            return [self._reject(step, error.faults)], []
        return outcomes, following

    def _read(self, step: RequestStep) -> Mapping[str, Any]:
        if step.size > parse.MAX_BYTES:
            fix = "name folders or patterns instead of every file, or split it"
            raise FaultsError(
                Fault(place="", text=f"the file has {step.size} bytes, at most {parse.MAX_BYTES} are read: {fix}")
            )
        try:
            answer = self._deps.s3.get_object(Bucket=step.bucket, Key=step.key, VersionId=step.version_id)
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") not in _GONE:
                raise
            fault = Fault(place="", text="the request was deleted before it was read: upload it again")
            raise FaultsError(fault) from error
        return parse.read(answer["Body"].read(parse.MAX_BYTES), toml=step.key.endswith(".toml"))

    def _reject(self, step: RequestStep, faults: tuple[Fault, ...]) -> Rejected:
        arrival = Arrival(bucket=step.bucket, key=step.key, version_id=step.version_id, size=step.size, etag="")
        rejected = rejection_of(arrival, self._deployment, self._rejections.write(step, faults))
        return rejected._replace(request=request_id(step.key, step.version_id))

    def _submit(self, step: RequestStep, body: Mapping[str, Any]) -> tuple[list[Outcome], list[RequestStep]]:
        submission = read_submission(
            body, group=step.group, key=step.key, bucket=step.bucket, deployment=self._deployment
        )
        if step.stage == _START:
            return list(self._start(step, submission, self._plans.read(step, step.page))), []
        before = self._plans.read(step, step.page - 1) if step.page else None
        limit = self._deployment.max_runs_per_request
        part = self._plans.write(step, step.page, expand(submission, before, self._listing, limit=limit))
        if part.next is not None:
            return [], [step._replace(page=step.page + 1)]
        if part.faults:
            raise FaultsError(*part.faults)
        runs = sum(part.counts) * submission.combinations
        if submission.is_awaited and runs != 1:
            fault = f"a state machine can wait for one run, the request makes {runs}: make one request for each run"
            raise FaultsError(Fault(place="task_token", text=fault))
        log.info("request %s: %d runs", step.key, runs)
        self._rejections.clear(step)
        return [], list(_starts(step, part, submission))

    def _start(self, step: RequestStep, submission: Submission, part: Part) -> Iterator[Admitted]:
        return runs_of(submission, part, step, self._deployment, first=step.first, count=RUNS_AT_ONCE)

    def _backfill(self, step: RequestStep, body: Mapping[str, Any]) -> tuple[list[Outcome], list[RequestStep]]:
        """Process files as if they arrived now. Files that have a run make the same run id, so no second run starts."""
        prefix = read_prefix(body, group=step.group, key=step.key, deployment=self._deployment)
        page = self._listing.page(step.bucket, prefix, after=step.after)
        outcomes: list[Outcome] = []
        for each in page.objects:
            arrival = Arrival(bucket=each.bucket, key=each.key, version_id=each.version_id, size=each.size, etag="")
            outcome = classify(arrival, self._deployment)
            if isinstance(outcome, Admitted | Rejected):
                outcomes.append(outcome)
        if not step.after and page.after is None and not page.objects:
            raise FaultsError(Fault(place="prefix", text=f"no file is below {prefix}: correct the prefix"))
        log.info("backfill %s: %d files below %s", step.key, len(outcomes), prefix)
        if not step.after:
            self._rejections.clear(step)
        return outcomes, [] if page.after is None else [step._replace(page=step.page + 1, after=page.after)]


def _starts(step: RequestStep, last: Part, submission: Submission) -> Iterator[RequestStep]:
    """The steps that start the runs of a plan."""
    for number, objects in enumerate(last.counts):
        for first in range(0, objects * submission.combinations, RUNS_AT_ONCE):
            yield step._replace(stage=_START, page=number, first=first)
