"""The schema of requests accepts the same files as the arrival function."""

import copy
import json
from typing import Any

import jsonschema
import pytest

from lambdas.arrival.requests.actions import read_prefix, read_runs
from lambdas.arrival.requests.faults import FaultsError
from lambdas.arrival.requests.submission import read_submission
from tests.docs.pages import ROOT
from tests.lambdas.conftest import DEPLOYMENT, INPUT

_SCHEMA: dict[str, Any] = json.loads((ROOT / "docs" / "requests.v1.schema.json").read_text(encoding="utf-8"))
_KNOWING = DEPLOYMENT._replace(instance_types={"m5.large": (1, 1000, 0)})
_RUN = "r-0123456789abcdef0123"
_SUBMIT: dict[str, Any] = {
    "pipeline": "wordcount",
    "inputs": ["lab/inputs/a.txt"],
    "config": "lab/configs/a.toml",
    "name": "tuesday",
    "parameters": {"k": [1, 2.5, True], "mode": "fast"},
    "overrides": {"vcpus": 1, "memory_mib": 512, "timeout_minutes": 5, "pool": "spot"},
}


def _changed(**fields: Any) -> dict[str, Any]:
    body = copy.deepcopy(_SUBMIT) | fields
    return {name: value for name, value in body.items() if value is not None}


@pytest.mark.parametrize(
    "body",
    [
        _SUBMIT,
        _changed(inputs="lab/inputs/*.txt"),
        _changed(inputs=None, dataname=["lab/inputs/a.txt"], config=None, configname="lab/configs/a.toml"),
        _changed(name=None, timestamp=20261120),
        _changed(resultpath="results/day1"),
        _changed(overrides=None, instance_type="m5.large"),
        _changed(task_token="abc"),
        # What neither lets through:
        _changed(inputs=None),
        _changed(inputs=[]),
        _changed(inputs=7),
        _changed(inputs=[""]),
        _changed(dataname="lab/inputs/a.txt"),
        _changed(inptus=["lab/inputs/a.txt"]),
        _changed(name="x" * 101),
        _changed(config=["lab/configs/a.toml"]),
        _changed(parameters=[1]),
        _changed(parameters={"a b": 1}),
        _changed(parameters={"k": []}),
        _changed(parameters={"k": {"deep": 1}}),
        _changed(parameters={"k": "x" * 1001}),
        _changed(overrides={"vcpus": 0}),
        _changed(overrides={"vcpus": "2"}),
        _changed(overrides={"gpus": 1}),
        _changed(overrides={"memory_mib": 63}),
        _changed(resultpath=7),
        _changed(instance_type=7),
    ],
    ids=lambda body: json.dumps({key: value for key, value in body.items() if _SUBMIT.get(key) != value})[:60],
)
def test_submissions_are_valid_for_the_schema_and_the_function_alike(body: dict[str, Any]) -> None:
    def read() -> None:
        read_submission(body, group="lab", key="lab/submissions/submit.json", bucket=INPUT, deployment=_KNOWING)

    assert _valid("submit", body) == _accepted(read)


@pytest.mark.parametrize("body", [{"runs": [_RUN]}, {"runs": _RUN}, {}, {"runs": []}, {"runs": ["r-1"]}, {"run": _RUN}])
def test_requests_about_runs_are_valid_for_the_schema_and_the_function_alike(body: dict[str, Any]) -> None:
    assert _valid("runs", body) == _accepted(lambda: read_runs(body, limit=100))


@pytest.mark.parametrize(
    "body", [{}, {"pipeline": "wordcount"}, {"prefix": "lab/wordcount/x"}, {"prefix": 1}, {"x": 1}]
)
def test_backfills_are_valid_for_the_schema_and_the_function_alike(body: dict[str, Any]) -> None:
    def read() -> None:
        read_prefix(
            {"pipeline": "wordcount"} | body, group="lab", key="lab/submissions/backfill.json", deployment=DEPLOYMENT
        )

    assert _valid("backfill", body) == _accepted(read)


def _valid(kind: str, body: dict[str, Any]) -> bool:
    schema = {"$defs": _SCHEMA["$defs"], "$ref": f"#/$defs/{kind}"}
    return bool(jsonschema.Draft202012Validator(schema).is_valid(body))


def _accepted(read: Any) -> bool:
    try:
        read()
    except FaultsError:
        return False
    return True
