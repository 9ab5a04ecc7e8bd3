"""Text of the mail about a pause. Pure."""

from lambdas.common.mail import Mail
from lambdas.spend_guard.notice import BudgetNotice

__all__ = ["about_pause"]


def about_pause(notice: BudgetNotice, environment: str, *, stop: bool, auto_resume: bool) -> Mail:
    """Return the mail about a budget that is spent."""
    running = "What ran was ended, and starts anew afterwards." if stop else "What runs now goes on to its end."
    going_on = "It goes on by itself on the 1st of the month, or" if auto_resume else "It goes on"
    lines = [
        f"The budget of {environment} is spent: {notice.spent_usd:,} of {notice.limit_usd:,} USD this month.",
        "Nothing new is started until it goes on.",
        "",
        running,
        "What waits keeps its place, and files that are dropped meanwhile are processed afterwards: nothing is lost.",
        "",
        f"{going_on} when an operator says so:  dropbatch --env {environment} resume",
        "AWS counts with some hours' delay: a little more may be due than the amount above.",
    ]
    return Mail(subject=f"dropbatch {environment} is paused: the budget is spent", body="\n".join(lines))
