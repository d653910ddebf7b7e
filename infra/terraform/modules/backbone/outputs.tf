output "transit_gateway_ids" {
  description = "By region; none for a region that is alone in its zone."
  value       = { for region, gateway in aws_ec2_transit_gateway.this : region => gateway.id }
}
