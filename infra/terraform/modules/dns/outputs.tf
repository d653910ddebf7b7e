output "zone_id" {
  description = "Hosted zone in which cert-manager proves the names."
  value       = data.aws_route53_zone.this.zone_id
}

output "zone_arn" {
  description = "The same, for rights."
  value       = data.aws_route53_zone.this.arn
}
