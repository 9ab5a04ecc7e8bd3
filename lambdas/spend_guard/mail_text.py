"""Text of the mail about a pause by the budget. Pure."""

from lambdas.common.mail import Mail
from lambdas.spend_guard.notice import BudgetNotice

__all__ = ["about_pause"]


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
