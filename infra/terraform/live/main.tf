# Everything, for each region of the map: what it is made of is in the modules, what follows from the map in modules/plan.

locals {
  # What machines and the cluster's own programs need to look up: AWS, images, certificates, and ourselves.
  allowed_hosts = [
    "*.amazonaws.com",
    "*.aws",
    "registry.k8s.io",
    "*.pkg.dev",
    "quay.io",
    "*.quay.io",
    "ghcr.io",
    "*.githubusercontent.com",
    "*.docker.io",
    "*.docker.com",
    "acme-v02.api.letsencrypt.org",
    "*.${var.domain}",
    var.hosted_zone,
  ]
}

module "plan" {
  source = "../modules/plan"

  domain       = var.domain
  supernet     = var.supernet
  service_cidr = var.service_cidr
  zones        = var.zones
  regions      = var.regions
}

module "keys" {
  source   = "../modules/keys"
  for_each = module.plan.networks

  name   = var.name
  region = each.key
}

module "network" {
  source   = "../modules/network"
  for_each = module.plan.networks

  name               = var.name
  region             = each.key
  network            = each.value
  ports              = module.plan.ports
  nat                = var.nat
  allowed_hosts      = module.plan.zones[each.value.zone].ai_hosts == null ? null : concat(local.allowed_hosts, module.plan.zones[each.value.zone].ai_hosts)
  key_arn            = module.keys[each.key].key_arn
  log_retention_days = var.log_retention_days
}

module "backbone" {
  source = "../modules/backbone"

  name  = var.name
  pairs = module.plan.pairs

  networks = {
    for region, network in module.plan.networks : region => {
      vpc_id          = module.network[region].vpc_id
      subnet_ids      = module.network[region].subnet_ids.backbone
      route_table_ids = module.network[region].route_table_ids
      cidr            = network.cidr
      asn             = network.asn
    }
  }
}

module "registry" {
  source   = "../modules/registry"
  for_each = module.plan.zones

  name               = var.name
  zone               = each.key
  region             = each.value.registry_region
  engine_version     = each.value.registry.engine_version
  node_type          = each.value.registry.node_type
  replicas           = each.value.registry.replicas
  vpc_id             = module.network[each.value.registry_region].vpc_id
  subnet_ids         = module.network[each.value.registry_region].subnet_ids.registry
  client_cidrs       = [for region in each.value.regions : module.plan.networks[region].cidr]
  port               = module.plan.ports.registry
  key_arn            = module.keys[each.value.registry_region].key_arn
  secret_replicas    = { for region in each.value.regions : region => module.keys[region].key_arn if region != each.value.registry_region }
  log_retention_days = var.log_retention_days
}

module "observability" {
  source   = "../modules/observability"
  for_each = module.plan.zones

  name               = var.name
  zone               = each.key
  home_region        = each.value.registry_region
  key_arns           = { for region in each.value.regions : region => module.keys[region].key_arn }
  log_retention_days = var.log_retention_days
}

module "dns" {
  source = "../modules/dns"

  domain         = var.domain
  hosted_zone    = var.hosted_zone
  join_names     = module.plan.join_names
  signaling_port = module.plan.ports.signaling
  pops           = { for id, pop in module.plan.pops : id => merge(pop, { address = module.edge_addressing[pop.region].addresses[id] }) }
}

module "cluster" {
  source   = "../modules/cluster"
  for_each = module.plan.networks

  name                  = var.name
  region                = each.key
  kubernetes_version    = var.kubernetes_version
  subnet_ids            = module.network[each.key].subnet_ids
  security_group_ids    = module.network[each.key].security_group_ids
  service_cidr          = var.service_cidr
  supernet              = var.supernet
  pops                  = var.regions[each.key].pops
  cores                 = var.regions[each.key].cores
  key_arn               = module.keys[each.key].key_arn
  admin_role_arns       = var.admin_role_arns
  api_cidrs             = var.api_cidrs
  log_retention_days    = var.log_retention_days
  secret_names          = concat(values(module.plan.zones[each.value.zone].secrets), [module.registry[each.value.zone].password_secret])
  hosted_zone_arn       = module.dns.zone_arn
  proof_names           = ["_acme-challenge.${each.key}.${var.domain}", "_acme-challenge.${module.plan.join_names[each.value.zone]}"]
  metrics_workspace_arn = module.observability[each.value.zone].workspace_arn
  log_group_arn         = module.observability[each.value.zone].log_groups[each.key].arn
}

module "edge_addressing" {
  source   = "../modules/edge-addressing"
  for_each = module.plan.networks

  region         = each.key
  pops           = { for id, pop in module.plan.pops : id => pop.name if pop.region == each.key }
  node_role_name = module.cluster[each.key].pop_role_name
  cluster_name   = module.cluster[each.key].cluster_name
}
