"""Rules on the default event bus: state changes of jobs and of runs."""

from collections.abc import Sequence
from dataclasses import dataclass

from cdktf_cdktf_provider_aws.cloudwatch_event_rule import CloudwatchEventRule
from cdktf_cdktf_provider_aws.cloudwatch_event_target import CloudwatchEventTarget
from constructs import Construct

from constructs_lib.json_text import json_text
from constructs_lib.pool import Pool
from constructs_lib.queue import Queue
from constructs_lib.role import Role, RoleProps
from constructs_lib.site import Site
from constructs_lib.topic import Topic
from dropbatch.contract import events
from dropbatch.contract.runs import State

__all__ = ["JobEvents", "JobEventsProps", "RunNotices", "RunNoticesProps"]


@dataclass(frozen=True, kw_only=True)
class JobEventsProps:
    """Jobs of which pools are reported to which queue."""

    site: Site
    pools: Sequence[Pool]
    queue: Queue


# What comes before a job waits for a machine, and between its getting one and its running, changes nothing for a run.
_STATUSES = ("RUNNABLE", "RUNNING", "SUCCEEDED", "FAILED")


class JobEvents(Construct):
    """State changes of the pools' jobs go to a queue, those that mean something to a run; and blocked job queues."""

    def __init__(self, scope: Construct, id_: str, props: JobEventsProps) -> None:
        super().__init__(scope, id_)
        name = self.rule_name = props.site.name("job-events")
        # By its name: the queue need not wait for the pools that the rule knows.
        props.queue.accept_from("events.amazonaws.com", props.site.arn("events", f"rule/{name}"))
        rule = CloudwatchEventRule(
            self,
            "Rule",
            name=name,
            description="State changes of jobs, for the ledger; job queues that are blocked, for people",
            event_pattern=json_text(
                {
                    "source": ["aws.batch"],
                    # A blocked queue's event has the detail of the job at its head, which is RUNNABLE:
                    # https://docs.aws.amazon.com/batch/latest/userguide/batch-job-queue-blocked-events.html
                    "detail-type": ["Batch Job State Change", "Batch Job Queue Blocked"],
                    "detail": {"jobQueue": [pool.queue_arn for pool in props.pools], "status": _STATUSES},
                }
            ),
        )
        CloudwatchEventTarget(self, "Target", rule=rule.name, arn=props.queue.arn)


@dataclass(frozen=True, kw_only=True)
class RunNoticesProps:
    """Runs of which deployment are told to whom."""

    site: Site
    topic: Topic


class RunNotices(Construct):
    """The end of every run becomes one line of text, as a JSON string, on a topic for programs."""

    def __init__(self, scope: Construct, id_: str, props: RunNoticesProps) -> None:
        super().__init__(scope, id_)
        site = props.site
        self.rule_name = site.name("run-notices")
        rule = CloudwatchEventRule(
            self,
            "Rule",
            name=self.rule_name,
            description="Runs that ended, for people",
            event_pattern=json_text(
                {
                    "source": [events.SOURCE],
                    "detail-type": [events.DETAIL_TYPE],
                    "detail": {
                        "environment": [site.environment],
                        "state": [State.SUCCEEDED, State.FAILED, State.REJECTED, State.CANCELLED],
                    },
                }
            ),
        )
        # Not by the topic's policy: it takes no conditions for EventBridge, so that rules of any account could publish.
        # Roles of targets: https://aws.amazon.com/about-aws/whats-new/2025/03/amazon-eventbridge-iam-execution-role-all-targets/
        role = Role(
            self,
            "Role",
            RoleProps(
                name=f"{site.prefix}.run-notices",
                service="events.amazonaws.com",
                description="Publishes the ends of runs",
                # Keys: https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-use-conditions.html
                conditions={
                    "StringEquals": {"aws:SourceAccount": site.account},
                    "ArnEquals": {"aws:SourceArn": rule.arn},
                },
                boundary=site.boundary,
            ),
        )
        props.topic.grant_publish(role, "PublishRuns")
        CloudwatchEventTarget(
            self,
            "Target",
            rule=rule.name,
            arn=props.topic.arn,
            role_arn=role.arn,
            # A path and not a transformer: that does not escape quotes, which names of files may hold. Either way the
            # text arrives in quotes: https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-transform-target-input.html
            input_path="$.detail.summary",
            depends_on=role.rights,
        )
