"""Processing requests, step by step.

A step is at most one invocation's work; the steps that are left are sent to the arrival queue. A step done twice makes
the same runs twice, and the ledger takes each of them once.
"""

import logging
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from botocore.exceptions import ClientError

from dropbatch.contract.batches import chunks
from dropbatch.contract.runs import request_id
from lambdas.arrival.admission import Admitted, Rejected, Requested, judge, refused
from lambdas.arrival.dependencies import Dependencies
from lambdas.arrival.requests import parse
from lambdas.arrival.requests.actions import read_prefix
from lambdas.arrival.requests.expansion import expand, runs_of
from lambdas.arrival.requests.faults import Fault, FaultsError
from lambdas.arrival.requests.listing import Listing
from lambdas.arrival.requests.plans import Part, Plans
from lambdas.arrival.requests.rejections import Rejections
from lambdas.arrival.requests.run_requests import RunRequests
from lambdas.arrival.requests.submission import Submission, read_submission
from lambdas.common.failures import Failures
from lambdas.common.messages import Arrival
from lambdas.common.system_messages import RequestStep, requests_body

__all__ = ["RUNS_AT_ONCE", "RequestProcessor"]

log = logging.getLogger("dropbatch")

RUNS_AT_ONCE = 2000
"""Runs that one step starts."""

_MOST_RUNS = 2 * RUNS_AT_ONCE  # of one invocation
_SHARE = 0.1  # of an invocation's time, after which it begins no further step: its runs are still to be claimed
_STEPS_PER_MESSAGE = 50  # with keys of the longest kind in their longest spelling, still what SQS takes
_GONE = {"NoSuchKey", "NoSuchVersion", "404"}

_START = "start"

Outcome = Admitted | Rejected


class RequestProcessor:
    """Processes the requests of one deployment, over one invocation."""

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
        """Do steps, each with the id of its message; return the runs to be started and the requests rejected."""
        runs = taken = 0
        waiting = deque(dict.fromkeys(steps))
        while waiting:
            message_id, step = waiting.popleft()
            if runs >= _MOST_RUNS or (taken and failures.spent() > _SHARE):
                self._later.append((message_id, step))
                continue
            taken += 1
            with failures.collect(message_id):
                outcomes, following = self._take(step)
                runs += len(outcomes)
                yield from ((message_id, outcome) for outcome in outcomes)
                waiting.extend((message_id, each) for each in following)

    def send_on(self, failures: Failures) -> None:
        """Send what is left to the arrival queue, once the runs found so far are claimed.

        Steps of a message that comes again are left to that.
        """
        left = [(message_id, step) for message_id, step in self._later if message_id not in failures.ids]
        self._later = []
        for part in chunks(left, _STEPS_PER_MESSAGE):
            with failures.collect(*(message_id for message_id, _ in part)):
                body = requests_body([step for _, step in part])
                self._deps.sqs.send_message(QueueUrl=self._deps.arrival_url, MessageBody=body)

    def _take(self, step: RequestStep) -> tuple[list[Outcome], list[RequestStep]]:
        """Do one step: runs to be started or a refusal, and the steps that follow."""
        try:
            body = self._read(step)
            match step.request:
                case "submit":
                    return self._submit(step, body)
                case "backfill":
                    return self._backfill(step, body)
            found = self._runs.process(step, body)
            if step.page == 0:
                self._rejections.clear(step)
        except FaultsError as error:
            return [self._refuse(step, error.faults)], []
        return found

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
            fault = Fault(place="", text="the request was deleted before it was read: put it again")
            raise FaultsError(fault) from error
        return parse.read(answer["Body"].read(parse.MAX_BYTES), toml=step.key.endswith(".toml"))

    def _refuse(self, step: RequestStep, faults: tuple[Fault, ...]) -> Rejected:
        arrival = Arrival(bucket=step.bucket, key=step.key, version_id=step.version_id, size=step.size, etag="")
        found = refused(arrival, self._deployment, self._rejections.write(step, faults))
        return found._replace(request=request_id(step.key, step.version_id))

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
            fault = f"a state machine waits for one run, the request comes to {runs}: make a request for each"
            raise FaultsError(Fault(place="task_token", text=fault))
        log.info("request %s: %d runs", step.key, runs)
        self._rejections.clear(step)
        return [], list(_starts(step, part, submission))

    def _start(self, step: RequestStep, submission: Submission, part: Part) -> Iterator[Admitted]:
        return runs_of(submission, part, step, self._deployment, first=step.first, count=RUNS_AT_ONCE)

    def _backfill(self, step: RequestStep, body: Mapping[str, Any]) -> tuple[list[Outcome], list[RequestStep]]:
        """Judge files as if they arrived now: those that have a run already make the same run, which is none."""
        prefix = read_prefix(body, group=step.group, key=step.key, deployment=self._deployment)
        page = self._listing.page(step.bucket, prefix, after=step.after)
        found: list[Outcome] = []
        for each in page.objects:
            arrival = Arrival(bucket=each.bucket, key=each.key, version_id=each.version_id, size=each.size, etag="")
            verdict = judge(arrival, self._deployment)
            if isinstance(verdict, Admitted | Rejected):
                found.append(verdict)
        if not step.after and page.after is None and not page.objects:
            raise FaultsError(Fault(place="prefix", text=f"no file lies below {prefix}: mend the prefix"))
        log.info("backfill %s: %d files below %s", step.key, len(found), prefix)
        if not step.after:
            self._rejections.clear(step)
        return found, [] if page.after is None else [step._replace(page=step.page + 1, after=page.after)]


def _starts(step: RequestStep, last: Part, submission: Submission) -> Iterator[RequestStep]:
    """The steps that start all runs of a plan."""
    for number, objects in enumerate(last.counts):
        for first in range(0, objects * submission.combinations, RUNS_AT_ONCE):
            yield step._replace(stage=_START, page=number, first=first)
