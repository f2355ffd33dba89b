terraform {
  # Variables that check each other (`validation` blocks) need 1.9.
  required_version = ">= 1.9"

  required_providers {
    google = {
      source = "hashicorp/google"
      # Every argument here is checked against the schema of 6.50.0 (see scripts/terraform_checks/).
      version = "~> 6.50"
    }
  }
}

provider "google" {
  project = var.project
  region  = var.region

  # Shown in the bill and in every list of resources.
  default_labels = local.labels
}

# Budgets belong to the billing account; asked for with a person's login, Google wants to know which
# project's quota the request counts against.
provider "google" {
  alias                 = "billing"
  project               = var.project
  billing_project       = var.project
  user_project_override = true
}
