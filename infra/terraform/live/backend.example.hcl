# Copy to backend.hcl: terraform init -backend-config=backend.hcl
# The state holds the registries' passwords: a bucket with versions, its own KMS key, and few readers. Locked by S3 itself.
bucket       = "example-terraform-state"
key          = "antipode/live.tfstate"
region       = "us-east-1"
encrypt      = true
kms_key_id   = "alias/terraform-state"
use_lockfile = true
