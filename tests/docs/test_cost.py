"""The page about cost: its sums are right, and every resource it counts exists."""

import json
import math
import re

from tests.docs.pages import ROOT

_PAGE = (ROOT / "docs" / "cost.md").read_text(encoding="utf-8")
_STACK = ROOT / "tests/constructs_lib/__snapshots__/test_snapshot/test_stack_is_as_committed[prod].json"


def _rows(heading: str) -> list[tuple[str, str, str]]:
    """Return the cells of the first table below a heading."""
    table = _PAGE.partition(f"## {heading}\n")[2].partition("| --- ")[2].partition("\n\n")[0]
    rows = [line.strip("|").split("|") for line in table.splitlines()[1:]]
    return [(what.strip(), how.strip(), price.strip()) for what, how, price in rows]


def _number(text: str) -> float:
    return float(re.sub(r"[^\d.]", "", text))


def test_tables_add_up() -> None:
    for heading, digits in (("Idle", 1), ("Per 1,000 runs", 2)):
        *rows, (_, _, total) = _rows(heading)

        assert round(math.fsum(_number(price) for *_, price in rows), digits) == _number(total), heading


def test_each_calculation_gives_the_figure_beside_it() -> None:
    """Return rows that are products of plain numbers."""
    checked = 0
    for what, how, price in [*_rows("Idle"), *_rows("Per 1,000 runs")]:
        if re.fullmatch(r"[\d.,]+ [×/ \d.,⁶]+", how):
            product = eval(how.replace(",", "").replace("×", "*").replace("10⁶", "1e6"))  # noqa: S307
            assert math.isclose(product, _number(price), rel_tol=0.05), what
            checked += 1

    assert checked > 4


def test_every_counted_resource_is_in_the_stack() -> None:
    resources = json.loads(_STACK.read_text(encoding="utf-8"))["resource"]
    counts = {what: how.split()[0] for what, how, _ in _rows("Idle")}

    assert int(counts["alarms"]) == len(resources["aws_cloudwatch_metric_alarm"])
    assert int(counts["dashboard"]) == len(resources["aws_cloudwatch_dashboard"])
    assert int(counts["polling of two queues"]) == len(resources["aws_lambda_event_source_mapping"])
    assert not {"aws_nat_gateway", "aws_kms_key", "aws_eip"} & set(resources), "those cost money while nothing runs"
