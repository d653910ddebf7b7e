# Which names can be looked up here. Network policies and security groups know addresses only, and AI services change theirs: a name
# that is not on the list has none.

locals {
  is_limited = var.allowed_hosts != null
}

resource "aws_route53_resolver_firewall_domain_list" "allowed" {
  count = local.is_limited ? 1 : 0

  region  = var.region
  name    = "${var.name}-allowed"
  domains = [for host in distinct(var.allowed_hosts) : "${host}."]
}

resource "aws_route53_resolver_firewall_domain_list" "everything" {
  count = local.is_limited ? 1 : 0

  region  = var.region
  name    = "${var.name}-everything"
  domains = ["*."]
}

resource "aws_route53_resolver_firewall_rule_group" "this" {
  count = local.is_limited ? 1 : 0

  region = var.region
  name   = var.name
}

resource "aws_route53_resolver_firewall_rule" "allow" {
  count = local.is_limited ? 1 : 0

  region                             = var.region
  name                               = "allow"
  priority                           = 100
  action                             = "ALLOW"
  firewall_domain_list_id            = aws_route53_resolver_firewall_domain_list.allowed[0].id
  firewall_rule_group_id             = aws_route53_resolver_firewall_rule_group.this[0].id
  firewall_domain_redirection_action = "TRUST_REDIRECTION_DOMAIN"
}

resource "aws_route53_resolver_firewall_rule" "block" {
  count = local.is_limited ? 1 : 0

  region                  = var.region
  name                    = "block"
  priority                = 200
  action                  = "BLOCK"
  block_response          = "NXDOMAIN"
  firewall_domain_list_id = aws_route53_resolver_firewall_domain_list.everything[0].id
  firewall_rule_group_id  = aws_route53_resolver_firewall_rule_group.this[0].id
}

resource "aws_route53_resolver_firewall_rule_group_association" "this" {
  count = local.is_limited ? 1 : 0

  region                 = var.region
  name                   = var.name
  priority               = 200
  vpc_id                 = aws_vpc.this.id
  firewall_rule_group_id = aws_route53_resolver_firewall_rule_group.this[0].id
}
