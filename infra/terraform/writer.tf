# The writer pulls from Pub/Sub all the time and has no address: a worker pool, not a service.
resource "google_cloud_run_v2_worker_pool" "writer" {
  for_each = local.running

  name                = "${each.value.base}-writer"
  location            = var.region
  labels              = each.value.labels
  description         = "Writes the tables of ${each.key}"
  deletion_protection = false

  # A fixed number: one instance writes thousands of rows a second, and a backlog is no emergency, because
  # nothing of it is lost. Several may run side by side; versions decide what stays.
  scaling {
    scaling_mode          = "MANUAL"
    manual_instance_count = var.writer.instances
  }

  template {
    service_account = google_service_account.service["${each.key}/writer"].email
    labels          = each.value.labels

    containers {
      name  = "writer"
      image = var.image
      args  = ["writer"]

      resources {
        limits = {
          cpu    = var.writer.cpu
          memory = var.writer.memory
        }
      }

      # No probe: version 6 of the provider has none for worker pools. A writer that cannot get on ends by
      # itself in most cases, and is started again; one that hangs is told by the alert on the backlog's age.
      dynamic "env" {
        for_each = local.environment[each.key]

        content {
          name  = env.key
          value = env.value
        }
      }

      dynamic "volume_mounts" {
        for_each = each.value.config_file == null ? [] : [local.config_folder]

        content {
          name       = "config"
          mount_path = volume_mounts.value
        }
      }
    }

    dynamic "volumes" {
      for_each = each.value.config_file == null ? [] : [local.config_name]

      content {
        name = "config"
        secret {
          secret = google_secret_manager_secret.config[each.key].secret_id
          items {
            path    = volumes.value
            version = google_secret_manager_secret_version.config[each.key].version
          }
        }
      }
    }
  }

  depends_on = [
    google_secret_manager_secret_iam_member.config,
    # It proves at its start that it may write, and ends where it may not.
    google_bigquery_dataset_iam_member.right,
    google_project_iam_member.right,
    google_pubsub_subscription_iam_member.right,
  ]
}
