import base64
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from dropbatch.images import PushError, context_files, digest, main, push, save

ROOT = Path(__file__).resolve().parents[2]
NOTE = "opt/dropbatch/dropbatch/commit.txt"
REPOSITORY = "123456789012.dkr.ecr.eu-central-1.amazonaws.com/dropbatch-dev"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    root = tmp_path / "project"
    for name, text in {
        "dropbatch/__init__.py": "",
        "dropbatch/settings/__init__.py": "not in images",
        "dropbatch/contract/keys.py": "KEYS = 1\n",
        "dropbatch/runtime/main.py": "MAIN = 1\n",
        "image/align/Dockerfile": "FROM scratch\n",
        "image/align/align": "#!/bin/sh\n",
    }.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    (root / "image/align/align").chmod(0o755)
    return root


def git(project: Path, *arguments: str) -> str:
    who = ["-c", "user.name=n", "-c", "user.email=n@example.org"]
    return subprocess.run(
        ["git", *who, *arguments], cwd=project, capture_output=True, text=True, check=True
    ).stdout.strip()


def tag_of(project: Path) -> str:
    return f"align-{digest(context_files(project, project / 'image/align'))}"


class TestDigest:
    def test_context_is_the_folder_and_the_runtime(self, project: Path) -> None:
        assert sorted(context_files(project, project / "image/align")) == [
            "opt/dropbatch/dropbatch/__init__.py",
            "opt/dropbatch/dropbatch/contract/keys.py",
            "opt/dropbatch/dropbatch/runtime/main.py",
            "opt/pipeline/Dockerfile",
            "opt/pipeline/align",
        ]

    @pytest.mark.parametrize("path", ["image/align/align", "dropbatch/runtime/main.py", "dropbatch/contract/keys.py"])
    def test_changes_with_every_content(self, project: Path, path: str) -> None:
        before = tag_of(project)
        (project / path).write_text("changed")
        assert tag_of(project) != before

    def test_changes_with_a_name_and_with_the_executable_bit(self, project: Path) -> None:
        tags = {tag_of(project)}
        (project / "image/align/align").chmod(0o644)
        tags.add(tag_of(project))
        (project / "image/align/align").rename(project / "image/align/aligned")
        tags.add(tag_of(project))
        assert len(tags) == 3

    def test_does_not_change_with_times_modes_and_leftovers(self, project: Path) -> None:
        before = tag_of(project)
        (project / "image/align/align").chmod(0o700)
        os.utime(project / "image/align/Dockerfile", (1, 1))
        cache = project / "dropbatch/runtime/__pycache__"
        cache.mkdir()
        (cache / "main.cpython-311.pyc").write_bytes(b"old")
        (project / "image/align/.DS_Store").write_bytes(b"")
        (project / "dropbatch/settings/__init__.py").write_text("changed")
        assert tag_of(project) == before

    def test_does_not_change_with_tests(self, project: Path) -> None:
        before = tag_of(project)
        (project / "image/align/test_align.py").write_text("assert True\n")
        assert tag_of(project) == before

    def test_is_24_digits(self, project: Path) -> None:
        assert len(tag_of(project)) == len("align-") + 24


class TestSandbox:
    def test_gets_the_context_as_the_image_will_have_it(self, project: Path, tmp_path: Path) -> None:
        tag = tag_of(project)
        said = push(project, "image/align", tag, "any", {"DROPBATCH_SANDBOX_DIR": str(tmp_path / "sandbox")})
        images = tmp_path / "sandbox/images"
        assert said == f"the sandbox has {tag} now"
        assert os.access(images / tag / "opt/pipeline/align", os.X_OK)
        assert (images / tag / "opt/dropbatch/dropbatch/runtime/main.py").read_text() == "MAIN = 1\n"
        assert [path.name for path in images.iterdir()] == [tag]

    def test_says_which_commit_it_was_built_from(self, project: Path, tmp_path: Path) -> None:
        git(project, "init", "--quiet")
        git(project, "add", ".")
        git(project, "commit", "--quiet", "--message=one")
        (project / "dropbatch/settings/__init__.py").write_text("what is not in the image does not count")
        head = git(project, "rev-parse", "HEAD")

        push(project, "image/align", tag_of(project), "any", {"DROPBATCH_SANDBOX_DIR": str(tmp_path)})
        clean = (tmp_path / "images" / tag_of(project) / NOTE).read_text()
        (project / "image/align/align").write_text("changed")
        push(project, "image/align", tag_of(project), "any", {"DROPBATCH_SANDBOX_DIR": str(tmp_path)})
        dirty = (tmp_path / "images" / tag_of(project) / NOTE).read_text()

        assert (clean, dirty) == (head, f"{head}-dirty")

    def test_says_nothing_without_a_repository(self, project: Path, tmp_path: Path) -> None:
        push(project, "image/align", tag_of(project), "any", {"DROPBATCH_SANDBOX_DIR": str(tmp_path)})

        assert not (tmp_path / "images" / tag_of(project) / NOTE).exists()

    def test_keeps_what_it_has(self, project: Path, tmp_path: Path) -> None:
        tag, env = tag_of(project), {"DROPBATCH_SANDBOX_DIR": str(tmp_path / "sandbox")}
        push(project, "image/align", tag, "any", env)
        mark = tmp_path / "sandbox/images" / tag / "mark"
        mark.touch()
        assert push(project, "image/align", tag, "any", env) == f"the sandbox has {tag} already"
        assert mark.exists()


