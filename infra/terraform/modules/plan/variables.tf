variable "domain" {
  description = "DNS name below which POPs and the joining names live, such as voice.example.com."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\\.)+[a-z]{2,}$", var.domain))
    error_message = "domain: \"${var.domain}\" is no DNS name in lower case, such as voice.example.com. Without one a POP has no address that a browser accepts."
  }
}

variable "supernet" {
  description = "Private IPv4 range that all regions' networks are cut from, /16 each, by their index."
  type        = string
  default     = "10.64.0.0/10"
  nullable    = false

  validation {
    condition     = can(cidrhost(var.supernet, 0)) && try(tonumber(split("/", var.supernet)[1]), 32) <= 15
    error_message = "supernet: \"${var.supernet}\" must be an IPv4 range of /15 or larger: each region takes a /16 of it."
  }

  validation {
    condition     = can(regex("^(10\\.|172\\.(1[6-9]|2[0-9]|3[01])\\.|192\\.168\\.|100\\.(6[4-9]|[7-9][0-9]|1[01][0-9]|12[0-7])\\.)", var.supernet))
    error_message = "supernet: \"${var.supernet}\" is no private range (RFC 1918 or 6598)."
  }
}

variable "service_cidr" {
  description = "Addresses of Kubernetes services, the same in each cluster; never routed."
  type        = string
  default     = "172.20.0.0/16"
  nullable    = false

  validation {
    condition     = can(cidrhost(var.service_cidr, 0))
    error_message = "service_cidr: \"${var.service_cidr}\" is no IPv4 range."
  }
}

variable "zones" {
  description = <<-EOT
    Residency zones by name. Sessions of a zone live in its regions only, and its registry holds them.
      jurisdictions    whose law must hold in each of its regions, such as ["EU"]; null: any
      registry_region  the region of its Valkey
      ai_hosts         names that its nodes may look up besides AWS's and those of images, such as api.deepgram.com; null: any
      registry         engine_version, node_type and replicas of it
      secrets          names of secrets in AWS Secrets Manager, in each region of the zone, that hold what nobody may read here
  EOT
  type = map(object({
    jurisdictions   = optional(list(string))
    registry_region = string
    ai_hosts        = optional(list(string))
    registry = optional(object({
      engine_version = optional(string, "8.1")
      node_type      = optional(string, "cache.t4g.small")
      replicas       = optional(number, 1)
    }), {})
    secrets = object({
      api_keys     = string
      token_secret = string
      backbone_ca  = string
      ai_services  = string
    })
  }))
  nullable = false

  validation {
    condition     = length(var.zones) > 0 && alltrue([for name in keys(var.zones) : can(regex("^[a-z][a-z0-9-]{0,19}$", name))])
    error_message = "zones: at least one is needed, and names are of lower-case letters, digits and dashes, up to 20."
  }

  validation {
    condition     = alltrue([for zone in values(var.zones) : zone.ai_hosts == null ? true : alltrue([for host in zone.ai_hosts : can(regex("^(\\*\\.)?([a-z0-9]([a-z0-9-]*[a-z0-9])?\\.)+[a-z]{2,}$", host))])])
    error_message = "zones: ai_hosts are names of hosts in lower case, such as api.deepgram.com or *.example.com."
  }

  validation {
    condition = alltrue([
      for name, zone in var.zones : alltrue([for secret in values(zone.secrets) : can(regex("^[A-Za-z0-9/_+=.@-]{1,128}$", secret))])
    ])
    error_message = "zones: these lack the name of a secret: ${join(", ", [
      for name, zone in var.zones : "${name} (${join(", ", [for key, secret in zone.secrets : key if !can(regex("^[A-Za-z0-9/_+=.@-]{1,128}$", secret))])})"
      if anytrue([for secret in values(zone.secrets) : !can(regex("^[A-Za-z0-9/_+=.@-]{1,128}$", secret))])
    ])}."
  }

  validation {
    condition = alltrue([
      for zone in values(var.zones) : can(regex("^[0-9]+\\.[0-9]+$", zone.registry.engine_version)) &&
      try(tonumber(split(".", zone.registry.engine_version)[0]) * 100 + tonumber(split(".", zone.registry.engine_version)[1]), 0) >= 702
    ])
    error_message = "zones: registry.engine_version must be of Valkey 7.2 or newer, such as 8.1: ${join(", ", [for name, zone in var.zones : "${name} has ${zone.registry.engine_version}"])}."
  }

  validation {
    condition     = alltrue([for zone in values(var.zones) : zone.registry.replicas >= 1 && zone.registry.replicas <= 5 && floor(zone.registry.replicas) == zone.registry.replicas])
    error_message = "zones: registry.replicas must be a whole number of 1 to 5: with none a lost machine is a lost registry."
  }
}

