"""Alerts of AWS Budgets (English text with some ``Name: value`` lines), and the mail about a pause. Pure."""

import re
from dataclasses import dataclass
from decimal import Decimal

from lambdas.common.mail import Mail

__all__ = ["BudgetNotice", "about_pause", "read_notice"]

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


def about_pause(notice: BudgetNotice, environment: str, *, stop: bool, auto_resume: bool) -> Mail:
    """Return the mail about a budget that is spent."""
    running = "Running jobs were stopped, and start again after the pause." if stop else "Running jobs continue."
    resume = "The pause ends on the 1st of next month. To end it earlier:" if auto_resume else "To end the pause:"
    lines = [
        f"The budget of {environment} is spent: {notice.spent_usd:,} of {notice.limit_usd:,} USD this month.",
        "The deployment is paused: no new jobs start.",
        "",
        running,
        "Waiting runs keep their place, and files that are dropped now are processed after the pause. Nothing is lost.",
        "",
        f"{resume}  dropbatch --env {environment} resume",
        "AWS reports costs with a delay of some hours: the actual amount may be a little higher.",
    ]
    return Mail(subject=f"dropbatch {environment} is paused: the budget is spent", body="\n".join(lines))
