"""A message queue and its dead letters."""

from dataclasses import dataclass

from cdktf_cdktf_provider_aws.sqs_queue import SqsQueue
from cdktf_cdktf_provider_aws.sqs_queue_redrive_policy import SqsQueueRedrivePolicy
from constructs import Construct

from constructs_lib.json_text import json_text
from constructs_lib.policy import Statement, policy_json, tls_only
from constructs_lib.role import Role
from constructs_lib.site import Site

__all__ = ["Queue", "QueueProps"]

_FOURTEEN_DAYS = 14 * 24 * 3600


@dataclass(frozen=True, kw_only=True)
class QueueProps:
    """A queue that one function reads."""

    site: Site
    name: str
    """The queue is ``dropbatch-<environment>-<name>``, its dead letters ``…-dead``."""
    visibility_seconds: int
    """How long a message stays hidden while it is worked on; six times the function's timeout, says AWS."""
    max_receives: int = 100
    """After so many deliveries a message becomes a dead letter. Default: high, since functions put poison aside
    themselves, and being throttled is no reason to lose a message."""


class Queue(Construct):
    """A queue, its dead-letter queue, and who may use them."""

    def __init__(self, scope: Construct, id_: str, props: QueueProps) -> None:
        super().__init__(scope, id_)
        self._site = props.site
        name = props.site.name(props.name)
        self._own_arn = props.site.arn("sqs", name)  # a queue cannot refer to itself
        dead = SqsQueue(
            self,
            "Dead",
            name=f"{name}-dead",
            message_retention_seconds=_FOURTEEN_DAYS,
            sqs_managed_sse_enabled=True,
            policy=policy_json([tls_only("sqs", f"{self._own_arn}-dead")]),
            redrive_allow_policy=json_text({"redrivePermission": "byQueue", "sourceQueueArns": [self._own_arn]}),
        )
        self._queue = SqsQueue(
            self,
            "Queue",
            name=name,
            message_retention_seconds=_FOURTEEN_DAYS,
            visibility_timeout_seconds=props.visibility_seconds,
            sqs_managed_sse_enabled=True,
        )
        self.arn: str = self._queue.arn
        self.url: str = self._queue.url
        self.short_name = props.name
        self.name = name
        self.dead_name = f"{name}-dead"
        self.dead_arn: str = dead.arn
        self.dead_url: str = dead.url
        # Apart from the queue: each step takes the provider 25 seconds, and so both queues are made at once.
        SqsQueueRedrivePolicy(
            self,
            "DeadLetters",
            queue_url=self.url,
            redrive_policy=json_text({"deadLetterTargetArn": self.dead_arn, "maxReceiveCount": props.max_receives}),
        )

    def accept_from(self, service: str, source_arn: str) -> None:
        """Let one resource of an AWS service, in this account, send to the queue: the one sender it has."""
        conditions = {"ArnEquals": {"aws:SourceArn": source_arn}}
        if service == "s3.amazonaws.com":  # the ARN of a bucket has no account
            conditions["StringEquals"] = {"aws:SourceAccount": self._site.account}
        statement = Statement(
            sid="Sender",
            actions=["sqs:SendMessage"],
            resources=[self._own_arn],
            service=service,
            conditions=conditions,
        )
        self._queue.policy = policy_json([tls_only("sqs", self._own_arn), statement])

    def grant_consume(self, role: Role) -> None:
        """Let a role take messages off the queue."""
        actions = ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"]
        role.grant(Statement(sid="ConsumeMessages", actions=actions, resources=[self.arn]))

    def grant_send(self, role: Role) -> None:
        """Let a role put messages on the queue."""
        role.grant(Statement(sid="SendMessages", actions=["sqs:SendMessage"], resources=[self.arn]))

    def grant_send_dead(self, role: Role) -> None:
        """Let a role put poison aside, with its own reason."""
        role.grant(Statement(sid="PutPoisonAside", actions=["sqs:SendMessage"], resources=[self.dead_arn]))
