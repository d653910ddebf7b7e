variable "region" {
  description = "AWS region."
  type        = string
  nullable    = false
}

variable "pops" {
  description = "DNS names by id of each POP that there may be in the region."
  type        = map(string)
  nullable    = false

  validation {
    condition     = alltrue([for name in values(var.pops) : length(name) <= 253 && length(split(".", name)) >= 3])
    error_message = "pops: each needs a DNS name by which callers reach it."
  }
}

variable "node_role_name" {
  description = "IAM role of POPs' machines, which claim an address when they start."
  type        = string
  nullable    = false
}

variable "cluster_name" {
  description = "The cluster whose machines may claim."
  type        = string
  nullable    = false
}
