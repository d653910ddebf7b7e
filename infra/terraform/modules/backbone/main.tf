# The private way between regions of a zone: a transit gateway in each, peered two by two. Traffic stays on AWS's network and is
# encrypted there; what Antipode sends over it is SRTP and mutual TLS besides. Why not Cloud WAN: infra/terraform/README.md.

locals {
  # Each side of each pair.
  ends = merge([
    for key, pair in var.pairs : {
      "${key}_from" = { pair = key, here = pair.from, there = pair.to }
      "${key}_to"   = { pair = key, here = pair.to, there = pair.from }
    }
  ]...)

  # A region alone in its zone has nobody to talk to and needs no gateway.
  connected = { for region, network in var.networks : region => network if anytrue([for end in values(local.ends) : end.here == region]) }

  routes = merge([
    for key, end in local.ends : {
      for table, id in var.networks[end.here].route_table_ids : "${key}_${table}" => { here = end.here, table_id = id, cidr = var.networks[end.there].cidr }
    }
  ]...)
}

resource "aws_ec2_transit_gateway" "this" {
  for_each = local.connected

  region                          = each.key
  description                     = "${var.name}: the backbone in ${each.key}"
  amazon_side_asn                 = each.value.asn
  auto_accept_shared_attachments  = "disable"
  default_route_table_association = "enable"
  default_route_table_propagation = "enable"
  dns_support                     = "enable"

  tags = { Name = "${var.name}-${each.key}" }
}

resource "aws_ec2_transit_gateway_vpc_attachment" "this" {
  for_each = local.connected

  region             = each.key
  transit_gateway_id = aws_ec2_transit_gateway.this[each.key].id
  vpc_id             = each.value.vpc_id
  subnet_ids         = each.value.subnet_ids
  dns_support        = "enable"

  tags = { Name = "${var.name}-${each.key}" }
}

resource "aws_ec2_transit_gateway_peering_attachment" "this" {
  for_each = var.pairs

  region                  = each.value.from
  transit_gateway_id      = aws_ec2_transit_gateway.this[each.value.from].id
  peer_region             = each.value.to
  peer_transit_gateway_id = aws_ec2_transit_gateway.this[each.value.to].id

  tags = { Name = "${var.name}-${each.value.from}-${each.value.to}" }
}

resource "aws_ec2_transit_gateway_peering_attachment_accepter" "this" {
  for_each = var.pairs

  region                        = each.value.to
  transit_gateway_attachment_id = aws_ec2_transit_gateway_peering_attachment.this[each.key].id

  tags = { Name = "${var.name}-${each.value.from}-${each.value.to}" }
}

# Peerings carry static routes only.
resource "aws_ec2_transit_gateway_route" "this" {
  for_each = local.ends

  region                         = each.value.here
  transit_gateway_route_table_id = aws_ec2_transit_gateway.this[each.value.here].association_default_route_table_id
  transit_gateway_attachment_id  = aws_ec2_transit_gateway_peering_attachment_accepter.this[each.value.pair].transit_gateway_attachment_id
  destination_cidr_block         = var.networks[each.value.there].cidr
}

resource "aws_route" "this" {
  for_each = local.routes

  region                 = each.value.here
  route_table_id         = each.value.table_id
  destination_cidr_block = each.value.cidr
  transit_gateway_id     = aws_ec2_transit_gateway.this[each.value.here].id

  depends_on = [aws_ec2_transit_gateway_vpc_attachment.this]
}
