"""From a batch of messages to submitted jobs: judge, claim, prepare, submit."""

import logging
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dropbatch.contract import ledger
from dropbatch.contract.deployment import Deployment
from dropbatch.contract.keys import split_uri
from dropbatch.contract.manifest import RunSpec
from dropbatch.contract.runs import State
from lambdas.arrival.admission import Admitted, Ignored, Rejected, judge
from lambdas.arrival.claims import MAX_TRANSACTION, claim, claim_item, rejected_item
from lambdas.arrival.jobs import MAX_ARRAY, Submitter, new_job_name
from lambdas.common.announce import Announcer
from lambdas.common.batches import Failures, chunks
from lambdas.common.messages import Held, Message, PoisonError, parse

__all__ = ["ArrivalFlow", "Clients"]

log = logging.getLogger("dropbatch")


@dataclass(frozen=True, kw_only=True)
class Clients:
    """The AWS services the flow talks to. `batch` must never repeat a call by itself."""

    dynamodb: Any
    s3: Any
    batch: Any
    sqs: Any
    events: Any


class ArrivalFlow:
    """The arrival path of one deployment."""

    def __init__(
        self,
        *,
        deployment: Deployment,
        clients: Clients,
        table: str,
        bucket: str,
        dead_letter_url: str,
        clock: ledger.Clock = ledger.utc_now,
    ) -> None:
        """`bucket` is the output bucket, where manifests go; `dead_letter_url` the queue for poison."""
        self._deployment = deployment
        self._clients = clients
        self._table = table
        self._dead_letter_url = dead_letter_url
        self._submitter = Submitter(
            dynamodb=clients.dynamodb, s3=clients.s3, batch=clients.batch, table=table, bucket=bucket, clock=clock
        )
        self._announcer = Announcer(
            events=clients.events, dynamodb=clients.dynamodb, table=table, environment=deployment.environment
        )
        self._clock = clock

    def process(self, records: Sequence[Mapping[str, Any]]) -> Failures:
        """Handle messages of the queue; returns those that shall come again."""
        failures = Failures()
        messages: dict[str, Message] = {}
        for record in records:
            with failures.collect(record["messageId"]):
                try:
                    messages[record["messageId"]] = parse(record["body"])
                except PoisonError as poison:
                    self._bury(record, str(poison))
        with failures.collect(*messages):
            paused = self._paused()
            self._arrivals(messages, failures, paused=paused)
            # While paused nothing is submitted: the runs stay HELD, and reconcile asks again afterwards.
            if not paused:
                self._held(messages, failures)
                self._resubmissions(messages, failures)
        return failures

    def _arrivals(self, messages: Mapping[str, Message], failures: Failures, *, paused: bool) -> None:
        # Keyed by run id: the same object version twice in one batch is one run.
        rejected: dict[str, tuple[str, Rejected]] = {}
        admitted: dict[tuple[str, str, str], dict[str, tuple[str, Admitted]]] = defaultdict(dict)
        for message_id, message in messages.items():
            for arrival in message.arrivals:
                match judge(arrival, self._deployment):
                    case Ignored(reason=reason):
                        log.info("ignored s3://%s/%s: %s", arrival.bucket, arrival.key, reason)
                    case Rejected() as refusal:
                        rejected[refusal.run_id] = (message_id, refusal)
                    case Admitted() as found:
                        kind = (found.definition, found.queue, found.pool)
                        admitted[kind][found.run.run_id] = (message_id, found)
        for refusals in chunks(rejected.values(), MAX_TRANSACTION):
            with failures.collect(*(message_id for message_id, _ in refusals)):
                self._reject([refusal for _, refusal in refusals])
        for alike in admitted.values():
            for members in chunks(alike.values(), MAX_ARRAY):
                self._start(members, failures, paused=paused)

    def _reject(self, refusals: Sequence[Rejected]) -> None:
        now = self._now()
        written = claim(self._clients.dynamodb, self._table, [rejected_item(refusal, now=now) for refusal in refusals])
        for item in written:
            log.warning("rejected %s: %s", item["input"], item["reason"])
        self._announcer.tell(written)

    def _start(self, members: Sequence[tuple[str, Admitted]], failures: Failures, *, paused: bool) -> None:
        first = members[0][1]
        job_name = new_job_name(first.run.pipeline, first.run.group)
        now, lease_until = self._now(), self._submitter.lease()
        won: list[RunSpec] = []
        for part in chunks(members, MAX_TRANSACTION):
            with failures.collect(*(message_id for message_id, _ in part)):
                items = [claim_item(found, job_name=job_name, now=now) for _, found in part]
                ids = {item["run_id"] for item in claim(self._clients.dynamodb, self._table, items)}
                won += [found.run for _, found in part if found.run.run_id in ids]
        log.info("%s: %d of %d arrivals are new", first.definition, len(won), len(members))
        if won and not paused:
            # A failure from here on fails no message: the ledger has the runs, and reconcile will find them HELD.
            with Failures().collect():
                self._submit(job_name, won, first.definition, first.queue, lease_until)

    def _submit(self, job_name: str, runs: Sequence[RunSpec], definition: str, queue: str, lease_until: str) -> None:
        job = self._submitter.prepare(job_name, runs, definition=definition, queue=queue, lease_until=lease_until)
        self._submitter.submit(job)

    def _held(self, messages: Mapping[str, Message], failures: Failures) -> None:
        lease_until = self._submitter.lease()
        wanted: dict[tuple[str, str], list[RunSpec]] = defaultdict(list)
        names: dict[tuple[str, str], str] = {}
        for message_id, message in messages.items():
            for held in message.held:
                with failures.collect(message_id):
                    self._take_over(held, wanted, names)
        for kind, runs in wanted.items():
            with Failures().collect():
                self._submit(names[kind], runs, *kind, lease_until)

    def _take_over(
        self,
        held: Held,
        wanted: dict[tuple[str, str], list[RunSpec]],
        names: dict[tuple[str, str], str],
    ) -> None:
        """Give a run that waits a job name of this invocation, unless somebody else has moved it on."""
        key = ledger.to_item({"id": ledger.run_key(held.group, held.run_id)})
        found = self._clients.dynamodb.get_item(TableName=self._table, Key=key, ConsistentRead=True).get("Item")
        item = ledger.from_item(found) if found else {}
        waits = item.get("state") == State.HELD and item["job_name"] == held.job_name
        if not waits or item["pipeline"] not in self._deployment.pipelines:
            log.info("held run %s/%s needs nothing: %s", held.group, held.run_id, item.get("state", "no such run"))
            return
        definition = self._deployment.pipelines[item["pipeline"]].definitions[item["group"]]
        kind = (definition, self._deployment.pools[item["pool"]].queue)
        job_name = names.setdefault(kind, new_job_name(item["pipeline"], item["group"]))
        try:
            self._clients.dynamodb.update_item(
                TableName=self._table,
                Key=key,
                UpdateExpression="SET job_name = :new, updated_at = :now",
                ConditionExpression="#state = :held AND job_name = :old",
                ExpressionAttributeNames={"#state": "state"},
                ExpressionAttributeValues=ledger.to_item(
                    {":new": job_name, ":now": self._now(), ":held": State.HELD, ":old": held.job_name}
                ),
            )
        except self._clients.dynamodb.exceptions.ConditionalCheckFailedException:
            return
        wanted[kind].append(_spec(item))

    def _resubmissions(self, messages: Mapping[str, Message], failures: Failures) -> None:
        for message_id, message in messages.items():
            for request in message.resubmit:
                with failures.collect(message_id):
                    job = self._submitter.take_over(request.job_name, request.lease_until)
                    if job is not None:
                        self._submitter.submit(job)

    def _now(self) -> str:
        return ledger.timestamp(self._clock())

    def _paused(self) -> bool:
        key = ledger.to_item({"id": ledger.PAUSED})
        return "Item" in self._clients.dynamodb.get_item(TableName=self._table, Key=key, ConsistentRead=True)

    def _bury(self, record: Mapping[str, Any], reason: str) -> None:
        """Send a message that can never be understood to the dead letters, with the reason beside it."""
        log.error("message %s to the dead letters: %s", record["messageId"], reason)
        self._clients.sqs.send_message(
            QueueUrl=self._dead_letter_url,
            MessageBody=record["body"],
            MessageAttributes={"reason": {"DataType": "String", "StringValue": reason[:1000]}},
        )


def _spec(item: Mapping[str, Any]) -> RunSpec:
    """What the runtime needs of a RUN item."""
    bucket, key = split_uri(item["input"])
    return RunSpec(
        run_id=item["run_id"],
        attempt=item["attempt"],
        group=item["group"],
        pipeline=item["pipeline"],
        bucket=bucket,
        key=key,
        version_id=item["version_id"],
        size=item["size"],
        output=item["output_prefix"],
        parameters=item["parameters"],
    )
