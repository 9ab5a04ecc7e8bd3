"""Wraps of CloudWatch."""

import re
from http import HTTPStatus
from typing import Any

from dropbatch.sandbox import emulator
from dropbatch.sandbox.alarm_xml import alarm_xml
from dropbatch.sandbox.emulator import expected

__all__ = ["wrap_alarm_listing", "wrap_missing_dashboards"]


def wrap_alarm_listing() -> None:
    """DescribeAlarms leaves out most fields in its XML, which the provider reads: it would set them again each time."""
    cloudwatch = emulator.service("cloudwatch")
    original = expected(cloudwatch, "_describe_alarms", "(params, cbor_data, is_cbor, is_json=False)")

    def describe_alarms(params: Any, cbor_data: Any, is_cbor: bool, is_json: bool = False) -> Any:
        status, headers, body = original(params, cbor_data, is_cbor, is_json)
        if is_cbor or is_json or status != HTTPStatus.OK:
            return status, headers, body
        found = re.compile(r"<member><AlarmName>([^<]*)</AlarmName>(?:(?!<AlarmRule>|</member>).)*</member>", re.DOTALL)
        text = found.sub(lambda match: alarm_xml(cloudwatch._alarms[match[1]]), body.decode())
        return status, headers, text.encode()

    cloudwatch._describe_alarms = describe_alarms


def wrap_missing_dashboards() -> None:
    """A missing dashboard is ``ResourceNotFound`` in AWS's XML: by another name, a deletion asked twice would fail."""
    cloudwatch = emulator.service("cloudwatch")
    original = expected(cloudwatch, "_delete_dashboards", "(params, cbor_data, is_cbor, is_json=False)")

    def delete_dashboards(params: Any, cbor_data: Any, is_cbor: bool, is_json: bool = False) -> Any:
        status, headers, body = original(params, cbor_data, is_cbor, is_json)
        if not is_cbor and not is_json:
            body = body.replace(b"<Code>DashboardNotFoundError</Code>", b"<Code>ResourceNotFound</Code>")
        return status, headers, body

    cloudwatch._delete_dashboards = delete_dashboards
