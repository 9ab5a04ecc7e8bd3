"""What AWS authorizes beside the action that a call is named after.

Tags given on creation, roles passed to a service, and the further resources of a call: each is a check of its own, with
its own condition keys. The tables are data; `tests/sandbox/test_demands.py` compares them with the Service
Authorization Reference
(https://docs.aws.amazon.com/service-authorization/latest/reference/reference_policies_actions-resources-contextkeys.html).
"""

from dropbatch.sandbox.demands.call import Call, Demand
from dropbatch.sandbox.demands.network import network_demands
from dropbatch.sandbox.demands.rows import ROWS, row_demands

__all__ = ["Call", "Demand", "demands", "may_demand"]

_CALLS = frozenset(row.call for row in ROWS)


def may_demand(action: str) -> bool:
    """Return whether a call of that name can demand more than itself. Most cannot, and need not be read."""
    return action in _CALLS or action.startswith("ec2:")


def demands(call: Call) -> list[Demand]:
    """Return every check that AWS makes for `call` beside the one of the call's action on the call's resource."""
    if call.service == "ec2":
        return [*network_demands(call), *row_demands(call)]
    return row_demands(call)
