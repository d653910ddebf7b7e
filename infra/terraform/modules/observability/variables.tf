variable "name" {
  description = "Begins the names of what is made here."
  type        = string
  nullable    = false
}

variable "zone" {
  description = "The residency zone whose logs and metrics are kept here."
  type        = string
  nullable    = false
}

variable "home_region" {
  description = "Region of the zone that its metrics are kept in."
  type        = string
  nullable    = false
}

variable "key_arns" {
  description = "KMS keys by region of the zone."
  type        = map(string)
  nullable    = false

  validation {
    condition     = contains(keys(var.key_arns), var.home_region)
    error_message = "key_arns: must hold one for home_region."
  }
}

variable "log_retention_days" {
  description = "How long nodes' logs are kept."
  type        = number
  nullable    = false
}
