locals {
  # What runs and ends, by organization and name. `webhooks` has an account of its own, because it alone may
  # change the webhooks' tokens.
  jobs = merge(
    {
      for name, one in local.running : "${name}/backfill" => {
        organization = name
        name         = "backfill"
        args         = ["backfill"]
        # A first crawl of a large organization takes hours at Productive's rate limits; it goes on where it
        # was when it is cut.
        timeout = "86400s"
      }
    },
    {
      for name, one in local.receiving : "${name}/webhooks" => {
        organization = name
        name         = "webhooks"
        args         = ["webhooks", "verify", "--replay"]
        timeout      = "3600s"
      }
    },
  )
}

resource "google_cloud_run_v2_job" "job" {
  for_each = local.jobs

  name                = "${local.organizations[each.value.organization].base}-${each.value.name}"
  location            = var.region
  labels              = local.organizations[each.value.organization].labels
  deletion_protection = false

  template {
    # One crawl of an organization at a time; a second one would be refused.
    task_count  = 1
    parallelism = 1
    labels      = local.organizations[each.value.organization].labels

    template {
      service_account = google_service_account.service[each.key].email
      timeout         = each.value.timeout
      # Each try goes on where the last one was. Google advises against less than 3.
      max_retries = 3

      containers {
        name  = each.value.name
        image = var.image
        args  = each.value.args

        resources {
          limits = {
            cpu    = "1"
            memory = "1Gi"
          }
        }

        dynamic "env" {
          for_each = local.environment[each.value.organization]

          content {
            name  = env.key
            value = env.value
          }
        }

        dynamic "volume_mounts" {
          for_each = local.organizations[each.value.organization].config_file == null ? [] : [local.config_folder]

          content {
            name       = "config"
            mount_path = volume_mounts.value
          }
        }
      }

      dynamic "volumes" {
        for_each = local.organizations[each.value.organization].config_file == null ? [] : [local.config_name]

        content {
          name = "config"
          secret {
            secret = google_secret_manager_secret.config[each.value.organization].secret_id
            items {
              path    = volumes.value
              version = google_secret_manager_secret_version.config[each.value.organization].version
            }
          }
        }
      }
    }
  }

  depends_on = [google_secret_manager_secret_iam_member.config]
}
