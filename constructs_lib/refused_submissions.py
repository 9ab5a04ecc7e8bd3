"""Alarm on jobs that Batch refuses repeatedly."""

import math
from dataclasses import dataclass
from datetime import timedelta

from cdktf_cdktf_provider_aws.cloudwatch_metric_alarm import CloudwatchMetricAlarm
from constructs import Construct

from constructs_lib.site import Site
from constructs_lib.topic import Topic
from dropbatch.contract import metrics

__all__ = ["RefusedSubmissions", "RefusedSubmissionsProps"]


@dataclass(frozen=True, kw_only=True)
class RefusedSubmissionsProps:
    """The topic that gets the alarm."""

    site: Site
    topic: Topic
    """It must accept what alarms of this deployment publish."""
    lasts: timedelta
    """How long a refused submission counts as refused: it is repeated sooner, so that the alarm stays until it is
    accepted."""


class RefusedSubmissions(Construct):
    """Alarm on jobs that Batch refuses repeatedly, from a metric of the arrival function."""

    def __init__(self, scope: Construct, id_: str, props: RefusedSubmissionsProps) -> None:
        super().__init__(scope, id_)
        environment = props.site.environment
        CloudwatchMetricAlarm(
            self,
            "Alarm",
            alarm_name=props.site.name("submissions-refused"),
            alarm_description="Batch refuses jobs, and their runs stay HELD: `dropbatch "
            f"--env {environment} doctor` says why",
            namespace=metrics.NAMESPACE,
            metric_name=metrics.REFUSED,
            dimensions={metrics.BY_ENVIRONMENT: environment},
            statistic="Sum",
            # A multiple of a minute: https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricAlarm.html
            period=60 * math.ceil(props.lasts / timedelta(minutes=1)),
            evaluation_periods=1,
            comparison_operator="GreaterThanThreshold",
            threshold=0,
            treat_missing_data="notBreaching",
            alarm_actions=[props.topic.arn],
            ok_actions=[props.topic.arn],
        )
