import json
import re
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from constructs_lib.bootstrap_stack import BootstrapStack, BootstrapStackProps
from dropbatch.settings import Bootstrap, SettingsError, load, load_bootstrap
from dropbatch.settings.bootstrap import RESERVED
from tests.constructs_lib.synthesis import Stack, statement
from tests.project import ROOT, bootstrap_toml
from tests.settings.environment_file import GOOD

Json = dict[str, Any]
FILE = bootstrap_toml("dev", "prod")


def settings(tmp_path: Path, text: str) -> Bootstrap:
    file = tmp_path / "bootstrap.toml"
    file.write_text(text, encoding="utf-8")
    found = load_bootstrap(file)
    assert found is not None
    return found


def synthesized(props: Bootstrap) -> Stack:
    from cdktf import Testing  # noqa: PLC0415

    stack = BootstrapStack(Testing.app(), "bootstrap", BootstrapStackProps(settings=props))
    return Stack(json.loads(Testing.synth(stack)))


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Stack:
    return synthesized(settings(tmp_path_factory.mktemp("bootstrap"), FILE))


def trust(stack: Stack, role: str) -> Json:
    found: Json
    (found,) = json.loads(stack.one("aws_iam_role", name=role)["assume_role_policy"])["Statement"]
    return found


def test_state_is_versioned_and_cannot_be_destroyed_by_mistake(stack: Stack) -> None:
    bucket = stack.one("aws_s3_bucket")
    assert bucket["lifecycle"] == {"prevent_destroy": True}
    assert bucket["bucket"].startswith("dropbatch-state-${data.aws_caller_identity.")
    assert stack.one("aws_s3_bucket_versioning")["versioning_configuration"] == {"status": "Enabled"}
    assert stack.one("aws_s3_bucket_public_access_block")["restrict_public_buckets"] is True


def test_service_linked_roles_of_pools_are_created(stack: Stack) -> None:
    assert {each["aws_service_name"] for each in stack.resources("aws_iam_service_linked_role")} == {
        "batch.amazonaws.com",
        "ecs.amazonaws.com",
        "spot.amazonaws.com",
    }


@pytest.mark.parametrize(
    ("role", "subjects"),
    [
        ("dropbatch-plan", ["pull_request", "ref:refs/heads/main"]),
        ("dropbatch-deploy-dev", ["environment:dev"]),
        ("dropbatch-deploy-prod", ["environment:prod"]),
    ],
)
def test_roles_are_bound_to_the_repository_in_both_forms(stack: Stack, role: str, subjects: list[str]) -> None:
    found = trust(stack, role)
    assert found["Action"] == ["sts:AssumeRoleWithWebIdentity"]
    assert found["Principal"] == {"Federated": f"${{{stack.address('aws_iam_openid_connect_provider')}.arn}}"}
    assert found["Condition"] == {
        "StringEquals": {
            "token.actions.githubusercontent.com:aud": "sts.amazonaws.com",
            "token.actions.githubusercontent.com:sub": [
                f"repo:{form}:{subject}" for form in ("lab/dropbatch", "lab@12/dropbatch@345") for subject in subjects
            ],
        }
    }


def test_sessions_last_as_long_as_workflows_need(stack: Stack) -> None:
    """With a shorter session AWS would refuse the last step before the apply."""
    jobs = YAML(typ="safe").load(ROOT / ".github/workflows/environment.yml")["jobs"]
    (asked,) = (
        int(step["with"]["role-duration-seconds"])
        for step in jobs["apply"]["steps"]
        if "role-to-assume" in step.get("with", {})
    )
    for name in ("dropbatch-deploy-dev", "dropbatch-deploy-prod"):
        assert stack.one("aws_iam_role", name=name).get("max_session_duration", 3600) >= asked
    assert "max_session_duration" not in stack.one("aws_iam_role", name="dropbatch-plan")


def test_the_plan_role_changes_nothing_and_reads_no_data(stack: Stack) -> None:
    rights = stack.rights("dropbatch-plan")
    verbs = {action.split(":")[1] for each in rights for action in each["Action"]}
    assert all(verb.startswith(("Get", "List", "Describe", "ViewBudget")) for verb in verbs)
    assert statement(rights, "ReadState")["Resource"][0].endswith("/dropbatch/*.tfstate")
    everywhere = statement(rights, "Look")["Action"]
    assert not {"s3:Get*", "s3:GetObject", "dynamodb:GetItem", "secretsmanager:GetSecretValue"} & set(everywhere)


