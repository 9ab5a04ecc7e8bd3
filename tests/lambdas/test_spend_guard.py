from decimal import Decimal

import pytest

from dropbatch.contract.ledger import PAUSED
from lambdas.common import wiring
from lambdas.common.brake import Brake
from lambdas.ledger.table import Ledger
from lambdas.spend_guard import handler
from lambdas.spend_guard.budget_alert import BudgetNotice, read_notice
from tests.lambdas.budget_notices import notice
from tests.lambdas.simulated_aws import SimulatedAws


@pytest.fixture
def guard(aws: SimulatedAws, monkeypatch: pytest.MonkeyPatch) -> SimulatedAws:
    brake = Brake(Ledger(aws.dynamodb, "ledger"), batch=aws.batch, queues=["q-spot", "q-ondemand"])
    monkeypatch.setattr(handler, "_brake", lambda: brake)
    monkeypatch.setattr(handler, "_stops", lambda: False)
    monkeypatch.setattr(handler, "_resumes_by_itself", lambda: False)
    monkeypatch.setattr(wiring, "client", lambda service: {"sns": aws.sns}[service])
    monkeypatch.setenv("PEOPLE_TOPIC_ARN", "people")
    monkeypatch.setenv("DROPBATCH_ENVIRONMENT", "test")
    return aws


def alert(text: str) -> dict[str, object]:
    return {"Records": [{"EventSource": "aws:sns", "Sns": {"Message": text}}]}


def test_amounts_are_parsed_exactly() -> None:
    assert read_notice(notice(limit="$1,200.00", spent="$1,200.01")) == BudgetNotice(
        budget="dropbatch-test", limit_usd=Decimal("1200.00"), spent_usd=Decimal("1200.01")
    )


def test_a_spent_budget_pauses_every_pool_and_sets_the_flag(guard: SimulatedAws) -> None:
    assert handler.handle(alert(notice()), None) == {"did": "paused"}

    assert guard.batch.queues == {"q-spot": "DISABLED", "q-ondemand": "DISABLED"}
    assert guard.batch.environments == {"ce-q-spot": "DISABLED", "ce-q-ondemand": "DISABLED"}
    assert guard.dynamodb.plain(PAUSED)["reason"] == "budget spent: 51.20 of 50.00 USD"


@pytest.mark.parametrize(
    "text",
    [
        notice(spent="$40.00"),
        notice(name="somebody-elses"),
        notice(kind="FORECASTED"),
        notice(spent="unknown"),
        "hello",
        "",
        "AWS Budget Notification",
    ],
)
def test_any_other_message_does_nothing(guard: SimulatedAws, text: str) -> None:
    assert handler.handle(alert(text), None) == {"did": "nothing"}

    assert not guard.dynamodb.items
    assert not guard.batch.queues
    assert not guard.sns.mails


def test_a_second_alert_keeps_the_first_reason_and_mails_nothing(guard: SimulatedAws) -> None:
    handler.handle(alert(notice()), None)
    handler.handle(alert(notice(spent="$60.00")), None)

    (mail,) = guard.sns.mails
    assert mail["Subject"] == "dropbatch test is paused: the budget is spent"
    assert "spent: 51.20 of 50.00 USD" in mail["Message"]
    assert "dropbatch --env test resume" in mail["Message"]

    assert guard.dynamodb.plain(PAUSED)["reason"] == "budget spent: 51.20 of 50.00 USD"


def test_an_operator_pauses_and_resumes(guard: SimulatedAws) -> None:
    handler.handle({"action": "pause", "reason": "maintenance"}, None)
    assert guard.dynamodb.plain(PAUSED)["reason"] == "maintenance"

    assert handler.handle({"action": "resume"}, None) == {"did": "resumed"}
    assert not guard.dynamodb.items
    assert set(guard.batch.queues.values()) == {"ENABLED"}


def test_an_unknown_action_names_the_known_ones() -> None:
    with pytest.raises(ValueError, match="action must be 'pause', 'stop' or 'resume', got 'dance'"):
        handler.handle({"action": "dance"}, None)
