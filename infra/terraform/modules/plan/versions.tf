# No provider: this module computes and refuses, so that `terraform test` runs it anywhere.
terraform {
  required_version = ">= 1.11.0"
}
