"""Log of all state changes of runs."""

from dataclasses import dataclass

from cdktf_cdktf_provider_aws.cloudwatch_event_rule import CloudwatchEventRule
from cdktf_cdktf_provider_aws.cloudwatch_event_target import CloudwatchEventTarget
from cdktf_cdktf_provider_aws.cloudwatch_log_resource_policy import CloudwatchLogResourcePolicy
from constructs import Construct

from constructs_lib.json_text import json_text
from constructs_lib.log_group import LogGroup, LogGroupProps
from constructs_lib.policy import Statement, policy_json
from constructs_lib.site import Site
from dropbatch.contract import events

__all__ = ["RunLog", "RunLogProps"]


@dataclass(frozen=True, kw_only=True)
class RunLogProps:
    """The deployment whose runs are logged."""

    site: Site


class RunLog(Construct):
    """A log group with one line for each state change of a run; the dashboard counts them."""

    def __init__(self, scope: Construct, id_: str, props: RunLogProps) -> None:
        super().__init__(scope, id_)
        site = props.site
        # EventBridge's console offers groups below /aws/events/ only.
        log = LogGroup(
            self,
            "Log",
            LogGroupProps(name=f"/aws/events/{site.prefix}/runs", retention_days=site.log_retention_days),
        )
        self.log_name: str = log.name
        self.rule_name = site.name("run-log")
        rule = CloudwatchEventRule(
            self,
            "Rule",
            name=self.rule_name,
            description="State changes of runs, for the dashboard",
            event_pattern=json_text(
                {
                    "source": [events.SOURCE],
                    "detail-type": [events.DETAIL_TYPE],
                    "detail": {"environment": [site.environment]},
                }
            ),
        )
        # CloudWatch Logs takes a resource policy by account and name, ten of them in a region; and it must name both
        # services, though the second never acts: https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-use-resource-based.html
        # Streams are created without the rule's ARN in the request, so only lines can be limited to the rule:
        # https://github.com/aws-samples/serverless-patterns/pull/618
        policy = CloudwatchLogResourcePolicy(
            self,
            "MayWrite",
            policy_name=site.name("run-log"),
            policy_document=policy_json(
                [
                    Statement(
                        sid=f"{service_sid}{sid}",
                        actions=[action],
                        resources=[f"{log.arn}:*"],
                        service=service,
                        conditions=conditions,
                    )
                    for service_sid, service in (
                        ("Events", "events.amazonaws.com"),
                        ("Delivery", "delivery.logs.amazonaws.com"),
                    )
                    for sid, action, conditions in (
                        ("Streams", "logs:CreateLogStream", {}),
                        ("Lines", "logs:PutLogEvents", {"ArnEquals": {"aws:SourceArn": rule.arn}}),
                    )
                ]
            ),
        )
        CloudwatchEventTarget(self, "Target", rule=rule.name, arn=log.arn, depends_on=[policy])
