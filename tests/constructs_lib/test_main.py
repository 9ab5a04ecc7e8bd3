from pathlib import Path

from tests.constructs_lib.synthesis import run_main


def keep_only(project: Path, environment: str) -> None:
    """Each environment costs a second or two."""
    for file in (project / "environments").glob("*.toml"):
        if file.stem != environment:
            file.unlink()


def test_faults_in_environment_files_are_printed_to_stderr(project, tmp_path) -> None:
    # Given two files with a fault each
    dev, prod = (project / f"environments/{name}.toml" for name in ("dev", "prod"))
    dev.write_text(dev.read_text().replace("monthly_usd = 50", "monthly_usd = 0"))
    prod.write_text(prod.read_text() + "\n[compute.gpu]\nkind = 'gpu'\nmax_vcpus = 4\n")

    # When it is synthesized
    done = run_main(project, tmp_path / "cdktf.out")

    # Then each fault is a line, and nothing was written
    assert done.returncode == 2
    lines = done.stderr.splitlines()
    assert len(lines) == 2
    assert "dev.toml: budget.monthly_usd: must be at least 1, got 0" in lines[0]
    assert "prod.toml: compute.gpu.kind: must be 'spot' or 'on_demand', got 'gpu'" in lines[1]
    assert not (tmp_path / "cdktf.out").exists()


def test_an_image_that_is_neither_directory_nor_uri_is_refused(project, tmp_path) -> None:
    dev = project / "environments/dev.toml"
    dev.write_text(dev.read_text().replace('"image/wordcount"', '"image/wordcuont"'))

    done = run_main(project, tmp_path / "cdktf.out")

    assert done.returncode == 2
    assert done.stderr == (
        "environments/dev.toml: pipeline.wordcount.image: must be a directory of this project or an image's URI with a "
        "tag or digest, got 'image/wordcuont': correct the path, or write registry/name:tag\n"
    )


def test_packages_of_earlier_code_are_removed(project, tmp_path) -> None:
    # Given a synthesis of one environment, and code that changed after it
    keep_only(project, "dev")

    def packages() -> list[Path]:
        return sorted((tmp_path / "cdktf.out").glob("stacks/dev/assets/*/*/*.zip"))

    assert run_main(project, tmp_path / "cdktf.out").returncode == 0
    before = packages()
    with (project / "lambdas/arrival/handler.py").open("a") as file:
        file.write("\n# changed\n")

    # When it is synthesized again
    assert run_main(project, tmp_path / "cdktf.out").returncode == 0

    # Then there is one package of each function, and only the changed one is another
    assert [path.name for path in packages()] == [path.name for path in before]
    assert {path.name for path in set(packages()) - set(before)} == {"arrival.zip"}


def test_a_read_only_home_is_no_problem(project, tmp_path) -> None:
    # Given a home below a file, where nothing can be made, not even by root
    (tmp_path / "file").touch()
    keep_only(project, "sandbox")

    done = run_main(project, tmp_path / "cdktf.out", HOME=str(tmp_path / "file" / "home"))

    assert done.returncode == 0, done.stderr
    assert (tmp_path / "cdktf.out" / "stacks" / "sandbox" / "cdk.tf.json").exists()
