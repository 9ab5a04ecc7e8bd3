"""One mail per request or drop window, not per run.

A window is opened by the first of its runs that ends. A run that is alone in its window is told of at once; the others
together, when the last has ended.
"""

import itertools
import json
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from dropbatch.contract import keys, ledger
from dropbatch.contract.deployment import Deployment
from lambdas.common.batches import Failures
from lambdas.common.letter import Letter
from lambdas.common.windows import open_windows
from lambdas.run_events.blocked import BlockedQueue
from lambdas.run_events.counting import Counting
from lambdas.run_events.letters import about_blocked_queue, about_limit, about_many, about_one
from lambdas.run_events.tally import Tally

__all__ = ["Mails"]

log = logging.getLogger("dropbatch")

_Item = Mapping[str, Any]


class Mails:
    """Mails to the deployment's people."""

    def __init__(
        self,
        *,
        dynamodb: Any,
        s3: Any,
        sns: Any,
        table: str,
        bucket: str,
        topic_arn: str,
        deployment: Deployment,
        contacts_arn: str = "",
        clock: ledger.Clock = ledger.utc_now,
    ) -> None:
        """`bucket` is the output bucket, where lists of failures go; the topics are those of operators and contacts."""
        self._dynamodb = dynamodb
        self._s3 = s3
        self._sns = sns
        self._table = table
        self._bucket = bucket
        self._topic_arn = topic_arn
        self._contacts_arn = contacts_arn
        self._deployment = deployment
        self._clock = clock
        self._counting = Counting(
            dynamodb=dynamodb,
            s3=s3,
            table=table,
            bucket=bucket,
            minutes=deployment.mail_window_minutes,
            clock=clock,
        )

    def heard(self, ended: Sequence[_Item]) -> None:
        """Note that runs (RUN items) ended; a run that is alone in its window is told of right away."""
        minutes = self._deployment.mail_window_minutes
        for window, run in open_windows(self._dynamodb, self._table, ended, minutes):
            if window["request"]:
                continue
            runs = list(itertools.islice(self._counting.runs(window), 2))  # of perhaps a great many
            if len(runs) == 1 and runs[0]["run_id"] == run["run_id"]:
                self._send(about_one(run, region=self._deployment.region, bucket=self._bucket), run["group"])
                self._update(window["id"], "SET mailed = :run", {":run": run["run_id"]})

    def queue_blocked(self, blocked: BlockedQueue) -> None:
        """Tell operators of a blocked job queue."""
        letter = about_blocked_queue(blocked)
        self._sns.publish(TopicArn=self._topic_arn, Subject=letter.subject, Message=letter.body)
        log.info("mailed: %s", letter.subject)

    def send_due(self, *, at: datetime, failures: Failures, is_over: Callable[[], bool] = lambda: False) -> None:
        """Send the mails of windows that are over and all of whose runs ended, until the time `is_over`."""
        for window in list(self._due(ledger.timestamp(at))):
            if is_over():
                break
            with failures.collect(window["id"]):
                self._tell_of(window, is_over)

    def _tell_of(self, window: _Item, is_over: Callable[[], bool]) -> None:
        if window.get("kind") == "limit":
            self._send(about_limit(window), window["group"])
        else:
            runs = self._counting.count(window, is_over=is_over)
            if runs is None:
                return
            if runs.total:
                self._send(self._about(window, runs), window["group"])
        self._update(window["id"], "REMOVE unfinished SET sent_at = :now", {":now": ledger.timestamp(self._clock())})

    def _due(self, now: str) -> Iterator[dict[str, Any]]:
        yield from self._query(
            IndexName=ledger.UNFINISHED,
            KeyConditionExpression="unfinished = :mails AND updated_at < :now",
            ExpressionAttributeValues=ledger.to_item({":mails": ledger.MAILS, ":now": now}),
        )

    def _about(self, window: _Item, runs: Tally) -> Letter:
        region = self._deployment.region
        if runs.total == 1:
            return about_one(runs.first, region=region, bucket=self._bucket)
        failures = None
        if runs.failures:
            name = window["window"].replace("/", "_").replace(":", "")
            key = keys.report_key(window["group"], name)
            complete = len(runs.failures) == runs.total - runs.succeeded
            found = {"version": 1, "failures": runs.failures, "complete": complete}
            body = json.dumps(found, ensure_ascii=False, indent=1).encode()
            self._s3.put_object(Bucket=self._bucket, Key=key, Body=body, ContentType="application/json")
            failures = keys.uri(self._bucket, key)
        return about_many(runs, region=region, failures=failures)

    def _send(self, letter: Letter, group: str) -> None:
        for topic in self._topics(group):
            self._sns.publish(
                TopicArn=topic,
                Subject=letter.subject,
                Message=letter.body,
                MessageAttributes={"group": {"DataType": "String", "StringValue": group}},
            )
        log.info("mailed: %s", letter.subject)

    def _topics(self, group: str) -> Iterator[str]:
        """Contacts of the group, if it has any; and the operators, as far as they want to hear of runs."""
        has_contacts = bool(self._contacts_arn) and group in self._deployment.contacts
        if has_contacts:
            yield self._contacts_arn
        if self._deployment.operators_hear == "all" or (
            self._deployment.operators_hear == "others" and not has_contacts
        ):
            yield self._topic_arn

    def _update(self, item_id: str, expression: str, values: Mapping[str, str]) -> None:
        self._dynamodb.update_item(
            TableName=self._table,
            Key=ledger.to_item({"id": item_id}),
            UpdateExpression=expression,
            ExpressionAttributeValues=ledger.to_item(values),
        )

    def _query(self, **query: Any) -> Iterator[dict[str, Any]]:
        for page in self._dynamodb.get_paginator("query").paginate(TableName=self._table, **query):
            yield from map(ledger.from_item, page["Items"])
