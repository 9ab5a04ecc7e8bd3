"""Check every request that a test makes to AWS against botocore's model of the service and against our rules.

Real clients of boto3 are watched in this process; simulated ones call `check` themselves. Functions, jobs and commands
in other processes send their requests to the sandbox, which applies the same rules. A request that breaks a rule fails
its test, however the code under test handles the error.
"""

from collections.abc import Callable, Iterable, Mapping
from functools import cache
from typing import Any

from botocore import xform_name
from botocore.client import BaseClient

from dropbatch.sandbox.rules import NOTHING, Known, violations
from dropbatch.sandbox.rules.model import beyond_botocore, model_of, not_of_model

__all__ = ["LEDGER", "Check", "broken", "check", "check_once", "operation_named", "taken", "watch_clients"]

LEDGER = Known(
    # Every queue of a deployment has a fair-share policy. An unknown definition has no priority.
    queue={"jobQueueName": "of the deployment", "schedulingPolicyArn": "arn:of-the-deployment"},
    definition={},
    keys={"ledger": ("id",)},
)
"""The resources of a deployment, for simulated clients."""

Check = Callable[[str, str, Mapping[str, Any]], None]

_broken: list[str] = []
_seen: set[Any] = set()


def broken(service: str, operation: str, params: Mapping[str, Any], known: Known = NOTHING) -> list[str]:
    """Return every fault of a request."""
    return [
        *(f"{service}.{operation}: {each}" for each in not_of_model(service, operation, params)),
        *map(str, violations(service, operation, params, known)),
    ]


def check(service: str, operation: str, params: Mapping[str, Any]) -> None:
    """Check a simulated client's request against model and rules."""
    _broken.extend(broken(service, operation, params, LEDGER))


def check_once(service: str, operation: str, params: Mapping[str, Any]) -> None:
    """Check only the first request of each form: most of the millions of requests have the same form."""
    form = (operation, *_form(params))
    if form not in _seen:
        _seen.add(form)
        check(service, operation, params)


def _form(params: Mapping[str, Any]) -> Iterable[Any]:
    """Return the names of members, and the texts of expressions, of a request and of its transaction's steps."""
    for name, value in params.items():
        yield name
        if name.endswith("Expression"):
            yield value
        elif name == "TransactItems":
            for step in value:
                for verb, body in step.items():
                    yield verb
                    yield from _form(body)


@cache
def operation_named(service: str, method: str) -> str:
    """Return the operation of a boto3 client's method."""
    names = {xform_name(name): name for name in model_of(service).operation_names}
    return names[method]


def taken() -> list[str]:
    """Return the faults found since the last call."""
    found = list(dict.fromkeys(_broken))
    _broken.clear()
    return found


def watch_clients() -> None:
    """Check every request of every boto3 client in this process from now on; botocore checks only part of its model."""
    original = BaseClient._make_api_call  # type: ignore[attr-defined] # not in the stubs

    def make_api_call(self: Any, operation_name: str, api_params: Any) -> Any:
        service = self.meta.service_model.service_name
        if isinstance(api_params, Mapping):
            found = beyond_botocore(service, operation_name, api_params)
            _broken.extend(f"{service}.{operation_name}: {each}" for each in found)
            _broken.extend(map(str, violations(service, operation_name, api_params)))
        return original(self, operation_name, api_params)

    BaseClient._make_api_call = make_api_call  # type: ignore[attr-defined]
