"""Send mails: one for each request or window of dropped files, not one for each run.

The first run that ends opens its window. A dropped file that is alone in its window is mailed immediately; the runs of
all other windows are mailed together, when the last has ended.
"""

import itertools
import json
import logging
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import Any

from dropbatch.contract import keys, ledger
from dropbatch.contract.deployment import Deployment
from dropbatch.contract.items import Run
from dropbatch.contract.mail_items import LimitNotice, MailWindow, read_mail
from lambdas.common.failures import Failures
from lambdas.common.mail import Mail, open_windows
from lambdas.ledger.table import Ledger
from lambdas.run_events.job_events import BlockedQueue
from lambdas.run_events.mail_texts import about_blocked_queue, about_limit, about_many, about_one
from lambdas.run_events.tally import Counting, Tally

__all__ = ["Mails"]

log = logging.getLogger("dropbatch")


class Mails:
    """Sends mails to operators and to the contacts of groups."""

    def __init__(
        self,
        table: Ledger,
        *,
        s3: Any,
        sns: Any,
        bucket: str,
        topic_arn: str,
        deployment: Deployment,
        contacts_arn: str = "",
    ) -> None:
        """`bucket` is the output bucket. `topic_arn` mails to operators, `contacts_arn` to the contacts of groups."""
        self._ledger = table
        self._s3 = s3
        self._sns = sns
        self._bucket = bucket
        self._topic_arn = topic_arn
        self._contacts_arn = contacts_arn
        self._deployment = deployment
        self._counting = Counting(table, s3=s3, bucket=bucket, minutes=deployment.mail_window_minutes)

    def record_finished(self, ended: Sequence[Run]) -> None:
        """Open the windows of runs that ended; mail a run that is alone in its window."""
        for window, run in open_windows(self._ledger, ended, self._deployment.mail_window_minutes):
            if window.request:
                continue
            runs = list(itertools.islice(self._counting.runs(window), 2))  # there may be very many
            if len(runs) == 1 and runs[0].run_id == run.run_id:
                self._send(about_one(run, region=self._deployment.region, bucket=self._bucket), run.group)
                self._update(window.id, "SET mailed = :run", {":run": run.run_id})

    def queue_blocked(self, blocked: BlockedQueue) -> None:
        """Mail operators about a blocked job queue."""
        mail = about_blocked_queue(blocked)
        self._sns.publish(TopicArn=self._topic_arn, Subject=mail.subject, Message=mail.body)
        log.info("mailed: %s", mail.subject)

    def send_due(self, *, at: datetime, failures: Failures, is_over: Callable[[], bool] = lambda: False) -> None:
        """Send the mails of closed windows whose runs have all ended, until the time `is_over`."""
        for mail in list(self._due(ledger.timestamp(at))):
            if is_over():
                break
            with failures.collect(mail.id):
                self._send_one(mail, is_over)

    def _send_one(self, mail: MailWindow | LimitNotice, is_over: Callable[[], bool]) -> None:
        if isinstance(mail, LimitNotice):
            self._send(about_limit(mail), mail.group)
        else:
            runs = self._counting.count(mail, is_over=is_over)
            if runs is None:
                return
            if runs.total:
                self._send(self._about(mail, runs), mail.group)
        self._update(mail.id, "REMOVE unfinished SET sent_at = :now", {":now": self._ledger.now()})

    def _due(self, now: str) -> Iterator[MailWindow | LimitNotice]:
        condition = "unfinished = :mails AND updated_at < :now"
        for page in self._ledger.query(ledger.UNFINISHED, condition, {":mails": ledger.MAILS, ":now": now}):
            yield from map(read_mail, page)

    def _about(self, window: MailWindow, runs: Tally) -> Mail:
        region = self._deployment.region
        if runs.total == 1 and runs.first:
            return about_one(runs.first, region=region, bucket=self._bucket)
        failures = None
        if runs.failures:
            name = window.window.replace("/", "_").replace(":", "")
            key = keys.report_key(window.group, name)
            complete = len(runs.failures) == runs.total - runs.succeeded
            report = {"version": 1, "failures": runs.failures, "complete": complete}
            body = json.dumps(report, ensure_ascii=False, indent=1).encode()
            self._s3.put_object(Bucket=self._bucket, Key=key, Body=body, ContentType="application/json")
            failures = keys.uri(self._bucket, key)
        return about_many(runs, region=region, failures=failures)

    def _send(self, mail: Mail, group: str) -> None:
        for topic in self._topics(group):
            self._sns.publish(
                TopicArn=topic,
                Subject=mail.subject,
                Message=mail.body,
                MessageAttributes={"group": {"DataType": "String", "StringValue": group}},
            )
        log.info("mailed: %s", mail.subject)

    def _topics(self, group: str) -> Iterator[str]:
        """The topic of contacts, if the group has some; the topic of operators, if they get mails about the group."""
        has_contacts = bool(self._contacts_arn) and group in self._deployment.contacts
        if has_contacts:
            yield self._contacts_arn
        if self._deployment.operators_hear == "all" or (
            self._deployment.operators_hear == "others" and not has_contacts
        ):
            yield self._topic_arn

    def _update(self, item_id: str, expression: str, values: dict[str, str]) -> None:
        self._ledger.update(
            Key=ledger.to_item({"id": item_id}),
            UpdateExpression=expression,
            ExpressionAttributeValues=ledger.to_item(values),
        )
