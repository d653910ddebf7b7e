# A region's Kubernetes: a control plane that the internet does not see, machines for POPs with public addresses, machines for cores without.

data "aws_caller_identity" "this" {}

data "aws_partition" "this" {}

locals {
  cluster = "${var.name}-${var.region}"
  account = data.aws_caller_identity.this.account_id
  arn     = "arn:${data.aws_partition.this.partition}"
}

resource "aws_cloudwatch_log_group" "control_plane" {
  region            = var.region
  name              = "/aws/eks/${local.cluster}/cluster"
  retention_in_days = var.log_retention_days
  kms_key_id        = var.key_arn
}

resource "aws_eks_cluster" "this" {
  region                        = var.region
  name                          = local.cluster
  version                       = var.kubernetes_version
  role_arn                      = aws_iam_role.control_plane.arn
  bootstrap_self_managed_addons = false
  deletion_protection           = true
  enabled_cluster_log_types     = ["api", "audit", "authenticator"]

  access_config {
    authentication_mode                         = "API"
    bootstrap_cluster_creator_admin_permissions = false
  }

  encryption_config {
    resources = ["secrets"]

    provider {
      key_arn = var.key_arn
    }
  }

  kubernetes_network_config {
    ip_family         = "ipv4"
    service_ipv4_cidr = var.service_cidr
  }

  upgrade_policy {
    support_type = "STANDARD"
  }

  vpc_config {
    subnet_ids              = var.subnet_ids.private
    endpoint_private_access = true
    endpoint_public_access  = length(var.api_cidrs) > 0
    public_access_cidrs     = length(var.api_cidrs) > 0 ? var.api_cidrs : null
  }

  depends_on = [aws_cloudwatch_log_group.control_plane, aws_iam_role_policy_attachment.control_plane]
}

resource "aws_eks_access_entry" "admin" {
  for_each = toset(var.admin_role_arns)

  region        = var.region
  cluster_name  = aws_eks_cluster.this.name
  principal_arn = each.value
}

resource "aws_eks_access_policy_association" "admin" {
  for_each = toset(var.admin_role_arns)

  region        = var.region
  cluster_name  = aws_eks_cluster.this.name
  principal_arn = aws_eks_access_entry.admin[each.key].principal_arn
  policy_arn    = "${local.arn}:eks::aws:cluster-access-policy/AmazonEKSClusterAdminPolicy"

  access_scope {
    type = "cluster"
  }
}

# Machines are in groups of their own and not in the cluster's, which lets everything out: these are the ways between the two.
resource "aws_vpc_security_group_ingress_rule" "api_from_machines" {
  for_each = var.security_group_ids

  region                       = var.region
  security_group_id            = aws_eks_cluster.this.vpc_config[0].cluster_security_group_id
  description                  = "The API, for machines"
  ip_protocol                  = "tcp"
  from_port                    = 443
  to_port                      = 443
  referenced_security_group_id = each.value
}

resource "aws_vpc_security_group_ingress_rule" "machines_from_api" {
  for_each = { for pair in setproduct(["pop", "core"], [443, 6443, 8443, 9443, 10250, 10260]) : "${pair[0]}-${pair[1]}" => { role = pair[0], port = pair[1] } if pair[0] == "core" || pair[1] == 10250 }

  region                       = var.region
  security_group_id            = var.security_group_ids[each.value.role]
  description                  = "The control plane: kubelet, and webhooks at cores' machines"
  ip_protocol                  = "tcp"
  from_port                    = each.value.port
  to_port                      = each.value.port
  referenced_security_group_id = aws_eks_cluster.this.vpc_config[0].cluster_security_group_id
}

resource "aws_eks_addon" "vpc_cni" {
  region                      = var.region
  cluster_name                = aws_eks_cluster.this.name
  addon_name                  = "vpc-cni"
  resolve_conflicts_on_create = "OVERWRITE"
  resolve_conflicts_on_update = "OVERWRITE"

  configuration_values = jsonencode({
    enableNetworkPolicy = "true"
    env = {
      # A core's media pipe is known to POPs of other regions by the pod's own address: it must not be translated on the way.
      AWS_VPC_K8S_CNI_EXCLUDE_SNAT_CIDRS = var.supernet
      ENABLE_PREFIX_DELEGATION           = "true"
    }
  })

  pod_identity_association {
    role_arn        = aws_iam_role.workload["vpc-cni"].arn
    service_account = "aws-node"
  }

  depends_on = [aws_eks_addon.pod_identity]
}

resource "aws_eks_addon" "pod_identity" {
  region                      = var.region
  cluster_name                = aws_eks_cluster.this.name
  addon_name                  = "eks-pod-identity-agent"
  resolve_conflicts_on_create = "OVERWRITE"
  resolve_conflicts_on_update = "OVERWRITE"
}

resource "aws_eks_addon" "kube_proxy" {
  region                      = var.region
  cluster_name                = aws_eks_cluster.this.name
  addon_name                  = "kube-proxy"
  resolve_conflicts_on_create = "OVERWRITE"
  resolve_conflicts_on_update = "OVERWRITE"
}

resource "aws_eks_addon" "coredns" {
  region                      = var.region
  cluster_name                = aws_eks_cluster.this.name
  addon_name                  = "coredns"
  resolve_conflicts_on_create = "OVERWRITE"
  resolve_conflicts_on_update = "OVERWRITE"

  # It runs on machines of cores, which are there first.
  depends_on = [aws_eks_node_group.core]
}
