"""The wraps of CloudWatch: each gap of MiniStack and its repair."""

import inspect
import urllib.error
import uuid

import pytest

from dropbatch.sandbox import Sandbox, emulator
from tests.sandbox.conftest import Client
from tests.signed import post


@pytest.fixture
def name() -> str:
    return f"w-{uuid.uuid4().hex[:8]}"


class TestAlarmListing:
    """The provider speaks XML to CloudWatch, boto3 does not: this asks as the provider does."""

    def test_given_an_alarm_when_it_is_described_then_all_it_was_given_comes_back(
        self, aws: Client, sandbox: Sandbox, name: str
    ) -> None:
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

    def test_given_no_dashboard_when_it_is_deleted_then_the_error_is_the_one_that_means_that(
        self, sandbox: Sandbox, name: str
    ) -> None:
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
    def test_gap_given_plain_ministack_when_alarms_are_described_in_xml_then_parts_are_missing(self) -> None:
        assert "<Statistic>" not in inspect.getsource(emulator.service("cloudwatch")._describe_alarms)

    @pytest.mark.gap("missing_dashboards")
    def test_gap_given_plain_ministack_when_no_dashboard_is_deleted_then_the_error_has_another_name(self) -> None:
        assert "DashboardNotFoundError" in inspect.getsource(emulator.service("cloudwatch")._delete_dashboards)
