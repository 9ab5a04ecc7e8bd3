"""The monthly budget, its warnings, and the topic that pauses the environment."""

from collections.abc import Sequence
from dataclasses import dataclass

from cdktf import TerraformVariable
from cdktf_cdktf_provider_aws.budgets_budget import (
    BudgetsBudget,
    BudgetsBudgetCostFilter,
    BudgetsBudgetCostTypes,
    BudgetsBudgetNotification,
)
from constructs import Construct

from constructs_lib.site import Site
from constructs_lib.topic import Topic

__all__ = ["Budget", "BudgetProps"]


@dataclass(frozen=True, kw_only=True)
class BudgetProps:
    """Limit, warnings, and whom they reach."""

    site: Site
    limit: TerraformVariable
    """US dollars a month."""
    warn_at_percent: Sequence[int]
    warn_forecast_percent: Sequence[int]
    """Shares of the limit at which AWS expects the month to end."""
    warnings: Topic
    """Told at each warning."""
    exceeded: Topic
    """Told at 100 % of actual cost, and of nothing else: whoever listens may act."""


class Budget(Construct):
    """A monthly budget over everything that bears the deployment's cost tag."""

    def __init__(self, scope: Construct, id_: str, props: BudgetProps) -> None:
        super().__init__(scope, id_)
        site = props.site
        name = site.prefix  # the spend guard knows its budget by this name
        source = f"arn:{site.partition}:budgets::{site.account}:budget/{name}"
        for topic in (props.warnings, props.exceeded):
            topic.accept_from("Budget", "budgets.amazonaws.com", source)
        BudgetsBudget(
            self,
            "Budget",
            name=name,
            budget_type="COST",
            time_unit="MONTHLY",
            limit_unit="USD",
            limit_amount=props.limit.string_value,
            cost_filter=[BudgetsBudgetCostFilter(name="TagKeyValue", values=[f"user:research-stack-id${site.prefix}"])],
            # Credits and refunds are negative costs: counted, they keep a lab that works on credits below its limit for
            # ever. https://docs.aws.amazon.com/aws-cost-management/latest/APIReference/API_budgets_CostTypes.html
            cost_types=BudgetsBudgetCostTypes(include_credit=False, include_refund=False),
            notification=[
                *(_at(percent, props.warnings) for percent in sorted(set(props.warn_at_percent) - {100})),
                *(_at(percent, props.warnings, "FORECASTED") for percent in sorted(set(props.warn_forecast_percent))),
                _at(100, props.exceeded),
            ],
        )


def _at(percent: int, topic: Topic, kind: str = "ACTUAL") -> BudgetsBudgetNotification:
    return BudgetsBudgetNotification(
        comparison_operator="GREATER_THAN",
        notification_type=kind,
        threshold=percent,
        threshold_type="PERCENTAGE",
        subscriber_sns_topic_arns=[topic.arn],
    )
