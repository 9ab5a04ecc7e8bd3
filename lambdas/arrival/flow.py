"""Process a batch of messages: classify files, claim their runs, and submit their jobs.

Modules that few batches need are imported inside functions, to keep cold starts short.
"""

import logging
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from dropbatch.contract.batches import MAX_ITEMS, chunks
from dropbatch.contract.manifest import RunSpec
from dropbatch.contract.overrides import Overrides
from lambdas.arrival.admission import Admitted, Ignored, Rejected, Requested, classify
from lambdas.arrival.availability import Availability, read_availability
from lambdas.arrival.dependencies import Dependencies
from lambdas.arrival.jobs import MAX_ARRAY, Submitter, new_job_name
from lambdas.arrival.new_runs import claim, claimed_run
from lambdas.common.failures import Failures
from lambdas.common.messages import Message, PoisonError, parse

if TYPE_CHECKING:
    from lambdas.arrival.quota import QuotaAdmission
    from lambdas.arrival.refusals import Refusals
    from lambdas.arrival.requests import RequestProcessor
    from lambdas.common.publisher import Publisher
    from lambdas.common.system_messages import RequestStep

__all__ = ["ArrivalFlow"]

log = logging.getLogger("dropbatch")


class ArrivalFlow:
    """Processes messages of the arrival queue."""

    def __init__(self, deps: Dependencies) -> None:
        self._deps = deps
        self._deployment = deps.deployment
        self._submitter = Submitter(deps)

    def process(self, records: Sequence[Mapping[str, Any]], *, spent: Callable[[], float] = lambda: 0) -> Failures:
        """Process messages of the queue; return those to be delivered again.

        One message may start hundreds of runs. Once half of the invocation's time is `spent`, no further runs are
        claimed, and the rest of the time is left for submitting the claimed ones.
        """
        failures = Failures(spent)
        messages: dict[str, Message] = {}
        for record in records:
            with failures.collect(record["messageId"]):
                try:
                    messages[record["messageId"]] = parse(record["body"])
                except PoisonError as poison:
                    self._refusals.send_to_dead_letters(record, str(poison))
        with failures.collect(*messages):
            availability = read_availability(self._deps.ledger, self._deployment.pools)
            self._arrivals(messages, failures, availability)
            # During a pause runs stay HELD. After it, reconcile asks for their jobs again.
            if not availability.paused and any(message.held or message.resubmit for message in messages.values()):
                from lambdas.arrival.held_runs import start_held, submit_again  # noqa: PLC0415

                start_held(messages, self._deps, self._submitter, availability, failures)
                submit_again(messages, self._deps, self._submitter, failures)
        return failures

    def _arrivals(self, messages: Mapping[str, Message], failures: Failures, availability: Availability) -> None:
        # Keyed by run id, since a batch may report an object version twice.
        rejected: dict[str, tuple[str, Rejected]] = {}
        kinds: dict[tuple[str, str, Overrides], dict[str, tuple[str, Admitted]]] = defaultdict(dict)
        steps: list[tuple[str, RequestStep]] = []
        for message_id, outcome in self._outcomes(messages, failures, steps):
            if isinstance(outcome, Rejected):
                rejected[outcome.run_id] = (message_id, outcome)
                continue
            admitted, pool = self._placed(outcome, availability)
            kinds[admitted.definition, pool, admitted.overrides][admitted.run.run_id] = (message_id, admitted)
        for refusals in chunks(rejected.values(), MAX_ITEMS):
            with failures.collect(*(message_id for message_id, _ in refusals)):
                self._refusals.reject([refusal for _, refusal in refusals])
        for (_, pool, _), runs in kinds.items():
            for members in chunks(runs.values(), MAX_ARRAY):
                self._start(members, failures, hold=not pool)
        if steps:
            self._requests.send_on(failures)

    @cached_property
    def _publisher(self) -> "Publisher":
        from lambdas.common.publisher import Publisher  # noqa: PLC0415

        return Publisher(self._deps.ledger, events=self._deps.events, environment=self._deployment.environment)

    @cached_property
    def _refusals(self) -> "Refusals":
        from lambdas.arrival.refusals import Refusals  # noqa: PLC0415

        return Refusals(self._deps, self._publisher)

    @cached_property
    def _requests(self) -> "RequestProcessor":
        from lambdas.arrival.requests import request_processor  # noqa: PLC0415

        return request_processor(self._deps, self._publisher)

    @cached_property
    def _quota(self) -> "QuotaAdmission":
        from lambdas.arrival.quota import QuotaAdmission  # noqa: PLC0415 - few deployments have limits

        return QuotaAdmission(self._deps, self._publisher)

    def _outcomes(
        self, messages: Mapping[str, Message], failures: Failures, steps: "list[tuple[str, RequestStep]]"
    ) -> Iterator[tuple[str, Admitted | Rejected]]:
        """Yield runs to start and rejections, each with its message id; add the processed request steps to `steps`."""
        for message_id, message in messages.items():
            steps += ((message_id, step) for step in message.steps)
            for arrival in message.arrivals:
                match classify(arrival, self._deployment):
                    case Ignored(reason=reason):
                        log.info("ignored s3://%s/%s: %s", arrival.bucket, arrival.key, reason)
                    case Requested() as request:
                        steps.append((message_id, self._requests.first_step(request)))
                    case outcome:
                        yield message_id, outcome
        if steps:
            yield from self._requests.work(steps, failures)
        if any(message.finished for message in messages.values()):
            from lambdas.arrival.next_steps import following  # noqa: PLC0415

            yield from following(messages, self._deps, failures)

    def _placed(self, admitted: Admitted, availability: Availability) -> tuple[Admitted, str]:
        """The run assigned to a pool that has capacity, and the pool's name; an empty name if the run must wait."""
        pool = availability.choose(self._deployment.pipelines[admitted.run.pipeline].pools, admitted.pool)
        if pool is None:
            return admitted, ""
        queue = self._deployment.pools[pool].queue
        return admitted._replace(pool=pool, queue=queue, run=admitted.run._replace(pool=pool)), pool

    def _start(self, members: Sequence[tuple[str, Admitted]], failures: Failures, *, hold: bool) -> None:
        first = members[0][1]
        job_name = new_job_name(first.run.pipeline, first.run.group)
        now, lease_until = self._deps.ledger.now(), self._submitter.lease()
        won: list[RunSpec] = []
        limited = first.run.group in self._deployment.limits
        for part in chunks(members, MAX_ITEMS - limited):
            if failures.postpone(message_id for message_id, _ in part):
                continue
            with failures.collect(*(message_id for message_id, _ in part)):
                runs = [claimed_run(admitted, job_name=job_name, now=now) for _, admitted in part]
                written = self._quota.claim(runs, first) if limited else claim(self._deps.ledger, runs)
                ids = {run.run_id for run in written}
                won += [admitted.run for _, admitted in part if admitted.run.run_id in ids]
        log.info("%s: %d of %d arrivals are new", first.definition, len(won), len(members))
        if won and not hold:
            self._submitter.start(
                job_name,
                won,
                definition=first.definition,
                queue=first.queue,
                lease_until=lease_until,
                overrides=first.overrides,
            )
