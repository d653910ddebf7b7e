output "networks" {
  description = "By region: range, subnets by zone of availability, zone, jurisdiction, ASN, and the ranges that it may talk to."
  value       = local.networks

  # Here and not at the variable, whose validation cannot use what is computed from it.
  precondition {
    condition     = length(local.overlaps) == 0
    error_message = "regions: ranges overlap: ${join(", ", local.overlaps)}. Give each region an index (or cidr) of its own."
  }
}

output "pairs" {
  description = "Regions that the backbone connects: both in one residency zone."
  value       = local.pairs
}

output "pops" {
  description = "By id: the region, the zone and the DNS name of each POP that there may be."
  value       = local.pops
}

output "join_names" {
  description = "By zone: the name by which callers and backends reach its nearest POP."
  value       = { for name in keys(var.zones) : name => "join.${name}.${var.domain}" }
}

output "zones" {
  description = "By zone: its regions, the region and settings of its registry, and the names of its secrets."
  value = {
    for name, zone in var.zones : name => {
      regions         = [for code, region in var.regions : code if region.zone == name]
      registry_region = zone.registry_region
      registry        = zone.registry
      ai_hosts        = zone.ai_hosts
      secrets         = zone.secrets
    }
  }
}

output "ports" {
  description = "Ports of the nodes."
  value       = var.ports
}

output "worlds" {
  description = "By zone: what `antipode placement world` makes the world file from. Nodes that run at the least; more may."
  value = {
    for name in keys(var.zones) : name => {
      version = 1
      nodes   = [for node in local.nodes : { for key, value in node : key => value if value != null } if var.regions[node.region].zone == name]
    }
  }
}
