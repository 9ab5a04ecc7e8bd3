"""The rejection of a request is removed when the request is corrected."""

import json
from typing import Any

import pytest

from lambdas.arrival.requests.faults import Fault
from lambdas.arrival.requests.listing import Listing
from lambdas.arrival.requests.rejections import Rejections
from lambdas.common.system_messages import RequestStep
from tests.lambdas.conftest import INPUT, OUTPUT
from tests.lambdas.requests.conftest import Bench
from tests.lambdas.simulated_aws import error

KEY = "lab/submissions/submit.json"
GOOD = {"pipeline": "wordcount", "inputs": "lab/inputs/a"}
STEP = RequestStep(group="lab", request="submit", bucket=INPUT, key=KEY, version_id="v2", size=2)


@pytest.mark.parametrize(
    ("key", "good"),
    [
        (KEY, GOOD),
        ("lab/submissions/backfill.json", {"pipeline": "wordcount"}),
        ("lab/submissions/rerun.json", {"runs": ["$run"]}),
    ],
)
def test_a_corrected_request_removes_its_refusal(bench: Bench, key: str, good: Any) -> None:
    bench.upload("lab/inputs/a", "lab/wordcount/x")
    bench.ask(GOOD, "lab/submissions/before/submit.json")
    good = json.loads(json.dumps(good).replace("$run", bench.runs()[0]["run_id"]))
    bench.ask({"nonsense": 1}, key)
    assert bench.refusal(key)

    bench.aws.s3.versions[INPUT, key] = "v2"
    bench.ask(good, key, version="v2")

    assert (OUTPUT, f"{key}/_rejected.json") not in bench.aws.s3.objects


def test_a_late_event_of_an_earlier_valid_version_keeps_the_refusal(bench: Bench) -> None:
    bench.upload("lab/inputs/a")
    bench.aws.s3.versions[INPUT, KEY] = "v2"
    bench.ask({"nonsense": 1}, version="v2")

    bench.ask(GOOD, version="v1")

    assert bench.refusal()["version_id"] == "v2"


@pytest.mark.parametrize("there", [True, False])
def test_a_deleted_request_keeps_its_refusal(bench: Bench, there: bool) -> None:
    replies = Rejections(s3=bench.aws.s3, bucket=OUTPUT, listing=Listing(bench.aws.s3))
    if there:
        bench.aws.s3.versions[INPUT, KEY] = "v3"
        bench.upload(KEY)
    replies.write(STEP._replace(version_id="v1"), [Fault(place="", text="wrong")])

    replies.clear(STEP)

    assert bench.refusal()["version_id"] == "v1"


def test_a_denied_read_of_a_refusal_is_no_error(bench: Bench) -> None:
    def forbid(operation: str, call: Any) -> None:
        if operation == "GetObject" and call["Bucket"] == OUTPUT and call["Key"].endswith("_rejected.json"):
            raise error("AccessDenied", operation)

    bench.upload("lab/inputs/a")
    bench.aws.tap = forbid

    bench.ask(GOOD)

    assert len(bench.runs()) == 1
    assert not bench.runs(rejected=True)
