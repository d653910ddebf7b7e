# Logs stay in the region where they were written, metrics in the zone's home region: neither leaves the zone.

resource "aws_cloudwatch_log_group" "nodes" {
  for_each = var.key_arns

  region            = each.key
  name              = "/${var.name}/${var.zone}/nodes"
  retention_in_days = var.log_retention_days
  kms_key_id        = each.value
}

resource "aws_cloudwatch_log_group" "metrics" {
  region            = var.home_region
  name              = "/aws/vendedlogs/${var.name}/${var.zone}/metrics"
  retention_in_days = var.log_retention_days
  kms_key_id        = var.key_arns[var.home_region]
}

resource "aws_prometheus_workspace" "this" {
  region      = var.home_region
  alias       = "${var.name}-${var.zone}"
  kms_key_arn = var.key_arns[var.home_region]

  logging_configuration {
    log_group_arn = "${aws_cloudwatch_log_group.metrics.arn}:*"
  }
}
