"""Terraform variables that an operator may set for one deploy."""

from dataclasses import dataclass

from cdktf import TerraformVariable, TerraformVariableValidationConfig
from constructs import Construct

__all__ = ["Variables", "VariablesProps"]


@dataclass(frozen=True, kw_only=True)
class VariablesProps:
    """Defaults, from the environment file."""

    email: str | None
    budget_usd: int


class Variables(Construct):
    """Terraform variables ``notification_email`` and ``budget_limit``."""

    def __init__(self, scope: Construct, id_: str, props: VariablesProps) -> None:
        super().__init__(scope, id_)
        self.notification_email = TerraformVariable(
            self,
            "NotificationEmail",
            type="string",
            default=props.email or "",
            nullable=False,
            description="Address that is told of runs and of the budget; empty: nobody",
            validation=[
                TerraformVariableValidationConfig(
                    condition=r'${var.notification_email == "" '
                    r'|| can(regex("^[^@[:space:]]+@[^@[:space:]]+[.][^@[:space:]]+$", var.notification_email))}',
                    error_message="notification_email must be a mail address, or empty for none.",
                )
            ],
        )
        self.notification_email.override_logical_id("notification_email")
        self.budget_limit = TerraformVariable(
            self,
            "BudgetLimit",
            type="number",
            default=props.budget_usd,
            nullable=False,
            description="Monthly budget in US dollars",
            validation=[
                TerraformVariableValidationConfig(
                    condition="${var.budget_limit >= 1}",
                    error_message="budget_limit must be at least 1 US dollar.",
                )
            ],
        )
        self.budget_limit.override_logical_id("budget_limit")
