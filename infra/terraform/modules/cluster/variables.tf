variable "name" {
  description = "Begins the names of what is made here."
  type        = string
  nullable    = false
}

variable "region" {
  description = "AWS region."
  type        = string
  nullable    = false
}

variable "kubernetes_version" {
  description = "Of the cluster. infra/kubernetes is written for 1.32 and newer."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^1\\.[0-9]+$", var.kubernetes_version)) && try(tonumber(split(".", var.kubernetes_version)[1]), 0) >= 32
    error_message = "kubernetes_version: must be 1.32 or newer."
  }
}

variable "subnet_ids" {
  description = "Subnets by kind: public for POPs, private for cores."
  type = object({
    public  = list(string)
    private = list(string)
  })
  nullable = false
}

variable "security_group_ids" {
  description = "Of machines, by role."
  type = object({
    pop  = string
    core = string
  })
  nullable = false
}

variable "service_cidr" {
  description = "Addresses of services."
  type        = string
  nullable    = false
}

variable "supernet" {
  description = "Range of all regions: pods keep their own address towards it."
  type        = string
  nullable    = false
}

variable "pops" {
  description = "Machines of POPs: at least, at most, which."
  type = object({
    min           = number
    max           = number
    instance_type = string
  })
  nullable = false
}

variable "cores" {
  description = "Machines of cores: at least, at most, which."
  type = object({
    min           = number
    max           = number
    instance_type = string
  })
  nullable = false
}

variable "key_arn" {
  description = "The region's KMS key."
  type        = string
  nullable    = false
}

variable "admin_role_arns" {
  description = "IAM roles that administer the cluster."
  type        = list(string)
  nullable    = false

  validation {
    condition     = length(var.admin_role_arns) > 0 && alltrue([for arn in var.admin_role_arns : can(regex("^arn:[a-z-]+:iam::[0-9]{12}:role/", arn))])
    error_message = "admin_role_arns: at least one ARN of an IAM role; without one nobody gets into the cluster."
  }
}

variable "api_cidrs" {
  description = "From where the cluster's API may be reached besides its VPC; none: not from the internet."
  type        = list(string)
  nullable    = false

  validation {
    condition     = alltrue([for cidr in var.api_cidrs : can(cidrhost(cidr, 0)) && !endswith(cidr, "/0")])
    error_message = "api_cidrs: IPv4 ranges, and not the whole internet."
  }
}

variable "log_retention_days" {
  description = "How long the control plane's logs are kept."
  type        = number
  nullable    = false
}

variable "secret_names" {
  description = "Names of secrets that the cluster's External Secrets may read, and no others."
  type        = list(string)
  nullable    = false
}

variable "hosted_zone_arn" {
  description = "Zone in which cert-manager proves names."
  type        = string
  nullable    = false
}

variable "proof_names" {
  description = "TXT records that cert-manager may write there."
  type        = list(string)
  nullable    = false
}

variable "metrics_workspace_arn" {
  description = "Where the cluster's Prometheus writes."
  type        = string
  nullable    = false
}

variable "log_group_arn" {
  description = "Where nodes' logs go."
  type        = string
  nullable    = false
}
