output "workspace_arn" {
  description = "Prometheus workspace of the zone, for rights."
  value       = aws_prometheus_workspace.this.arn
}

output "remote_write_url" {
  description = "Where each cluster's Prometheus writes."
  value       = "${aws_prometheus_workspace.this.prometheus_endpoint}api/v1/remote_write"
}

output "log_groups" {
  description = "By region: name and ARN of its nodes' log group."
  value       = { for region, group in aws_cloudwatch_log_group.nodes : region => { name = group.name, arn = group.arn } }
}
