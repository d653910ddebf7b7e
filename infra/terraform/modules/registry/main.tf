# A zone's registry: Valkey with TLS, a user that may do what docs/operate.md lists and no more, in subnets without internet.

locals {
  id = "${var.name}-${var.zone}"

  # The rights of docs/operate.md, "The registry".
  access = "on ~antipode:* resetchannels &antipode:* -@all +hello +auth +ping +info +select +client|setname +cluster|slots +cluster|info +get +set +del +exists +hget +hmget +hset +hdel +zadd +zrem +zscore +zrangebyscore +pexpire +publish +subscribe +scan +time +eval +evalsha"
}

# It stands in Terraform's state as well, as ElastiCache has no other way in: the state is encrypted and for few eyes.
resource "random_password" "this" {
  length  = 64
  special = false
}

resource "aws_secretsmanager_secret" "this" {
  region      = var.region
  name        = "${var.name}/${var.zone}/registry-password"
  description = "Password of the user antipode at the registry of ${var.zone}"
  kms_key_id  = var.key_arn

  dynamic "replica" {
    for_each = var.secret_replicas

    content {
      region     = replica.key
      kms_key_id = replica.value
    }
  }
}

resource "aws_secretsmanager_secret_version" "this" {
  region        = var.region
  secret_id     = aws_secretsmanager_secret.this.id
  secret_string = random_password.this.result
}

resource "aws_elasticache_subnet_group" "this" {
  region      = var.region
  name        = local.id
  description = "Registry of ${var.zone}"
  subnet_ids  = var.subnet_ids
}

resource "aws_elasticache_parameter_group" "this" {
  region      = var.region
  name        = "${local.id}-valkey${split(".", var.engine_version)[0]}"
  family      = "valkey${split(".", var.engine_version)[0]}"
  description = "Registry of ${var.zone}"

  # Leases and one-time ids are not to be thrown away for room.
  parameter {
    name  = "maxmemory-policy"
    value = "noeviction"
  }

  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_elasticache_user" "this" {
  region        = var.region
  user_id       = local.id
  user_name     = "antipode"
  engine        = "valkey"
  access_string = local.access

  authentication_mode {
    type      = "password"
    passwords = [random_password.this.result]
  }
}

resource "aws_elasticache_user_group" "this" {
  region        = var.region
  user_group_id = local.id
  engine        = "valkey"
  user_ids      = [aws_elasticache_user.this.user_id]
}

resource "aws_security_group" "this" {
  region      = var.region
  vpc_id      = var.vpc_id
  name        = "${local.id}-registry"
  description = "Registry of ${var.zone}"

  tags = { Name = "${local.id}-registry" }
}

resource "aws_vpc_security_group_ingress_rule" "this" {
  for_each = toset(var.client_cidrs)

  region            = var.region
  security_group_id = aws_security_group.this.id
  description       = "Nodes of ${var.zone}"
  ip_protocol       = "tcp"
  from_port         = var.port
  to_port           = var.port
  cidr_ipv4         = each.value
}

resource "aws_cloudwatch_log_group" "this" {
  region            = var.region
  name              = "/${var.name}/${var.zone}/registry"
  retention_in_days = var.log_retention_days
  kms_key_id        = var.key_arn
}

resource "aws_elasticache_replication_group" "this" {
  region                     = var.region
  replication_group_id       = local.id
  description                = "Registry of ${var.zone}"
  engine                     = "valkey"
  engine_version             = var.engine_version
  node_type                  = var.node_type
  num_cache_clusters         = 1 + var.replicas
  automatic_failover_enabled = true
  multi_az_enabled           = true
  port                       = var.port
  parameter_group_name       = aws_elasticache_parameter_group.this.name
  subnet_group_name          = aws_elasticache_subnet_group.this.name
  security_group_ids         = [aws_security_group.this.id]
  user_group_ids             = [aws_elasticache_user_group.this.user_group_id]
  transit_encryption_enabled = true
  transit_encryption_mode    = "required"
  at_rest_encryption_enabled = true
  kms_key_id                 = var.key_arn
  # What is lost is written anew by the nodes: no snapshot of callers' sessions lies about.
  snapshot_retention_limit   = 0
  auto_minor_version_upgrade = true
  maintenance_window         = "sun:02:00-sun:03:00"
  apply_immediately          = false

  log_delivery_configuration {
    destination      = aws_cloudwatch_log_group.this.name
    destination_type = "cloudwatch-logs"
    log_format       = "json"
    log_type         = "engine-log"
  }
}