def test_a_deploy_role_changes_its_own_environment_only(stack: Stack) -> None:
    for each in stack.rights("dropbatch-deploy-dev"):
        if all(action.split(":")[1].startswith(("Get", "List", "Describe", "View")) for action in each["Action"]):
            continue
        if each["Sid"] in {
            "LogPolicies",
            "OldDefinitions",
            "NewNetwork",
            "Subscriptions",
            "TagNew",
        }:  # no resource level
            assert each["Resource"] == ["*"]
        elif each["Sid"] in {"TagEventSources", "TagNewEventSources", "NewRules"}:  # named by number
            ((_, tag),) = each["Condition"]["StringEquals"].items()
            assert tag == "dropbatch-dev"
        elif each["Sid"] == "ClaimDefaultGroup":  # whose it is going to be, and nobody's before
            assert each["Condition"]["Null"] == {"aws:ResourceTag/research-stack-id": "true"}
            assert each["Condition"]["StringEquals"] == {"aws:RequestTag/research-stack-id": "dropbatch-dev"}
        elif each["Resource"] == ["*"]:
            assert "dropbatch-dev" in json.dumps(each["Condition"]), each["Sid"]
        else:
            assert all("dropbatch-dev" in arn or "/dev" in arn for arn in each["Resource"]), each["Sid"]


def test_subscriptions_are_changed_on_all_resources_since_sns_has_no_type_for_them(stack: Stack) -> None:
    granted = {action: each for each in stack.rights("dropbatch-deploy-dev") for action in each["Action"]}
    for action in ("sns:Unsubscribe", "sns:SetSubscriptionAttributes"):
        assert granted[action]["Resource"] == ["*"]
        assert "Condition" not in granted[action]


def test_a_deploy_role_passes_roles_only_to_services_it_configures(stack: Stack) -> None:
    passed = statement(stack.rights("dropbatch-deploy-dev"), "PassRoles")
    assert passed["Condition"]["StringEquals"]["iam:PassedToService"] == [
        "lambda.amazonaws.com",
        "batch.amazonaws.com",
        "ec2.amazonaws.com",
        "ecs-tasks.amazonaws.com",
        "vpc-flow-logs.amazonaws.com",
        "events.amazonaws.com",
    ]


def test_a_deploy_role_creates_roles_only_with_its_boundary_and_cannot_change_it(stack: Stack) -> None:
    rights = stack.rights("dropbatch-deploy-dev")
    bounded = statement(rights, "Bounded")

    (boundary,) = bounded["Condition"]["StringEquals"].values()
    assert boundary.endswith(":policy/dropbatch-boundary-dev")
    assert set(bounded["Action"]) == {
        *("iam:CreateRole", "iam:PutRolePolicy", "iam:AttachRolePolicy", "iam:PutRolePermissionsBoundary"),
        *("iam:CreateUser", "iam:AttachUserPolicy", "iam:PutUserPermissionsBoundary"),
    }
    policies = statement(rights, "Policies")["Resource"]
    assert [arn.rpartition(":")[2] for arn in policies] == ["policy/dropbatch/dev/*"]  # never the boundary
    others = {action for each in rights if each["Sid"] != "Bounded" for action in each["Action"]}
    assert not {each for each in others if "Boundary" in each or ("Policy" in each and each.startswith("iam:Put"))}
    assert not {each for each in others if re.match("iam:(Attach|SetDefault|CreateUser|CreateAccess|AddUser)", each)}


@pytest.mark.parametrize("environment", ["dev", "prod"])
def test_a_boundary_allows_no_other_environment_no_state_and_no_role(stack: Stack, environment: str) -> None:
    document = json.loads(stack.one("aws_iam_policy", name=f"dropbatch-boundary-{environment}")["policy"])

    for each in document["Statement"]:
        assert not [action for action in each["Action"] if action.startswith(("iam:", "sts:"))]
        if each["Sid"] not in {"Keys", "Events", "Jobs", "NewJobs", "Agents"}:
            assert all(f"dropbatch-{environment}" in arn or f"/{environment}" in arn for arn in each["Resource"]), each


