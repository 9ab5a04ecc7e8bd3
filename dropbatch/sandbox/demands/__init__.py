"""Additional permissions that AWS checks for a call, beside the action named like the call.

Tags on creation, roles passed to a service and further resources of a call are separate checks, each with its own
condition keys. The tables are data; `tests/sandbox/test_demands.py` compares them with the Service
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
    """Return the checks that AWS makes for `call` in addition to its own action on its own resource."""
    if call.service == "ec2":
        return [*network_demands(call), *row_demands(call)]
    return row_demands(call)
