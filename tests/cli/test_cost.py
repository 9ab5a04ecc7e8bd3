"""`dropbatch cost`."""

import json
from datetime import UTC, datetime
from typing import Any

from dropbatch.cli.usage import months
from dropbatch.contract import ledger
from dropbatch.contract.usage import MonthUsage, Usage
from tests.cli.conftest import TABLE, World


def spend(world: World, pipeline: str, run_id: str, **usage: Any) -> None:
    key = ledger.usage_key("lab", f"{datetime.now(UTC):%Y-%m}", run_id)
    fields = MonthUsage.of(Usage(**usage)).fields(pipeline)
    world.dynamodb.put_item(TableName=TABLE, Item=ledger.to_item({"id": key, **fields}))


def test_cost_sums_the_shards_and_never_calls_unknown_nothing(world: World):
    spend(world, "wordcount", "r-1", vcpu_ms=3_600_000, mib_ms=1024 * 3_600_000, micro_usd=40_000)
    spend(world, "wordcount", "r-2", vcpu_ms=3_600_000, mib_ms=1024 * 3_600_000, micro_usd=None)
    spend(world, "align", "r-4", vcpu_ms=3_600_000, mib_ms=1024 * 3_600_000, micro_usd=None)

    result = world.call("cost")
    body = json.loads(world.call("cost", "--json").stdout)

    rows = [line.split()[1:6] for line in result.stdout.splitlines()[1:]]
    assert rows == [["align", "1", "1.0", "1.0", "unknown"], ["wordcount", "2", "2.0", "2.0", "≥"]]
    assert "0.0400" in result.stdout
    assert "cost of 2 attempts is not known" in result.stderr
    assert [(line["pipeline"], line["micro_usd"]) for line in body] == [("align", None), ("wordcount", 40_000)]
    assert body[0].keys() == {"group", "pipeline", "month", *MonthUsage().__dict__}


def test_cost_of_nothing(world: World):
    result = world.call("cost")

    assert (result.exit_code, result.stdout) == (0, "")
    assert "nothing of lab has ended" in result.stderr


def test_months_go_back_over_the_year():
    assert months(datetime(2026, 2, 3, tzinfo=UTC), 4) == ["2026-02", "2026-01", "2025-12", "2025-11"]
