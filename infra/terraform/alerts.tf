# One policy per kind of trouble, for all organizations together: alerts are paid by the condition.
locals {
  # As a part of Monitoring's and Logging's regular expressions: any of the organizations' names.
  bases = "(${join("|", [for one in local.organizations : one.base])})"

  channels = [for channel in google_monitoring_notification_channel.email : channel.id]

  # `backfill` ends with a table of what it read, one line per table that was read to its end (see
  # services/cli/render/summary.py; a test holds the two together).
  crawled_line = "^[a-z][a-z0-9_]*[[:space:]][[:^cntrl:]]*[[:space:]][0-9]+[[:space:]][0-9]+[[:space:]][0-9]+$"

  log_metrics = {
    tables-crawled = {
      about  = "Tables that a crawl has read to their end"
      filter = "resource.type=\"cloud_run_job\" AND resource.labels.job_name=~\"^${local.bases}-backfill$\" AND textPayload=~\"${local.crawled_line}\""
      labels = { table = "REGEXP_EXTRACT(textPayload, \"^([a-z][a-z0-9_]*)\")" }
    }
  }

  # Conditions with a threshold. `over` is the time that a value is taken of, `for` how long it has to hold.
  thresholds = {
    backlog = {
      name    = "records or deliveries wait for too long"
      filter  = "resource.type = \"pubsub_subscription\" AND metric.type = \"pubsub.googleapis.com/subscription/oldest_unacked_message_age\" AND resource.labels.subscription_id = monitoring.regex.full_match(\"${local.bases}-(records|deliveries)\")"
      aligner = "ALIGN_MAX", over = 300, reducer = "REDUCE_MAX", by = ["resource.label.subscription_id"]
      above   = 1800, hold = 300, severity = "CRITICAL"
      help    = "Messages have waited for half an hour. Nothing is lost for seven days. `records`: the writer does not run or does not get on; look at its log and at BigQuery's status. `deliveries`: the receiver cannot read from Productive. `productive-ingest doctor` names the cause in most cases."
    }
    dead-letters = {
      name    = "there are dead letters"
      filter  = "resource.type = \"pubsub_subscription\" AND metric.type = \"pubsub.googleapis.com/subscription/num_undelivered_messages\" AND resource.labels.subscription_id = monitoring.regex.full_match(\"${local.bases}-(records|deliveries)-dead\")"
      aligner = "ALIGN_MAX", over = 300, reducer = "REDUCE_MAX", by = ["resource.label.subscription_id"]
      above   = 0, hold = 0, severity = "WARNING"
      help    = "`productive-ingest deadletters list` says why each could not be written; `productive-ingest deadletters replay` puts them back when the cause is mended. They are kept for 31 days."
    }
    webhooks = {
      name    = "webhooks do not arrive"
      filter  = "resource.type = \"cloud_run_job\" AND metric.type = \"run.googleapis.com/job/completed_execution_count\" AND metric.labels.result = \"failed\" AND resource.labels.job_name = monitoring.regex.full_match(\"${local.bases}-webhooks\")"
      aligner = "ALIGN_SUM", over = 3600, reducer = "REDUCE_SUM", by = ["resource.label.job_name"]
      above   = 0, hold = 0, severity = "CRITICAL"
      help    = "`webhooks verify` runs on a schedule, makes anew what Productive has switched off, and failed: an event still does not arrive, or no webhook is registered yet. Changes come with the next crawl meanwhile. See the job's log, and `productive-ingest webhooks verify`."
    }
    crawls = {
      name    = "crawls fail again and again"
      filter  = "resource.type = \"cloud_run_job\" AND metric.type = \"run.googleapis.com/job/completed_execution_count\" AND metric.labels.result = \"failed\" AND resource.labels.job_name = monitoring.regex.full_match(\"${local.bases}-backfill\")"
      aligner = "ALIGN_SUM", over = 21600, reducer = "REDUCE_SUM", by = ["resource.label.job_name"]
      # One that meets another one still running ends as failed, too, and harms nobody.
      above = 2, hold = 0, severity = "WARNING"
      help  = "Three crawls or comparisons within six hours did not end well. The job's log says why at its end; docs/exit-codes.md has the meaning of the exit code. A crawl that runs for longer than the schedule's interval makes those in between fail: then crawl less often."
    }
    refused-deliveries = {
      name    = "the receiver answers with errors"
      filter  = "resource.type = \"cloud_run_revision\" AND metric.type = \"run.googleapis.com/request_count\" AND metric.labels.response_code_class = \"5xx\" AND resource.labels.service_name = monitoring.regex.full_match(\"${local.bases}-ingest\")"
      aligner = "ALIGN_SUM", over = 600, reducer = "REDUCE_SUM", by = ["resource.label.service_name"]
      above   = 5, hold = 0, severity = "CRITICAL"
      help    = "Deliveries are being refused; after too many Productive switches the webhook off. The receiver's log says whether Pub/Sub and the bucket both do not answer. Afterwards `productive-ingest webhooks verify --replay`."
    }
    receiver-gone = {
      name    = "the receiver cannot be reached"
      filter  = "resource.type = \"uptime_url\" AND metric.type = \"monitoring.googleapis.com/uptime_check/check_passed\" AND metric.labels.check_id = monitoring.regex.full_match(\"${local.bases}-ingest-.*\")"
      aligner = "ALIGN_NEXT_OLDER", over = 1200, reducer = "REDUCE_COUNT_FALSE", by = ["resource.label.host"]
      above   = 1, hold = 300, severity = "CRITICAL"
      help    = "More than one of Google's places around the world does not get the receiver's answer. See the service's log and revisions; afterwards `productive-ingest webhooks verify --replay`."
    }
  }

  # What can happen with what is there: without a receiver there is nothing to be told of it.
  watched = {
    for key, one in local.thresholds : key => one
    if length(local.running) > 0 && (length(local.receiving) > 0 || !contains(["webhooks", "refused-deliveries", "receiver-gone"], key))
  }
}

