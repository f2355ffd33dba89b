# The receiver: answers Productive's deliveries and reads, in the background, what they tell of.
resource "google_cloud_run_v2_service" "ingest" {
  for_each = local.receiving

  name                = "${each.value.base}-ingest"
  location            = var.region
  labels              = each.value.labels
  description         = "Takes Productive's webhooks for ${each.key}"
  deletion_protection = false

  # Productive calls from the internet, from addresses that it does not publish. What it sends is signed; what
  # is not, gets 401 before anything else is done. No load balancer in front: it would cost more than the rest.
  ingress              = "INGRESS_TRAFFIC_ALL"
  invoker_iam_disabled = var.invoker_iam_disabled

  template {
    service_account = google_service_account.service["${each.key}/ingest"].email
    labels          = each.value.labels

    # A body has 10 s to come, the bus 2 s, then the spool: an answer takes milliseconds, and after a minute
    # nobody waits for it any more.
    timeout = "60s"

    # One process on one event loop takes thousands of small requests a second; memory is bounded apart from
    # this. More than the default of 80, so that a burst does not start instances that it does not need.
    max_instance_request_concurrency = 200

    # Any instance may take any delivery: what they share is on the bus and in the bucket.
    session_affinity = false

    scaling {
      # One instance stays: Productive switches webhooks off that are answered too late too often, and what
      # was taken is read in the background.
      min_instance_count = var.ingest.min_instances
      # A bound for the bill. Each has its own share of Productive's rate limits to find, so few are better.
      max_instance_count = var.ingest.max_instances
    }

    containers {
      name  = "ingest"
      image = var.image
      args  = ["serve"]

      ports {
        container_port = 8080
      }

      resources {
        limits = {
          cpu    = var.ingest.cpu
          memory = var.ingest.memory
        }
        # The CPU stays on between requests: the records that deliveries tell of are read then. With true a
        # delivery would wait until the next one comes. Billed by the instance, not by the request.
        cpu_idle          = false
        startup_cpu_boost = true
      }

      # Cloud Run sets PORT itself.
      dynamic "env" {
        for_each = merge(local.environment[each.key], { RECEIVER_HOST = "0.0.0.0" })

        content {
          name  = env.key
          value = env.value
        }
      }

      # Probes come from inside: from outside Google keeps /healthz to itself, and answers 404.
      startup_probe {
        period_seconds    = 2
        timeout_seconds   = 2
        failure_threshold = 60
        http_get {
          path = "/healthz"
          port = 8080
        }
      }

      # Says 503 when the reading has stood still for ten minutes: then a new instance is better.
      liveness_probe {
        period_seconds    = 30
        timeout_seconds   = 5
        failure_threshold = 4
        http_get {
          path = "/healthz"
          port = 8080
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

  depends_on = [google_secret_manager_secret_iam_member.config]
}

# Open to everybody, and this service only: see `ingress` above.
resource "google_cloud_run_v2_service_iam_member" "public" {
  for_each = { for name, one in local.receiving : name => one if !var.invoker_iam_disabled }

  name     = google_cloud_run_v2_service.ingest[each.key].name
  location = var.region
  role     = "roles/run.invoker"
  member   = "allUsers"
}
