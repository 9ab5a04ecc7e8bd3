"""Commands of other tools on the pages: each subcommand exists with its options."""

import re
import shlex
from functools import cache

import botocore.session
import pytest
from botocore import xform_name

from dropbatch.runtime.main import main
from tests.docs.pages import ROOT, Page, pages

_OF_ALL_AWS = {"--query", "--output", "--region", "--profile", "--endpoint-url", "--no-cli-pager"}
_S3 = {"cp": {"--recursive"}, "ls": {"--recursive"}, "sync": {"--delete"}, "rm": {"--recursive"}}
_CDKTF = {
    "deploy": {"--var", "--var-file", "--app", "--output", "--skip-provider-lock", "--auto-approve"},
    "diff": {"--var", "--var-file"},
    "destroy": {"--auto-approve"},
    "synth": {"--hcl"},
}
"""Commands that ``npx cdktf --help`` lists and the pages use."""
_TERRAFORM = {"version", "init", "plan", "apply", "destroy", "output", "force-unlock", "import", "state"}
_STACKS = {path.stem for path in (ROOT / "tests" / "shipped" / "environments").glob("*.toml")} | {"bootstrap", "trial"}


def _shown(page: Page) -> str:
    """Return all shell blocks and inline code, with continued lines joined."""
    blocks = [fence.text.replace("\\\n", " ") for fence in page.fences if fence.language == "sh"]
    inline = [child.content for token in page.tokens for child in token.children or () if child.type == "code_inline"]
    return "\n".join([*blocks, *inline])


def _calls(page: Page, tool: str) -> list[list[str]]:
    """Return the words of every call of a tool."""
    found = re.findall(rf"(?<![\w./-]){tool} ((?:'[^']*'|\"[^\"$]*\"|\"\$\w+\"|[^|;&)#\n'\"])+)", _shown(page))
    return [shlex.split(text.replace("…", "X")) for text in found]


def _options(words: list[str]) -> set[str]:
    return {word.partition("=")[0] for word in words if word.startswith("--") and len(word) > 2}


@cache
def _session() -> botocore.session.Session:
    return botocore.session.get_session()


def _of_aws(service: str, operation: str) -> set[str]:
    """Return the options of a call, from the service's own model."""
    model = _session().get_service_model({"s3api": "s3"}.get(service, service))
    by_name = {xform_name(name, "-"): name for name in model.operation_names}
    if operation not in by_name:
        pytest.fail(f"aws {service} has no {operation}")
    shape = model.operation_model(by_name[operation]).input_shape
    return {f"--{xform_name(name, '-')}" for name in (shape.members if shape else {})}


@pytest.mark.parametrize("page", pages(), ids=str)
def test_commands_of_aws_exist_with_their_options(page: Page) -> None:
    for words in _calls(page, "aws"):
        service, operation, *rest = words if len(words) > 1 else [*words, ""]
        if not re.fullmatch(r"[a-z][a-z0-9]+", service) or service in {"command", "sso", "configure"} or not operation:
            continue  # the word, not a call; or what only a person's own set-up has
        if service == "s3":
            known = _S3[operation]
        elif operation == "wait":
            waiter = rest[0].replace("-", "_")
            assert waiter in {xform_name(name) for name in _session().get_waiter_model(service).waiter_names}, words
            continue
        else:
            known = _of_aws(service, operation)
        assert _options(rest) <= known | _OF_ALL_AWS, f"{page}: aws {shlex.join(words)}"


@pytest.mark.parametrize("page", pages(), ids=str)
def test_commands_of_cdktf_and_terraform_exist(page: Page) -> None:
    for words in _calls(page, "npx cdktf"):
        command, *rest = words
        assert command.split("|")[0] in _CDKTF, f"{page}: npx cdktf {shlex.join(words)}"
        assert _options(rest) <= _CDKTF[command], f"{page}: npx cdktf {shlex.join(words)}"
        assert not rest or rest[0].startswith("-") or rest[0] in _STACKS | {"NAME"}, f"{page}: no stack {rest[0]}"
    for words in _calls(page, "terraform"):
        command = next((word for word in words if not word.startswith("-")), "")
        assert not re.fullmatch(r"[a-z][a-z-]+", command) or command in _TERRAFORM, f"{page}: {shlex.join(words)}"


def test_options_of_the_runtime_exist(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"], {})
    known = set(re.findall(r"--[a-z]+", capsys.readouterr().out))

    for page in pages():
        for words in _calls(page, "dropbatch-run"):
            own = words[: words.index("--")] if "--" in words else words
            assert _options(own) <= known, f"{page}: dropbatch-run {shlex.join(words)}"


def test_marks_of_blocks_are_known() -> None:
    """A marked block is not run: with a mistyped mark it would be skipped without a reason."""
    marks = {fence.needs for page in pages() for fence in page.fences if fence.language == "sh"}

    assert marks <= {"", "needs-aws", "needs-docker"}
