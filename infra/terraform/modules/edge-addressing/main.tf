# Public addresses of POPs: one for each that there may be, kept for good, so that names and allow-lists outlive machines. A machine
# takes a free one when it starts (modules/cluster/pop-boot.sh.tftpl); its name is the address's.

data "aws_caller_identity" "this" {}

data "aws_partition" "this" {}

resource "aws_eip" "pop" {
  for_each = var.pops

  region = var.region
  domain = "vpc"

  tags = {
    Name           = each.key
    "antipode:pop" = var.cluster_name
    "antipode:dns" = each.value
  }
}

data "aws_iam_policy_document" "claim" {
  # Nothing narrower exists: the call lists addresses and takes no resource.
  statement {
    sid       = "SeeAddresses"
    actions   = ["ec2:DescribeAddresses"]
    resources = ["*"]

    condition {
      test     = "StringEquals"
      variable = "aws:RequestedRegion"
      values   = [var.region]
    }
  }

  statement {
    sid     = "TakeOneOfThePool"
    actions = ["ec2:AssociateAddress"]
    resources = [
      "arn:${data.aws_partition.this.partition}:ec2:${var.region}:${data.aws_caller_identity.this.account_id}:elastic-ip/*",
    ]

    condition {
      test     = "StringEquals"
      variable = "aws:ResourceTag/antipode:pop"
      values   = [var.cluster_name]
    }
  }

  statement {
    sid     = "ForAMachineOfTheCluster"
    actions = ["ec2:AssociateAddress"]
    resources = [
      "arn:${data.aws_partition.this.partition}:ec2:${var.region}:${data.aws_caller_identity.this.account_id}:instance/*",
      "arn:${data.aws_partition.this.partition}:ec2:${var.region}:${data.aws_caller_identity.this.account_id}:network-interface/*",
    ]

    condition {
      test     = "StringEquals"
      variable = "aws:ResourceTag/antipode:cluster"
      values   = [var.cluster_name]
    }
  }
}

resource "aws_iam_role_policy" "claim" {
  name   = "claim-address"
  role   = var.node_role_name
  policy = data.aws_iam_policy_document.claim.json
}
