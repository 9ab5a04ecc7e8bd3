"""An SNS topic with mail or function subscribers."""

from dataclasses import dataclass, replace

from cdktf import TerraformVariable
from cdktf_cdktf_provider_aws.sns_topic import SnsTopic
from cdktf_cdktf_provider_aws.sns_topic_policy import SnsTopicPolicy
from cdktf_cdktf_provider_aws.sns_topic_subscription import SnsTopicSubscription
from constructs import Construct

from constructs_lib.policy import Statement, policy_json, tls_only
from constructs_lib.role import Role
from constructs_lib.site import Site

__all__ = ["Topic", "TopicProps"]


@dataclass(frozen=True, kw_only=True)
class TopicProps:
    """A topic ``dropbatch-<environment>-<name>``."""

    site: Site
    name: str


class Topic(Construct):
    """A topic that only named resources of this account may publish to."""

    def __init__(self, scope: Construct, id_: str, props: TopicProps) -> None:
        super().__init__(scope, id_)
        self._site = props.site
        # Not encrypted: AWS services publish to encrypted topics only with a customer key, which costs money.
        topic = SnsTopic(self, "Topic", name=props.site.name(props.name))
        self.arn: str = topic.arn
        # SNS, unlike S3 and SQS, takes no `*` in the actions of a topic's policy.
        self._statements = [replace(tls_only("sns", self.arn), actions=["sns:Publish"])]
        self._policy = SnsTopicPolicy(self, "Policy", arn=self.arn, policy=policy_json(self._statements))

    def accept_from(self, sid: str, service: str, source_arn: str) -> None:
        """Let one resource of an AWS service, in this account, publish. The ARN may hold ``*``.

        Raises:
            ValueError: the service is EventBridge, for which conditions in a topic's policy are not supported:
                https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-use-resource-based.html#eb-sns-permissions
        """
        if service == "events.amazonaws.com":
            raise ValueError(
                f"a topic's policy cannot name a rule of EventBridge, got {source_arn} in {sid}: give the target a role"
            )
        self._statements.append(
            Statement(
                sid=sid,
                actions=["sns:Publish"],
                resources=[self.arn],
                service=service,
                conditions={
                    "ArnLike": {"aws:SourceArn": source_arn},
                    "StringEquals": {"aws:SourceAccount": self._site.account},
                },
            )
        )
        self._policy.policy = policy_json(self._statements)

    def grant_publish(self, role: Role, sid: str) -> None:
        """Let a role publish; a role that tells several topics has a statement for each."""
        role.grant(Statement(sid=sid, actions=["sns:Publish"], resources=[self.arn]))

    def mail_to(self, address: TerraformVariable) -> None:
        """Mail every message to an address, unless the variable is empty."""
        subscription = SnsTopicSubscription(
            self, "Mail", topic_arn=self.arn, protocol="email", endpoint=address.string_value
        )
        subscription.add_override("count", f'${{var.{address.friendly_unique_id} == "" ? 0 : 1}}')
