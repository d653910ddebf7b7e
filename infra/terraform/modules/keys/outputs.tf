output "key_arn" {
  description = "The region's key."
  value       = aws_kms_key.this.arn
}
