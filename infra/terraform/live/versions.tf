terraform {
  required_version = ">= 1.11.0"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "~> 6.25"
    }
    random = {
      source  = "hashicorp/random"
      version = "~> 3.7"
    }
  }

  # Settings in backend.hcl (backend.example.hcl): terraform init -backend-config=backend.hcl
  backend "s3" {}
}

# One provider for all regions: each resource names its own.
provider "aws" {
  region = var.home_region

  default_tags {
    tags = {
      "antipode" = var.name
      "made-by"  = "terraform"
    }
  }
}
