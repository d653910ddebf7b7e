variable "name" {
  description = "Begins the names of what is made here."
  type        = string
  nullable    = false
}

variable "networks" {
  description = "By region: its VPC, the subnets that its transit gateway has a foot in, route tables, range and ASN."
  type = map(object({
    vpc_id          = string
    subnet_ids      = list(string)
    route_table_ids = map(string)
    cidr            = string
    asn             = number
  }))
  nullable = false
}

variable "pairs" {
  description = "Regions to connect, each two once: those of one residency zone."
  type = map(object({
    from = string
    to   = string
  }))
  nullable = false

  validation {
    condition     = alltrue([for pair in values(var.pairs) : contains(keys(var.networks), pair.from) && contains(keys(var.networks), pair.to) && pair.from != pair.to])
    error_message = "pairs: each names two different regions of networks."
  }
}