variable "regions" {
  description = <<-EOT
    AWS regions by code. A line here is a region: its network, cluster, POPs, cores, names and place in the world file.
      index         which /16 of the supernet; never changes once there is a network
      zone          the residency zone
      jurisdiction  whose law holds there; needed only for a region that the shipped list does not know
      cidr          a range of one's own instead of the supernet's
      pops, cores   machines: at least, at most, which. A POP is a machine of its own with a public address of its own
  EOT
  type = map(object({
    index        = number
    zone         = string
    jurisdiction = optional(string)
    cidr         = optional(string)
    pops = optional(object({
      min           = optional(number, 1)
      max           = optional(number, 2)
      instance_type = optional(string, "c7i.large")
    }), {})
    cores = optional(object({
      min           = optional(number, 1)
      max           = optional(number, 4)
      instance_type = optional(string, "c7i.2xlarge")
      per_machine   = optional(number, 7)
    }), {})
  }))
  nullable = false

  validation {
    condition     = length(var.regions) > 0 && alltrue([for code in keys(var.regions) : can(regex("^[a-z]{2,4}(-[a-z]+)+-[0-9]$", code))])
    error_message = "regions: keys are codes of AWS regions, such as ap-southeast-2."
  }

  validation {
    condition     = alltrue([for region in values(var.regions) : contains(keys(var.zones), region.zone)])
    error_message = "regions: no such zone: ${join(", ", [for code, region in var.regions : "${code} wants ${region.zone}" if !contains(keys(var.zones), region.zone)])}."
  }

  validation {
    condition     = alltrue([for name, zone in var.zones : try(var.regions[zone.registry_region].zone, "") == name])
    error_message = "zones: registry_region must be a region of the same zone: ${join(", ", [for name, zone in var.zones : "${name} has ${zone.registry_region}" if try(var.regions[zone.registry_region].zone, "") != name])}."
  }

  validation {
    condition     = alltrue([for name in keys(var.zones) : anytrue([for region in values(var.regions) : region.zone == name && region.cores.min > 0])])
    error_message = "zones: no region has a core (cores.min above 0) in ${join(", ", [for name in keys(var.zones) : name if !anytrue([for region in values(var.regions) : region.zone == name && region.cores.min > 0])])}. Its callers would have no agent."
  }

  validation {
    condition     = alltrue([for name in keys(var.zones) : anytrue([for region in values(var.regions) : region.zone == name && region.pops.min > 0])])
    error_message = "zones: no region has a POP (pops.min above 0) in ${join(", ", [for name in keys(var.zones) : name if !anytrue([for region in values(var.regions) : region.zone == name && region.pops.min > 0])])}. Nobody could call."
  }

  validation {
    condition     = alltrue([for code, region in var.regions : try(coalesce(region.jurisdiction, try(local.known[code].jurisdiction, null)), "") != ""])
    error_message = "regions: nobody knows whose law holds in ${join(", ", [for code, region in var.regions : code if try(coalesce(region.jurisdiction, try(local.known[code].jurisdiction, null)), "") == ""])}. Set jurisdiction there."
  }

  validation {
    condition     = alltrue([for code, region in var.regions : region.jurisdiction == null || try(local.known[code].jurisdiction, region.jurisdiction) == region.jurisdiction])
    error_message = "regions: jurisdiction contradicts the shipped list: ${join(", ", [for code, region in var.regions : "${code} is of ${try(local.known[code].jurisdiction, "")}" if region.jurisdiction != null && try(local.known[code].jurisdiction, region.jurisdiction) != region.jurisdiction])}."
  }

  validation {
    condition = alltrue([
      for code, region in var.regions : try(var.zones[region.zone].jurisdictions, null) == null ? true :
      contains(var.zones[region.zone].jurisdictions, try(coalesce(region.jurisdiction, try(local.known[code].jurisdiction, null)), ""))
    ])
    error_message = "regions: a zone was given a region of another law: ${join(", ", [
      for code, region in var.regions : "${code} (${try(coalesce(region.jurisdiction, try(local.known[code].jurisdiction, null)), "unknown")}) in zone ${region.zone} (${join(", ", var.zones[region.zone].jurisdictions)})"
      if try(var.zones[region.zone].jurisdictions, null) == null ? false : !contains(var.zones[region.zone].jurisdictions, try(coalesce(region.jurisdiction, try(local.known[code].jurisdiction, null)), ""))
    ])}."
  }

  validation {
    condition     = alltrue([for code, region in var.regions : region.cidr != null ? true : can(cidrsubnet(var.supernet, 16 - tonumber(split("/", var.supernet)[1]), region.index))])
    error_message = "regions: index is outside of supernet ${var.supernet}: ${join(", ", [for code, region in var.regions : "${code} has ${region.index}" if region.cidr != null ? false : !can(cidrsubnet(var.supernet, 16 - tonumber(split("/", var.supernet)[1]), region.index))])}."
  }

  validation {
    condition     = alltrue([for region in values(var.regions) : region.cidr == null ? true : can(cidrhost(region.cidr, 0)) && try(tonumber(split("/", region.cidr)[1]), 0) == 16])
    error_message = "regions: cidr must be an IPv4 range of /16: ${join(", ", [for code, region in var.regions : "${code} has ${region.cidr}" if region.cidr == null ? false : !(can(cidrhost(region.cidr, 0)) && try(tonumber(split("/", region.cidr)[1]), 0) == 16)])}."
  }

  validation {
    condition = alltrue([
      for region in values(var.regions) : region.pops.min >= 0 && region.pops.max >= region.pops.min && region.cores.min >= 0 &&
      region.cores.max >= region.cores.min && region.cores.per_machine >= 1
    ])
    error_message = "regions: pops and cores need 0 <= min <= max, and cores.per_machine of at least 1: ${join(", ", [for code, region in var.regions : code if !(region.pops.min >= 0 && region.pops.max >= region.pops.min && region.cores.min >= 0 && region.cores.max >= region.cores.min && region.cores.per_machine >= 1)])}."
  }

  validation {
    condition     = alltrue([for region in values(var.regions) : region.pops.max <= 32])
    error_message = "regions: pops.max must not be above 32: each POP holds a public address. A quota of AWS allows 5 in a region until it is raised."
  }
}

