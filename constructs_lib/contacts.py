"""Mail subscriptions of groups: each contact gets mails about the runs of their own groups."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cdktf_cdktf_provider_aws.sns_topic_subscription import SnsTopicSubscription
from constructs import Construct

from constructs_lib.json_text import json_text
from constructs_lib.role import Role
from constructs_lib.site import Site
from constructs_lib.topic import Topic, TopicProps

__all__ = ["Contacts", "ContactsProps"]


@dataclass(frozen=True, kw_only=True)
class ContactsProps:
    """Addresses of people, by group."""

    site: Site
    addresses: Mapping[str, Sequence[str]]


class Contacts(Construct):
    """A topic for mails about runs; each address gets those of its groups."""

    def __init__(self, scope: Construct, id_: str, props: ContactsProps) -> None:
        super().__init__(scope, id_)
        self._topic = Topic(self, "Topic", TopicProps(site=props.site, name="contacts"))
        self.arn = self._topic.arn
        for address in sorted({each for addresses in props.addresses.values() for each in addresses}):
            groups = sorted(group for group, addresses in props.addresses.items() if address in addresses)
            # One for each address: SNS takes an address on a topic once, whatever the filter.
            SnsTopicSubscription(
                self,
                f"Mail-{address.replace('/', '-')}",
                topic_arn=self.arn,
                protocol="email",
                endpoint=address,
                filter_policy=json_text({"group": groups}),
            )

    def grant_publish(self, role: Role) -> None:
        """Let a role mail people."""
        self._topic.grant_publish(role, "TellContacts")
