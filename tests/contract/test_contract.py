import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dropbatch.contract import keys, ledger
from dropbatch.contract.deployment import Deployment
from dropbatch.contract.events import run_state_change
from dropbatch.contract.manifest import Manifest, ManifestError, ObjectSpec, RunSpec
from dropbatch.contract.overrides import Overrides
from dropbatch.contract.runs import State, order, run_id
from tests.lambdas.conftest import DEPLOYMENT
from tests.lambdas.runs import make_run

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@given(st.text())
def test_parsing_a_key_and_joining_it_again_restores_it(key: str) -> None:
    parsed = keys.InputKey.parse(key)

    match key.count("/"):
        case 0:
            assert (parsed.group, parsed.folder, parsed.rest) == ("", "", key)
        case 1:
            assert (f"{parsed.group}/{parsed.rest}", parsed.folder) == (key, "")
        case _:
            assert f"{parsed.group}/{parsed.folder}/{parsed.rest}" == key


def test_results_of_each_input_have_a_directory_of_their_own() -> None:
    prefix = keys.output_prefix("lab", "wordcount", "day 1/a.txt", "r-1")

    assert prefix == "lab/wordcount/day 1/a.txt/r-1/"
    assert keys.record_key(prefix) == "lab/wordcount/day 1/a.txt/r-1/_run.json"


@pytest.mark.parametrize("text", ["", "s3://", "s3://bucket", "s3:///key", "http://bucket/key", "bucket/key"])
def test_an_invalid_uri_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not an s3:// URI"):
        keys.split_uri(text)


def test_a_uri_keeps_odd_keys() -> None:
    assert keys.split_uri(keys.uri("b", "/a//b c")) == ("b", "/a//b c")


def make(**change: object) -> str:
    parts: dict[str, object] = {"group": "g", "pipeline": "p", "bucket": "b", "key": "k", "version_id": "v"}
    return run_id(**(parts | change))  # type: ignore[arg-type]


def test_a_run_id_depends_on_every_part_and_on_nothing_else() -> None:
    changes: list[dict[str, object]] = [
        {},
        {"group": "x"},
        {"pipeline": "x"},
        {"bucket": "x"},
        {"key": "x"},
        {"version_id": "x"},
        {"parameters": {"a": "1"}},
        {"parameters": {"a": "2"}},
        {"request_id": "x"},
        {"group": "g,p", "pipeline": ""},
    ]

    ids = [make(**change) for change in changes]

    assert len(set(ids)) == len(ids)
    assert make() == "r-" + make()[2:]
    assert len(make()) == 22
    assert make(parameters={"a": "1", "b": "2"}) == make(parameters={"b": "2", "a": "1"})


def test_order_rises_within_an_attempt_and_between_attempts() -> None:
    life = [
        order(attempt, state)
        for attempt in (1, 2)
        for state in (State.HELD, State.SUBMITTED, State.RUNNING, State.FAILED)
    ]

    assert life == sorted(set(life))
    assert len({order(1, state) for state in State if state.final}) == 1


@given(st.dictionaries(st.text(min_size=1), PLAIN))
def test_items_are_restored_from_the_form_of_dynamodb(values: dict[str, object]) -> None:
    assert ledger.from_item(ledger.to_item(values)) == values


def test_the_ledger_refuses_floats() -> None:
    with pytest.raises(TypeError, match="does not hold a float"):
        ledger.to_item({"a": 0.1})


def test_a_run_is_found_by_one_key_of_its_day() -> None:
    assert ledger.day_key("lab", "2026-11-20", "r-1") in ledger.day_keys("lab", "2026-11-20")
    assert ledger.unfinished_key("r-1") in ledger.unfinished_keys()


def spec(**change: object) -> RunSpec:
    parts: dict[str, object] = {
        "run_id": "r-1",
        "attempt": 1,
        "group": "lab",
        "pipeline": "wordcount",
        "bucket": "b",
        "key": "k ü",
        "version_id": "v",
        "size": 1,
        "output": "lab/wordcount/k/r-1/",
    }
    return RunSpec(**(parts | change))  # type: ignore[arg-type]


def test_a_manifest_is_restored_from_json() -> None:
    manifest = Manifest(job_name="j", runs=(spec(), spec(run_id="r-2", parameters={"k": "1"})))

    assert Manifest.from_json(manifest.to_json()) == manifest


def test_a_manifest_holds_folders_and_configs() -> None:
    piece = ObjectSpec(bucket="b", key="g/inputs/day/a", version_id="v", size=1)
    folder = spec(key="g/inputs/day/", config=piece, marker="g/inputs/day/_DONE", objects=(piece,))
    named = spec(named_inputs=(piece,), named_outputs=("s3://b/out",), earlier=({"attempt": 1},))
    manifest = Manifest(job_name="j", runs=(folder, named, spec()))

    assert Manifest.from_json(manifest.to_json()) == manifest
    assert folder.is_folder
    assert not spec().is_folder


def test_a_manifest_holds_every_field_of_a_run() -> None:
    thing = ObjectSpec(bucket="b", key="k", version_id="v", size=1)
    full = spec(
        parameters={"k": "1"},
        config=thing,
        marker="lab/p/_DONE",
        objects=(thing,),
        named_inputs=(thing, thing),
        named_outputs=("s3://b/out",),
        pool="spot",
        earlier=({"attempt": 1, "pool": "spot", "cause": "reclaimed", "reason": "Host EC2"},),
    )
    manifest = Manifest(job_name="j", runs=(full,))

    assert not [name for name, value in full._asdict().items() if value == full._field_defaults.get(name)]
    assert Manifest.from_json(manifest.to_json()) == manifest


def test_a_manifest_omits_unused_fields() -> None:
    (run,) = json.loads(Manifest(job_name="j", runs=(spec(),)).to_json())["runs"]

    assert not {"config", "marker", "objects", "named_inputs", "named_outputs"} & set(run)


def test_overrides_have_the_form_of_batch() -> None:
    assert Overrides().request() == {}
    assert Overrides(vcpus=2, timeout_minutes=3).request() == {
        "containerOverrides": {"resourceRequirements": [{"type": "VCPU", "value": "2"}]},
        "timeout": {"attemptDurationSeconds": 180},
    }
    some = Overrides(memory_mib=4000)
    assert Overrides.from_item({"overrides": some.to_dict()}) == some
    assert Overrides.from_item({}) == Overrides()


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"version": 2}', '{"version": 1, "job_name": "j", "runs": [{}]}'])
def test_an_invalid_manifest_is_refused(text: str) -> None:
    with pytest.raises(ManifestError):
        Manifest.from_json(text)


def test_a_deployment_is_restored_from_json() -> None:
    assert Deployment.from_json(DEPLOYMENT.to_json()) == DEPLOYMENT


def test_the_public_event_summarizes_the_run_in_one_line() -> None:
    detail = run_state_change(
        "prod",
        make_run({"run_id": "r-1", "state": State.FAILED, "reason": "program: exit code 3"}),
    )

    assert detail["summary"] == "FAILED lab/wordcount r-1 (s3://in/lab/wordcount/a): program: exit code 3"
    assert json.loads(json.dumps(detail))["state"] == "FAILED"
