variable "name" {
  description = "Begins the names of what is made here."
  type        = string
  nullable    = false
}

variable "zone" {
  description = "The residency zone whose sessions it holds."
  type        = string
  nullable    = false
}

variable "region" {
  description = "AWS region that it stands in."
  type        = string
  nullable    = false
}

variable "engine_version" {
  description = "Of Valkey."
  type        = string
  nullable    = false

  validation {
    condition     = try(tonumber(split(".", var.engine_version)[0]) * 100 + tonumber(split(".", var.engine_version)[1]), 0) >= 702
    error_message = "engine_version: must be of Valkey 7.2 or newer."
  }
}

variable "node_type" {
  description = "Machine of each node."
  type        = string
  nullable    = false
}

variable "replicas" {
  description = "Besides the primary."
  type        = number
  nullable    = false

  validation {
    condition     = var.replicas >= 1
    error_message = "replicas: must be at least 1."
  }
}

variable "vpc_id" {
  description = "VPC of the region."
  type        = string
  nullable    = false
}

variable "subnet_ids" {
  description = "Subnets without a way to the internet."
  type        = list(string)
  nullable    = false
}

variable "client_cidrs" {
  description = "Ranges of the zone's regions, by any key: only from there it can be reached."
  type        = list(string)
  nullable    = false
}

variable "port" {
  description = "Its port."
  type        = number
  nullable    = false
}

variable "key_arn" {
  description = "The region's KMS key."
  type        = string
  nullable    = false
}

variable "secret_replicas" {
  description = "Other regions of the zone, with their KMS keys, that read the password."
  type        = map(string)
  nullable    = false
}

variable "log_retention_days" {
  description = "How long its logs are kept."
  type        = number
  nullable    = false
}
