"""Names that meet inside a job's container: environment variables of the runtime."""

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
"""``name:revision`` that was submitted; a definition does not know its own revision."""
IMAGE = "DROPBATCH_IMAGE"
"""The image's URI with its tag, from the definition."""
OPTIONS = "DROPBATCH_OPTIONS"
"""What the pipeline asks of the runtime (`contract.options`), from the definition."""
GIT_COMMIT = "DROPBATCH_GIT_COMMIT"
"""Commit that the image was built from, for images that others build."""
COMMIT_FILE = "commit.txt"
"""Holds that commit in images of ours, beside the package."""
