"""The DynamoDB table with all runs and jobs."""

from dataclasses import dataclass

from cdktf_cdktf_provider_aws.dynamodb_table import (
    DynamodbTable,
    DynamodbTableAttribute,
    DynamodbTableGlobalSecondaryIndex,
)
from constructs import Construct

from constructs_lib.policy import Statement
from constructs_lib.rights import Grantee
from constructs_lib.role import Role
from constructs_lib.site import Site
from dropbatch.contract import ledger

__all__ = ["Ledger", "LedgerProps"]


@dataclass(frozen=True, kw_only=True)
class LedgerProps:
    """The ledger of a deployment."""

    site: Site


class Ledger(Construct):
    """One table on demand, with its indexes; recoverable to any second of the last 35 days."""

    def __init__(self, scope: Construct, id_: str, props: LedgerProps) -> None:
        super().__init__(scope, id_)
        table = DynamodbTable(
            self,
            "Table",
            name=props.site.name("ledger"),
            billing_mode="PAY_PER_REQUEST",
            hash_key="id",
            attribute=[
                DynamodbTableAttribute(name=name, type="S")
                for name in ("id", "day", "created_at", "unfinished", "updated_at")
            ],
            global_secondary_index=[
                DynamodbTableGlobalSecondaryIndex(
                    name=ledger.BY_DAY, hash_key="day", range_key="created_at", projection_type="ALL"
                ),
                DynamodbTableGlobalSecondaryIndex(
                    name=ledger.UNFINISHED, hash_key="unfinished", range_key="updated_at", projection_type="ALL"
                ),
            ],
            point_in_time_recovery={"enabled": True},
            deletion_protection_enabled=not props.site.disposable,
        )
        self.name: str = table.name
        self.arn: str = table.arn
        self.whole = [table]
        """What makes the ledger what it is."""

    def grant(self, role: Role, *actions: str) -> None:
        """Let a role do things (``GetItem`` …) to items."""
        names = [f"dynamodb:{action}" for action in actions]
        role.grant(Statement(sid="UseLedger", actions=names, resources=[self.arn]))

    def grant_query(self, role: Role) -> None:
        """Let a role query the table's indexes."""
        role.grant(Statement(sid="QueryLedger", actions=["dynamodb:Query"], resources=[f"{self.arn}/index/*"]))

    def grant_reading_of(self, reader: Grantee, group: str) -> None:
        """Let somebody read what there is of a group: its runs by id and by day, its usage, counts and limit.

        And whether, since when and why nothing starts.
        """
        reader.grant(
            Statement(
                sid="ReadLedger",
                actions=["dynamodb:GetItem", "dynamodb:BatchGetItem", "dynamodb:Query"],
                resources=[self.arn, f"{self.arn}/index/{ledger.BY_DAY}"],
                conditions={"ForAllValues:StringLike": {"dynamodb:LeadingKeys": [f"{group}#*", ledger.PAUSED]}},
            )
        )

    def grant_flags(self, role: Role) -> None:
        """Let a role raise and lower flags, and touch no run."""
        role.grant(
            Statement(
                sid="SetFlags",
                actions=["dynamodb:PutItem", "dynamodb:DeleteItem"],
                resources=[self.arn],
                conditions={"ForAllValues:StringLike": {"dynamodb:LeadingKeys": ["flag#*"]}},
            )
        )
