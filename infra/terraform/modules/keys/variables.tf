variable "region" {
  description = "AWS region of the key."
  type        = string
  nullable    = false
}

variable "name" {
  description = "Begins the names of what is made here."
  type        = string
  nullable    = false
}
