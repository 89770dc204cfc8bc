"""Service health: the program, its journal, and who leads."""

from __future__ import annotations

from grafana_foundation_sdk.models.dashboard import Dashboard

from deploy.grafana.source.panels import GREEN, ORANGE, RED, board, figure, lines, quantile


def service() -> Dashboard:
    """The dashboard of the program itself."""
    return board(
        "hedgebot-service",
        "Service health",
        "The program, its journal, and who leads.",
        [("Now", _NOW), ("Program", _PROGRAM), ("Journal", _JOURNAL), (LEASE_ROW, _LEASE)],
    )


LEASE_ROW = "Several instances"
_NOW = (
    figure(
        "Instances", "Who answers.", ('up{job="hedgebot"}', "{{instance}}"), "none", states={1: ("up", GREEN), 0: ("gone", RED)}, names=True
    ),
    figure(
        "Ready",
        "Every source and venue was heard in this run.",
        ("max(hedgebot_ready_state)", ""),
        "none",
        states={1: ("ready", GREEN), 0: ("not ready", ORANGE)},
    ),
    figure("Runs for", "Since this run began.", ("time() - max(hedgebot_started_timestamp_seconds)", ""), "s", decimals=0),
    figure(
        "Loop lag",
        "How late the event loop's last beat was.",
        ("max(hedgebot_loop_lag_seconds)", ""),
        "s",
        decimals=1,
        steps=((None, GREEN), (0.1, ORANGE), (0.5, RED)),
    ),
    figure("Version", "What runs.", ("hedgebot_build_info", "{{version}} on Python {{python}}"), "none", named_only=True),
    figure(
        "Configuration",
        "Environment, book and hash.",
        ("hedgebot_config_info", "{{environment}} {{book}} {{config_hash}}"),
        "none",
        named_only=True,
    ),
)
_PROGRAM = (
    lines(
        "Decision time",
        "From quotes to commands.",
        (quantile(0.5, "hedgebot_decision_seconds"), "half"),
        (quantile(0.99, "hedgebot_decision_seconds"), "99 of 100"),
        unit="s",
        least=0,
    ),
    lines(
        "Decisions",
        "How many are made.",
        ("sum(rate(hedgebot_decision_seconds_count[$__rate_interval]))", "decisions"),
        unit="ops",
        least=0,
    ),
    lines("Loop lag", "How late the event loop's beats were.", ("max(hedgebot_loop_lag_seconds)", "lag"), unit="s", least=0),
    lines("Tasks", "On the event loop: flat when nothing leaks.", ("max(hedgebot_loop_tasks)", "tasks"), unit="none", least=0),
    lines(
        "Events",
        "What goes through the core, by kind.",
        ("sum by (kind) (rate(hedgebot_events_total[$__rate_interval])) > 0", "{{kind}}"),
        unit="ops",
        least=0,
    ),
    lines(
        "Commands",
        "What is carried out, by kind.",
        ("sum by (kind) (rate(hedgebot_commands_total[$__rate_interval])) > 0", "{{kind}}"),
        unit="ops",
        least=0,
    ),
)
_JOURNAL = (
    lines(
        "Append time",
        "Until a durable append is on disk; each order waits for one.",
        (quantile(0.5, "hedgebot_journal_append_seconds"), "half"),
        (quantile(0.95, "hedgebot_journal_append_seconds"), "95 of 100"),
        unit="s",
        least=0,
    ),
    lines(
        "Not durable yet",
        "Entries that wait; given again to a server that lost them; tails put aside at the start.",
        ("max(hedgebot_journal_waiting_entries)", "waiting"),
        ("max(hedgebot_journal_rewritten_entries)", "written again"),
        ("max(hedgebot_journal_quarantined_tails)", "tails put aside"),
        unit="none",
        stepped=True,
        least=0,
    ),
)
_LEASE = (
    lines(
        "Who leads",
        "1 holds the lease and may send.",
        ("hedgebot_lease_held", "{{member}}"),
        unit="none",
        stepped=True,
        least=0,
        none="one instance",
        width=6,
    ),
    lines(
        "Epoch",
        "Of the newest lease granted to each instance.",
        ("hedgebot_lease_epoch", "{{member}}"),
        unit="none",
        stepped=True,
        least=0,
        none="one instance",
        width=6,
    ),
    lines(
        "Lease left",
        "Unless it is renewed.",
        ("hedgebot_lease_left_seconds", "{{member}}"),
        unit="s",
        least=0,
        none="one instance",
        width=6,
    ),
    lines(
        "Followed",
        "Entries of the journal that who stands by reads and folds.",
        ("sum by (member) (rate(hedgebot_standby_entries_total[$__rate_interval]))", "{{member}}"),
        unit="ops",
        least=0,
        none="one instance",
        width=6,
    ),
)
