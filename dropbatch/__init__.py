"""dropbatch: drop a file in a bucket, a container processes it on AWS Batch, fetch the result."""

__version__ = "0.2.0.dev0"
