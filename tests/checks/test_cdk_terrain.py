from pathlib import Path

import pytest

from checks import cdk_terrain
from checks.cdk_terrain import Difference, differences, explain, rewrite


def test_the_move_rewrites_imports_and_keeps_the_output_folder(tmp_path: Path) -> None:
    file = tmp_path / "a" / "x.py"
    file.parent.mkdir()
    file.write_text(
        "from cdktf import App\nfrom cdktf_cdktf_provider_aws.s3_bucket import S3Bucket\n"
        'out = "cdktf.out"\nenv = "CDKTF_OUTDIR"\n'
    )
    (tmp_path / "y.cjs").write_text('const entry = path.join("@cdktf", "provider-aws");\n')
    (tmp_path / "z.py").write_text("import json\n")
    assert rewrite(tmp_path) == 2
    assert file.read_text() == (
        "from cdktn import App\nfrom cdktn_provider_aws.s3_bucket import S3Bucket\n"
        'out = "cdktf.out"\nenv = "CDKTF_OUTDIR"\n'
    )
    assert (tmp_path / "y.cjs").read_text() == 'const entry = path.join("@cdktn", "provider-aws");\n'


def test_a_difference_is_reported_with_its_place() -> None:
    today = {"//": {"version": "0.21"}, "resource": {"a": {"x": {"list": [1, {"n": 2}], "gone": True, "same": []}}}}
    moved = {"//": {"version": "0.24"}, "resource": {"a": {"x": {"list": [1, {"n": 3}], "new": {}, "same": []}}}}
    assert differences(today, moved) == [
        Difference("resource.a.x.gone", True, None),
        Difference("resource.a.x.list.1.n", 2, 3),
        Difference("resource.a.x.new", None, {}),
    ]


def test_only_known_differences_are_explained() -> None:
    assert explain("resource.aws_batch_compute_environment.Pool-spot_Environment_CD99D5E7.name_prefix") is not None
    assert explain("resource.aws_s3_bucket.Inputs.bucket_prefix") is None


@pytest.mark.soak
def test_the_move_causes_only_explained_differences(capfd: pytest.CaptureFixture[str]) -> None:
    code = cdk_terrain.main([])
    said = capfd.readouterr()
    assert code == 0, said.out + said.err
    assert "0 of them not explained" in said.out
