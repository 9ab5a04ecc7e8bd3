"""A Lambda function: its role, its log, and what starts it."""

from collections.abc import Mapping
from dataclasses import dataclass

from cdktf import AssetType, TerraformAsset
from cdktf_cdktf_provider_aws.cloudwatch_event_rule import CloudwatchEventRule
from cdktf_cdktf_provider_aws.cloudwatch_event_target import CloudwatchEventTarget
from cdktf_cdktf_provider_aws.lambda_event_source_mapping import LambdaEventSourceMapping
from cdktf_cdktf_provider_aws.lambda_function import LambdaFunction
from cdktf_cdktf_provider_aws.lambda_permission import LambdaPermission
from cdktf_cdktf_provider_aws.sns_topic_subscription import SnsTopicSubscription
from constructs import Construct

from constructs_lib.assets import Package
from constructs_lib.log_group import LogGroup, LogGroupProps
from constructs_lib.queue import Queue
from constructs_lib.role import Role, RoleProps
from constructs_lib.site import Site
from constructs_lib.topic import Topic

__all__ = ["Function", "FunctionProps"]


@dataclass(frozen=True, kw_only=True)
class FunctionProps:
    """One of our functions."""

    site: Site
    name: str
    """The function is ``dropbatch-<environment>-<name>``."""
    description: str
    package: Package
    timeout_seconds: int
    environment: Mapping[str, str]
    """Environment variables besides ``DROPBATCH_ENVIRONMENT``."""
    memory_mib: int = 512


class Function(Construct):
    """A function with a role of its own, which starts with the right to write its log and nothing else."""

    def __init__(self, scope: Construct, id_: str, props: FunctionProps) -> None:
        super().__init__(scope, id_)
        name = props.site.name(props.name)
        # The dot keeps these names apart from those of job roles.
        self.role = Role(
            self,
            "Role",
            RoleProps(
                name=f"{name}.function",
                service="lambda.amazonaws.com",
                description=f"Function {name}",
                boundary=props.site.boundary,
            ),
        )
        log = LogGroup(
            self, "Log", LogGroupProps(name=f"/aws/lambda/{name}", retention_days=props.site.log_retention_days)
        )
        log.grant_write(self.role)
        asset = TerraformAsset(
            self,
            "Package",
            path=str(props.package.path),
            type=AssetType.FILE,
            asset_hash=props.package.sha256.hex(),
        )
        function = LambdaFunction(
            self,
            "Function",
            function_name=name,
            description=props.description,
            role=self.role.arn,
            runtime="python3.13",
            architectures=["arm64"],
            handler=props.package.handler,
            filename=asset.path,
            source_code_hash=props.package.base64,
            memory_size=props.memory_mib,
            timeout=props.timeout_seconds,
            environment={"variables": {"DROPBATCH_ENVIRONMENT": props.site.environment, **props.environment}},
            logging_config={"log_format": "JSON", "log_group": log.name},
            depends_on=self.role.rights,
        )
        self.short_name = props.name
        self.full_name = name
        self.schedule_name = f"{name}-schedule"
        self.log_path = f"/aws/lambda/{name}"
        self.arn: str = function.arn
        self.name: str = function.function_name

    def consume(self, queue: Queue, *, batch_size: int, window_seconds: int) -> None:
        """Run on messages of a queue; messages that failed come back one by one, not the whole batch."""
        if batch_size > 10 and window_seconds < 1:
            raise ValueError(
                f"a batch of more than 10 messages needs a window of at least 1 second, got {batch_size} messages "
                f"and {window_seconds} seconds: raise the window"
            )
        queue.grant_consume(self.role)
        LambdaEventSourceMapping(
            self,
            "Messages",
            event_source_arn=queue.arn,
            function_name=self.arn,
            batch_size=batch_size,
            maximum_batching_window_in_seconds=window_seconds,
            function_response_types=["ReportBatchItemFailures"],
            depends_on=self.role.rights,
        )

    def run_every(self, minutes: int) -> None:
        """Run on a schedule, by the rule `schedule_name`."""
        rule = CloudwatchEventRule(
            self,
            "Schedule",
            name=f"{self.name}-schedule",
            description=f"Starts {self.name}",
            schedule_expression=f"rate({minutes} minute{'' if minutes == 1 else 's'})",
        )
        self._permit("ScheduleMayRun", "events.amazonaws.com", rule.arn)
        CloudwatchEventTarget(self, "ScheduleTarget", rule=rule.name, arn=self.arn)

    def subscribe(self, topic: Topic) -> None:
        """Run on messages of a topic."""
        self._permit("TopicMayRun", "sns.amazonaws.com", topic.arn)
        SnsTopicSubscription(self, "Subscription", topic_arn=topic.arn, protocol="lambda", endpoint=self.arn)

    def _permit(self, id_: str, service: str, source_arn: str) -> None:
        LambdaPermission(
            self, id_, action="lambda:InvokeFunction", function_name=self.name, principal=service, source_arn=source_arn
        )
