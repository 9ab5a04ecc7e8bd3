"""The summary that the report computes from runs, without a browser."""

import json
import re
from dataclasses import replace
from datetime import timedelta
from hashlib import sha256
from pathlib import Path

import pytest

from dropbatch.cli.report import Fact, fact_of, page, summarize
from dropbatch.cli.report.page import CHARTS
from dropbatch.cli.report.summary import ROWS
from dropbatch.cli.runs import read_item
from dropbatch.contract import ledger
from dropbatch.contract.runs import State
from tests.cli.conftest import World
from tests.cli.report.random_facts import ABOUT, NOON, facts

ITEM = {
    "run_id": "r-" + "0" * 20,
    "group": "lab",
    "pipeline": "wordcount",
    "pool": "spot",
    "state": "SUCCEEDED",
    "attempt": 1,
    "tries": 1,
    "input": "s3://in/lab/wordcount/notes.txt",
    "created_at": "2026-03-02T12:00:00.000Z",
    "started_at": "2026-03-02T12:01:00.000Z",
    "stopped_at": "2026-03-02T12:01:10.000Z",
    "usage": {"vcpu_ms": 10_000, "mib_ms": 5_120_000, "micro_usd": 1_500},
}
RECORD = {"attempt": 1, "started_at": "2026-03-02T12:01:04.000Z", "peak_memory_mib": 8.9}


def one(**changes: object) -> Fact:
    return replace(facts(1)[0], **changes)  # type: ignore[arg-type]


def test_a_fact_is_read_from_ledger_and_record():
    fact = fact_of(read_item(ITEM), RECORD)

    assert (fact.name, fact.wait_seconds, fact.start_seconds, fact.run_seconds) == ("notes.txt", 60, 4, 6)
    assert (fact.memory_asked_mib, fact.memory_used_mib, fact.usd) == (512, 8.9, 0.0015)


@pytest.mark.parametrize(
    ("changes", "record", "expected"),
    [
        ({}, None, {"start_seconds": None, "run_seconds": 10, "memory_used_mib": None}),
        ({"tries": 2}, RECORD, {"memory_asked_mib": None, "memory_used_mib": 8.9}),
        ({"attempt": 2}, RECORD, {"start_seconds": 0, "run_seconds": 10, "memory_asked_mib": None}),
        ({"usage": {"vcpu_ms": None, "mib_ms": None, "micro_usd": None}}, RECORD, {"usd": None}),
        ({"started_at": "", "stopped_at": ""}, None, {"wait_seconds": None, "run_seconds": None}),
        ({"state": "RUNNING", "stopped_at": ""}, None, {"wait_seconds": 60, "run_seconds": None}),
    ],
)
def test_unknown_values_are_not_zero(
    changes: dict[str, object], record: dict[str, object] | None, expected: dict[str, object]
):
    fact = fact_of(read_item(ITEM | changes), record)

    assert {name: getattr(fact, name) for name in expected} == expected


def test_refused_runs_have_no_cost_and_no_pipeline():
    item = {name: value for name, value in ITEM.items() if name not in {"usage", "started_at", "stopped_at"}}
    fact = fact_of(read_item(item | {"state": "REJECTED", "attempt": 0, "pipeline": "submissions"}), None)

    summary = summarize([fact])

    assert (fact.usd, summary["pipelines"], summary["totals"]["usd"]) == (None, [], None)
    assert summary["totals"]["cost_unknown_of"] == 0


def test_few_runs_are_drawn_as_rows_and_many_as_load():
    few, many = summarize(facts(ROWS)), summarize(facts(ROWS + 1))

    assert len(few["rows"]["runs"]) == len([fact for fact in facts(ROWS) if fact.wait_seconds is not None])
    assert few["load"] is None
    assert many["rows"] is None
    assert set(many["load"]["pools"]) == {"spot", "ondemand"}


def test_runs_of_different_days_are_drawn_from_their_own_start():
    late = one(created_at=ledger.timestamp(NOON + timedelta(days=5)), run_id="r-late")

    rows = summarize([one(), late])["rows"]

    assert rows["relative"] is True
    assert [row["at"] for row in rows["runs"]] == [0, 0]


