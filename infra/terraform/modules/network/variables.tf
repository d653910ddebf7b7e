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

variable "network" {
  description = "Of the plan: range, subnets by zone of availability, and the ranges that its nodes may talk to."
  type = object({
    cidr     = string
    private  = list(string)
    public   = list(string)
    registry = list(string)
    backbone = list(string)
    peers    = list(string)
  })
  nullable = false
}

variable "ports" {
  description = "Of the plan."
  type = object({
    signaling     = number
    pop_http      = number
    core_http     = number
    media_first   = number
    media_workers = number
    control       = number
    backbone_min  = number
    backbone_max  = number
    registry      = number
  })
  nullable = false
}

variable "nat" {
  description = "How cores reach AI services: a NAT gateway in each zone of availability (per_zone), or one for all (single), which is cheaper and ends with its zone."
  type        = string
  default     = "per_zone"
  nullable    = false

  validation {
    condition     = contains(["per_zone", "single"], var.nat)
    error_message = "nat: must be per_zone or single."
  }
}

variable "key_arn" {
  description = "The region's KMS key."
  type        = string
  nullable    = false
}

variable "log_retention_days" {
  description = "How long flow logs are kept."
  type        = number
  nullable    = false
}

variable "allowed_hosts" {
  description = "Names that its machines may look up; null: any."
  type        = list(string)
  nullable    = true
  default     = null
}
