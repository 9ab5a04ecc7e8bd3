"""Alarms on system health."""

from collections.abc import Sequence
from dataclasses import dataclass

from cdktf_cdktf_provider_aws.cloudwatch_metric_alarm import CloudwatchMetricAlarm
from constructs import Construct

from constructs_lib.function import Function
from constructs_lib.queue import Queue
from constructs_lib.site import Site
from constructs_lib.topic import Topic

__all__ = ["Alarms", "AlarmsProps"]


@dataclass(frozen=True, kw_only=True)
class AlarmsProps:
    """The watched resources, and the topic that gets the alarms."""

    site: Site
    queues: Sequence[Queue]
    functions: Sequence[Function]
    rules: Sequence[str]
    """Names of rules on the default event bus."""
    topic: Topic
    oldest_message_minutes: int = 30


class Alarms(Construct):
    """Alarms on dead letters, old messages, failed functions and undelivered events."""

    def __init__(self, scope: Construct, id_: str, props: AlarmsProps) -> None:
        super().__init__(scope, id_)
        self._site = props.site
        self._topic = props.topic
        # By their names: the topic need not wait for alarms that wait for it.
        pattern = props.site.arn("cloudwatch", f"alarm:{props.site.prefix}-*")
        props.topic.accept_from("Alarms", "cloudwatch.amazonaws.com", pattern)
        for queue in props.queues:
            id_ = "".join(part.capitalize() for part in queue.short_name.split("-"))
            self._alarm(
                f"{id_}Dead",
                name=f"{queue.short_name}-dead-letters",
                description=f"Messages that could not be processed are in {queue.dead_name}; each says why",
                namespace="AWS/SQS",
                metric="ApproximateNumberOfMessagesVisible",
                dimensions={"QueueName": queue.dead_name},
                above=0,
            )
            self._alarm(
                f"{id_}Oldest",
                name=f"{queue.short_name}-oldest-message",
                description=f"A message in {queue.name} has waited for {props.oldest_message_minutes} minutes: look at "
                "the log of the function that reads it",
                namespace="AWS/SQS",
                metric="ApproximateAgeOfOldestMessage",
                dimensions={"QueueName": queue.name},
                above=props.oldest_message_minutes * 60,
            )
        for function in props.functions:
            id_ = "".join(part.capitalize() for part in function.short_name.split("-"))
            self._alarm(
                f"{id_}Errors",
                name=f"{function.short_name}-errors",
                description=f"The function {function.full_name} fails: look at {function.log_path}",
                namespace="AWS/Lambda",
                metric="Errors",
                dimensions={"FunctionName": function.full_name},
                above=0,
                statistic="Sum",
                periods=3,  # once is mended by the queue, which delivers again
            )
        for rule in props.rules:
            short = rule.removeprefix(props.site.name(""))
            # Missing as long as nothing fails: https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-monitoring.html
            self._alarm(
                "".join(part.capitalize() for part in short.split("-")) + "Undelivered",
                name=f"{short}-undelivered",
                description=f"Events of the rule {rule} do not reach their target: look at the target's policy or role",
                namespace="AWS/Events",
                metric="FailedInvocations",
                dimensions={"RuleName": rule},
                above=0,
                statistic="Sum",
            )

    def _alarm(
        self,
        id_: str,
        *,
        name: str,
        description: str,
        namespace: str,
        metric: str,
        dimensions: dict[str, str],
        above: int,
        statistic: str = "Maximum",
        periods: int = 1,
    ) -> None:
        CloudwatchMetricAlarm(
            self,
            id_,
            alarm_name=self._site.name(name),
            alarm_description=description,
            namespace=namespace,
            metric_name=metric,
            dimensions=dimensions,
            statistic=statistic,
            period=300,
            evaluation_periods=periods,
            comparison_operator="GreaterThanThreshold",
            threshold=above,
            treat_missing_data="notBreaching",
            alarm_actions=[self._topic.arn],
            ok_actions=[self._topic.arn],
        )
