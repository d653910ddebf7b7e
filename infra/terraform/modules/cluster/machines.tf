# POPs' machines, one POP each, and cores' machines.

locals {
  # By whether the type is Graviton's, such as c8g.large.
  ami_types = { true = "AL2023_ARM_64_STANDARD", false = "AL2023_x86_64_STANDARD" }
}

resource "aws_launch_template" "pop" {
  region                 = var.region
  name                   = "${local.cluster}-pop"
  description            = "A POP: takes a public address of the pool when it starts"
  update_default_version = true
  vpc_security_group_ids = [var.security_group_ids.pop]

  user_data = base64encode(templatefile("${path.module}/pop-boot.mime.tftpl", { region = var.region, cluster = local.cluster }))

  block_device_mappings {
    device_name = "/dev/xvda"

    ebs {
      encrypted   = true
      kms_key_id  = var.key_arn
      volume_size = 30
      volume_type = "gp3"
    }
  }

  # Host network, so one hop; the POP's pod asks for its public address there.
  metadata_options {
    http_endpoint               = "enabled"
    http_tokens                 = "required"
    http_put_response_hop_limit = 1
  }

  tag_specifications {
    resource_type = "instance"
    tags          = { Name = "${local.cluster}-pop", "antipode:cluster" = local.cluster }
  }

  tag_specifications {
    resource_type = "network-interface"
    tags          = { Name = "${local.cluster}-pop", "antipode:cluster" = local.cluster }
  }
}

resource "aws_launch_template" "core" {
  region                 = var.region
  name                   = "${local.cluster}-core"
  description            = "Cores"
  update_default_version = true
  vpc_security_group_ids = [var.security_group_ids.core]

  block_device_mappings {
    device_name = "/dev/xvda"

    ebs {
      encrypted   = true
      kms_key_id  = var.key_arn
      volume_size = 40
      volume_type = "gp3"
    }
  }

  # No pod gets at the machine's role.
  metadata_options {
    http_endpoint               = "enabled"
    http_tokens                 = "required"
    http_put_response_hop_limit = 1
  }

  tag_specifications {
    resource_type = "instance"
    tags          = { Name = "${local.cluster}-core" }
  }
}

resource "aws_eks_node_group" "pop" {
  count = var.pops.max > 0 ? 1 : 0

  region          = var.region
  cluster_name    = aws_eks_cluster.this.name
  node_group_name = "pop"
  node_role_arn   = aws_iam_role.machine["pop"].arn
  subnet_ids      = var.subnet_ids.public
  ami_type        = local.ami_types[can(regex("^[a-z]+[0-9]+g", var.pops.instance_type))]
  instance_types  = [var.pops.instance_type]
  labels          = { "antipode/role" = "pop" }

  launch_template {
    id      = aws_launch_template.pop.id
    version = aws_launch_template.pop.latest_version
  }

  scaling_config {
    min_size     = var.pops.min
    desired_size = var.pops.min
    max_size     = var.pops.max
  }

  taint {
    key    = "antipode/role"
    value  = "pop"
    effect = "NO_SCHEDULE"
  }

  update_config {
    max_unavailable = 1
  }

  lifecycle {
    # The autoscaler's, once it runs.
    ignore_changes = [scaling_config[0].desired_size]
  }

  depends_on = [aws_eks_addon.vpc_cni, aws_eks_addon.kube_proxy, aws_iam_role_policy_attachment.machine]
}

resource "aws_eks_node_group" "core" {
  region          = var.region
  cluster_name    = aws_eks_cluster.this.name
  node_group_name = "core"
  node_role_arn   = aws_iam_role.machine["core"].arn
  subnet_ids      = var.subnet_ids.private
  ami_type        = local.ami_types[can(regex("^[a-z]+[0-9]+g", var.cores.instance_type))]
  instance_types  = [var.cores.instance_type]
  labels          = { "antipode/role" = "core" }

  launch_template {
    id      = aws_launch_template.core.id
    version = aws_launch_template.core.latest_version
  }

  # A region of POPs only has one machine all the same: the cluster's own programs run there.
  scaling_config {
    min_size     = max(1, var.cores.min)
    desired_size = max(1, var.cores.min)
    max_size     = max(1, var.cores.max)
  }

  update_config {
    max_unavailable = 1
  }

  lifecycle {
    # The autoscaler's, once it runs.
    ignore_changes = [scaling_config[0].desired_size]
  }

  depends_on = [aws_eks_addon.vpc_cni, aws_eks_addon.kube_proxy, aws_iam_role_policy_attachment.machine]
}
