output "url" {
  description = "ANTIPODE_REDIS_URL of the zone's nodes, without the password."
  value       = "rediss://${aws_elasticache_replication_group.this.primary_endpoint_address}:${var.port}"
}

output "username" {
  description = "ANTIPODE_REDIS_USERNAME."
  value       = aws_elasticache_user.this.user_name
}

output "password_secret" {
  description = "Name of the secret with ANTIPODE_REDIS_PASSWORD, in each region of the zone."
  value       = aws_secretsmanager_secret.this.name
}

output "region" {
  description = "Where it stands: residency.stores.registry of the zone's nodes."
  value       = var.region
}