resource "google_monitoring_notification_channel" "email" {
  for_each = toset(var.alert_emails)

  display_name = "${var.prefix}: ${each.value}"
  type         = "email"
  labels       = { email_address = each.value }
  # An alert policy of somebody else that uses it does not keep it from being removed.
  force_delete = true

  depends_on = [google_project_service.api]
}

resource "google_logging_metric" "ours" {
  for_each = local.log_metrics

  name        = "${var.prefix}-${each.key}"
  description = each.value.about
  filter      = each.value.filter

  label_extractors = each.value.labels

  metric_descriptor {
    metric_kind = "DELTA"
    value_type  = "INT64"
    unit        = "1"

    dynamic "labels" {
      for_each = each.value.labels

      content {
        key        = labels.key
        value_type = "STRING"
      }
    }
  }

  depends_on = [google_project_service.api]
}

resource "google_monitoring_alert_policy" "threshold" {
  for_each = local.watched

  display_name          = "${var.prefix}: ${each.value.name}"
  combiner              = "OR"
  severity              = each.value.severity
  notification_channels = local.channels
  user_labels           = local.labels

  documentation {
    content   = each.value.help
    mime_type = "text/markdown"
  }

  conditions {
    display_name = each.value.name

    condition_threshold {
      filter          = each.value.filter
      comparison      = "COMPARISON_GT"
      threshold_value = each.value.above
      duration        = "${each.value.hold}s"

      aggregations {
        alignment_period     = "${each.value.over}s"
        per_series_aligner   = each.value.aligner
        cross_series_reducer = each.value.reducer
        group_by_fields      = each.value.by
      }
    }
  }

  alert_strategy {
    auto_close = "86400s"
  }

  depends_on = [google_logging_metric.ours]
}

# A line of severity ERROR says what happened and what to do, so the line itself is the alert. Those of jobs are
# left to the alerts on their executions: a crawl that finds another one at work says so with an error, too.
resource "google_monitoring_alert_policy" "errors" {
  count = length(local.running) > 0 ? 1 : 0

  display_name          = "${var.prefix}: the receiver or the writer reports an error"
  combiner              = "OR"
  severity              = "WARNING"
  notification_channels = local.channels
  user_labels           = local.labels

  documentation {
    content   = "The log line says what happened, and what to do: `gcloud logging read 'severity>=ERROR' --freshness 1h`. docs/exit-codes.md has the meaning of exit codes."
    mime_type = "text/markdown"
  }

  conditions {
    display_name = "a line of severity ERROR"

    condition_matched_log {
      filter = "severity>=ERROR AND ((resource.type=\"cloud_run_revision\" AND resource.labels.service_name=~\"^${local.bases}-ingest$\") OR (resource.type=\"cloud_run_worker_pool\" AND resource.labels.worker_pool_name=~\"^${local.bases}-writer$\"))"
    }
  }

  alert_strategy {
    auto_close = "86400s"
    notification_rate_limit {
      period = "3600s"
    }
  }
}

# Freshness of each table: it has been read to its end before, and now was not for hours. A table that Productive
# never gave to this token is none.
resource "google_monitoring_alert_policy" "freshness" {
  count = length(local.running) > 0 && var.schedules.changes != "" ? 1 : 0

  display_name          = "${var.prefix}: a table was not read for ${var.freshness_hours} hours"
  combiner              = "OR"
  severity              = "WARNING"
  notification_channels = local.channels
  user_labels           = local.labels

  documentation {
    content   = "No crawl has read this table to its end for ${var.freshness_hours} hours. `productive-ingest status` says what the last crawl met there; where all tables are named, the job did not run at all."
    mime_type = "text/markdown"
  }

  conditions {
    display_name = "a table was not read"

    condition_absent {
      filter   = "resource.type = \"cloud_run_job\" AND metric.type = \"logging.googleapis.com/user/${google_logging_metric.ours["tables-crawled"].name}\""
      duration = "${var.freshness_hours * 3600}s"

      aggregations {
        alignment_period     = "3600s"
        per_series_aligner   = "ALIGN_SUM"
        cross_series_reducer = "REDUCE_SUM"
        group_by_fields      = ["resource.label.job_name", "metric.label.table"]
      }
    }
  }

  alert_strategy {
    auto_close = "86400s"
  }
}

# From outside, as Productive comes. 405 is the receiver's answer to whoever does not POST, so nothing has to be
# signed, nothing is taken, and no request costs more than this one. /healthz cannot be asked from outside.
resource "google_monitoring_uptime_check_config" "receiver" {
  for_each = local.receiving

  display_name = "${each.value.base}-ingest"
  period       = "300s"
  timeout      = "10s"

  http_check {
    path         = "/webhooks/productive/1"
    port         = 443
    use_ssl      = true
    validate_ssl = true

    accepted_response_status_codes {
      status_value = 405
    }
  }

  monitored_resource {
    type = "uptime_url"
    labels = {
      project_id = var.project
      host       = trimprefix(google_cloud_run_v2_service.ingest[each.key].uri, "https://")
    }
  }
}