def test_the_load_is_the_maximum_of_concurrent_runs():
    same = [one(run_id=str(n), pool="spot", wait_seconds=10, start_seconds=0, run_seconds=100) for n in range(100)]

    load = summarize(same)["load"]

    assert max(load["waiting"]) == max(load["pools"]["spot"]) == 100
    assert load["waiting"][-1] == 0
    assert load["step_seconds"] * len(load["waiting"]) == pytest.approx(110)


def test_every_run_is_in_the_histogram_once():
    known = [fact for fact in facts(500) if fact.run_seconds is not None]
    edges = [one(pipeline="align", run_seconds=seconds) for seconds in (0, 1, 86_400, 1e6)]

    durations = summarize([*known, *edges])["durations"]

    assert sum(map(sum, durations["counts"].values())) == len(known) + 4
    assert (durations["from"][0], durations["to"][-1]) == (0, None)


def test_similar_reasons_are_grouped_and_exit_codes_are_not():
    reasons = [f"job {number:08x}-0000-4000-8000-000000000000 lost" for number in range(3)]
    failed = [one(state=State.FAILED, reason=reason) for reason in [*reasons, "exit code 3", "exit code 4"]]

    failures = summarize(failed)["failures"]

    assert [(each["runs"], each["reason"]) for each in failures["shown"]] == [
        (3, "job … lost"),
        (1, "exit code 3"),
        (1, "exit code 4"),
    ]
    assert failures["runs_left_out"] == 0


def test_memory_and_cost_are_summed_with_unknown_values_counted():
    run = one(pipeline="align", memory_asked_mib=1000, memory_used_mib=100.0, usd=0.5)
    free = one(pipeline="free", memory_asked_mib=None, usd=None)

    summary = summarize([run, replace(run, memory_used_mib=300.0), free])

    assert summary["memory"] == [
        {"pipeline": "align", "runs": 2, "asked": 1000, "median": 200, "most_95": 300, "most": 300}
    ]
    assert summary["cost"] == {"days": ["2026-03-02"], "usd": {"align": [1.0], "free": [0.0]}}
    assert (summary["totals"]["usd"], summary["totals"]["cost_unknown_of"]) == (1.0, 1)
    assert summarize([free])["totals"]["usd"] is None
    assert summarize([free])["cost"] is None


@pytest.mark.parametrize("count", [1, 3, 2000])
def test_the_page_is_self_contained(count: int):
    text = page(summarize(facts(count)), about=ABOUT | {"group": "</script><script>alert(1)</script>\u2028"})

    assert len(text) < 300_000
    assert not re.search(r"""<(script|link|img)[^>]+(src|href)=""", text)
    assert "</script><script>alert" not in text
    data = re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.DOTALL)
    assert data is not None
    assert json.loads(data[1])["about"]["group"].startswith("</script>")
    assert "{{data}}" not in text


def test_the_charts_script_is_that_of_the_npm_package():
    path = Path(__file__).parents[3] / "dropbatch" / "cli" / "report" / CHARTS

    assert "Chart.js v4.6.1" in path.read_text("utf-8")[:200]
    assert sha256(path.read_bytes()).hexdigest() == "c17f2ce49fb9c71ef7fb39c03f868804ac5ab34730149976eebe6b7f807bef0c"


def test_the_command_reads_ledger_and_records(world: World, tmp_path: Path):
    world.done({"counts.txt": b"2"}, started_at=ITEM["started_at"], stopped_at=ITEM["stopped_at"])
    world.item(State.FAILED, name="2.txt", reason="it broke")
    file = tmp_path / "r.html"

    made = world.call("report", str(file))
    known = json.loads(world.call("report", "--json", "--no-records").stdout)

    assert made.exit_code == 0, made.output
    assert made.stdout == f"{file}\n"
    assert "it broke" in file.read_text("utf-8")
    assert {each["state"] for each in known} == {"SUCCEEDED", "FAILED"}
    assert known[0].keys() == facts(1)[0].to_dict().keys()


def test_an_empty_report_is_not_written(world: World, tmp_path: Path):
    result = world.call("report", str(tmp_path / "r.html"))

    assert result.exit_code == 3
    assert "dropbatch status" in result.stderr
    assert list(tmp_path.iterdir()) == []
