# A region's network: public subnets for POPs, private ones for cores and their pods, small ones for the registry and the backbone.

data "aws_availability_zones" "this" {
  region = var.region
  state  = "available"

  # Local zones and wavelengths have no EKS nodes of this kind.
  filter {
    name   = "opt-in-status"
    values = ["opt-in-not-required"]
  }
}

locals {
  az_names = slice(data.aws_availability_zones.this.names, 0, min(3, length(data.aws_availability_zones.this.names)))
  azs      = { for place, az in local.az_names : az => place }
  nat_azs  = var.nat == "single" ? [local.az_names[0]] : local.az_names
}

resource "aws_vpc" "this" {
  region               = var.region
  cidr_block           = var.network.cidr
  enable_dns_support   = true
  enable_dns_hostnames = true

  tags = { Name = "${var.name}-${var.region}" }
}

# Nobody is to use it by accident: no rule in either direction.
resource "aws_default_security_group" "this" {
  region = var.region
  vpc_id = aws_vpc.this.id

  tags = { Name = "${var.name}-unused" }
}

resource "aws_internet_gateway" "this" {
  region = var.region
  vpc_id = aws_vpc.this.id

  tags = { Name = "${var.name}-${var.region}" }
}

resource "aws_subnet" "public" {
  for_each = local.azs

  region            = var.region
  vpc_id            = aws_vpc.this.id
  availability_zone = each.key
  cidr_block        = var.network.public[each.value]
  # A POP needs a way out to claim the elastic address that replaces this one.
  map_public_ip_on_launch = true

  tags = { Name = "${var.name}-public-${each.key}" }
}

resource "aws_subnet" "private" {
  for_each = local.azs

  region            = var.region
  vpc_id            = aws_vpc.this.id
  availability_zone = each.key
  cidr_block        = var.network.private[each.value]

  tags = { Name = "${var.name}-private-${each.key}" }
}

resource "aws_subnet" "registry" {
  for_each = local.azs

  region            = var.region
  vpc_id            = aws_vpc.this.id
  availability_zone = each.key
  cidr_block        = var.network.registry[each.value]

  tags = { Name = "${var.name}-registry-${each.key}" }
}

resource "aws_subnet" "backbone" {
  for_each = local.azs

  region            = var.region
  vpc_id            = aws_vpc.this.id
  availability_zone = each.key
  cidr_block        = var.network.backbone[each.value]

  tags = { Name = "${var.name}-backbone-${each.key}" }
}

resource "aws_eip" "nat" {
  for_each = toset(local.nat_azs)

  region = var.region
  domain = "vpc"

  tags = { Name = "${var.name}-nat-${each.key}" }
}

resource "aws_nat_gateway" "this" {
  for_each = toset(local.nat_azs)

  region        = var.region
  allocation_id = aws_eip.nat[each.key].allocation_id
  subnet_id     = aws_subnet.public[each.key].id

  tags = { Name = "${var.name}-${each.key}" }

  depends_on = [aws_internet_gateway.this]
}

resource "aws_route_table" "public" {
  region = var.region
  vpc_id = aws_vpc.this.id

  tags = { Name = "${var.name}-public" }
}

resource "aws_route" "internet" {
  region                 = var.region
  route_table_id         = aws_route_table.public.id
  destination_cidr_block = "0.0.0.0/0"
  gateway_id             = aws_internet_gateway.this.id
}

resource "aws_route_table_association" "public" {
  for_each = local.azs

  region         = var.region
  subnet_id      = aws_subnet.public[each.key].id
  route_table_id = aws_route_table.public.id
}

resource "aws_route_table" "private" {
  for_each = local.azs

  region = var.region
  vpc_id = aws_vpc.this.id

  tags = { Name = "${var.name}-private-${each.key}" }
}

resource "aws_route" "nat" {
  for_each = local.azs

  region                 = var.region
  route_table_id         = aws_route_table.private[each.key].id
  destination_cidr_block = "0.0.0.0/0"
  nat_gateway_id         = aws_nat_gateway.this[var.nat == "single" ? local.nat_azs[0] : each.key].id
}

resource "aws_route_table_association" "private" {
  for_each = local.azs

  region         = var.region
  subnet_id      = aws_subnet.private[each.key].id
  route_table_id = aws_route_table.private[each.key].id
}

# The registry's and the backbone's subnets have no way to the internet.
resource "aws_route_table" "isolated" {
  region = var.region
  vpc_id = aws_vpc.this.id

  tags = { Name = "${var.name}-isolated" }
}

resource "aws_route_table_association" "registry" {
  for_each = local.azs

  region         = var.region
  subnet_id      = aws_subnet.registry[each.key].id
  route_table_id = aws_route_table.isolated.id
}

resource "aws_route_table_association" "backbone" {
  for_each = local.azs

  region         = var.region
  subnet_id      = aws_subnet.backbone[each.key].id
  route_table_id = aws_route_table.isolated.id
}

# Layers of images come from S3: not through NAT.
resource "aws_vpc_endpoint" "s3" {
  region            = var.region
  vpc_id            = aws_vpc.this.id
  service_name      = "com.amazonaws.${var.region}.s3"
  vpc_endpoint_type = "Gateway"
  route_table_ids   = concat([aws_route_table.public.id], [for table in aws_route_table.private : table.id])

  tags = { Name = "${var.name}-s3" }
}
