"""A message queue and its dead letters."""

import json
from dataclasses import dataclass

from cdktf_cdktf_provider_aws.sqs_queue import SqsQueue
from cdktf_cdktf_provider_aws.sqs_queue_policy import SqsQueuePolicy
from cdktf_cdktf_provider_aws.sqs_queue_redrive_allow_policy import SqsQueueRedriveAllowPolicy
from constructs import Construct

from constructs_lib.policy import Statement, policy_json
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
        dead = SqsQueue(
            self,
            "Dead",
            name=f"{name}-dead",
            message_retention_seconds=_FOURTEEN_DAYS,
            sqs_managed_sse_enabled=True,
        )
        queue = SqsQueue(
            self,
            "Queue",
            name=name,
            message_retention_seconds=_FOURTEEN_DAYS,
            visibility_timeout_seconds=props.visibility_seconds,
            sqs_managed_sse_enabled=True,
            redrive_policy=json.dumps({"deadLetterTargetArn": dead.arn, "maxReceiveCount": props.max_receives}),
        )
        self.arn: str = queue.arn
        self.url: str = queue.url
        self.dead_arn: str = dead.arn
        self.dead_url: str = dead.url
        SqsQueueRedriveAllowPolicy(
            self,
            "DeadSource",
            queue_url=self.dead_url,
            redrive_allow_policy=json.dumps({"redrivePermission": "byQueue", "sourceQueueArns": [self.arn]}),
        )

    def accept_from(self, service: str, source_arn: str) -> Construct:
        """Let one resource of an AWS service, in this account, send to the queue. For the queue's one sender.

        Returns:
            the policy, which must exist before the sender is set up.
        """
        statement = Statement(
            sid="Sender",
            actions=["sqs:SendMessage"],
            resources=[self.arn],
            service=service,
            conditions={
                "ArnEquals": {"aws:SourceArn": source_arn},
                "StringEquals": {"aws:SourceAccount": self._site.account},
            },
        )
        return SqsQueuePolicy(self, "Policy", queue_url=self.url, policy=policy_json([statement]))

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
