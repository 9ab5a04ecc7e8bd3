import pytest

from dropbatch.contract.keys import SYSTEM_GROUP
from lambdas.arrival.admission import Admitted, Ignored, Rejected, Requested, classify
from lambdas.common.messages import Arrival
from tests.lambdas.conftest import DEPLOYMENT


def arrival(key: str, *, size: int = 3, version_id: str = "v1") -> Arrival:
    return Arrival(bucket="in-bucket", key=key, version_id=version_id, size=size, etag="e")


@pytest.mark.parametrize(
    ("key", "rest"),
    [
        ("lab/wordcount/a.txt", "a.txt"),
        ("lab/wordcount/a b+(1) ü.txt", "a b+(1) ü.txt"),
        ("lab/wordcount/day 1/%41'\"🦉.txt", "day 1/%41'\"🦉.txt"),
        ("lab/wordcount//double", "/double"),
        ("lab/wordcount/" + "k" * 886, "k" * 886),
    ],
)
def test_a_file_in_the_folder_of_a_pipeline_is_a_run(key: str, rest: str) -> None:
    found = classify(arrival(key), DEPLOYMENT)

    assert isinstance(found, Admitted)
    assert found.definition == "dropbatch-test-wordcount-lab"
    assert found.queue == "dropbatch-test-spot"
    assert found.run.output == f"lab/wordcount/{rest}/{found.run.run_id}/"


@pytest.mark.parametrize(
    ("key", "reason"),
    [
        ("a.txt", "the file is at the root of the bucket"),
        ("", "the file is at the root of the bucket"),
        ("/lab/wordcount/a", "the file is at the root of the bucket"),
        ("lbb/wordcount/a", "no group is named 'lbb': did you mean 'lab'? known are lab, neuro"),
        ("lab/a.txt", "the file is not in a pipeline's folder"),
        (
            "lab/wordcont/a",
            "no pipeline is named 'wordcont': did you mean 'wordcount'? known are byfolder, byrequest, sort, wordcount",
        ),
        ("lab/submissions/data.csv", "names of requests end in submit.json, retry.json, rerun.json, reproduce.json"),
        ("lab/byrequest/a.txt", "pipeline 'byrequest' takes requests only: put files below lab/inputs/"),
        ("lab/byfolder/a.txt", "pipeline 'byfolder' takes folders: put the files into a folder below lab/byfolder/"),
        ("lab/byfolder/_DONE", "pipeline 'byfolder' takes folders"),
        ("neuro/byfolder/day/_DONE", "pipeline 'byfolder' is not set up for group 'neuro'"),
        ("lab/wordcount/" + "k" * 887, "the key is 901 bytes long, at most 900 are taken"),
        ("lab/wordcount/" + "ü" * 505, "the key is 1024 bytes long"),
        ("lab/wordcount/dir/", "the key ends in '/' but the object holds data"),
        ("lab/sort/a.txt", "pipeline 'sort' takes files ending in .dat"),
    ],
)
def test_an_invalid_key_is_refused_with_a_reason(key: str, reason: str) -> None:
    found = classify(arrival(key), DEPLOYMENT)

    assert isinstance(found, Rejected)
    assert found.reason.startswith(reason)


def test_a_file_of_no_group_belongs_to_the_system() -> None:
    found = classify(arrival("a.txt"), DEPLOYMENT)

    assert isinstance(found, Rejected)
    assert found.group == SYSTEM_GROUP


def test_an_unversioned_bucket_is_refused() -> None:
    found = classify(arrival("lab/wordcount/a", version_id=""), DEPLOYMENT)

    assert isinstance(found, Rejected)
    assert found.reason.startswith("the bucket has no versioning")


@pytest.mark.parametrize(
    ("key", "size", "reason"),
    [
        ("lab/wordcount/", 0, "a folder marker"),
        ("lab/wordcount/dir/", 0, "a folder marker"),
        ("lab/inputs/big.dat", 3, "inputs/ triggers nothing"),
        ("lab/configs/a.toml", 3, "configs/ triggers nothing"),
        ("lab/byfolder/day/a.dat", 3, "its folder is processed when _DONE is put into it"),
        ("lab/byfolder/day/_DONE.txt", 3, "its folder is processed when _DONE is put into it"),
    ],
)
def test_keys_that_start_nothing_are_ignored(key: str, size: int, reason: str) -> None:
    assert classify(arrival(key, size=size), DEPLOYMENT) == Ignored(arrival=arrival(key, size=size), reason=reason)


def test_a_run_is_identified_by_the_version_of_its_input() -> None:
    first, again, other = (
        classify(arrival("lab/wordcount/a", version_id=version), DEPLOYMENT) for version in ("v1", "v1", "v2")
    )

    assert isinstance(first, Admitted)
    assert isinstance(other, Admitted)
    assert first == again
    assert first.run.run_id != other.run.run_id


def test_a_marker_starts_one_run_with_its_folder() -> None:
    found = classify(arrival("lab/byfolder/day 1/left/_DONE", size=0), DEPLOYMENT)

    assert isinstance(found, Admitted)
    assert found.run.key == "lab/byfolder/day 1/left/"
    assert found.run.is_folder
    assert found.run.marker == "lab/byfolder/day 1/left/_DONE"
    assert (found.run.version_id, found.run.size) == ("v1", 0)
    assert found.run.output == f"lab/byfolder/day 1/left/{found.run.run_id}/"


def test_a_marker_put_again_starts_the_folder_again() -> None:
    first, second = (classify(arrival("lab/byfolder/day/_DONE", version_id=each), DEPLOYMENT) for each in ("v1", "v2"))

    assert isinstance(first, Admitted)
    assert isinstance(second, Admitted)
    assert first.run.run_id != second.run.run_id


@pytest.mark.parametrize(
    ("key", "kind"),
    [
        ("lab/submissions/submit.json", "submit"),
        ("lab/submissions/2026/my submit.toml", "submit"),
        ("lab/submissions/resubmit.json", "submit"),
        ("neuro/submissions/retry.json", "retry"),
        ("lab/submissions/x/rerun.toml", "rerun"),
        ("lab/submissions/cancel.json", "cancel"),
        ("lab/submissions/backfill.json", "backfill"),
    ],
)
def test_a_request_is_recognised_by_its_name(key: str, kind: str) -> None:
    assert classify(arrival(key), DEPLOYMENT) == Requested(arrival=arrival(key), group=key.partition("/")[0], kind=kind)


@pytest.mark.parametrize(
    "key",
    ["a.txt", "lbb/wordcount/a", "lab/a", "lab/wordcont/a", "lab/sort/a.txt", "lab/byrequest/a", "lab/byfolder/a"],
)
def test_keys_without_a_pipeline_are_ignored_if_the_environment_says_so(key: str) -> None:
    assert isinstance(classify(arrival(key), DEPLOYMENT._replace(unmatched="ignore")), Ignored)


def test_an_invalid_key_is_refused_whatever_the_environment_says() -> None:
    found = classify(arrival("lab/wordcount/" + "k" * 900), DEPLOYMENT._replace(unmatched="ignore"))

    assert isinstance(found, Rejected)


def test_shared_data_starts_nothing_and_is_not_refused() -> None:
    shared = DEPLOYMENT._replace(read_prefixes={"neuro": ("shared/references/", "lab/wordcount/public/")})

    assert isinstance(classify(arrival("shared/references/hg38.fa"), shared), Ignored)
    assert isinstance(classify(arrival("shared/other.txt"), shared), Rejected)
    assert isinstance(classify(arrival("lab/wordcount/public/a.txt"), shared), Admitted)
