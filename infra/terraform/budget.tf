# Warns whoever administers the billing account, and var.alert_emails. It stops nothing. Of the whole
# project: what queries cost carries no label.
resource "google_billing_budget" "monthly" {
  provider = google.billing
  count    = var.billing_account == "" ? 0 : 1

  billing_account = var.billing_account
  display_name    = "${var.prefix} in ${var.project}"

  budget_filter {
    projects = ["projects/${local.project_number}"]
  }

  amount {
    specified_amount {
      # In the billing account's currency.
      units = tostring(var.monthly_budget)
    }
  }

  dynamic "threshold_rules" {
    for_each = [0.5, 0.9, 1.0]

    content {
      threshold_percent = threshold_rules.value
    }
  }

  dynamic "all_updates_rule" {
    for_each = length(var.alert_emails) > 0 ? [1] : []

    content {
      # A budget takes five channels at the most.
      monitoring_notification_channels = slice(local.channels, 0, min(5, length(local.channels)))
    }
  }

  depends_on = [google_project_service.api]
}
