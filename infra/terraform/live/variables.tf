variable "name" {
  description = "Begins the names of everything; several installations in one account differ by it."
  type        = string
  default     = "antipode"
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,15}$", var.name))
    error_message = "name: 2 to 16 lower-case letters, digits and dashes."
  }
}

variable "home_region" {
  description = "AWS region of what belongs to no other: images."
  type        = string
  nullable    = false

  validation {
    condition     = contains(keys(var.regions), var.home_region)
    error_message = "home_region: \"${var.home_region}\" is none of regions."
  }
}

variable "domain" {
  description = "DNS name below which POPs and the joining names live, such as voice.example.com."
  type        = string
  nullable    = false
}

variable "hosted_zone" {
  description = "Public hosted zone in Route 53 that holds the domain, such as example.com."
  type        = string
  nullable    = false
}

variable "supernet" {
  description = "Private range that all regions' networks are cut from."
  type        = string
  default     = "10.64.0.0/10"
  nullable    = false
}

variable "service_cidr" {
  description = "Addresses of Kubernetes services in each cluster."
  type        = string
  default     = "172.20.0.0/16"
  nullable    = false
}

variable "zones" {
  description = "Residency zones: modules/plan/variables.tf, which says what is wrong with them."
  type = map(object({
    jurisdictions   = optional(list(string))
    registry_region = string
    ai_hosts        = optional(list(string))
    registry = optional(object({
      engine_version = optional(string, "8.1")
      node_type      = optional(string, "cache.t4g.small")
      replicas       = optional(number, 1)
    }), {})
    secrets = object({
      api_keys     = string
      token_secret = string
      backbone_ca  = string
      ai_services  = string
    })
  }))
  nullable = false
}

variable "regions" {
  description = "Regions by AWS's code; a line is a region. modules/plan/variables.tf says what each may hold and what is wrong with it."
  type = map(object({
    index        = number
    zone         = string
    jurisdiction = optional(string)
    cidr         = optional(string)
    pops = optional(object({
      min           = optional(number, 1)
      max           = optional(number, 2)
      instance_type = optional(string, "c7i.large")
    }), {})
    cores = optional(object({
      min           = optional(number, 1)
      max           = optional(number, 4)
      instance_type = optional(string, "c7i.2xlarge")
      per_machine   = optional(number, 7)
    }), {})
  }))
  nullable = false
}

variable "nat" {
  description = "A NAT gateway in each zone of availability (per_zone), or one a region (single)."
  type        = string
  default     = "per_zone"
  nullable    = false
}

variable "kubernetes_version" {
  description = "Of each cluster."
  type        = string
  default     = "1.33"
  nullable    = false
}

variable "admin_role_arns" {
  description = "IAM roles that administer the clusters."
  type        = list(string)
  nullable    = false
}

variable "api_cidrs" {
  description = "From where the clusters' APIs may be reached besides their VPCs; none: not from the internet."
  type        = list(string)
  default     = []
  nullable    = false
}

variable "log_retention_days" {
  description = "How long logs are kept, in each region for itself."
  type        = number
  default     = 30
  nullable    = false

  validation {
    condition     = contains([1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731], var.log_retention_days)
    error_message = "log_retention_days: must be one of CloudWatch's: 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545 or 731."
  }
}
