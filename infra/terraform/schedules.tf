# Cloud Scheduler starts the jobs through Cloud Run's API, as an account that may do nothing else.
locals {
  timers = {
    changes    = { job = "backfill", args = ["backfill"], about = "reads what has changed" }
    everything = { job = "backfill", args = ["backfill", "--full"], about = "reads all tables whole and finds what was deleted" }
    verify     = { job = "backfill", args = ["verify"], about = "compares counts and samples with Productive" }
    webhooks   = { job = "webhooks", args = ["webhooks", "verify", "--replay"], about = "mends what Productive has switched off" }
  }

  scheduled = {
    for pair in setproduct(keys(local.running), keys(local.timers)) : "${pair[0]}/${pair[1]}" => {
      organization = pair[0]
      timer        = pair[1]
      job          = "${pair[0]}/${local.timers[pair[1]].job}"
      schedule     = var.schedules[pair[1]]
    }
    if var.schedules[pair[1]] != "" && contains(keys(local.jobs), "${pair[0]}/${local.timers[pair[1]].job}")
  }
}

resource "google_cloud_scheduler_job" "timer" {
  for_each = local.scheduled

  name        = "${local.organizations[each.value.organization].base}-${each.value.timer}"
  region      = var.region
  description = "productive-ingest: ${local.timers[each.value.timer].about}"
  schedule    = each.value.schedule
  time_zone   = var.time_zone

  # Starting a job takes a second; the job itself is not waited for.
  attempt_deadline = "60s"

  retry_config {
    retry_count          = 2
    min_backoff_duration = "10s"
  }

  http_target {
    http_method = "POST"
    uri         = "https://run.googleapis.com/v2/projects/${var.project}/locations/${var.region}/jobs/${google_cloud_run_v2_job.job[each.value.job].name}:run"
    headers     = { "Content-Type" = "application/json" }
    body        = base64encode(jsonencode({ overrides = { containerOverrides = [{ args = local.timers[each.value.timer].args }] } }))

    oauth_token {
      service_account_email = google_service_account.service["${each.value.organization}/timer"].email
      scope                 = "https://www.googleapis.com/auth/cloud-platform"
    }
  }

  depends_on = [google_cloud_run_v2_job_iam_member.timer]
}

# With overrides, because one job has several schedules with arguments of their own.
resource "google_cloud_run_v2_job_iam_member" "timer" {
  for_each = local.jobs

  name     = google_cloud_run_v2_job.job[each.key].name
  location = var.region
  role     = "roles/run.jobsExecutorWithOverrides"
  member   = google_service_account.service["${each.value.organization}/timer"].member
}
