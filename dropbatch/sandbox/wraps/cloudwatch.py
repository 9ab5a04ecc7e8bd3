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


def wrap_embedded_metrics() -> None:
    """A line of a log in embedded metric format makes metrics on AWS, and those set off alarms; here it stays a line.

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
    """Namespace, name, value, unit and dimensions of each metric that a line of a log holds."""
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
        return  # AWS takes no metric from a line that is not as specified
