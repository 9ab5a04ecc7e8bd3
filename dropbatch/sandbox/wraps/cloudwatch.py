"""Wraps of CloudWatch."""

import json
import re
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import Any

from dropbatch.sandbox import emulator
from dropbatch.sandbox.alarm_xml import alarm_xml
from dropbatch.sandbox.emulator import expected

__all__ = ["wrap_alarm_listing", "wrap_embedded_metrics", "wrap_missing_dashboards"]


def wrap_alarm_listing() -> None:
    """Return all fields in DescribeAlarms' XML: without most of them, the provider would set them in every apply."""
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
    """Report a missing dashboard as ``ResourceNotFound``, as AWS does: otherwise a repeated deletion fails."""
    cloudwatch = emulator.service("cloudwatch")
    original = expected(cloudwatch, "_delete_dashboards", "(params, cbor_data, is_cbor, is_json=False)")

    def delete_dashboards(params: Any, cbor_data: Any, is_cbor: bool, is_json: bool = False) -> Any:
        status, headers, body = original(params, cbor_data, is_cbor, is_json)
        if not is_cbor and not is_json:
            body = body.replace(b"<Code>DashboardNotFoundError</Code>", b"<Code>ResourceNotFound</Code>")
        return status, headers, body

    cloudwatch._delete_dashboards = delete_dashboards


def wrap_embedded_metrics() -> None:
    """Create metrics from log lines in embedded metric format, as AWS does; MiniStack only stores the lines.

    https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
    """
    logs, cloudwatch = emulator.service("cloudwatch_logs"), emulator.service("cloudwatch")
    original = expected(logs, "_append_log_events", "(stream, events)")
    evaluate = expected(cloudwatch, "_evaluate_alarm", "(alarm)")

    def append_log_events(stream: Any, events: Any) -> None:
        original(stream, events)
        for event in events:
            for namespace, name, value, unit, dimensions in _embedded(event["message"]):
                cloudwatch.record_metric(namespace, name, value, unit, dimensions)
                for alarm in list(cloudwatch._alarms.values()):
                    if (alarm.get("Namespace"), alarm.get("MetricName")) == (namespace, name):
                        evaluate(alarm)

    logs._append_log_events = append_log_events


def _embedded(message: str) -> Iterator[tuple[str, str, float, str, dict[str, str]]]:
    """Return namespace, name, value, unit and dimensions of each metric in a log line."""
    if '"CloudWatchMetrics"' not in message:
        return
    try:
        line: Mapping[str, Any] = json.loads(message)
        for directive in line["_aws"]["CloudWatchMetrics"]:
            for names in directive["Dimensions"]:
                dimensions = {name: str(line[name]) for name in names}
                for metric in directive["Metrics"]:
                    unit = metric.get("Unit", "None")
                    yield directive["Namespace"], metric["Name"], float(line[metric["Name"]]), unit, dimensions
    except (ValueError, KeyError, TypeError):
        return  # AWS ignores a line that does not match the specification
