# Joins for one group of one deployment: see docs/joins.md.

variable "environment" {
  type        = string
  description = "name of the dropbatch environment, such as dev"
}

variable "group" {
  type        = string
  default     = "lab"
  description = "group whose runs are joined; whoever may start the machine asks in its name"
}

data "aws_ssm_parameter" "deployment" {
  name = "/dropbatch/${var.environment}"
}

locals {
  name       = "dropbatch-${var.environment}-join-${var.group}"
  deployment = jsondecode(nonsensitive(data.aws_ssm_parameter.deployment.value))
  input_arn  = "arn:aws:s3:::${local.deployment.input_bucket}"
  output_arn = "arn:aws:s3:::${local.deployment.output_bucket}"
  buckets = {
    input_bucket  = local.deployment.input_bucket
    output_bucket = local.deployment.output_bucket
    group         = var.group
  }
  roles = {
    join   = "states.amazonaws.com"
    resume = "states.amazonaws.com"
    events = "events.amazonaws.com"
  }
}

data "aws_caller_identity" "this" {}

resource "aws_iam_role" "this" {
  for_each = local.roles
  name     = "${local.name}-${each.key}"
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = "sts:AssumeRole"
      Principal = { Service = each.value }
      Condition = { StringEquals = { "aws:SourceAccount" = data.aws_caller_identity.this.account_id } }
    }]
  })
}

resource "aws_iam_role_policy" "join" {
  role = aws_iam_role.this["join"].name
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Effect = "Allow"
        Action = ["s3:PutObject", "s3:PutObjectTagging"]
        Resource = [
          "${local.input_arn}/${var.group}/submissions/joins/*",
          "${local.input_arn}/${var.group}/inputs/joins/*",
        ]
      },
      {
        Effect   = "Allow"
        Action   = ["s3:GetObject", "s3:GetObjectTagging"]
        Resource = "${local.output_arn}/${var.group}/*"
      },
      {
        Effect    = "Allow"
        Action    = "s3:ListBucket"
        Resource  = local.output_arn
        Condition = { StringLike = { "s3:prefix" = "${var.group}/*" } }
      },
    ]
  })
}

resource "aws_iam_role_policy" "resume" {
  role = aws_iam_role.this["resume"].name
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      { Effect = "Allow", Action = "s3:GetObject", Resource = "${local.input_arn}/${var.group}/submissions/joins/*" },
      # A token names its own task; nobody else knows it.
      { Effect = "Allow", Action = ["states:SendTaskSuccess", "states:SendTaskFailure"], Resource = "*" },
    ]
  })
}

resource "aws_iam_role_policy" "events" {
  role = aws_iam_role.this["events"].name
  policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [{ Effect = "Allow", Action = "states:StartExecution", Resource = aws_sfn_state_machine.resume.arn }]
  })
}

resource "aws_sfn_state_machine" "join" {
  name       = local.name
  role_arn   = aws_iam_role.this["join"].arn
  definition = templatefile("${path.module}/join.asl.json", local.buckets)
  depends_on = [aws_iam_role_policy.join]
}

resource "aws_sfn_state_machine" "resume" {
  name       = "${local.name}-resume"
  role_arn   = aws_iam_role.this["resume"].arn
  definition = templatefile("${path.module}/resume.asl.json", local.buckets)
  depends_on = [aws_iam_role_policy.resume]
}

resource "aws_cloudwatch_event_rule" "ended" {
  name        = local.name
  description = "Ends of runs that a join waits for"
  event_pattern = jsonencode({
    source      = ["dropbatch"]
    detail-type = ["Run State Change"]
    detail = {
      environment = [var.environment]
      state       = ["SUCCEEDED", "FAILED", "REJECTED", "CANCELLED"]
      request     = [{ prefix = "${var.group}/submissions/joins/" }]
    }
  })
}

resource "aws_cloudwatch_event_target" "resume" {
  rule     = aws_cloudwatch_event_rule.ended.name
  arn      = aws_sfn_state_machine.resume.arn
  role_arn = aws_iam_role.this["events"].arn
}

output "state_machine_arn" {
  value = aws_sfn_state_machine.join.arn
}
