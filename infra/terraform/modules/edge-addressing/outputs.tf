output "addresses" {
  description = "Public address of each POP by its id."
  value       = { for id, address in aws_eip.pop : id => address.public_ip }
}
