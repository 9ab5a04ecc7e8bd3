"""The mail that AWS Budgets publishes to a topic."""

NOTICE = """AWS Budget Notification November 20, 2026
AWS Account 123456789012

Dear AWS Customer,

You requested that we alert you when the ACTUAL Cost associated with your {name} budget is greater than {limit} for \
the current month. The ACTUAL Cost associated with this budget is {spent}. You can find additional details below and \
by accessing the AWS Budgets dashboard [1].

Budget Name: {name}
Budget Type: Cost
Budgeted Amount: {limit}
Alert Type: {kind}
Alert Threshold: > {limit}
{kind} Amount: {spent}

[1] https://console.aws.amazon.com/billing/home#/budgets
"""


def notice(name: str = "dropbatch-test", limit: str = "$50.00", spent: str = "$51.20", kind: str = "ACTUAL") -> str:
    """Return the text of a notice."""
    return NOTICE.format(name=name, limit=limit, spent=spent, kind=kind)
