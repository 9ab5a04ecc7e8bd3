"""`dropbatch cost`."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.exceptions import ClientError

from dropbatch.cli.usage import Line, months, used
from dropbatch.contract.runs import State
from dropbatch.contract.usage import MonthUsage
from tests.cli.conftest import World
from tests.cli.deployment_content import spend


def test_cost_sums_the_shards_and_never_shows_unknown_as_zero(world: World):
    spend(world, "wordcount", "r-1", vcpu_ms=3_600_000, mib_ms=1024 * 3_600_000, micro_usd=40_000)
    spend(world, "wordcount", "r-2", vcpu_ms=3_600_000, mib_ms=1024 * 3_600_000, micro_usd=None)
    spend(world, "align", "r-4", vcpu_ms=3_600_000, mib_ms=1024 * 3_600_000, micro_usd=None)

    result = world.call("cost")
    body = json.loads(world.call("cost", "--json").stdout)

    rows = [line.split()[1:6] for line in result.stdout.splitlines()[1:]]
    assert rows == [["align", "1", "1.000", "1.000", "unknown"], ["wordcount", "2", "2.000", "2.000", "≥"]]
    assert "0.0400" in result.stdout
    assert "cost of 2 attempts is not known" in result.stderr
    assert [(line["pipeline"], line["micro_usd"]) for line in body] == [("align", None), ("wordcount", 40_000)]
    assert body[0].keys() == {"group", "pipeline", "period", *MonthUsage().__dict__}


def test_cost_by_group_sums_its_pipelines(world: World):
    world.describe(groups=["lab", "other"], pipelines=["align", "wordcount"])
    spend(world, "wordcount", "r-1", vcpu_ms=3_600_000, mib_ms=0, micro_usd=40_000)
    spend(world, "align", "r-2", vcpu_ms=3_600_000, mib_ms=0, micro_usd=20_000)

    (line,) = json.loads(world.call("cost", "--by", "group", "--json").stdout)
    (of_one,) = json.loads(world.call("cost", "--by", "group", "--pipeline", "align", "--json").stdout)

    assert (line["group"], line["pipeline"], line["micro_usd"], line["attempts"]) == ("lab", None, 60_000, 2)
    assert of_one["micro_usd"] == 20_000


def test_cost_by_group_omits_groups_of_others(world: World, monkeypatch: pytest.MonkeyPatch):
    world.describe(groups=["lab", "other"])
    spend(world, "wordcount", "r-1", vcpu_ms=3_600_000, mib_ms=0, micro_usd=40_000)

    def denied(deployed: Any, group: str, wanted: list[str]) -> list[Line]:
        if group == "other":
            raise ClientError({"Error": {"Code": "AccessDeniedException", "Message": "no"}}, "BatchGetItem")
        return used(deployed, group, wanted)

    monkeypatch.setattr("dropbatch.cli.commands.cost.used", denied)

    result = world.call("cost", "--by", "group")

    assert result.exit_code == 0, result.output
    assert "groups that you may not read: other" in result.stderr
    assert len(result.stdout.splitlines()) == 2


def test_cost_by_day_sums_runs(world: World):
    now = datetime.now(UTC)
    known = {"vcpu_ms": 3_600_000, "mib_ms": 1024 * 3_600_000, "micro_usd": 500_000}
    world.item(State.SUCCEEDED, name="1.txt", minutes_ago=0, usage=known, attempt=2)
    world.item(State.FAILED, name="2.txt", minutes_ago=0, usage=known | {"micro_usd": None})
    world.item(State.HELD, name="3.txt", minutes_ago=0)

    (line,) = json.loads(world.call("cost", "--by", "day", "--json").stdout)
    shown = world.call("cost", "--by", "day")

    assert line["period"] == f"{now:%Y-%m-%d}"
    assert (line["attempts"], line["unknown_cost"], line["micro_usd"]) == (3, 1, 500_000)
    assert shown.stdout.splitlines()[1].split()[1:6] == ["3", "2.000", "2.000", "≥", "0.5000"]


def test_cost_without_usage_says_so(world: World):
    result = world.call("cost")

    assert (result.exit_code, result.stdout) == (0, "")
    assert "no run has ended since" in result.stderr


def test_months_are_counted_back_over_the_year():
    assert months(datetime(2026, 2, 3, tzinfo=UTC), 4) == ["2026-02", "2026-01", "2025-12", "2025-11"]
