# Names: one for each POP, since a session lives at its POP, and one for each zone, which answers with the POPs of the region that is
# nearest by latency. The POP that is asked first sends callers on where another is nearer, so DNS needs to be right only roughly.

data "aws_route53_zone" "this" {
  name         = var.hosted_zone
  private_zone = false

  lifecycle {
    postcondition {
      condition     = var.domain == trimsuffix(self.name, ".") || endswith(var.domain, ".${trimsuffix(self.name, ".")}")
      error_message = "hosted_zone: ${var.hosted_zone} does not hold the domain ${var.domain}."
    }
  }
}

locals {
  # Regions with a POP, by the zone that they are of.
  regions = { for id, pop in var.pops : pop.region => pop.zone... }
}

resource "aws_route53_record" "pop" {
  for_each = var.pops

  zone_id = data.aws_route53_zone.this.zone_id
  name    = each.value.name
  type    = "A"
  ttl     = 60
  records = [each.value.address]
}

# A POP that drains says 503 there, and its address is left out from then on.
resource "aws_route53_health_check" "pop" {
  for_each = var.pops

  type              = "HTTPS"
  fqdn              = each.value.name
  ip_address        = each.value.address
  port              = var.signaling_port
  resource_path     = "/readyz"
  enable_sni        = true
  request_interval  = 10
  failure_threshold = 2

  tags = { Name = each.key }
}

resource "aws_route53_record" "region" {
  for_each = var.pops

  zone_id         = data.aws_route53_zone.this.zone_id
  name            = "${each.value.region}.${var.join_names[each.value.zone]}"
  type            = "A"
  ttl             = 30
  records         = [each.value.address]
  set_identifier  = each.key
  health_check_id = aws_route53_health_check.pop[each.key].id

  weighted_routing_policy {
    weight = 1
  }
}

resource "aws_route53_record" "join" {
  for_each = local.regions

  zone_id        = data.aws_route53_zone.this.zone_id
  name           = var.join_names[each.value[0]]
  type           = "A"
  set_identifier = each.key

  latency_routing_policy {
    region = each.key
  }

  alias {
    zone_id                = data.aws_route53_zone.this.zone_id
    name                   = "${each.key}.${var.join_names[each.value[0]]}"
    evaluate_target_health = true
  }

  depends_on = [aws_route53_record.region]
}

# Certificates of POPs come from Let's Encrypt and nobody else.
resource "aws_route53_record" "caa" {
  zone_id = data.aws_route53_zone.this.zone_id
  name    = var.domain
  type    = "CAA"
  ttl     = 3600
  records = ["0 issue \"letsencrypt.org\"", "0 issuewild \"letsencrypt.org\""]
}
