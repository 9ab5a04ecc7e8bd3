"""The state machine of a run: the allowed transitions, and the effect of each guard."""

from typing import Any

import pytest

from dropbatch.contract.items import Job, MonthlyLimit, Refusal, Reservation, Run
from dropbatch.contract.mail_items import LimitNotice, MailWindow
from dropbatch.contract.manifest import ObjectSpec
from dropbatch.contract.overrides import Overrides
from dropbatch.contract.runs import State
from dropbatch.contract.usage import Usage
from lambdas.ledger.table import Ledger
from lambdas.ledger.transitions import (
    ASSIGN_JOB,
    CANCEL,
    CLAIM,
    END,
    PUBLISHED,
    REQUEST_CANCEL,
    RESCUE,
    RETRY,
    TRANSITIONS,
    Transition,
    TransitionError,
)
from tests.lambdas.runs import make_run
from tests.lambdas.simulated_aws import SimulatedAws

WHOLE = make_run(
    {
        "state": "FAILED",
        "attempt": 2,
        "output_prefix": "lab/wordcount/a/r-1/",
        "parameters": {"k": "1"},
        "config": ObjectSpec("in", "lab/configs/c", "v", 3)._asdict(),
        "overrides": {"vcpus": 2},
        "pool": "spot",
        "job_name": "job",
        "exit_code": 0,
        "log_tail": ["one"],
        "earlier": [{"attempt": 1, "cause": "moved"}],
        "usage": {"vcpu_ms": 1, "mib_ms": None, "micro_usd": 3},
        "reserved": {"month": "2026-01", "unit": "vcpu_ms", "amount": 5},
        "requests": ["lab/submissions/retry.json@v1"],
    }
)


def test_a_run_is_restored_from_its_item() -> None:
    assert Run.from_item(WHOLE.to_item()) == WHOLE
    assert WHOLE.overrides == Overrides(vcpus=2)
    assert WHOLE.reserved == Reservation("2026-01", "vcpu_ms", 5)
    assert WHOLE.usage == Usage(vcpu_ms=1, mib_ms=None, micro_usd=3)


def test_fields_with_default_values_are_not_written() -> None:
    item = make_run({}).to_item()

    assert set(item) == {
        *("id", "day", "order", "unfinished", "group", "run_id", "pipeline", "state", "attempt"),
        *("input", "version_id", "size", "parameters", "created_at", "updated_at"),
    }


@pytest.mark.parametrize(
    "item",
    [
        Job(
            "job", "d", "d:1", "queue", "lab", "wordcount", 2, "s3://m", "2026", Overrides(vcpus=1), "id", "2026", True
        ),
        Job("job", "d", "d:1", "queue", "lab", "wordcount", 1, "s3://m", "2026", refused=Refusal("no", "2026", "2026")),
        MonthlyLimit("lab", "2026-01", "vcpu_ms", 10, 4),
        MailWindow("lab", "2026", "", "2026", "2026", "2026", mailed="r-1", pending=False),
        LimitNotice("lab", "2026-01-01", "2026-01", "1", "0", "used", "2026"),
    ],
)
def test_other_items_are_restored(item: Any) -> None:
    assert type(item).from_item(item.to_item()) == item


def stored(aws: SimulatedAws, run: Run) -> Ledger:
    table = Ledger(aws.dynamodb, "ledger")
    table.put(run.to_item())
    return table


def test_a_run_is_claimed_once(aws: SimulatedAws) -> None:
    table = Ledger(aws.dynamodb, "ledger")
    run = make_run({})

    assert table.write_each([run], lambda each: CLAIM.put("ledger", each)) == [run]
    assert table.write_each([run], lambda each: CLAIM.put("ledger", each)) == []


HELD = make_run({"state": "HELD", "job_name": "old", "pool": "spot"})
RUNNING = make_run({"state": "RUNNING", "attempt": 1})
FAILED = make_run({"state": "FAILED", "attempt": 1, "reason": "broken", "requests": ["one"]})

