import pytest
from botocore.exceptions import ClientError

from dropbatch.sandbox import Sandbox, emulator
from tests.sandbox.batch_stack import BatchStack, Client, allow


@pytest.fixture(scope="module")
def stack(sandbox: Sandbox, aws: Client) -> BatchStack:
    return BatchStack(sandbox, aws)


def arns(stack: BatchStack, *names: str) -> list[str]:
    return [f"arn:aws:batch:eu-central-1:000000000000:{name.format(stack.name)}" for name in names]


def test_a_role_for_one_queue_submits_to_that_queue_only(stack: BatchStack, aws: Client) -> None:
    other = stack.add_queue(f"{stack.name}-other")
    resources = arns(stack, "job-queue/{}", "job-definition/{}:*", "job/*")
    batch = aws("batch", stack.user(allow({"Action": "batch:SubmitJob", "Resource": resources})))

    batch.submit_job(jobName="j", jobQueue=stack.queue, jobDefinition=stack.name)
    with pytest.raises(ClientError, match=r"batch:SubmitJob on resource: .*-other") as denied:
        batch.submit_job(jobName="j", jobQueue=other, jobDefinition=stack.name)

    assert denied.value.response["Error"]["Code"] == "AccessDeniedException"


def test_submitting_requires_rights_on_the_definition(stack: BatchStack, aws: Client) -> None:
    policy = allow({"Action": "batch:SubmitJob", "Resource": arns(stack, "job-queue/*", "job-definition/other:*")})

    with pytest.raises(ClientError, match="AccessDenied"):
        aws("batch", stack.user(policy)).submit_job(jobName="j", jobQueue=stack.queue, jobDefinition=stack.definition)


def test_given_rights_on_queue_and_definition_only_when_submitting_then_the_job_is_denied(
    stack: BatchStack, aws: Client
) -> None:
    policy = allow({"Action": "batch:SubmitJob", "Resource": arns(stack, "job-queue/*", "job-definition/*")})

    with pytest.raises(ClientError, match=r"batch:SubmitJob on resource: .*:job/\*"):
        aws("batch", stack.user(policy)).submit_job(jobName="j", jobQueue=stack.queue, jobDefinition=stack.definition)


def test_submitting_with_tags_requires_the_right_to_tag_the_definition(stack: BatchStack, aws: Client) -> None:
    submit = {"Action": "batch:SubmitJob", "Resource": "*"}
    tag = {"Action": "batch:TagResource", "Resource": arns(stack, "job-definition/{}:*")}
    request = {"jobName": "j", "jobQueue": stack.queue, "jobDefinition": stack.name, "tags": {"a": "b"}}

    with pytest.raises(ClientError, match=r"batch:TagResource on resource: .*job-definition"):
        aws("batch", stack.user(allow(submit))).submit_job(**request)
    aws("batch", stack.user(allow(submit, tag))).submit_job(**request)


def test_rights_on_one_queue_do_not_allow_updates_of_another(stack: BatchStack, aws: Client) -> None:
    stack.add_queue(f"{stack.name}-mine")
    policy = allow({"Action": "batch:UpdateJobQueue", "Resource": arns(stack, "job-queue/{}-mine")})
    batch = aws("batch", stack.user(policy))

    batch.update_job_queue(jobQueue=f"{stack.name}-mine", state="DISABLED")
    with pytest.raises(ClientError, match="AccessDenied"):
        batch.update_job_queue(jobQueue=stack.queue, state="DISABLED")


def test_describing_cannot_be_limited_to_a_resource(stack: BatchStack, aws: Client) -> None:
    narrow = allow({"Action": "batch:DescribeJobQueues", "Resource": arns(stack, "job-queue/{}")})
    wide = allow({"Action": "batch:DescribeJobQueues", "Resource": "*"})

    with pytest.raises(ClientError, match="AccessDenied"):
        aws("batch", stack.user(narrow)).describe_job_queues()
    aws("batch", stack.user(wide)).describe_job_queues()


def test_other_kinds_of_credentials_of_a_user_are_listed_as_empty(aws: Client) -> None:
    iam = aws("iam")
    iam.create_user(UserName="lists")

    assert iam.list_ssh_public_keys(UserName="lists")["SSHPublicKeys"] == []
    assert iam.list_signing_certificates(UserName="lists")["Certificates"] == []
    assert iam.list_service_specific_credentials(UserName="lists")["ServiceSpecificCredentials"] == []
    with pytest.raises(iam.exceptions.NoSuchEntityException, match="gone"):
        iam.list_ssh_public_keys(UserName="gone")
    iam.delete_user(UserName="lists")


@pytest.mark.gap("users_credentials")
def test_gap_plain_ministack_cannot_list_ssh_keys() -> None:
    handlers = emulator.service("iam")._IAM_HANDLERS

    assert not handlers.keys() & {"ListSSHPublicKeys", "ListSigningCertificates", "ListServiceSpecificCredentials"}
