# One image for all roles, in the home region and copied to the others: a region that is cut off still has it.

resource "aws_ecr_repository" "this" {
  region               = var.home_region
  name                 = var.name
  image_tag_mutability = "IMMUTABLE"

  encryption_configuration {
    encryption_type = "KMS"
    kms_key         = module.keys[var.home_region].key_arn
  }

  image_scanning_configuration {
    scan_on_push = true
  }
}

resource "aws_ecr_lifecycle_policy" "this" {
  region     = var.home_region
  repository = aws_ecr_repository.this.name

  policy = jsonencode({
    rules = [{
      rulePriority = 1
      description  = "What was overwritten or never tagged"
      selection    = { tagStatus = "untagged", countType = "sinceImagePushed", countUnit = "days", countNumber = 14 }
      action       = { type = "expire" }
    }]
  })
}

resource "aws_ecr_replication_configuration" "this" {
  count = length(var.regions) > 1 ? 1 : 0

  region = var.home_region

  replication_configuration {
    rule {
      dynamic "destination" {
        for_each = [for region in keys(var.regions) : region if region != var.home_region]

        content {
          region      = destination.value
          registry_id = aws_ecr_repository.this.registry_id
        }
      }

      repository_filter {
        filter      = var.name
        filter_type = "PREFIX_MATCH"
      }
    }
  }
}
