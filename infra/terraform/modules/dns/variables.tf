variable "domain" {
  description = "DNS name below which everything lives."
  type        = string
  nullable    = false
}

variable "hosted_zone" {
  description = "Name of the public hosted zone in Route 53 that holds the domain, such as example.com."
  type        = string
  nullable    = false
}

variable "pops" {
  description = "By id: region, residency zone, DNS name and public address of each POP that there may be."
  type = map(object({
    region  = string
    zone    = string
    name    = string
    address = string
  }))
  nullable = false
}

variable "join_names" {
  description = "By residency zone: the name that callers and backends use first."
  type        = map(string)
  nullable    = false
}

variable "signaling_port" {
  description = "Where POPs take signaling."
  type        = number
  nullable    = false
}
