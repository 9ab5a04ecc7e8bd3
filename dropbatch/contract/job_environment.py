"""Names of the environment variables in a job's container, from which the runtime reads its settings."""

__all__ = [
    "COMMIT_FILE",
    "ENVIRONMENT",
    "GIT_COMMIT",
    "IMAGE",
    "JOB_DEFINITION",
    "MANIFEST",
    "OPTIONS",
    "OUTPUT_BUCKET",
]

ENVIRONMENT = "DROPBATCH_ENVIRONMENT"
OUTPUT_BUCKET = "DROPBATCH_OUTPUT_BUCKET"
MANIFEST = "DROPBATCH_MANIFEST"
"""``s3://`` URI of the job's manifest, set when the job is submitted."""
JOB_DEFINITION = "DROPBATCH_JOB_DEFINITION"
"""The submitted ``name:revision``, set when the job is submitted, since a definition does not know its revision."""
IMAGE = "DROPBATCH_IMAGE"
"""URI of the image with its tag, set by the job definition."""
OPTIONS = "DROPBATCH_OPTIONS"
"""The pipeline's `contract.options.Options` as JSON, set by the job definition."""
GIT_COMMIT = "DROPBATCH_GIT_COMMIT"
"""Git commit of an image that was built by other tools than dropbatch."""
COMMIT_FILE = "commit.txt"
"""Name of the file with the git commit in images that dropbatch builds; it is in the package's directory."""
