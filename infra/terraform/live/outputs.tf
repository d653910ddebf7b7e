output "worlds" {
  description = "By zone: terraform output -json worlds | antipode placement world --zone NAME makes the world file."
  value       = module.plan.worlds
}

output "overlays" {
  description = "By region: region.env of infra/kubernetes/overlays/REGION. No secret is in it."
  value = {
    for region, network in module.plan.networks : region => join("\n", [for key, value in {
      ANTIPODE_REGION          = region
      ANTIPODE_REGISTRY_ZONE   = network.zone
      ANTIPODE_REDIS_URL       = module.registry[network.zone].url
      ANTIPODE_REDIS_USERNAME  = module.registry[network.zone].username
      REGISTRY_REGION          = module.registry[network.zone].region
      POP_NAMES                = join(",", [for id, pop in module.plan.pops : "${module.edge_addressing[region].addresses[id]}=${pop.name}" if pop.region == region])
      POP_WILDCARD             = "*.${region}.${var.domain}"
      JOIN_NAME                = module.plan.join_names[network.zone]
      HOSTED_ZONE              = var.hosted_zone
      HOSTED_ZONE_ID           = module.dns.zone_id
      IMAGE                    = replace(aws_ecr_repository.this.repository_url, ".${var.home_region}.", ".${region}.")
      METRICS_URL              = module.observability[network.zone].remote_write_url
      SECRET_API_KEYS          = module.plan.zones[network.zone].secrets.api_keys
      SECRET_TOKEN_SECRET      = module.plan.zones[network.zone].secrets.token_secret
      SECRET_BACKBONE_CA       = module.plan.zones[network.zone].secrets.backbone_ca
      SECRET_AI_SERVICES       = module.plan.zones[network.zone].secrets.ai_services
      SECRET_REGISTRY_PASSWORD = module.registry[network.zone].password_secret
    } : "${key}=${value}"])
  }
}

output "clusters" {
  description = "By region: for aws eks update-kubeconfig --region REGION --name NAME."
  value       = { for region, cluster in module.cluster : region => cluster.cluster_name }
}

output "join_names" {
  description = "By zone: what callers and backends use first."
  value       = module.plan.join_names
}

output "image_repository" {
  description = "Where the image is pushed."
  value       = aws_ecr_repository.this.repository_url
}

output "nat_addresses" {
  description = "By region: from where cores ask AI services, for their allow-lists."
  value       = { for region, network in module.network : region => network.nat_addresses }
}
