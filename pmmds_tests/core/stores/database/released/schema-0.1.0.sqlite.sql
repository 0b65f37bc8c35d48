CREATE TABLE alembic_version (
    version_num VARCHAR(32) NOT NULL,
    CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);

CREATE TABLE prediction_logs (
    request_id VARCHAR(128) NOT NULL,
    predicted_at DATETIME NOT NULL,
    ingested_at DATETIME NOT NULL,
    model_name VARCHAR(64) NOT NULL,
    model_version VARCHAR(32) NOT NULL,
    prediction SMALLINT NOT NULL,
    probability FLOAT NOT NULL,
    latency_ms FLOAT NOT NULL,
    client_request_id VARCHAR(128),
    PRIMARY KEY (request_id)
);

CREATE TABLE contract_columns (
    feature VARCHAR(64) NOT NULL,
    type VARCHAR(16) NOT NULL,
    added_at DATETIME NOT NULL,
    PRIMARY KEY (feature)
);

CREATE TABLE ground_truth (
    request_id VARCHAR(128) NOT NULL,
    label SMALLINT NOT NULL,
    observed_at DATETIME NOT NULL,
    received_at DATETIME NOT NULL,
    PRIMARY KEY (request_id)
);

CREATE TABLE label_observations (
    observation_id INTEGER NOT NULL,
    request_id VARCHAR(128) NOT NULL,
    label SMALLINT NOT NULL,
    observed_at DATETIME NOT NULL,
    received_at DATETIME NOT NULL,
    source VARCHAR(16) NOT NULL,
    is_waiting BOOLEAN NOT NULL,
    matched_request_id VARCHAR(128),
    PRIMARY KEY (observation_id),
    UNIQUE (request_id, observed_at, label)
);

CREATE TABLE shadow_predictions (
    model_version VARCHAR(32) NOT NULL,
    request_id VARCHAR(128) NOT NULL,
    model_name VARCHAR(64) NOT NULL,
    predicted_at DATETIME NOT NULL,
    probability FLOAT NOT NULL,
    prediction SMALLINT NOT NULL,
    scored_at DATETIME NOT NULL,
    PRIMARY KEY (model_version, request_id)
);

CREATE TABLE client_request_ids (
    client_request_id VARCHAR(128) NOT NULL,
    row_digest VARCHAR(32) NOT NULL,
    request_id VARCHAR(128) NOT NULL,
    predicted_at DATETIME NOT NULL,
    PRIMARY KEY (client_request_id, row_digest)
);

CREATE TABLE prediction_archives (
    day DATETIME NOT NULL,
    part INTEGER NOT NULL,
    file TEXT NOT NULL,
    n_rows INTEGER NOT NULL,
    n_repeated INTEGER NOT NULL,
    n_bytes BIGINT NOT NULL,
    digest VARCHAR(64) NOT NULL,
    archived_at DATETIME NOT NULL,
    PRIMARY KEY (day, part)
);

CREATE TABLE feature_histograms (
    model_name VARCHAR(64) NOT NULL,
    model_version VARCHAR(32) NOT NULL,
    hour DATETIME NOT NULL,
    feature VARCHAR(64) NOT NULL,
    profile_digest VARCHAR(64) NOT NULL,
    counts JSON NOT NULL,
    n_rows INTEGER NOT NULL,
    computed_at DATETIME NOT NULL,
    PRIMARY KEY (model_name, model_version, hour, feature)
);

CREATE TABLE histogram_watermarks (
    model_name VARCHAR(64) NOT NULL,
    ingested_through DATETIME NOT NULL,
    PRIMARY KEY (model_name)
);

CREATE TABLE stale_hours (
    model_name VARCHAR(64) NOT NULL,
    hour DATETIME NOT NULL,
    PRIMARY KEY (model_name, hour)
);