# Transition, the run as a function read it, its change, and what another function has written meanwhile.
RACES: list[tuple[Transition, Run, dict[str, Any], dict[str, Any]]] = [
    (ASSIGN_JOB, HELD, {"job_name": "new"}, {"job_name": "another"}),
    (ASSIGN_JOB, HELD, {"job_name": "new"}, {"state": State.SUBMITTED}),
    (END, RUNNING, {"state": State.SUCCEEDED}, {"state": State.FAILED}),
    (END, RUNNING, {"state": State.SUCCEEDED}, {"state": State.HELD, "attempt": 2}),
    (RESCUE, RUNNING, {"state": State.HELD, "attempt": 2}, {"cancel": "request"}),
    (RESCUE, RUNNING, {"state": State.HELD, "attempt": 2}, {"state": State.HELD, "attempt": 2}),
    (CANCEL, HELD, {"state": State.CANCELLED}, {"state": State.HELD, "attempt": 2}),
    (CANCEL, HELD, {"state": State.CANCELLED}, {"state": State.FAILED}),
    (REQUEST_CANCEL, RUNNING, {"cancel": "two", "requests": ("two",)}, {"attempt": 2}),
    (REQUEST_CANCEL, RUNNING, {"cancel": "two", "requests": ("two",)}, {"requests": ("one",)}),
    (REQUEST_CANCEL, FAILED, {"cancel": "one"}, {"requests": ("one", "two")}),
    (RETRY, FAILED, {"state": State.HELD, "attempt": 2}, {"state": State.HELD, "attempt": 2}),
    (PUBLISHED, FAILED, {"pending": False}, {"state": State.HELD, "attempt": 2}),
]


@pytest.mark.parametrize(("transition", "read", "changes", "meanwhile"), RACES)
def test_an_outdated_change_is_not_written(
    aws: SimulatedAws, transition: Transition, read: Run, changes: dict[str, Any], meanwhile: dict[str, Any]
) -> None:
    now = read._replace(**meanwhile)
    table = stored(aws, now)

    assert table.change(transition, read, read._replace(**changes)) is None
    assert table.reread(read) == now


@pytest.mark.parametrize(("transition", "read", "changes", "meanwhile"), RACES)
def test_a_current_change_is_written(
    aws: SimulatedAws, transition: Transition, read: Run, changes: dict[str, Any], meanwhile: dict[str, Any]
) -> None:
    table = stored(aws, read)

    assert table.change(transition, read, read._replace(**changes)) == read._replace(**changes)
    assert table.reread(read) == read._replace(**changes)


@pytest.mark.parametrize("advanced", [State.SUBMITTED, State.RUNNING])
@pytest.mark.parametrize(
    ("transition", "changes"), [(RESCUE, {"state": State.HELD, "attempt": 2}), (END, {"state": State.FAILED})]
)
def test_a_change_of_a_run_that_advanced_after_it_was_read_writes_its_state(
    aws: SimulatedAws, transition: Transition, changes: dict[str, Any], advanced: State
) -> None:
    table = stored(aws, HELD._replace(state=advanced))

    assert table.change(transition, HELD, HELD._replace(**changes))
    assert table.reread(HELD) == HELD._replace(**changes)


def test_a_run_can_be_published_again(aws: SimulatedAws) -> None:
    run = FAILED._replace(pending=False)
    table = stored(aws, run)

    assert table.change(PUBLISHED, run, run) == run


def test_emptied_fields_are_removed(aws: SimulatedAws) -> None:
    table = stored(aws, FAILED)

    table.change(RETRY, FAILED, FAILED._replace(state=State.HELD, attempt=2, reason=""))

    assert "reason" not in aws.dynamodb.plain(FAILED.id)


@pytest.mark.parametrize(
    ("transition", "before", "after"),
    [(END, State.FAILED, State.SUCCEEDED), (RETRY, State.SUCCEEDED, State.HELD), (CANCEL, State.HELD, State.FAILED)],
)
def test_a_transition_outside_the_table_is_an_error(transition: Transition, before: State, after: State) -> None:
    run = make_run({"state": before})

    with pytest.raises(TransitionError, match=f"cannot go from {before} to {after}"):
        transition.update("ledger", run, run._replace(state=after))


def test_every_state_is_reachable_and_every_unfinished_one_has_a_way_out() -> None:
    reached = {state for each in TRANSITIONS for state in each.after}
    left = {state for each in TRANSITIONS for state in each.before if set(each.after) != set(each.before)}

    assert reached == set(State)
    assert {State.HELD, State.SUBMITTED, State.RUNNING} <= left
