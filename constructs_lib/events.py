"""Rules on the default event bus: state changes of jobs and of runs."""

from collections.abc import Sequence
from dataclasses import dataclass

from cdktf_cdktf_provider_aws.cloudwatch_event_rule import CloudwatchEventRule
from cdktf_cdktf_provider_aws.cloudwatch_event_target import CloudwatchEventTarget
from constructs import Construct

from constructs_lib.json_text import json_text
from constructs_lib.pool import Pool
from constructs_lib.queue import Queue
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
    """State changes of the pools' jobs go to a queue, those that mean something to a run."""

    def __init__(self, scope: Construct, id_: str, props: JobEventsProps) -> None:
        super().__init__(scope, id_)
        name = props.site.name("job-events")
        # By its name: the queue need not wait for the pools that the rule knows.
        props.queue.accept_from("events.amazonaws.com", props.site.arn("events", f"rule/{name}"))
        rule = CloudwatchEventRule(
            self,
            "Rule",
            name=name,
            description="State changes of jobs, for the ledger",
            event_pattern=json_text(
                {
                    "source": ["aws.batch"],
                    "detail-type": ["Batch Job State Change"],
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
    """The end of every run becomes one line of text on a topic."""

    def __init__(self, scope: Construct, id_: str, props: RunNoticesProps) -> None:
        super().__init__(scope, id_)
        rule = CloudwatchEventRule(
            self,
            "Rule",
            name=props.site.name("run-notices"),
            description="Runs that ended, for people",
            event_pattern=json_text(
                {
                    "source": [events.SOURCE],
                    "detail-type": [events.DETAIL_TYPE],
                    "detail": {
                        "environment": [props.site.environment],
                        "state": [State.SUCCEEDED, State.FAILED, State.REJECTED, State.CANCELLED],
                    },
                }
            ),
        )
        props.topic.accept_from("RunNotices", "events.amazonaws.com", rule.arn)
        CloudwatchEventTarget(
            self,
            "Target",
            rule=rule.name,
            arn=props.topic.arn,
            # A path and not a transformer: that does not escape quotes, which names of files may hold.
            input_path="$.detail.summary",
        )
