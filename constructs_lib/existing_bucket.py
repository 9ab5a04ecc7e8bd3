"""An existing input bucket."""

from dataclasses import dataclass

from cdktf_cdktf_provider_aws.cloudwatch_event_rule import CloudwatchEventRule
from cdktf_cdktf_provider_aws.cloudwatch_event_target import CloudwatchEventTarget
from constructs import Construct

from constructs_lib.json_text import json_text
from constructs_lib.queue import Queue
from constructs_lib.reachable import Reachable
from constructs_lib.site import Site

__all__ = ["ExistingBucket", "ExistingBucketProps"]


@dataclass(frozen=True, kw_only=True)
class ExistingBucketProps:
    """A bucket of this account, with versioning and EventBridge notifications enabled."""

    site: Site
    name: str
    kms_key_arn: str | None = None
    """The key that encrypts it. Default: S3's own."""


class ExistingBucket(Reachable):
    """An existing bucket. We read it and receive its events, and never change it."""

    def __init__(self, scope: Construct, id_: str, props: ExistingBucketProps) -> None:
        super().__init__(scope, id_, site=props.site, kms_key_arn=props.kms_key_arn)
        self.name = props.name
        self.rule_name = props.site.name("inputs")
        self.arn = f"arn:{props.site.partition}:s3:::{props.name}"

    def notify(self, queue: Queue) -> None:
        """Send every creation of an object to a queue, by EventBridge.

        Not by the bucket's own notifications: Terraform's resource for them replaces all that others have set up.
        """
        name = self.rule_name
        queue.accept_from("events.amazonaws.com", self._site.arn("events", f"rule/{name}"))
        rule = CloudwatchEventRule(
            self,
            "Rule",
            name=name,
            description="Files that arrive in the input bucket",
            event_pattern=json_text(
                {
                    "source": ["aws.s3"],
                    "detail-type": ["Object Created"],
                    "detail": {"bucket": {"name": [self.name]}},
                }
            ),
        )
        CloudwatchEventTarget(self, "Target", rule=rule.name, arn=queue.arn)
