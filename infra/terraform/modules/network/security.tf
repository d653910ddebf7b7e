# Who may reach whom, by the ports that the nodes' configuration names, and nothing else. Answers are let through by state.

locals {
  media_last = var.ports.media_first + var.ports.media_workers - 1
  peers      = { for place, cidr in var.network.peers : cidr => cidr }
}

resource "aws_security_group" "pop" {
  region      = var.region
  vpc_id      = aws_vpc.this.id
  name        = "${var.name}-pop"
  description = "Machines of POPs"

  tags = { Name = "${var.name}-pop" }
}

resource "aws_security_group" "core" {
  region      = var.region
  vpc_id      = aws_vpc.this.id
  name        = "${var.name}-core"
  description = "Machines of cores, and what a cluster needs besides"

  tags = { Name = "${var.name}-core" }
}

resource "aws_vpc_security_group_ingress_rule" "pop_signaling" {
  region            = var.region
  security_group_id = aws_security_group.pop.id
  description       = "Signaling: callers, by TLS"
  ip_protocol       = "tcp"
  from_port         = var.ports.signaling
  to_port           = var.ports.signaling
  cidr_ipv4         = "0.0.0.0/0"
}

resource "aws_vpc_security_group_ingress_rule" "pop_media" {
  for_each = toset(["udp", "tcp"])

  region            = var.region
  security_group_id = aws_security_group.pop.id
  description       = "Callers' media, one port a worker (edge.mediaPort)"
  ip_protocol       = each.key
  from_port         = var.ports.media_first
  to_port           = local.media_last
  cidr_ipv4         = "0.0.0.0/0"
}

resource "aws_vpc_security_group_ingress_rule" "pop_backbone" {
  for_each = local.peers

  region            = var.region
  security_group_id = aws_security_group.pop.id
  description       = "Media pipes of cores (backbone.ports)"
  ip_protocol       = "udp"
  from_port         = var.ports.backbone_min
  to_port           = var.ports.backbone_max
  cidr_ipv4         = each.value
}

resource "aws_vpc_security_group_ingress_rule" "pop_http" {
  region                       = var.region
  security_group_id            = aws_security_group.pop.id
  description                  = "Metrics and health, for this cluster (http.port)"
  ip_protocol                  = "tcp"
  from_port                    = var.ports.pop_http
  to_port                      = var.ports.pop_http
  referenced_security_group_id = aws_security_group.core.id
}

resource "aws_vpc_security_group_ingress_rule" "pop_kubelet" {
  region                       = var.region
  security_group_id            = aws_security_group.pop.id
  description                  = "Kubelet, for what runs in this cluster"
  ip_protocol                  = "tcp"
  from_port                    = 10250
  to_port                      = 10250
  referenced_security_group_id = aws_security_group.core.id
}

resource "aws_vpc_security_group_ingress_rule" "core_control" {
  for_each = local.peers

  region            = var.region
  security_group_id = aws_security_group.core.id
  description       = "Control channels of POPs (core.controlPort)"
  ip_protocol       = "tcp"
  from_port         = var.ports.control
  to_port           = var.ports.control
  cidr_ipv4         = each.value
}

resource "aws_vpc_security_group_ingress_rule" "core_backbone" {
  for_each = local.peers

  region            = var.region
  security_group_id = aws_security_group.core.id
  description       = "Media pipes of POPs (backbone.ports)"
  ip_protocol       = "udp"
  from_port         = var.ports.backbone_min
  to_port           = var.ports.backbone_max
  cidr_ipv4         = each.value
}

resource "aws_vpc_security_group_ingress_rule" "core_dns" {
  for_each = toset(["udp", "tcp"])

  region                       = var.region
  security_group_id            = aws_security_group.core.id
  description                  = "The cluster's DNS, for POPs"
  ip_protocol                  = each.key
  from_port                    = 53
  to_port                      = 53
  referenced_security_group_id = aws_security_group.pop.id
}

# Within a cluster network policies decide.
resource "aws_vpc_security_group_ingress_rule" "core_self" {
  region                       = var.region
  security_group_id            = aws_security_group.core.id
  description                  = "Machines of cores among themselves"
  ip_protocol                  = "-1"
  referenced_security_group_id = aws_security_group.core.id
}

resource "aws_vpc_security_group_egress_rule" "https" {
  for_each = { pop = aws_security_group.pop.id, core = aws_security_group.core.id }

  region            = var.region
  security_group_id = each.value
  description       = "AWS, images, AI services (which of them: network policies and the egress guard)"
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
  cidr_ipv4         = "0.0.0.0/0"
}

resource "aws_vpc_security_group_egress_rule" "backbone" {
  for_each = merge([
    for role, group in { pop = aws_security_group.pop.id, core = aws_security_group.core.id } : {
      for cidr in var.network.peers : "${role} ${cidr}" => { group = group, cidr = cidr }
    }
  ]...)

  region            = var.region
  security_group_id = each.value.group
  description       = "Media pipes within the zone"
  ip_protocol       = "udp"
  from_port         = var.ports.backbone_min
  to_port           = var.ports.backbone_max
  cidr_ipv4         = each.value.cidr
}

resource "aws_vpc_security_group_egress_rule" "control" {
  for_each = local.peers

  region            = var.region
  security_group_id = aws_security_group.pop.id
  description       = "Control channels to cores within the zone"
  ip_protocol       = "tcp"
  from_port         = var.ports.control
  to_port           = var.ports.control
  cidr_ipv4         = each.value
}

resource "aws_vpc_security_group_egress_rule" "registry" {
  for_each = merge([
    for role, group in { pop = aws_security_group.pop.id, core = aws_security_group.core.id } : {
      for cidr in var.network.peers : "${role} ${cidr}" => { group = group, cidr = cidr }
    }
  ]...)

  region            = var.region
  security_group_id = each.value.group
  description       = "The zone's registry"
  ip_protocol       = "tcp"
  from_port         = var.ports.registry
  to_port           = var.ports.registry
  cidr_ipv4         = each.value.cidr
}

resource "aws_vpc_security_group_egress_rule" "pop_dns" {
  for_each = toset(["udp", "tcp"])

  region                       = var.region
  security_group_id            = aws_security_group.pop.id
  description                  = "The cluster's DNS"
  ip_protocol                  = each.key
  from_port                    = 53
  to_port                      = 53
  referenced_security_group_id = aws_security_group.core.id
}

resource "aws_vpc_security_group_egress_rule" "core_self" {
  region                       = var.region
  security_group_id            = aws_security_group.core.id
  description                  = "Machines of cores among themselves"
  ip_protocol                  = "-1"
  referenced_security_group_id = aws_security_group.core.id
}

resource "aws_vpc_security_group_egress_rule" "core_to_pop" {
  for_each = { http = var.ports.pop_http, kubelet = 10250 }

  region                       = var.region
  security_group_id            = aws_security_group.core.id
  description                  = "Metrics of POPs"
  ip_protocol                  = "tcp"
  from_port                    = each.value
  to_port                      = each.value
  referenced_security_group_id = aws_security_group.pop.id
}