CREATE TABLE daily_performance (
    model_name VARCHAR(64) NOT NULL,
    model_version VARCHAR(32) NOT NULL,
    day DATETIME NOT NULL,
    n_rows INTEGER NOT NULL,
    n_labelled INTEGER NOT NULL,
    document JSON NOT NULL,
    computed_at DATETIME NOT NULL,
    PRIMARY KEY (model_name, model_version, day)
);

CREATE TABLE storage_usage (
    kind VARCHAR(32) NOT NULL,
    n_bytes BIGINT NOT NULL,
    measured_at DATETIME NOT NULL,
    PRIMARY KEY (kind)
);

CREATE TABLE drift_reports (
    report_id INTEGER NOT NULL,
    model_name VARCHAR(64) NOT NULL,
    model_version VARCHAR(32) NOT NULL,
    window_start DATETIME NOT NULL,
    window_end DATETIME NOT NULL,
    n_reference INTEGER NOT NULL,
    n_current INTEGER NOT NULL,
    verdict VARCHAR(32) NOT NULL,
    n_drifted_features INTEGER NOT NULL,
    document JSON NOT NULL,
    html_path TEXT NOT NULL,
    run_id VARCHAR(64) NOT NULL,
    created_at DATETIME NOT NULL,
    PRIMARY KEY (report_id)
);

CREATE TABLE drift_metrics (
    report_id INTEGER NOT NULL,
    feature VARCHAR(64) NOT NULL,
    kind VARCHAR(16) NOT NULL,
    psi FLOAT,
    kl_divergence FLOAT,
    js_divergence FLOAT,
    js_distance FLOAT,
    band VARCHAR(16) NOT NULL,
    is_drifted BOOLEAN NOT NULL,
    null_share_reference FLOAT,
    null_share_current FLOAT,
    unseen_share FLOAT,
    PRIMARY KEY (report_id, feature),
    FOREIGN KEY(report_id) REFERENCES drift_reports (report_id)
);

CREATE TABLE drift_alerts (
    alert_id INTEGER NOT NULL,
    model_name VARCHAR(64) NOT NULL,
    model_version VARCHAR(32) NOT NULL,
    report_id INTEGER NOT NULL,
    status VARCHAR(16) NOT NULL,
    severity VARCHAR(16) NOT NULL,
    drift_type VARCHAR(32) NOT NULL,
    message TEXT NOT NULL,
    n_reports INTEGER NOT NULL,
    opened_at DATETIME NOT NULL,
    last_seen_at DATETIME NOT NULL,
    changed_by VARCHAR(128),
    changed_at DATETIME,
    note TEXT,
    live_for VARCHAR(64),
    PRIMARY KEY (alert_id),
    FOREIGN KEY(report_id) REFERENCES drift_reports (report_id),
    UNIQUE (live_for)
);

CREATE TABLE alert_changes (
    change_id INTEGER NOT NULL,
    alert_id INTEGER NOT NULL,
    kind VARCHAR(16) NOT NULL,
    severity VARCHAR(16) NOT NULL,
    changed_by VARCHAR(128) NOT NULL,
    note TEXT,
    changed_at DATETIME NOT NULL,
    PRIMARY KEY (change_id),
    FOREIGN KEY(alert_id) REFERENCES drift_alerts (alert_id)
);

CREATE TABLE alert_notifications (
    notification_id INTEGER NOT NULL,
    change_id INTEGER,
    target VARCHAR(16) NOT NULL,
    title TEXT NOT NULL,
    body TEXT NOT NULL,
    state VARCHAR(16) NOT NULL,
    attempts INTEGER NOT NULL,
    created_at DATETIME NOT NULL,
    due_at DATETIME NOT NULL,
    claimed_until DATETIME,
    last_error TEXT,
    sent_at DATETIME,
    subject VARCHAR(96) NOT NULL,
    PRIMARY KEY (notification_id),
    UNIQUE (change_id, target),
    FOREIGN KEY(change_id) REFERENCES alert_changes (change_id)
);

