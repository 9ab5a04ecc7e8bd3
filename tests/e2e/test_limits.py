"""Monthly limits, against the real table's transactions."""

import random
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest

from dropbatch.contract import ledger
from dropbatch.contract.batches import read_items
from dropbatch.contract.deployment import Limit
from dropbatch.contract.items import Reservation, Run
from dropbatch.contract.limits import VCPU_MS
from dropbatch.contract.usage import month_usage
from lambdas.arrival.quota import Allowance
from lambdas.ledger.settlement import release
from lambdas.ledger.table import Ledger
from lambdas.ledger.transitions import CLAIM
from tests.e2e.lab import Lab
from tests.lambdas.runs import make_run

pytestmark = pytest.mark.e2e
HOUR = 3_600_000


def test_a_thousand_concurrent_claims_are_admitted_up_to_the_limit(lab: Lab) -> None:
    table, group, limit, month = (
        lab.pointers["ledger_table"],
        f"burst{uuid.uuid4().hex[:6]}",
        Limit(VCPU_MS, 600 * HOUR),
        "2026-01",
    )
    reserved = Reservation(month, limit.unit, HOUR)
    runs = [make_run({"group": group, "run_id": str(number)})._replace(reserved=reserved) for number in range(1000)]
    tables = [Ledger(lab.client("dynamodb"), table) for _ in range(20)]

    def admit(number: int) -> tuple[list[Run], list[Run]]:
        """Claim ten runs, as one invocation would."""
        allowance = Allowance(tables[number % 20], group=group, limit=limit, month=month)
        some = runs[number * 10 : number * 10 + 10]
        won, over, _ = allowance.write(some, lambda run: CLAIM.put(table, run), lambda _: HOUR)
        return won, over

    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(admit, range(100)))
    admitted = [run for won, _ in answers for run in won]

    assert len(admitted) == 600
    assert sum(len(over) for _, over in answers) == 400
    key = ledger.limit_key(group, month)
    assert read_items(lab.dynamodb, table, [key])[key]["remaining"] == 0
    assert len(read_items(lab.dynamodb, table, [run.id for run in runs])) == 600

    used = {run.id: random.randrange(HOUR) for run in admitted}  # noqa: S311

    def end(numbered: tuple[int, Run]) -> bool:
        number, run = numbered
        step = {"Update": {"TableName": table, "Key": {"id": {"S": run.id}}, "UpdateExpression": "REMOVE reserved"}}
        return tables[number % 20].write_settling([step], release(table, run, used[run.id]))

    with ThreadPoolExecutor(20) as pool:
        assert all(pool.map(end, enumerate(admitted)))
    assert read_items(lab.dynamodb, table, [key])[key]["remaining"] == limit.amount - sum(used.values())


def test_ended_runs_leave_the_limit_less_their_usage(lab: Lab) -> None:
    table = lab.pointers["ledger_table"]
    runs = [lab.drop(f"other/wordcount/limit/{number}.txt", b"word\n") for number in range(5)]

    ended = [lab.ended(run, "other") for run in runs]

    month = ended[0]["reserved"]["month"]
    key = ledger.limit_key("other", month)
    items = read_items(lab.dynamodb, table, [key, *ledger.usage_keys("other", month)])
    usage = month_usage(item for name, item in items.items() if name != key)
    assert {run["state"] for run in ended} == {"SUCCEEDED"}
    assert items[key]["remaining"] == items[key]["limit"] - sum(each.vcpu_ms for each in usage.values())
    assert 0 < items[key]["limit"] - items[key]["remaining"] < 100 * HOUR
