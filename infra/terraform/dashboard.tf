locals {
  # Title, filter, aligner, reducer, grouping: two columns of charts.
  charts = [
    { title = "Oldest message that waits (s)", filter = local.thresholds.backlog.filter, aligner = "ALIGN_MAX", reducer = "REDUCE_MAX", by = ["resource.label.subscription_id"] },
    { title = "Dead letters", filter = local.thresholds.dead-letters.filter, aligner = "ALIGN_MAX", reducer = "REDUCE_MAX", by = ["resource.label.subscription_id"] },
    { title = "Messages that wait", filter = replace(local.thresholds.dead-letters.filter, "-dead\"", "\""), aligner = "ALIGN_MAX", reducer = "REDUCE_MAX", by = ["resource.label.subscription_id"] },
    { title = "Crawls and checks that ended, by result", filter = "resource.type = \"cloud_run_job\" AND metric.type = \"run.googleapis.com/job/completed_execution_count\" AND resource.labels.job_name = monitoring.regex.full_match(\"${local.bases}-(backfill|webhooks)\")", aligner = "ALIGN_SUM", reducer = "REDUCE_SUM", by = ["resource.label.job_name", "metric.label.result"] },
    { title = "Requests to the receiver, by answer", filter = "resource.type = \"cloud_run_revision\" AND metric.type = \"run.googleapis.com/request_count\" AND resource.labels.service_name = monitoring.regex.full_match(\"${local.bases}-ingest\")", aligner = "ALIGN_RATE", reducer = "REDUCE_SUM", by = ["metric.label.response_code_class"] },
    { title = "Tables read to their end", filter = "resource.type = \"cloud_run_job\" AND metric.type = \"logging.googleapis.com/user/${var.prefix}-tables-crawled\"", aligner = "ALIGN_SUM", reducer = "REDUCE_SUM", by = ["resource.label.job_name"] },
  ]
}

resource "google_monitoring_dashboard" "overview" {
  dashboard_json = jsonencode({
    displayName = "${var.prefix}: Productive to BigQuery"
    mosaicLayout = {
      columns = 48
      tiles = [
        # A position of 0 is left out: Monitoring leaves it out, too, and each plan would find a difference.
        for index, chart in local.charts : merge(
          index % 2 == 0 ? {} : { xPos = 24 },
          index < 2 ? {} : { yPos = floor(index / 2) * 16 },
          {
            width  = 24
            height = 16
            widget = {
              title = chart.title
              xyChart = {
                dataSets = [{
                  plotType = "LINE"
                  timeSeriesQuery = {
                    timeSeriesFilter = {
                      filter = chart.filter
                      aggregation = {
                        alignmentPeriod    = "300s"
                        perSeriesAligner   = chart.aligner
                        crossSeriesReducer = chart.reducer
                        groupByFields      = chart.by
                      }
                    }
                  }
                }]
              }
            }
          },
        )
      ]
    }
  })

  depends_on = [google_project_service.api, google_logging_metric.ours]
}