CREATE TABLE reference_datasets (
    dataset_id VARCHAR(12) NOT NULL,
    kind VARCHAR(32) NOT NULL,
    digest VARCHAR(64) NOT NULL,
    path TEXT NOT NULL,
    source TEXT NOT NULL,
    n_rows INTEGER NOT NULL,
    run_id VARCHAR(64) NOT NULL,
    details JSON NOT NULL,
    created_at DATETIME NOT NULL,
    PRIMARY KEY (dataset_id)
);

CREATE TABLE retraining_runs (
    retraining_id VARCHAR(12) NOT NULL,
    model_name VARCHAR(64) NOT NULL,
    trigger_type VARCHAR(16) NOT NULL,
    alert_id INTEGER,
    attempt INTEGER NOT NULL,
    run_id VARCHAR(64) NOT NULL,
    outcome VARCHAR(32) NOT NULL,
    reason TEXT NOT NULL,
    challenger_version VARCHAR(32),
    started_at DATETIME NOT NULL,
    finished_at DATETIME,
    cause VARCHAR(96),
    cause_text TEXT DEFAULT '' NOT NULL,
    n_new_labels INTEGER,
    gave_up BOOLEAN DEFAULT 0 NOT NULL,
    PRIMARY KEY (retraining_id),
    UNIQUE (alert_id, attempt),
    UNIQUE (run_id)
);

CREATE TABLE model_evaluations (
    evaluation_id VARCHAR(12) NOT NULL,
    model_name VARCHAR(64) NOT NULL,
    challenger_version VARCHAR(32) NOT NULL,
    champion_version VARCHAR(32),
    holdout_digest VARCHAR(64) NOT NULL,
    document JSON NOT NULL,
    run_id VARCHAR(64) NOT NULL,
    created_at DATETIME NOT NULL,
    PRIMARY KEY (evaluation_id)
);

CREATE TABLE registered_versions (
    model_name VARCHAR(64) NOT NULL,
    version VARCHAR(32) NOT NULL,
    run_id VARCHAR(64) NOT NULL,
    digest VARCHAR(64) NOT NULL,
    training_digest VARCHAR(64) NOT NULL,
    holdout_digest VARCHAR(64) NOT NULL,
    registered_at DATETIME NOT NULL,
    PRIMARY KEY (model_name, version)
);

CREATE TABLE training_lock (
    model_name VARCHAR(64) NOT NULL,
    run_id VARCHAR(64) NOT NULL,
    holder VARCHAR(255) NOT NULL,
    locked_at DATETIME NOT NULL,
    PRIMARY KEY (model_name)
);

CREATE TABLE promotion_decisions (
    decision_id VARCHAR(12) NOT NULL,
    model_name VARCHAR(64) NOT NULL,
    kind VARCHAR(16) NOT NULL,
    challenger_version VARCHAR(32) NOT NULL,
    champion_version VARCHAR(32),
    promoted BOOLEAN NOT NULL,
    primary_metric_improvement FLOAT,
    promotion_reason TEXT NOT NULL,
    state VARCHAR(16) NOT NULL,
    document JSON NOT NULL,
    run_id VARCHAR(64) NOT NULL,
    decided_at DATETIME NOT NULL,
    moved_at DATETIME,
    state_reason TEXT,
    changed_by VARCHAR(128),
    fencing_token INTEGER,
    PRIMARY KEY (decision_id)
);

CREATE TABLE production_pointer (
    model_name VARCHAR(64) NOT NULL,
    version VARCHAR(32) NOT NULL,
    decision_id VARCHAR(12) NOT NULL,
    fencing_token INTEGER NOT NULL,
    moved_at DATETIME NOT NULL,
    PRIMARY KEY (model_name)
);

CREATE TABLE console_users (
    name VARCHAR(128) NOT NULL,
    password_hash TEXT,
    role VARCHAR(16) NOT NULL,
    created_at DATETIME NOT NULL,
    disabled_at DATETIME,
    PRIMARY KEY (name)
);

