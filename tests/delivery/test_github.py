import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from delivery import comment, drift
from delivery.errors import DeliveryError
from delivery.github import COMMENT_LIMIT, Repository, add_to_summary, cut, set_outputs
from tests.delivery.github_api import TOKEN, GitHub, serving


@pytest.fixture
def github() -> Iterator[type[GitHub]]:
    with serving() as handler:
        yield handler


@pytest.fixture
def env(github: Any, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    return {
        "GITHUB_API_URL": github.address,
        "GITHUB_REPOSITORY": "lab/dropbatch",
        "GITHUB_TOKEN": TOKEN,
        "GITHUB_SERVER_URL": "https://github.com",
        "GITHUB_RUN_ID": "7",
    }


class TestComment:
    @pytest.fixture
    def request_(self, env: dict[str, str], tmp_path: Path) -> dict[str, str]:
        event = tmp_path / "event.json"
        event.write_text(json.dumps({"pull_request": {"number": 3, "head": {"sha": "0123456789abcdef"}}}))
        return {**env, "GITHUB_EVENT_PATH": str(event)}

    def pages(self, folder: Path, **texts: str) -> str:
        for name, text in texts.items():
            (folder / f"page-{name}").mkdir(parents=True, exist_ok=True)
            (folder / f"page-{name}" / f"{name}.md").write_text(text)
        return str(folder)

    def test_plans_share_one_comment_that_is_updated(self, github: Any, request_: Any, tmp_path: Path) -> None:
        # Given more comments of others than a page holds, which look like ours
        others = {"issue": 3, "body": comment.MARKER, "user": {"login": "eve"}}
        github.comments += [{"id": number + 1, **others} for number in range(100)]

        # When two pushes are planned
        pages = tmp_path / "pages"
        assert comment.main([self.pages(pages, dev="### dev: one", prod="### prod: none")], request_) == 0
        assert comment.main([self.pages(pages, dev="### dev: two")], request_) == 0
        assert comment.main([self.pages(pages)], request_) == 0

        # Then there is one comment, with the last plan
        (ours,) = github.comments[100:]
        assert ours["body"].split("\n", 1)[1] == (
            "What a merge of 0123456789ab would do:\n\n### dev: two\n### prod: none"
        )
        assert github.calls == ["POST /issues/3/comments", "PATCH /issues/comments/101"]

    def test_long_plans_are_truncated(self, github: Any, request_: Any, tmp_path: Path) -> None:
        pages = self.pages(tmp_path / "pages", dev="a" * 200_000, prod="### prod: none")
        assert comment.main([pages], request_) == 0
        body = github.comments[0]["body"]
        assert len(body) <= COMMENT_LIMIT
        assert "the rest is in the log" in body
        assert "### prod: none" in body

    def test_no_plan_is_an_error(self, request_: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert comment.main([str(tmp_path)], request_) == 1
        assert capsys.readouterr().err == f"error: {tmp_path} holds no plan: the job that plans has left none\n"

    def test_a_refusal_gives_reason_and_place(
        self, github: Any, request_: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        github.writable = False
        assert comment.main([self.pages(tmp_path / "pages", dev="x")], request_) == 1
        said = capsys.readouterr().err
        assert said.startswith("error: GitHub refused POST /issues/3/comments: 403 ")
        assert said.endswith(": see the job's permissions in the workflow\n")


class TestDriftIssue:
    ROWS = ({"address": "aws_sqs_queue.Arrivals", "what": "was changed"},)

    def tell(self, env: dict[str, str], folder: Path, **found: Any) -> int:
        for name, rows in found.items():
            (folder / f"drift-{name}").mkdir(parents=True, exist_ok=True)
            (folder / f"drift-{name}" / f"{name}.json").write_text(json.dumps(rows))
        return drift.main(["tell", str(folder)], env)

    def test_one_issue_stays_open_while_there_is_drift(
        self, github: Any, env: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        # Given an issue of somebody else that looks like ours
        others = {"state": "open", "labels": ["drift"], "body": drift.MARKER, "user": {"login": "eve"}}
        github.issues.append({"number": 1, "title": "x", **others})

        # When nothing drifted; then prod; still; dev too; and nothing any more
        assert self.tell(env, tmp_path, dev=[], prod=[]) == 0
        assert github.calls == []
        assert self.tell(env, tmp_path, prod=self.ROWS) == 0
        assert self.tell(env, tmp_path) == 0
        assert self.tell(env, tmp_path, dev=self.ROWS) == 0
        (ours,) = [each for each in github.issues if each["number"] == 2]
        assert (ours["title"], ours["state"], ours["labels"]) == ("Drift in dev, prod", "open", ["drift"])
        assert "| `aws_sqs_queue.Arrivals` | was changed |" in ours["body"]
        assert self.tell(env, tmp_path, dev=[], prod=[]) == 0

        # Then it was opened once, written anew once, and closed with a word
        assert github.calls == ["POST /issues", "PATCH /issues/2", "POST /issues/2/comments", "PATCH /issues/2"]
        assert ours["state"] == "closed"
        assert github.comments[0]["body"] == (
            "Gone: reality is what was deployed again (https://github.com/lab/dropbatch/actions/runs/7)."
        )
        assert capsys.readouterr().out.splitlines() == [
            "no drift",
            "Drift in prod: https://x/issues/2",
            "Drift in prod: https://x/issues/2",
            "Drift in dev, prod: https://x/issues/2",
            "no drift: closed https://x/issues/2",
        ]
        assert github.issues[0]["state"] == "open"

    def test_a_failed_check_hides_no_drift_and_closes_no_issue(
        self, github: Any, env: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        # Given two environments, one of which cannot be looked at
        both = {**env, "ENVIRONMENTS": '["dev", "prod"]'}

        # When the other drifted, and no more
        assert self.tell(both, tmp_path, prod=self.ROWS) == 0
        assert "### dev\n\nCould not be looked at" in github.issues[0]["body"]
        assert self.tell(both, tmp_path, prod=[]) == 0

        # Then the issue stays until both were seen
        assert capsys.readouterr().out.splitlines()[1] == "not looked at: dev: an issue stays as it is"
        assert github.issues[0]["state"] == "open"
        assert self.tell(both, tmp_path, dev=[], prod=[]) == 0
        assert github.issues[0]["state"] == "closed"

    def test_the_issue_stays_open_without_any_check(self, env: dict[str, str], tmp_path: Path, capsys: Any) -> None:
        assert drift.main(["tell", str(tmp_path)], env) == 1
        assert "no environment was looked at" in capsys.readouterr().err


def test_outside_github_the_command_says_so() -> None:
    with pytest.raises(DeliveryError, match="GITHUB_API_URL, GITHUB_REPOSITORY, GITHUB_TOKEN: not set"):
        Repository.of({})


def test_a_github_that_does_not_answer_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with pytest.raises(DeliveryError, match=r"^GitHub cannot be reached: .*: run the job again$"):
        Repository(api="http://127.0.0.1:1", name="a/b", token=TOKEN).find_issue("y")


def test_outputs_are_lines_on_github_and_nothing_elsewhere(tmp_path: Path) -> None:
    file = tmp_path / "outputs"
    set_outputs({"GITHUB_OUTPUT": str(file)}, one="1", two='["a"]')
    set_outputs({}, one="1")
    assert file.read_text() == 'one=1\ntwo=["a"]\n'
    with pytest.raises(ValueError, match="one line"):
        set_outputs({"GITHUB_OUTPUT": str(file)}, one="1\ntwo=3")


def test_a_summary_is_added_to_the_page_or_printed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "summary"
    for text in ("one", "two"):
        add_to_summary({"GITHUB_STEP_SUMMARY": str(file)}, text)
    add_to_summary({}, "three")
    assert (file.read_text(), capsys.readouterr().out) == ("one\ntwo\n", "three\n")


def test_truncating_keeps_as_much_as_fits() -> None:
    assert cut("x" * 100, 100) == "x" * 100
    assert len(cut("x" * 101, 100)) == 100
