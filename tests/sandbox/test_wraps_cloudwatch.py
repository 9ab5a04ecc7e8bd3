"""The wraps of CloudWatch: gaps of MiniStack and their repair."""

import inspect
import json
import urllib.error
import uuid
from typing import Any

import pytest

from dropbatch.sandbox import Sandbox, emulator
from tests.sandbox.conftest import Client
from tests.signed_requests import post


@pytest.fixture
def name() -> str:
    return f"w-{uuid.uuid4().hex[:8]}"


class TestAlarmListing:
    """Ask as the provider does: it uses XML for CloudWatch, boto3 does not."""

    def test_a_described_alarm_has_all_its_settings(self, aws: Client, sandbox: Sandbox, name: str) -> None:
        aws("cloudwatch").put_metric_alarm(
            AlarmName=name,
            AlarmDescription="a < b",
            MetricName="Errors",
            Namespace="AWS/Lambda",
            Dimensions=[{"Name": "FunctionName", "Value": "f"}],
            Statistic="Sum",
            Period=300,
            EvaluationPeriods=3,
            Threshold=0,
            ComparisonOperator="GreaterThanThreshold",
            TreatMissingData="notBreaching",
            AlarmActions=["arn:aws:sns:eu-central-1:000000000000:t"],
        )

        text = post(
            sandbox.environ(),
            "monitoring",
            Action="DescribeAlarms",
            Version="2010-08-01",
            **{"AlarmNames.member.1": name},
        )

        for part in (
            "<AlarmDescription>a &lt; b</AlarmDescription>",
            "<Statistic>Sum</Statistic><Period>300</Period>",
            "<TreatMissingData>notBreaching</TreatMissingData>",
            "<AlarmActions><member>arn:aws:sns:eu-central-1:000000000000:t</member></AlarmActions>",
            "<Dimensions><member><Name>FunctionName</Name><Value>f</Value></member></Dimensions>",
        ):
            assert part in text

    def test_deleting_a_missing_dashboard_gives_the_error_of_aws(self, sandbox: Sandbox, name: str) -> None:
        with pytest.raises(urllib.error.HTTPError) as caught:
            post(
                sandbox.environ(),
                "monitoring",
                Action="DeleteDashboards",
                Version="2010-08-01",
                **{"DashboardNames.member.1": name},
            )

        assert "<Code>ResourceNotFound</Code>" in caught.value.read().decode()

    @pytest.mark.gap("alarm_listing")
    def test_gap_plain_ministack_omits_parts_of_alarms_in_xml(self) -> None:
        assert "<Statistic>" not in inspect.getsource(emulator.service("cloudwatch")._describe_alarms)

    @pytest.mark.gap("missing_dashboards")
    def test_gap_plain_ministack_gives_another_error_for_a_missing_dashboard(self) -> None:
        assert "DashboardNotFoundError" in inspect.getsource(emulator.service("cloudwatch")._delete_dashboards)


class TestEmbeddedMetrics:
    """Functions write metrics into their logs."""

    @pytest.mark.parametrize(("dimension", "state"), [("a", "ALARM"), (None, "INSUFFICIENT_DATA")])
    def test_a_metric_in_a_log_line_triggers_its_alarm(
        self, aws: Client, name: str, dimension: str | None, state: str
    ) -> None:
        aws("cloudwatch").put_metric_alarm(
            AlarmName=name,
            Namespace="n",
            MetricName=name,
            Dimensions=[{"Name": "D", "Value": "a"}],
            Statistic="Sum",
            Period=300,
            EvaluationPeriods=1,
            Threshold=0,
            ComparisonOperator="GreaterThanThreshold",
        )
        logs = aws("logs")
        logs.create_log_group(logGroupName=name)
        logs.create_log_stream(logGroupName=name, logStreamName="s")
        directive = {"Namespace": "n", "Dimensions": [["D"]], "Metrics": [{"Name": name, "Unit": "Count"}]}
        line: dict[str, Any] = {"_aws": {"Timestamp": 1, "CloudWatchMetrics": [directive]}, name: 1}
        if dimension is not None:  # without, the line is not as specified
            line["D"] = dimension

        logs.put_log_events(
            logGroupName=name, logStreamName="s", logEvents=[{"timestamp": 1, "message": json.dumps(line)}]
        )

        (alarm,) = aws("cloudwatch").describe_alarms(AlarmNames=[name])["MetricAlarms"]
        assert alarm["StateValue"] == state

    @pytest.mark.gap("embedded_metrics")
    def test_gap_plain_ministack_reads_no_metrics_from_logs(self) -> None:
        assert "CloudWatchMetrics" not in inspect.getsource(emulator.service("cloudwatch_logs"))
