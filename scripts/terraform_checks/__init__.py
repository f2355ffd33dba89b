"""Checks of infra/terraform that need neither Google Cloud nor Terraform."""
