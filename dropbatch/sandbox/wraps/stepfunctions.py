"""A wrap of Step Functions."""

from typing import Any

from dropbatch.sandbox import emulator, machine_objects
from dropbatch.sandbox.emulator import expected

__all__ = ["wrap_machine_objects"]


def wrap_machine_objects() -> None:
    """Let state machines read and write S3 objects; MiniStack only copies and lists them."""
    states = emulator.service("stepfunctions")
    original = expected(states, "_dispatch_aws_sdk_rest_xml", "(service_info, service_name, action, input_data)")

    def dispatch(service_info: Any, service_name: str, action: str, input_data: Any) -> Any:
        if service_name == "s3" and action in machine_objects.ACTIONS:
            return machine_objects.call(action, input_data, states.REGION)
        return original(service_info, service_name, action, input_data)

    states._dispatch_aws_sdk_rest_xml = dispatch