variable "ports" {
  description = "Ports as the nodes' configuration names them; the checks compare them with infra/kubernetes and docs/operate.md."
  type = object({
    signaling      = optional(number, 443)
    pop_http       = optional(number, 8080)
    core_http      = optional(number, 8081)
    placement_http = optional(number, 8082)
    media_first    = optional(number, 44400)
    media_workers  = optional(number, 1)
    control        = optional(number, 7443)
    backbone_min   = optional(number, 45000)
    backbone_max   = optional(number, 45099)
    registry       = optional(number, 6379)
  })
  default  = {}
  nullable = false

  validation {
    condition     = alltrue([for port in values(var.ports) : port >= 1 && port <= 65535]) && var.ports.backbone_max >= var.ports.backbone_min
    error_message = "ports: each must be 1 to 65535, and backbone_max not below backbone_min."
  }

  validation {
    condition     = var.ports.media_first + var.ports.media_workers - 1 < var.ports.backbone_min || var.ports.media_first > var.ports.backbone_max
    error_message = "ports: callers' media (media_first and one for each of media_workers) must not run into the backbone's range, which only nodes may reach."
  }
}

variable "sessions_per_pop" {
  description = "Most sessions of a POP: limits.maxSessions of its configuration."
  type        = number
  default     = 200
  nullable    = false

  validation {
    condition     = var.sessions_per_pop >= 1
    error_message = "sessions_per_pop: must be at least 1."
  }
}

variable "sessions_per_core" {
  description = "Sessions that one core process of one CPU is planned for (docs/benchmarks.md, density)."
  type        = number
  default     = 100
  nullable    = false

  validation {
    condition     = var.sessions_per_core >= 1
    error_message = "sessions_per_core: must be at least 1."
  }
}