def test_a_boundary_allows_buckets_secrets_and_repositories_of_the_file(tmp_path: Path) -> None:
    secret = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:lab/*"
    images = "arn:aws:ecr:eu-central-1:222222222222:repository/lab/*"
    text = f'{FILE}buckets = ["labdata", "reference-*"]\nsecrets = ["{secret}"]\nrepositories = ["{images}"]\n'
    stack = synthesized(settings(tmp_path, text))

    found = json.loads(stack.one("aws_iam_policy", name="dropbatch-boundary-dev")["policy"])["Statement"]
    assert {arn.rpartition(":::")[2] for arn in statement(found, "Objects")["Resource"]} == {
        *("dropbatch-dev-*", "dropbatch-dev-*/*", "labdata", "labdata/*", "reference-*", "reference-*/*")
    }
    assert statement(found, "Secrets")["Resource"] == [secret]
    own, other = statement(found, "Images")["Resource"]
    assert (own.rpartition(":")[2], other) == ("repository/dropbatch-dev", images)


def test_policies_fit_into_a_role(stack: Stack) -> None:
    limits = {"aws_iam_role_policy": 10_240, "aws_iam_policy": 6_144}
    for limit, each in [(limits[name], each) for name in limits for each in stack.resources(name)]:
        text = re.sub(r"\$\{data\.aws_partition\.[^}]*\}", "aws-us-gov", each["policy"])
        text = re.sub(r"\$\{data\.aws_caller_identity\.[^}]*\}", "123456789012", text)
        text = re.sub(r"\$\{aws_s3_bucket\.[^}]*\}", "arn:aws:s3:::dropbatch-state-123456789012-ap-northeast-1", text)
        assert "${" not in text
        assert len(text) <= limit  # IAM counts no white space, and our JSON has none


def test_without_github_there_are_no_roles(tmp_path: Path) -> None:
    stack = synthesized(settings(tmp_path, '[account]\nregion = "eu-central-1"\nservice_linked_roles = []\n'))
    assert not stack.types() & {"aws_iam_role", "aws_iam_service_linked_role", "aws_iam_openid_connect_provider"}


def test_an_existing_provider_is_used(tmp_path: Path) -> None:
    stack = synthesized(settings(tmp_path, f"{FILE}create_provider = false\n"))
    assert "aws_iam_openid_connect_provider" not in stack.types()
    assert trust(stack, "dropbatch-plan")["Principal"]["Federated"].endswith(
        ":oidc-provider/token.actions.githubusercontent.com"
    )


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ('"lab/dropbatch"', '"dropbatch"', "github.repository: must match "),
        ('owner_id = "12"', "", "github.owner_id: is required: add it"),
        ('"prod"]', '"state"]', "github.environments[1]: must not be 'bootstrap' or 'boundary' or "),
        ('environments = ["dev", "prod"]', "environments = []", "github.environments: must not be empty, got []"),
        ("[account]", "[acount]", "acount: unknown key"),
    ],
)
def test_a_fault_names_key_rule_value_and_fix(tmp_path: Path, old: str, new: str, expected: str) -> None:
    with pytest.raises(SettingsError) as caught:
        settings(tmp_path, FILE.replace(old, new))
    assert any(expected in fault for fault in caught.value.faults), caught.value.faults


def test_without_a_file_there_is_no_stack(tmp_path: Path) -> None:
    assert load_bootstrap(tmp_path / "bootstrap.toml") is None


def test_an_environment_cannot_have_the_name_of_the_stack(tmp_path: Path) -> None:
    for name in RESERVED:
        file = tmp_path / f"{name}.toml"
        file.write_text(GOOD.replace('"lab1"', f'"{name}"'), encoding="utf-8")
        with pytest.raises(SettingsError, match=f"names of the account's own stack, got '{name}': choose another name"):
            load(file)


def test_rights_of_each_role_fit_its_size_limit(tmp_path: Path) -> None:
    """AWS allows 10,240 characters of inline policies in a role, 6,144 in a managed policy."""
    long = synthesized(settings(tmp_path, FILE.replace('["dev", "prod"]', '["environment1"]')))

    def size(text: str) -> int:
        return len(re.sub(r"\$\{data[^}]*\}", "123456789012", re.sub(r"\$\{aws_s3_bucket[^}]*\}", 70 * "x", text)))

    sizes = {each["role"]: size(each["policy"]) for each in long.resources("aws_iam_role_policy")}
    assert max(sizes.values()) < 10_240, sizes
    assert max(size(each["policy"]) for each in long.resources("aws_iam_policy")) < 6_144
