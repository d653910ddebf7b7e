output "vpc_id" {
  description = "The region's VPC."
  value       = aws_vpc.this.id
}

output "subnet_ids" {
  description = "By kind: public, private, registry, backbone."
  value = {
    public   = [for subnet in aws_subnet.public : subnet.id]
    private  = [for subnet in aws_subnet.private : subnet.id]
    registry = [for subnet in aws_subnet.registry : subnet.id]
    backbone = [for subnet in aws_subnet.backbone : subnet.id]
  }
}

output "route_table_ids" {
  description = "Those that need a way to the other regions of the zone."
  value = merge(
    { public = aws_route_table.public.id, isolated = aws_route_table.isolated.id },
    { for place, az in local.az_names : "private-${place}" => aws_route_table.private[az].id },
  )
}

output "security_group_ids" {
  description = "By role: pop, core."
  value = {
    pop  = aws_security_group.pop.id
    core = aws_security_group.core.id
  }
}

output "nat_addresses" {
  description = "From where cores reach AI services: for their allow-lists."
  value       = [for address in aws_eip.nat : address.public_ip]
}
