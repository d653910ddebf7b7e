output "cluster_name" {
  description = "For aws eks update-kubeconfig."
  value       = aws_eks_cluster.this.name
}

output "pop_role_name" {
  description = "IAM role of POPs' machines."
  value       = aws_iam_role.machine["pop"].name
}