CREATE TABLE api_tokens (
    token_id INTEGER NOT NULL,
    digest VARCHAR(64) NOT NULL,
    owner VARCHAR(128) NOT NULL,
    role VARCHAR(16) NOT NULL,
    created_at DATETIME NOT NULL,
    expires_at DATETIME NOT NULL,
    revoked_at DATETIME,
    PRIMARY KEY (token_id),
    UNIQUE (digest),
    FOREIGN KEY(owner) REFERENCES console_users (name)
);

CREATE TABLE console_sessions (
    digest VARCHAR(64) NOT NULL,
    name VARCHAR(128) NOT NULL,
    role VARCHAR(16) NOT NULL,
    method VARCHAR(16) NOT NULL,
    form_token VARCHAR(64) NOT NULL,
    created_at DATETIME NOT NULL,
    last_used_at DATETIME NOT NULL,
    expires_at DATETIME NOT NULL,
    PRIMARY KEY (digest)
);

CREATE TABLE audit_events (
    event_id INTEGER NOT NULL,
    at DATETIME NOT NULL,
    actor VARCHAR(128) NOT NULL,
    method VARCHAR(16) NOT NULL,
    address VARCHAR(64) NOT NULL,
    action VARCHAR(32) NOT NULL,
    target VARCHAR(256) NOT NULL,
    outcome VARCHAR(16) NOT NULL,
    detail TEXT NOT NULL,
    PRIMARY KEY (event_id)
);

CREATE TABLE decision_approvals (
    decision_id VARCHAR(12) NOT NULL,
    approver VARCHAR(128) NOT NULL,
    approved_by VARCHAR(128) NOT NULL,
    approved_at DATETIME NOT NULL,
    PRIMARY KEY (decision_id, approver),
    FOREIGN KEY(decision_id) REFERENCES promotion_decisions (decision_id)
);

CREATE INDEX ix_prediction_logs_ingested_at ON prediction_logs (ingested_at);

CREATE INDEX ix_prediction_logs_version ON prediction_logs (model_version, predicted_at);

CREATE INDEX ix_prediction_logs_predicted_at ON prediction_logs (predicted_at);

CREATE INDEX ix_ground_truth_received_at ON ground_truth (received_at);

CREATE INDEX ix_label_observations_is_waiting ON label_observations (is_waiting);

CREATE INDEX ix_label_observations_matched_request_id ON label_observations (matched_request_id);

CREATE INDEX ix_shadow_predictions_predicted_at ON shadow_predictions (model_version, predicted_at);

CREATE INDEX ix_client_request_ids_predicted_at ON client_request_ids (predicted_at);

CREATE INDEX ix_drift_reports_created_at ON drift_reports (created_at);

CREATE INDEX ix_drift_alerts_opened_at ON drift_alerts (opened_at);

CREATE INDEX ix_alert_changes_alert_id ON alert_changes (alert_id);

CREATE INDEX ix_alert_notifications_due_at ON alert_notifications (due_at);

CREATE UNIQUE INDEX ix_alert_notifications_subject ON alert_notifications (subject, target);

CREATE INDEX ix_reference_datasets_created_at ON reference_datasets (created_at);

CREATE INDEX ix_retraining_runs_started_at ON retraining_runs (started_at);

CREATE UNIQUE INDEX ix_retraining_runs_cause ON retraining_runs (model_name, cause, attempt);

CREATE INDEX ix_model_evaluations_created_at ON model_evaluations (created_at);

CREATE INDEX ix_registered_versions_run_id ON registered_versions (run_id);

CREATE INDEX ix_promotion_decisions_decided_at ON promotion_decisions (decided_at);

CREATE INDEX ix_api_tokens_owner ON api_tokens (owner);

CREATE INDEX ix_console_sessions_expires_at ON console_sessions (expires_at);

CREATE INDEX ix_audit_events_at ON audit_events (at);

INSERT INTO alembic_version VALUES ('0001');
