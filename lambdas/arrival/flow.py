"""From a batch of messages to submitted jobs: judge, claim, prepare, submit.

What only some batches need is imported when one does: it is no part of every cold start.
"""

import logging
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from dropbatch.contract import ledger
from dropbatch.contract.manifest import RunSpec
from dropbatch.contract.overrides import Overrides
from lambdas.arrival.admission import Admitted, Ignored, Rejected, Requested, judge
from lambdas.arrival.claims import claim, claim_item
from lambdas.arrival.gates import Gates, read_gates
from lambdas.arrival.jobs import MAX_ARRAY, Submitter, new_job_name
from lambdas.arrival.surroundings import Surroundings
from lambdas.common.batches import Failures, chunks
from lambdas.common.items import MAX_TRANSACTION
from lambdas.common.messages import Message, PoisonError, parse

if TYPE_CHECKING:
    from lambdas.arrival.cashier import Cashier
    from lambdas.arrival.refusals import Refusals
    from lambdas.arrival.requests import RequestDesk
    from lambdas.common.announce import Announcer
    from lambdas.common.own_messages import RequestStep

__all__ = ["ArrivalFlow"]

log = logging.getLogger("dropbatch")


class ArrivalFlow:
    """The arrival path of one deployment."""

    def __init__(self, around: Surroundings) -> None:
        self._around = around
        self._deployment = around.deployment
        self._submitter = Submitter(around)

    def process(self, records: Sequence[Mapping[str, Any]], *, spent: Callable[[], float] = lambda: 0) -> Failures:
        """Handle messages of the queue; returns those that shall come again.

        Some messages stand for hundreds of runs. Once half of the invocation's time is `spent`, no more are taken in
        hand, and those that were are submitted.
        """
        failures = Failures(spent)
        messages: dict[str, Message] = {}
        for record in records:
            with failures.collect(record["messageId"]):
                try:
                    messages[record["messageId"]] = parse(record["body"])
                except PoisonError as poison:
                    self._refusals.bury(record, str(poison))
        with failures.collect(*messages):
            now = self._now()
            gates = read_gates(self._around.dynamodb, self._around.table, self._deployment.pools, now=now)
            self._arrivals(messages, failures, gates)
            if "_desk" in self.__dict__:
                self._desk.send_on(failures)
            # While paused nothing is submitted: the runs stay HELD, and reconcile asks again afterwards.
            if not gates.paused and any(message.held or message.resubmit for message in messages.values()):
                from lambdas.arrival.again import start_held, submit_again  # noqa: PLC0415

                start_held(messages, self._around, self._submitter, gates, failures)
                submit_again(messages, self._around, self._submitter, failures)
        return failures

    def _arrivals(self, messages: Mapping[str, Message], failures: Failures, gates: Gates) -> None:
        # Keyed by run id: the same object version twice in one batch is one run.
        rejected: dict[str, tuple[str, Rejected]] = {}
        alike: dict[tuple[str, str, Overrides], dict[str, tuple[str, Admitted]]] = defaultdict(dict)
        for message_id, outcome in self._outcomes(messages, failures):
            if isinstance(outcome, Rejected):
                rejected[outcome.run_id] = (message_id, outcome)
                continue
            placed, pool = self._placed(outcome, gates)
            alike[placed.definition, pool, placed.overrides][placed.run.run_id] = (message_id, placed)
        for refusals in chunks(rejected.values(), MAX_TRANSACTION):
            with failures.collect(*(message_id for message_id, _ in refusals)):
                self._refusals.reject([refusal for _, refusal in refusals])
        for (_, pool, _), found_alike in alike.items():
            for members in chunks(found_alike.values(), MAX_ARRAY):
                self._start(members, failures, hold=not pool)

    @cached_property
    def _announcer(self) -> "Announcer":
        from lambdas.common.announce import Announcer  # noqa: PLC0415

        around = self._around
        return Announcer(
            events=around.events,
            dynamodb=around.dynamodb,
            table=around.table,
            environment=around.deployment.environment,
        )

    @cached_property
    def _refusals(self) -> "Refusals":
        from lambdas.arrival.refusals import Refusals  # noqa: PLC0415

        return Refusals(self._around, self._announcer)

    @cached_property
    def _desk(self) -> "RequestDesk":
        from lambdas.arrival.requests import request_desk  # noqa: PLC0415

        return request_desk(self._around, self._announcer)

    @cached_property
    def _cashier(self) -> "Cashier":
        # Not every deployment has limits.
        from lambdas.arrival.cashier import Cashier  # noqa: PLC0415

        return Cashier(self._around, self._announcer)

    def _outcomes(
        self, messages: Mapping[str, Message], failures: Failures
    ) -> Iterator[tuple[str, Admitted | Rejected]]:
        """Runs to be started and refusals, each with the id of its message."""
        steps: list[tuple[str, RequestStep]] = []
        for message_id, message in messages.items():
            steps += ((message_id, step) for step in message.steps)
            for arrival in message.arrivals:
                match judge(arrival, self._deployment):
                    case Ignored(reason=reason):
                        log.info("ignored s3://%s/%s: %s", arrival.bucket, arrival.key, reason)
                    case Requested() as request:
                        steps.append((message_id, self._desk.first_step(request)))
                    case outcome:
                        yield message_id, outcome
        if steps:
            yield from self._desk.work(steps, failures)
        if any(message.finished for message in messages.values()):
            from lambdas.arrival.next_steps import following  # noqa: PLC0415

            yield from following(messages, self._around, failures)

    def _placed(self, found: Admitted, gates: Gates) -> tuple[Admitted, str]:
        """The run on a pool that has capacity, and that pool; none if it has to wait."""
        pool = gates.place(self._deployment.pipelines[found.run.pipeline].pools, found.pool)
        if pool is None:
            return found, ""
        queue = self._deployment.pools[pool].queue
        return found._replace(pool=pool, queue=queue, run=found.run._replace(pool=pool)), pool

    def _start(self, members: Sequence[tuple[str, Admitted]], failures: Failures, *, hold: bool) -> None:
        first = members[0][1]
        job_name = new_job_name(first.run.pipeline, first.run.group)
        now, lease_until = self._now(), self._submitter.lease()
        won: list[RunSpec] = []
        limited = first.run.group in self._deployment.limits
        for part in chunks(members, MAX_TRANSACTION - limited):
            if failures.put_off(message_id for message_id, _ in part):
                continue
            with failures.collect(*(message_id for message_id, _ in part)):
                items = [claim_item(found, job_name=job_name, now=now) for _, found in part]
                if limited:
                    written = self._cashier.admit(items, first)
                else:
                    written = claim(self._around.dynamodb, self._around.table, items)
                ids = {item["run_id"] for item in written}
                won += [found.run for _, found in part if found.run.run_id in ids]
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

    def _now(self) -> str:
        return ledger.timestamp(self._around.clock())
