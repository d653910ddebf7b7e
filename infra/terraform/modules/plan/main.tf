# What follows from the map of regions: ranges, subnets, pairs of the backbone, names, and the world that placement plans with.

locals {
  # Whose law holds where: the list that placement ships (src/placement/data/regions.json), AWS's part of it.
  known = jsondecode(file("${path.module}/aws-regions.json"))

  jurisdictions = { for code, region in var.regions : code => try(coalesce(region.jurisdiction, try(local.known[code].jurisdiction, null)), null) }

  cidrs = {
    for code, region in var.regions :
    code => region.cidr != null ? region.cidr : try(cidrsubnet(var.supernet, 16 - tonumber(split("/", var.supernet)[1]), region.index), null)
  }

  # First and last address of each range as numbers, services' addresses too: ranges overlap when neither ends before the other begins.
  spans = {
    for name, cidr in merge(local.cidrs, { "service_cidr" = var.service_cidr }) : name => {
      first = sum([for place, octet in split(".", cidrhost(cidr, 0)) : tonumber(octet) * pow(256, 3 - place)])
      last  = sum([for place, octet in split(".", cidrhost(cidr, -1)) : tonumber(octet) * pow(256, 3 - place)])
    } if can(cidrhost(cidr, 0))
  }

  overlaps = flatten([
    for place, one in keys(local.spans) : [
      for other in slice(keys(local.spans), place + 1, length(local.spans)) : "${one} and ${other}"
      if local.spans[one].first <= local.spans[other].last && local.spans[other].first <= local.spans[one].last
    ]
  ])

  networks = {
    for code, cidr in local.cidrs : code => {
      cidr         = cidr
      zone         = var.regions[code].zone
      jurisdiction = local.jurisdictions[code]
      asn          = 64512 + var.regions[code].index
      # Three of four quarters for cores and their pods, the last one cut up for what needs little.
      private  = [for az in range(3) : cidrsubnet(cidr, 2, az)]
      public   = [for az in range(3) : cidrsubnet(cidr, 4, 12 + az)]
      registry = [for az in range(3) : cidrsubnet(cidr, 8, 240 + az)]
      backbone = [for az in range(3) : cidrsubnet(cidr, 12, 4080 + az)]
      # Whom its nodes talk to over the backbone: their own zone, and nobody else.
      peers = [for other, region in var.regions : local.cidrs[other] if region.zone == var.regions[code].zone]
    }
  }

  # Every two regions of a zone, once. Regions of different zones have no way to each other.
  pairs = {
    for pair in flatten([
      for place, one in keys(var.regions) : [
        for other in slice(keys(var.regions), place + 1, length(var.regions)) : { from = one, to = other }
        if var.regions[one].zone == var.regions[other].zone
      ]
    ]) : "${pair.from}_${pair.to}" => pair
  }

  pops = merge([
    for code, region in var.regions : {
      for number in range(region.pops.max) : "${code}-pop-${number + 1}" => {
        region = code
        zone   = region.zone
        name   = "pop-${number + 1}.${code}.${var.domain}"
        # Up to `min` of them run at any time; the others have an address that waits for them.
        always = number < region.pops.min
      }
    }
  ]...)

  nodes = concat(
    [
      for id, pop in local.pops : {
        nodeId       = id
        role         = "pop"
        region       = pop.region
        capacity     = var.sessions_per_pop
        signalingUrl = "https://${pop.name}"
        stores       = { registry = var.zones[pop.zone].registry_region }
      } if pop.always
    ],
    flatten([
      for code, region in var.regions : [
        for number in range(region.cores.min * region.cores.per_machine) : {
          nodeId       = "${code}-core-${number + 1}"
          role         = "core"
          region       = code
          capacity     = var.sessions_per_core
          signalingUrl = null
          stores       = { registry = var.zones[region.zone].registry_region }
        }
      ]
    ]),
  )
}
