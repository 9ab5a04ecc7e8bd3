import pytest

from dropbatch.contract.keys import SYSTEM_GROUP
from lambdas.arrival.admission import Admitted, Ignored, Rejected, judge
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
def test_a_file_in_a_pipelines_folder_is_a_run(key: str, rest: str) -> None:
    found = judge(arrival(key), DEPLOYMENT)

    assert isinstance(found, Admitted)
    assert found.definition == "dropbatch-test-wordcount-lab"
    assert found.queue == "dropbatch-test-spot"
    assert found.run.output == f"lab/wordcount/{rest}/{found.run.run_id}/"


@pytest.mark.parametrize(
    ("key", "reason"),
    [
        ("a.txt", "the file lies at the bucket's root"),
        ("", "the file lies at the bucket's root"),
        ("/lab/wordcount/a", "the file lies at the bucket's root"),
        ("lbb/wordcount/a", "no group is named 'lbb': did you mean 'lab'? known are lab, neuro"),
        ("lab/a.txt", "the file lies beside the pipelines' folders"),
        ("lab/wordcont/a", "no pipeline is named 'wordcont': did you mean 'wordcount'? known are sort, wordcount"),
        ("lab/submissions/submit.json", "requests below submissions/ are not understood"),
        ("lab/wordcount/" + "k" * 887, "the key is 901 bytes long, at most 900 are taken"),
        ("lab/wordcount/" + "ü" * 505, "the key is 1024 bytes long"),
        ("lab/wordcount/dir/", "the key ends in '/' but the object holds data"),
        ("lab/sort/a.txt", "pipeline 'sort' takes files ending in .dat"),
    ],
)
def test_what_cannot_be_processed_is_refused_with_a_reason(key: str, reason: str) -> None:
    found = judge(arrival(key), DEPLOYMENT)

    assert isinstance(found, Rejected)
    assert found.reason.startswith(reason)


def test_a_file_of_no_group_is_kept_under_the_systems_own() -> None:
    found = judge(arrival("a.txt"), DEPLOYMENT)

    assert isinstance(found, Rejected)
    assert found.group == SYSTEM_GROUP


def test_an_unversioned_bucket_is_refused() -> None:
    found = judge(arrival("lab/wordcount/a", version_id=""), DEPLOYMENT)

    assert isinstance(found, Rejected)
    assert found.reason.startswith("the bucket has no versioning")


@pytest.mark.parametrize(
    ("key", "size", "reason"),
    [
        ("lab/wordcount/", 0, "a folder marker"),
        ("lab/wordcount/dir/", 0, "a folder marker"),
        ("lab/inputs/big.dat", 3, "inputs/ triggers nothing"),
        ("lab/configs/a.toml", 3, "configs/ triggers nothing"),
    ],
)
def test_what_is_not_meant_to_start_anything_is_ignored(key: str, size: int, reason: str) -> None:
    assert judge(arrival(key, size=size), DEPLOYMENT) == Ignored(arrival=arrival(key, size=size), reason=reason)


def test_the_same_version_is_the_same_run_and_another_version_another() -> None:
    first, again, other = (
        judge(arrival("lab/wordcount/a", version_id=version), DEPLOYMENT) for version in ("v1", "v1", "v2")
    )

    assert isinstance(first, Admitted)
    assert isinstance(other, Admitted)
    assert first == again
    assert first.run.run_id != other.run.run_id
