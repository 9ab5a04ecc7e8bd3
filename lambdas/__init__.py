"""The Lambda functions: a thin handler over plain modules each; boto3 and dropbatch.contract are all they use."""