class TestEcr:
    @pytest.fixture
    def ecr(self, monkeypatch: pytest.MonkeyPatch) -> Any:
        client = boto3.client("ecr", region_name="eu-central-1", aws_access_key_id="a", aws_secret_access_key="b")
        monkeypatch.setattr(boto3, "client", lambda service, region_name: client)
        with Stubber(client) as stub:
            yield stub
            stub.assert_no_pending_responses()

    @pytest.fixture
    def engine(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        """A `docker` that records its calls and its build context."""
        log = tmp_path / "docker.log"
        program = tmp_path / "bin/docker"
        program.parent.mkdir()
        program.write_text(
            f'#!/bin/sh\n[ "$1" = info ] && exit "${{DEAD:-0}}"\necho "$@" >> {log}\n'
            f'[ "$1" = login ] && {{ cat >> {log}; echo >> {log}; }}\n'
            f'if [ "$1" = build ]; then for last; do :; done; (cd "$last" && find . -type f | sort) >> {log}; fi\n'
            'test "$1" != "$FAILS"\n'
        )
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")
        return log

    def absent(self, ecr: Any, tag: str) -> None:
        expected = {"registryId": "123456789012", "repositoryName": "dropbatch-dev", "imageIds": [{"imageTag": tag}]}
        ecr.add_client_error("describe_images", "ImageNotFoundException", expected_params=expected)

    def token(self, ecr: Any) -> None:
        token = base64.b64encode(b"AWS:secret").decode()
        ecr.add_response("get_authorization_token", {"authorizationData": [{"authorizationToken": token}]})

    def test_has_the_image_already(self, project: Path, ecr: Any) -> None:
        ecr.add_response("describe_images", {"imageDetails": [{}]}, None)
        assert push(project, "image/align", tag_of(project), REPOSITORY, {}).endswith("exists already")

    def test_new_image_is_built_and_pushed(self, project: Path, ecr: Any, engine: Path) -> None:
        tag = tag_of(project)
        self.absent(ecr, tag)
        self.token(ecr)
        assert push(project, "image/align", tag, REPOSITORY, {}) == f"pushed {REPOSITORY}:{tag}"
        calls = engine.read_text().splitlines()
        assert calls[:2] == [f"login --username AWS --password-stdin {REPOSITORY.partition('/')[0]}", "secret"]
        assert calls[2].startswith(f"build --platform linux/amd64 --tag {REPOSITORY}:{tag} --file ")
        assert calls[3:-1] == [f"./{name}" for name in sorted(context_files(project, project / "image/align"))]
        assert calls[-1] == f"push {REPOSITORY}:{tag}"

    def test_an_image_built_before_is_pushed_as_it_is(
        self, project: Path, ecr: Any, engine: Path, tmp_path: Path
    ) -> None:
        # Given an image that was built for another environment
        tag = tag_of(project)
        archive = save(project, "image/align", tag, tmp_path / "images")
        assert archive == tmp_path / "images" / f"{tag}.tar"
        build, *context, kept = engine.read_text().splitlines()
        assert build.startswith(f"build --platform linux/amd64 --tag localhost/dropbatch:{tag} --file ")
        assert context == [f"./{name}" for name in sorted(context_files(project, project / "image/align"))]
        assert kept == f"save --output {archive} localhost/dropbatch:{tag}"
        archive.write_text("as an engine leaves it")
        engine.unlink()

        # When this environment needs it
        self.absent(ecr, tag)
        self.token(ecr)
        push(project, "image/align", tag, REPOSITORY, {"DROPBATCH_IMAGES": str(tmp_path / "images")})

        # Then nothing is built
        assert engine.read_text().splitlines()[2:] == [
            f"load --input {archive}",
            f"tag localhost/dropbatch:{tag} {REPOSITORY}:{tag}",
            f"push {REPOSITORY}:{tag}",
        ]

    def test_an_image_missing_on_this_machine_is_built(
        self, project: Path, ecr: Any, engine: Path, tmp_path: Path
    ) -> None:
        self.absent(ecr, tag_of(project))
        self.token(ecr)
        push(project, "image/align", tag_of(project), REPOSITORY, {"DROPBATCH_IMAGES": str(tmp_path)})
        assert "build" in {line.split(" ")[0] for line in engine.read_text().splitlines()}

    @pytest.mark.parametrize("step", ["login", "build", "push"])
    def test_a_failed_step_is_named(
        self, project: Path, ecr: Any, engine: Path, step: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("FAILS", step)
        self.absent(ecr, tag_of(project))
        self.token(ecr)
        with pytest.raises(PushError, match=f"`docker {step}` failed with exit code 1"):
            push(project, "image/align", tag_of(project), REPOSITORY, {})

    def test_nothing_starts_without_an_engine(
        self, project: Path, ecr: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("PATH", str(tmp_path))
        self.absent(ecr, tag_of(project))
        with pytest.raises(PushError, match="neither docker nor podman is on PATH: install one, or name a ready image"):
            push(project, "image/align", tag_of(project), REPOSITORY, {})

    def test_docker_without_its_daemon_is_skipped(
        self, project: Path, ecr: Any, engine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("DEAD", "1")
        monkeypatch.setenv("PATH", str(tmp_path / "bin"))
        self.absent(ecr, tag_of(project))
        with pytest.raises(PushError, match="docker cannot be used here: see `docker info`, or name a ready image"):
            push(project, "image/align", tag_of(project), REPOSITORY, {})
        podman = tmp_path / "bin/podman"
        podman.write_text(f'#!/bin/sh\n[ "$1" = info ] || echo podman "$1" >> {engine}\n')
        podman.chmod(0o755)

        self.absent(ecr, tag_of(project))
        self.token(ecr)
        push(project, "image/align", tag_of(project), REPOSITORY, {})

        assert engine.read_text().splitlines() == ["podman login", "podman build", "podman push"]

    def test_a_refusing_registry_is_one_line(self, project: Path, ecr: Any) -> None:
        ecr.add_client_error("describe_images", "AccessDeniedException", "no")
        with pytest.raises(PushError, match=r"^the registry 123456789012\S+ cannot be used: .*AccessDenied"):
            push(project, "image/align", tag_of(project), REPOSITORY, {})

    def test_an_unsupported_registry_is_refused(self, project: Path) -> None:
        with pytest.raises(PushError, match=r"must be <account>\.dkr\.ecr\.\S+, got 'quay.io/x'"):
            push(project, "image/align", tag_of(project), "quay.io/x", {})


class TestCommand:
    def test_the_command_reports_its_steps(self, tmp_path: Path) -> None:
        tag = f"wordcount-{digest(context_files(ROOT, ROOT / 'image/wordcount'))}"
        command = [sys.executable, "-m", "dropbatch.images", "push"]
        command += ["--directory", "image/wordcount", "--tag", tag, "--repository", REPOSITORY]
        env = {"PATH": os.defpath, "DROPBATCH_SANDBOX_DIR": str(tmp_path)}
        done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stdout, done.stderr) == (0, f"the sandbox has {tag} now\n", "")
        assert shutil.which("wordcount", path=tmp_path / "images" / tag / "opt/pipeline")

    def test_sources_changed_since_the_synthesis_are_refused(
        self, project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        tag = tag_of(project)
        (project / "image/align/align").write_text("changed")
        monkeypatch.chdir(project)
        assert main(["push", "--directory", "image/align", "--tag", tag, "--repository", REPOSITORY], {}) == 1
        assert capsys.readouterr().err == (
            f"error: image/align has changed since tag {tag} was computed: synthesize again, then deploy\n"
        )


class TestAroundAnotherImage:
    def test_needs_no_folder_and_has_its_base_in_the_tag(self, tmp_path: Path) -> None:
        base = "registry.example.org/lab/align:1.2"
        files = context_files(ROOT, None, base=base)
        tags = {digest(files, base=base), digest(files, base="registry.example.org/lab/align:1.3"), digest(files)}

        assert {name for name in files if name.startswith("opt/build/")} >= {
            "opt/build/Dockerfile",
            "opt/build/bundle.py",
        }
        assert len(tags) == 3

    def test_is_built_from_its_own_dockerfile(self, project: Path, tmp_path: Path) -> None:
        base = "registry.example.org/lab/align:1.2"
        shutil.copytree(ROOT / "dropbatch/base", project / "dropbatch/base")
        files = context_files(project, project / "image/align", base=base)
        sandbox = {"DROPBATCH_SANDBOX_DIR": str(tmp_path / "sandbox")}

        push(project, "image/align", f"align-{digest(files, base=base)}", "any", sandbox, base=base)

        (snapshot,) = (tmp_path / "sandbox/images").iterdir()
        assert (snapshot / "opt/build/Dockerfile").is_file()
        assert (snapshot / "base").read_text() == base
        assert (snapshot / "opt/pipeline/align").is_file()
        with pytest.raises(PushError, match="has changed since tag"):
            push(project, "image/align", snapshot.name, "any", sandbox, base="another:1")
