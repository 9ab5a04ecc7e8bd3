"""Complete XML of a CloudWatch alarm."""

import html
from collections.abc import Mapping
from typing import Any

__all__ = ["alarm_xml"]

_TEXTS = [
    *("AlarmName", "AlarmArn", "AlarmDescription", "ActionsEnabled", "StateValue", "StateReason"),
    *("MetricName", "Namespace", "Statistic", "Period", "EvaluationPeriods", "DatapointsToAlarm"),
    *("Threshold", "ComparisonOperator", "TreatMissingData", "Unit"),
]


def alarm_xml(alarm: Mapping[str, Any]) -> str:
    """Return the ``member`` element of DescribeAlarms for one of MiniStack's alarms."""
    texts = {name: alarm[name] for name in _TEXTS if alarm.get(name) is not None}
    texts["ActionsEnabled"] = str(alarm.get("ActionsEnabled", True)).lower()
    parts = [f"<{name}>{html.escape(str(value))}</{name}>" for name, value in texts.items()]
    parts += [
        f"<{name}>{''.join(f'<member>{each}</member>' for each in alarm.get(name) or [])}</{name}>"
        for name in ("AlarmActions", "OKActions", "InsufficientDataActions")
    ]
    dimensions = "".join(
        f"<member><Name>{html.escape(each['Name'])}</Name><Value>{html.escape(each['Value'])}</Value></member>"
        for each in alarm.get("Dimensions") or []
    )
    return f"<member>{''.join(parts)}<Dimensions>{dimensions}</Dimensions></member>"
