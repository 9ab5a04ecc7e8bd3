"""Recipients of mails about a group's runs: its contacts, and operators according to the settings."""

import pytest

from dropbatch.contract import ledger
from tests.lambdas.conftest import DEPLOYMENT, dropped, make_arrival, run_events
from tests.lambdas.simulated_aws import SimulatedAws


@pytest.mark.parametrize(
    ("hear", "lab", "neuro"),
    [
        ("others", ["contacts"], ["people"]),
        ("all", ["contacts", "people"], ["people"]),
        ("none", ["contacts"], []),
    ],
)
def test_contacts_are_mailed_about_their_group_and_operators_as_configured(
    aws: SimulatedAws, hear: str, lab: list[str], neuro: list[str]
) -> None:
    deployment = DEPLOYMENT._replace(contacts=("lab",), operators_hear=hear, mail_window_minutes=1)
    make_arrival(aws, deployment).process([dropped("lab/nothing/a.txt", "neuro/nothing/a.txt")])

    parts = run_events(aws, deployment, contacts_arn="contacts")
    parts.reconcile.run(at=ledger.utc_now().replace(year=2099))

    found = {(mail["MessageAttributes"]["group"]["StringValue"], mail["TopicArn"]) for mail in aws.sns.mails}
    assert found == {("lab", topic) for topic in lab} | {("neuro", topic) for topic in neuro}


def test_operators_are_mailed_about_everything_without_contacts(aws: SimulatedAws) -> None:
    make_arrival(aws).process([dropped("lab/nothing/a.txt")])

    run_events(aws).reconcile.run(at=ledger.utc_now().replace(year=2099))

    assert [mail["TopicArn"] for mail in aws.sns.mails] == ["people"]
