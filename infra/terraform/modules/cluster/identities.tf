# Who may do what in AWS: the control plane, the machines, and each program in the cluster by its own role (EKS Pod Identity).

data "aws_iam_policy_document" "control_plane_trust" {
  statement {
    actions = ["sts:AssumeRole", "sts:TagSession"]

    principals {
      type        = "Service"
      identifiers = ["eks.amazonaws.com"]
    }
  }
}

resource "aws_iam_role" "control_plane" {
  name               = "${local.cluster}-control-plane"
  description        = "Control plane of ${local.cluster}"
  assume_role_policy = data.aws_iam_policy_document.control_plane_trust.json
}

resource "aws_iam_role_policy_attachment" "control_plane" {
  role       = aws_iam_role.control_plane.name
  policy_arn = "${local.arn}:iam::aws:policy/AmazonEKSClusterPolicy"
}

data "aws_iam_policy_document" "machine_trust" {
  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["ec2.amazonaws.com"]
    }
  }
}

resource "aws_iam_role" "machine" {
  for_each = toset(["pop", "core"])

  name               = "${local.cluster}-${each.key}"
  description        = "Machines of ${each.key}s in ${local.cluster}"
  assume_role_policy = data.aws_iam_policy_document.machine_trust.json
}

resource "aws_iam_role_policy_attachment" "machine" {
  for_each = { for pair in setproduct(["pop", "core"], ["AmazonEKSWorkerNodePolicy", "AmazonEC2ContainerRegistryPullOnly"]) : join("-", pair) => { role = pair[0], policy = pair[1] } }

  role       = aws_iam_role.machine[each.value.role].name
  policy_arn = "${local.arn}:iam::aws:policy/${each.value.policy}"
}

data "aws_iam_policy_document" "workload_trust" {
  statement {
    actions = ["sts:AssumeRole", "sts:TagSession"]

    principals {
      type        = "Service"
      identifiers = ["pods.eks.amazonaws.com"]
    }

    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [local.account]
    }

    condition {
      test     = "ArnEquals"
      variable = "aws:SourceArn"
      values   = ["${local.arn}:eks:${var.region}:${local.account}:cluster/${local.cluster}"]
    }
  }
}

data "aws_iam_policy_document" "external_secrets" {
  statement {
    sid     = "NamedSecrets"
    actions = ["secretsmanager:GetSecretValue", "secretsmanager:DescribeSecret"]
    # AWS ends a secret's ARN with six characters of its own.
    resources = [for name in var.secret_names : "${local.arn}:secretsmanager:${var.region}:${local.account}:secret:${name}-??????"]
  }

  statement {
    sid       = "TheirKey"
    actions   = ["kms:Decrypt"]
    resources = [var.key_arn]
  }
}

data "aws_iam_policy_document" "cert_manager" {
  statement {
    sid       = "ProveNames"
    actions   = ["route53:ChangeResourceRecordSets"]
    resources = [var.hosted_zone_arn]

    condition {
      test     = "ForAllValues:StringEquals"
      variable = "route53:ChangeResourceRecordSetsNormalizedRecordNames"
      values   = var.proof_names
    }

    condition {
      test     = "ForAllValues:StringEquals"
      variable = "route53:ChangeResourceRecordSetsRecordTypes"
      values   = ["TXT"]
    }
  }

  statement {
    sid       = "SeeTheZone"
    actions   = ["route53:ListResourceRecordSets"]
    resources = [var.hosted_zone_arn]
  }

  statement {
    sid       = "SeeChanges"
    actions   = ["route53:GetChange"]
    resources = ["${local.arn}:route53:::change/*"]
  }
}

data "aws_iam_policy_document" "prometheus" {
  statement {
    sid       = "Write"
    actions   = ["aps:RemoteWrite"]
    resources = [var.metrics_workspace_arn]
  }
}

data "aws_iam_policy_document" "logs" {
  statement {
    sid       = "Write"
    actions   = ["logs:CreateLogStream", "logs:PutLogEvents", "logs:DescribeLogStreams"]
    resources = ["${var.log_group_arn}:*"]
  }
}

data "aws_iam_policy_document" "autoscaler" {
  # These calls take no resource.
  statement {
    sid = "See"
    actions = [
      "autoscaling:DescribeAutoScalingGroups",
      "autoscaling:DescribeAutoScalingInstances",
      "autoscaling:DescribeLaunchConfigurations",
      "autoscaling:DescribeScalingActivities",
      "ec2:DescribeImages",
      "ec2:DescribeInstanceTypes",
      "ec2:DescribeLaunchTemplateVersions",
      "ec2:GetInstanceTypesFromInstanceRequirements",
    ]
    resources = ["*"]

    condition {
      test     = "StringEquals"
      variable = "aws:RequestedRegion"
      values   = [var.region]
    }
  }

  statement {
    sid       = "SeeNodeGroups"
    actions   = ["eks:DescribeNodegroup"]
    resources = ["${local.arn}:eks:${var.region}:${local.account}:nodegroup/${local.cluster}/*"]
  }

  statement {
    sid       = "ScaleThisCluster"
    actions   = ["autoscaling:SetDesiredCapacity", "autoscaling:TerminateInstanceInAutoScalingGroup"]
    resources = ["${local.arn}:autoscaling:${var.region}:${local.account}:autoScalingGroup:*:autoScalingGroupName/eks-*"]

    condition {
      test     = "StringEquals"
      variable = "aws:ResourceTag/eks:cluster-name"
      values   = [local.cluster]
    }
  }
}

locals {
  # By name: where it runs, and what it may do. Null: the policy is AWS's own, below.
  workloads = {
    vpc-cni            = { namespace = "kube-system", service_account = "aws-node", policy = null }
    external-secrets   = { namespace = "external-secrets", service_account = "external-secrets", policy = data.aws_iam_policy_document.external_secrets.json }
    cert-manager       = { namespace = "cert-manager", service_account = "cert-manager", policy = data.aws_iam_policy_document.cert_manager.json }
    prometheus         = { namespace = "observability", service_account = "prometheus", policy = data.aws_iam_policy_document.prometheus.json }
    logs               = { namespace = "observability", service_account = "fluent-bit", policy = data.aws_iam_policy_document.logs.json }
    cluster-autoscaler = { namespace = "kube-system", service_account = "cluster-autoscaler", policy = data.aws_iam_policy_document.autoscaler.json }
  }
}

resource "aws_iam_role" "workload" {
  for_each = local.workloads

  name               = "${local.cluster}-${each.key}"
  description        = "${each.value.namespace}/${each.value.service_account} in ${local.cluster}"
  assume_role_policy = data.aws_iam_policy_document.workload_trust.json
}

resource "aws_iam_role_policy" "workload" {
  for_each = { for name, workload in local.workloads : name => workload if name != "vpc-cni" }

  name   = each.key
  role   = aws_iam_role.workload[each.key].name
  policy = each.value.policy
}

resource "aws_iam_role_policy_attachment" "vpc_cni" {
  role       = aws_iam_role.workload["vpc-cni"].name
  policy_arn = "${local.arn}:iam::aws:policy/AmazonEKS_CNI_Policy"
}

# The add-on makes vpc-cni's.
resource "aws_eks_pod_identity_association" "this" {
  for_each = { for name, workload in local.workloads : name => workload if name != "vpc-cni" }

  region          = var.region
  cluster_name    = aws_eks_cluster.this.name
  namespace       = each.value.namespace
  service_account = each.value.service_account
  role_arn        = aws_iam_role.workload[each.key].arn
}
