"""Parse the alerts of AWS Budgets: English text with some ``Name: value`` lines. Pure."""

import re
from dataclasses import dataclass
from decimal import Decimal

__all__ = ["BudgetNotice", "read_notice"]

_FIELD = re.compile(r"^(Budget Name|Alert Type|Budgeted Amount|ACTUAL Amount): *(.+?) *$", re.MULTILINE)
_AMOUNT = re.compile(r"^\$([\d,]+(?:\.\d+)?)$")


@dataclass(frozen=True, kw_only=True)
class BudgetNotice:
    """An alert about actual costs, as opposed to forecast costs."""

    budget: str
    limit_usd: Decimal
    spent_usd: Decimal

    @property
    def exhausted(self) -> bool:
        """Whether the whole budget is spent; earlier warnings have the same format."""
        return self.spent_usd >= self.limit_usd


def read_notice(text: str) -> BudgetNotice | None:
    """Return the alert in a message of the budget topic, or None for any other text."""
    if not text.startswith("AWS Budget Notification"):
        return None
    fields = dict(_FIELD.findall(text))
    limit, spent = _usd(fields.get("Budgeted Amount", "")), _usd(fields.get("ACTUAL Amount", ""))
    if fields.get("Alert Type") != "ACTUAL" or "Budget Name" not in fields or limit is None or spent is None:
        return None
    return BudgetNotice(budget=fields["Budget Name"], limit_usd=limit, spent_usd=spent)


def _usd(text: str) -> Decimal | None:
    match = _AMOUNT.match(text)
    return Decimal(match[1].replace(",", "")) if match else None
