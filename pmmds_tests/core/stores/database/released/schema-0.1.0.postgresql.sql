CREATE FUNCTION public.pmmds_drop_day(unwanted date, new_file text, new_rows integer, new_repeated integer, new_bytes bigint, new_digest text) RETURNS boolean
    LANGUAGE plpgsql STRICT SECURITY DEFINER
    SET search_path TO 'public', 'pg_temp'
    AS $_$
DECLARE
    name text;
    n_found bigint;
    n_archived bigint;
    newest integer;
BEGIN
    IF unwanted >= timezone('UTC', statement_timestamp())::date THEN
        RAISE EXCEPTION 'the day % is not over', unwanted;
    END IF;
    IF new_digest !~ '^[0-9a-f]{64}$' OR new_rows < 0 OR new_repeated < 0 OR new_bytes < 0 OR new_file !~ (
        '^' || to_char(unwanted, 'YYYY-MM-DD') || '\.' || left(new_digest, 12) || '\.[0-9a-f]{4}\.parquet$'
    ) THEN
        RAISE EXCEPTION 'the file % is not a part of the day %', new_file, unwanted;
    END IF;
    name := 'prediction_logs_' || to_char(unwanted, 'YYYYMMDD');
    LOCK TABLE prediction_archives IN ACCESS EXCLUSIVE MODE;
    LOCK TABLE ONLY prediction_logs IN ACCESS EXCLUSIVE MODE;
    IF to_regclass(format('public.%I', name)) IS NULL THEN
        RETURN false;
    END IF;
    IF EXISTS (SELECT FROM prediction_archives p WHERE p.file = new_file) THEN
        RAISE EXCEPTION 'the file % is already recorded', new_file;
    END IF;
    SELECT coalesce(sum(p.n_rows), 0), coalesce(max(p.part), 0) INTO n_archived, newest
        FROM prediction_archives p WHERE p.day = unwanted;
    IF new_repeated > n_archived THEN
        RAISE EXCEPTION 'earlier parts of the day % have only % rows', unwanted, n_archived;
    END IF;
    EXECUTE format('LOCK TABLE %I IN ACCESS EXCLUSIVE MODE', name);
    EXECUTE format('SELECT count(*) FROM %I', name) INTO n_found;
    IF n_found <> new_rows::bigint + new_repeated THEN
        RETURN false;
    END IF;
    INSERT INTO prediction_archives (day, part, file, n_rows, n_repeated, n_bytes, digest, archived_at)
        VALUES (unwanted, newest + 1, new_file, new_rows, new_repeated, new_bytes, new_digest,
            timezone('UTC', statement_timestamp()));
    EXECUTE format('DROP TABLE %I', name);
    RETURN true;
END $_$;

CREATE FUNCTION public.pmmds_drop_empty_day(unwanted date) RETURNS boolean
    LANGUAGE plpgsql STRICT SECURITY DEFINER
    SET search_path TO 'public', 'pg_temp'
    AS $$
DECLARE
    name text;
    is_empty boolean;
BEGIN
    IF unwanted >= timezone('UTC', statement_timestamp())::date THEN
        RAISE EXCEPTION 'the day % is not over', unwanted;
    END IF;
    name := 'prediction_logs_' || to_char(unwanted, 'YYYYMMDD');
    LOCK TABLE prediction_archives IN ACCESS EXCLUSIVE MODE;
    LOCK TABLE ONLY prediction_logs IN ACCESS EXCLUSIVE MODE;
    IF to_regclass(format('public.%I', name)) IS NULL THEN
        RETURN false;
    END IF;
    EXECUTE format('LOCK TABLE %I IN ACCESS EXCLUSIVE MODE', name);
    EXECUTE format('SELECT NOT EXISTS (SELECT FROM %I)', name) INTO is_empty;
    IF is_empty THEN
        EXECUTE format('DROP TABLE %I', name);
    END IF;
    RETURN is_empty;
END $$;

CREATE FUNCTION public.pmmds_make_day(wanted date) RETURNS bigint
    LANGUAGE plpgsql STRICT SECURITY DEFINER
    SET search_path TO 'public', 'pg_temp'
    AS $$
DECLARE
    today date := timezone('UTC', statement_timestamp())::date;
    name text;
    columns text;
    n_moved bigint;
BEGIN
    IF wanted < date '1970-01-01' OR wanted >= date '9999-01-01' THEN
        RAISE EXCEPTION 'the day % is not between 1970-01-01 and 9999-01-01', wanted;
    END IF;
    name := 'prediction_logs_' || to_char(wanted, 'YYYYMMDD');
    LOCK TABLE ONLY prediction_logs IN SHARE UPDATE EXCLUSIVE MODE;
    IF to_regclass(format('public.%I', name)) IS NOT NULL THEN
        RETURN NULL;
    END IF;
    LOCK TABLE prediction_logs_default IN ACCESS EXCLUSIVE MODE;
    IF wanted NOT BETWEEN today - 3650 AND today + 31 AND NOT EXISTS (
        SELECT FROM prediction_logs_default WHERE predicted_at >= wanted AND predicted_at < wanted + 1
    ) THEN
        RAISE EXCEPTION 'the day % has no rows and is neither of the last ten years nor of the next 31 days', wanted;
    END IF;
    EXECUTE format('CREATE TABLE %I (LIKE prediction_logs INCLUDING DEFAULTS INCLUDING CONSTRAINTS)', name);
    SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum) INTO columns FROM pg_attribute
        WHERE attrelid = 'prediction_logs'::regclass AND attnum > 0 AND NOT attisdropped;
    EXECUTE format(
        'WITH moved AS (DELETE FROM prediction_logs_default WHERE predicted_at >= %L AND predicted_at < %L '
        'RETURNING %s) INSERT INTO %I (%s) SELECT %s FROM moved',
        wanted, wanted + 1, columns, name, columns, columns);
    GET DIAGNOSTICS n_moved = ROW_COUNT;
    EXECUTE format('ALTER TABLE prediction_logs ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)',
        name, wanted, wanted + 1);
    RETURN n_moved;
END $$;

CREATE TABLE public.alembic_version (
    version_num character varying(32) NOT NULL
);

CREATE TABLE public.alert_changes (
    change_id integer NOT NULL,
    alert_id integer NOT NULL,
    kind character varying(16) NOT NULL,
    severity character varying(16) NOT NULL,
    changed_by character varying(128) NOT NULL,
    note text,
    changed_at timestamp without time zone NOT NULL,
    CONSTRAINT alert_changes_changed_at_range CHECK (((changed_at >= '1970-01-01 00:00:00'::timestamp without time zone) AND (changed_at < '9999-01-01 00:00:00'::timestamp without time zone)))
);

CREATE SEQUENCE public.alert_changes_change_id_seq
    AS integer
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;

ALTER SEQUENCE public.alert_changes_change_id_seq OWNED BY public.alert_changes.change_id;

CREATE TABLE public.alert_notifications (
    notification_id integer NOT NULL,
    change_id integer,
    target character varying(16) NOT NULL,
    title text NOT NULL,
    body text NOT NULL,
    state character varying(16) NOT NULL,
    attempts integer NOT NULL,
    created_at timestamp without time zone NOT NULL,
    due_at timestamp without time zone NOT NULL,
    claimed_until timestamp without time zone,
    last_error text,
    sent_at timestamp without time zone,
    subject character varying(96) NOT NULL,
    CONSTRAINT alert_notifications_claimed_until_range CHECK (((claimed_until >= '1970-01-01 00:00:00'::timestamp without time zone) AND (claimed_until < '9999-01-01 00:00:00'::timestamp without time zone))),
    CONSTRAINT alert_notifications_created_at_range CHECK (((created_at >= '1970-01-01 00:00:00'::timestamp without time zone) AND (created_at < '9999-01-01 00:00:00'::timestamp without time zone))),
    CONSTRAINT alert_notifications_due_at_range CHECK (((due_at >= '1970-01-01 00:00:00'::timestamp without time zone) AND (due_at < '9999-01-01 00:00:00'::timestamp without time zone))),
    CONSTRAINT alert_notifications_sent_at_range CHECK (((sent_at >= '1970-01-01 00:00:00'::timestamp without time zone) AND (sent_at < '9999-01-01 00:00:00'::timestamp without time zone)))
);

CREATE SEQUENCE public.alert_notifications_notification_id_seq
    AS integer
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;

ALTER SEQUENCE public.alert_notifications_notification_id_seq OWNED BY public.alert_notifications.notification_id;

CREATE TABLE public.api_tokens (
    token_id integer NOT NULL,
    digest character varying(64) NOT NULL,
    owner character varying(128) NOT NULL,
    role character varying(16) NOT NULL,
    created_at timestamp without time zone NOT NULL,
    expires_at timestamp without time zone NOT NULL,
    revoked_at timestamp without time zone,
    CONSTRAINT api_tokens_created_at_range CHECK (((created_at >= '1970-01-01 00:00:00'::timestamp without time zone) AND (created_at < '9999-01-01 00:00:00'::timestamp without time zone))),
    CONSTRAINT api_tokens_expires_at_range CHECK (((expires_at >= '1970-01-01 00:00:00'::timestamp without time zone) AND (expires_at < '9999-01-01 00:00:00'::timestamp without time zone))),
    CONSTRAINT api_tokens_revoked_at_range CHECK (((revoked_at >= '1970-01-01 00:00:00'::timestamp without time zone) AND (revoked_at < '9999-01-01 00:00:00'::timestamp without time zone)))
);

CREATE SEQUENCE public.api_tokens_token_id_seq
    AS integer
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;

ALTER SEQUENCE public.api_tokens_token_id_seq OWNED BY public.api_tokens.token_id;

CREATE TABLE public.audit_events (
    event_id integer NOT NULL,
    at timestamp without time zone NOT NULL,
    actor character varying(128) NOT NULL,
    method character varying(16) NOT NULL,
    address character varying(64) NOT NULL,
    action character varying(32) NOT NULL,
    target character varying(256) NOT NULL,
    outcome character varying(16) NOT NULL,
    detail text NOT NULL,
    CONSTRAINT audit_events_at_range CHECK (((at >= '1970-01-01 00:00:00'::timestamp without time zone) AND (at < '9999-01-01 00:00:00'::timestamp without time zone)))
);

CREATE SEQUENCE public.audit_events_event_id_seq
    AS integer
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;

ALTER SEQUENCE public.audit_events_event_id_seq OWNED BY public.audit_events.event_id;

CREATE TABLE public.client_request_ids (
    client_request_id character varying(128) NOT NULL,
    row_digest character varying(32) NOT NULL,
    request_id character varying(128) NOT NULL,
    predicted_at timestamp without time zone NOT NULL,
    CONSTRAINT client_request_ids_predicted_at_range CHECK (((predicted_at >= '1970-01-01 00:00:00'::timestamp without time zone) AND (predicted_at < '9999-01-01 00:00:00'::timestamp without time zone)))
);

CREATE TABLE public.console_sessions (
    digest character varying(64) NOT NULL,
    name character varying(128) NOT NULL,
    role character varying(16) NOT NULL,
    method character varying(16) NOT NULL,
    form_token character varying(64) NOT NULL,
    created_at timestamp without time zone NOT NULL,
    last_used_at timestamp without time zone NOT NULL,
    expires_at timestamp without time zone NOT NULL,
    CONSTRAINT console_sessions_created_at_range CHECK (((created_at >= '1970-01-01 00:00:00'::timestamp without time zone) AND (created_at < '9999-01-01 00:00:00'::timestamp without time zone))),
    CONSTRAINT console_sessions_expires_at_range CHECK (((expires_at >= '1970-01-01 00:00:00'::timestamp without time zone) AND (expires_at < '9999-01-01 00:00:00'::timestamp without time zone))),
    CONSTRAINT console_sessions_last_used_at_range CHECK (((last_used_at >= '1970-01-01 00:00:00'::timestamp without time zone) AND (last_used_at < '9999-01-01 00:00:00'::timestamp without time zone)))
);

CREATE TABLE public.console_users (
    name character varying(128) NOT NULL,
    password_hash text,
    role character varying(16) NOT NULL,
    created_at timestamp without time zone NOT NULL,
    disabled_at timestamp without time zone,
    CONSTRAINT console_users_created_at_range CHECK (((created_at >= '1970-01-01 00:00:00'::timestamp without time zone) AND (created_at < '9999-01-01 00:00:00'::timestamp without time zone))),
    CONSTRAINT console_users_disabled_at_range CHECK (((disabled_at >= '1970-01-01 00:00:00'::timestamp without time zone) AND (disabled_at < '9999-01-01 00:00:00'::timestamp without time zone)))
);

CREATE TABLE public.contract_columns (
    feature character varying(64) NOT NULL,
    type character varying(16) NOT NULL,
    added_at timestamp without time zone NOT NULL,
    CONSTRAINT contract_columns_added_at_range CHECK (((added_at >= '1970-01-01 00:00:00'::timestamp without time zone) AND (added_at < '9999-01-01 00:00:00'::timestamp without time zone)))
);

CREATE TABLE public.daily_performance (
    model_name character varying(64) NOT NULL,
    model_version character varying(32) NOT NULL,
    day timestamp without time zone NOT NULL,
    n_rows integer NOT NULL,
    n_labelled integer NOT NULL,
    document json NOT NULL,
    computed_at timestamp without time zone NOT NULL,
    CONSTRAINT daily_performance_computed_at_range CHECK (((computed_at >= '1970-01-01 00:00:00'::timestamp without time zone) AND (computed_at < '9999-01-01 00:00:00'::timestamp without time zone))),
    CONSTRAINT daily_performance_day_range CHECK (((day >= '1970-01-01 00:00:00'::timestamp without time zone) AND (day < '9999-01-01 00:00:00'::timestamp without time zone)))
);

CREATE TABLE public.decision_approvals (
    decision_id character varying(12) NOT NULL,
    approver character varying(128) NOT NULL,
    approved_by character varying(128) NOT NULL,
    approved_at timestamp without time zone NOT NULL,
    CONSTRAINT decision_approvals_approved_at_range CHECK (((approved_at >= '1970-01-01 00:00:00'::timestamp without time zone) AND (approved_at < '9999-01-01 00:00:00'::timestamp without time zone)))
);

CREATE TABLE public.drift_alerts (
    alert_id integer NOT NULL,
    model_name character varying(64) NOT NULL,
    model_version character varying(32) NOT NULL,
    report_id integer NOT NULL,
    status character varying(16) NOT NULL,
    severity character varying(16) NOT NULL,
    drift_type character varying(32) NOT NULL,
    message text NOT NULL,
    n_reports integer NOT NULL,
    opened_at timestamp without time zone NOT NULL,
    last_seen_at timestamp without time zone NOT NULL,
    changed_by character varying(128),
    changed_at timestamp without time zone,
    note text,
    live_for character varying(64),
    CONSTRAINT drift_alerts_changed_at_range CHECK (((changed_at >= '1970-01-01 00:00:00'::timestamp without time zone) AND (changed_at < '9999-01-01 00:00:00'::timestamp without time zone))),
    CONSTRAINT drift_alerts_last_seen_at_range CHECK (((last_seen_at >= '1970-01-01 00:00:00'::timestamp without time zone) AND (last_seen_at < '9999-01-01 00:00:00'::timestamp without time zone))),
    CONSTRAINT drift_alerts_opened_at_range CHECK (((opened_at >= '1970-01-01 00:00:00'::timestamp without time zone) AND (opened_at < '9999-01-01 00:00:00'::timestamp without time zone)))
);

CREATE SEQUENCE public.drift_alerts_alert_id_seq
    AS integer
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;

ALTER SEQUENCE public.drift_alerts_alert_id_seq OWNED BY public.drift_alerts.alert_id;

CREATE TABLE public.drift_metrics (
    report_id integer NOT NULL,
    feature character varying(64) NOT NULL,
    kind character varying(16) NOT NULL,
    psi double precision,
    kl_divergence double precision,
    js_divergence double precision,
    js_distance double precision,
    band character varying(16) NOT NULL,
    is_drifted boolean NOT NULL,
    null_share_reference double precision,
    null_share_current double precision,
    unseen_share double precision
);

CREATE TABLE public.drift_reports (
    report_id integer NOT NULL,
    model_name character varying(64) NOT NULL,
    model_version character varying(32) NOT NULL,
    window_start timestamp without time zone NOT NULL,
    window_end timestamp without time zone NOT NULL,
    n_reference integer NOT NULL,
    n_current integer NOT NULL,
    verdict character varying(32) NOT NULL,
    n_drifted_features integer NOT NULL,
    document json NOT NULL,
    html_path text NOT NULL,
    run_id character varying(64) NOT NULL,
    created_at timestamp without time zone NOT NULL,
    CONSTRAINT drift_reports_created_at_range CHECK (((created_at >= '1970-01-01 00:00:00'::timestamp without time zone) AND (created_at < '9999-01-01 00:00:00'::timestamp without time zone))),
    CONSTRAINT drift_reports_window_end_range CHECK (((window_end >= '1970-01-01 00:00:00'::timestamp without time zone) AND (window_end < '9999-01-01 00:00:00'::timestamp without time zone))),
    CONSTRAINT drift_reports_window_start_range CHECK (((window_start >= '1970-01-01 00:00:00'::timestamp without time zone) AND (window_start < '9999-01-01 00:00:00'::timestamp without time zone)))
);

CREATE SEQUENCE public.drift_reports_report_id_seq
    AS integer
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;

ALTER SEQUENCE public.drift_reports_report_id_seq OWNED BY public.drift_reports.report_id;

CREATE TABLE public.feature_histograms (
    model_name character varying(64) NOT NULL,
    model_version character varying(32) NOT NULL,
    hour timestamp without time zone NOT NULL,
    feature character varying(64) NOT NULL,
    profile_digest character varying(64) NOT NULL,
    counts json NOT NULL,
    n_rows integer NOT NULL,
    computed_at timestamp without time zone NOT NULL,
    CONSTRAINT feature_histograms_computed_at_range CHECK (((computed_at >= '1970-01-01 00:00:00'::timestamp without time zone) AND (computed_at < '9999-01-01 00:00:00'::timestamp without time zone))),
    CONSTRAINT feature_histograms_hour_range CHECK (((hour >= '1970-01-01 00:00:00'::timestamp without time zone) AND (hour < '9999-01-01 00:00:00'::timestamp without time zone)))
);

CREATE TABLE public.ground_truth (
    request_id character varying(128) NOT NULL,
    label smallint NOT NULL,
    observed_at timestamp without time zone NOT NULL,
    received_at timestamp without time zone NOT NULL,
    CONSTRAINT ground_truth_label_value CHECK ((label = ANY (ARRAY[0, 1]))),
    CONSTRAINT ground_truth_observed_at_range CHECK (((observed_at >= '1970-01-01 00:00:00'::timestamp without time zone) AND (observed_at < '9999-01-01 00:00:00'::timestamp without time zone))),
    CONSTRAINT ground_truth_received_at_range CHECK (((received_at >= '1970-01-01 00:00:00'::timestamp without time zone) AND (received_at < '9999-01-01 00:00:00'::timestamp without time zone)))
);

CREATE TABLE public.histogram_watermarks (
    model_name character varying(64) NOT NULL,
    ingested_through timestamp without time zone NOT NULL,
    CONSTRAINT histogram_watermarks_ingested_through_range CHECK (((ingested_through >= '1970-01-01 00:00:00'::timestamp without time zone) AND (ingested_through < '9999-01-01 00:00:00'::timestamp without time zone)))
);

CREATE TABLE public.label_observations (
    observation_id integer NOT NULL,
    request_id character varying(128) NOT NULL,
    label smallint NOT NULL,
    observed_at timestamp without time zone NOT NULL,
    received_at timestamp without time zone NOT NULL,
    source character varying(16) NOT NULL,
    is_waiting boolean NOT NULL,
    matched_request_id character varying(128),
    CONSTRAINT label_observations_label_value CHECK ((label = ANY (ARRAY[0, 1]))),
    CONSTRAINT label_observations_observed_at_range CHECK (((observed_at >= '1970-01-01 00:00:00'::timestamp without time zone) AND (observed_at < '9999-01-01 00:00:00'::timestamp without time zone))),
    CONSTRAINT label_observations_received_at_range CHECK (((received_at >= '1970-01-01 00:00:00'::timestamp without time zone) AND (received_at < '9999-01-01 00:00:00'::timestamp without time zone)))
);

CREATE SEQUENCE public.label_observations_observation_id_seq
    AS integer
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;

ALTER SEQUENCE public.label_observations_observation_id_seq OWNED BY public.label_observations.observation_id;

CREATE TABLE public.model_evaluations (
    evaluation_id character varying(12) NOT NULL,
    model_name character varying(64) NOT NULL,
    challenger_version character varying(32) NOT NULL,
    champion_version character varying(32),
    holdout_digest character varying(64) NOT NULL,
    document json NOT NULL,
    run_id character varying(64) NOT NULL,
    created_at timestamp without time zone NOT NULL,
    CONSTRAINT model_evaluations_created_at_range CHECK (((created_at >= '1970-01-01 00:00:00'::timestamp without time zone) AND (created_at < '9999-01-01 00:00:00'::timestamp without time zone)))
);

CREATE TABLE public.prediction_archives (
    day timestamp without time zone NOT NULL,
    part integer NOT NULL,
    file text NOT NULL,
    n_rows integer NOT NULL,
    n_repeated integer NOT NULL,
    n_bytes bigint NOT NULL,
    digest character varying(64) NOT NULL,
    archived_at timestamp without time zone NOT NULL,
    CONSTRAINT prediction_archives_archived_at_range CHECK (((archived_at >= '1970-01-01 00:00:00'::timestamp without time zone) AND (archived_at < '9999-01-01 00:00:00'::timestamp without time zone))),
    CONSTRAINT prediction_archives_day_range CHECK (((day >= '1970-01-01 00:00:00'::timestamp without time zone) AND (day < '9999-01-01 00:00:00'::timestamp without time zone))),
    CONSTRAINT prediction_archives_file_name CHECK ((file ~ '^[0-9A-Za-z][0-9A-Za-z._-]*$'::text))
);

CREATE TABLE public.prediction_logs (
    request_id character varying(128) NOT NULL,
    predicted_at timestamp without time zone NOT NULL,
    ingested_at timestamp without time zone DEFAULT timezone('UTC'::text, statement_timestamp()) NOT NULL,
    model_name character varying(64) NOT NULL,
    model_version character varying(32) NOT NULL,
    prediction smallint NOT NULL,
    probability double precision NOT NULL,
    latency_ms double precision NOT NULL,
    client_request_id character varying(128),
    CONSTRAINT prediction_logs_ingested_at_range CHECK (((ingested_at >= '1970-01-01 00:00:00'::timestamp without time zone) AND (ingested_at < '9999-01-01 00:00:00'::timestamp without time zone))),
    CONSTRAINT prediction_logs_predicted_at_range CHECK (((predicted_at >= '1970-01-01 00:00:00'::timestamp without time zone) AND (predicted_at < '9999-01-01 00:00:00'::timestamp without time zone))),
    CONSTRAINT prediction_logs_prediction_value CHECK ((prediction = ANY (ARRAY[0, 1]))),
    CONSTRAINT prediction_logs_probability_value CHECK (((probability >= (0)::double precision) AND (probability <= (1)::double precision)))
)
PARTITION BY RANGE (predicted_at);

CREATE TABLE public.prediction_logs_default (
    request_id character varying(128) NOT NULL,
    predicted_at timestamp without time zone NOT NULL,
    ingested_at timestamp without time zone DEFAULT timezone('UTC'::text, statement_timestamp()) NOT NULL,
    model_name character varying(64) NOT NULL,
    model_version character varying(32) NOT NULL,
    prediction smallint NOT NULL,
    probability double precision NOT NULL,
    latency_ms double precision NOT NULL,
    client_request_id character varying(128),
    CONSTRAINT prediction_logs_ingested_at_range CHECK (((ingested_at >= '1970-01-01 00:00:00'::timestamp without time zone) AND (ingested_at < '9999-01-01 00:00:00'::timestamp without time zone))),
    CONSTRAINT prediction_logs_predicted_at_range CHECK (((predicted_at >= '1970-01-01 00:00:00'::timestamp without time zone) AND (predicted_at < '9999-01-01 00:00:00'::timestamp without time zone))),
    CONSTRAINT prediction_logs_prediction_value CHECK ((prediction = ANY (ARRAY[0, 1]))),
    CONSTRAINT prediction_logs_probability_value CHECK (((probability >= (0)::double precision) AND (probability <= (1)::double precision)))
);

CREATE TABLE public.production_pointer (
    model_name character varying(64) NOT NULL,
    version character varying(32) NOT NULL,
    decision_id character varying(12) NOT NULL,
    fencing_token integer NOT NULL,
    moved_at timestamp without time zone NOT NULL,
    CONSTRAINT production_pointer_moved_at_range CHECK (((moved_at >= '1970-01-01 00:00:00'::timestamp without time zone) AND (moved_at < '9999-01-01 00:00:00'::timestamp without time zone)))
);

CREATE TABLE public.promotion_decisions (
    decision_id character varying(12) NOT NULL,
    model_name character varying(64) NOT NULL,
    kind character varying(16) NOT NULL,
    challenger_version character varying(32) NOT NULL,
    champion_version character varying(32),
    promoted boolean NOT NULL,
    primary_metric_improvement double precision,
    promotion_reason text NOT NULL,
    state character varying(16) NOT NULL,
    document json NOT NULL,
    run_id character varying(64) NOT NULL,
    decided_at timestamp without time zone NOT NULL,
    moved_at timestamp without time zone,
    state_reason text,
    changed_by character varying(128),
    fencing_token integer,
    CONSTRAINT promotion_decisions_decided_at_range CHECK (((decided_at >= '1970-01-01 00:00:00'::timestamp without time zone) AND (decided_at < '9999-01-01 00:00:00'::timestamp without time zone))),
    CONSTRAINT promotion_decisions_moved_at_range CHECK (((moved_at >= '1970-01-01 00:00:00'::timestamp without time zone) AND (moved_at < '9999-01-01 00:00:00'::timestamp without time zone)))
);

CREATE TABLE public.reference_datasets (
    dataset_id character varying(12) NOT NULL,
    kind character varying(32) NOT NULL,
    digest character varying(64) NOT NULL,
    path text NOT NULL,
    source text NOT NULL,
    n_rows integer NOT NULL,
    run_id character varying(64) NOT NULL,
    details json NOT NULL,
    created_at timestamp without time zone NOT NULL,
    CONSTRAINT reference_datasets_created_at_range CHECK (((created_at >= '1970-01-01 00:00:00'::timestamp without time zone) AND (created_at < '9999-01-01 00:00:00'::timestamp without time zone)))
);

CREATE TABLE public.registered_versions (
    model_name character varying(64) NOT NULL,
    version character varying(32) NOT NULL,
    run_id character varying(64) NOT NULL,
    digest character varying(64) NOT NULL,
    training_digest character varying(64) NOT NULL,
    holdout_digest character varying(64) NOT NULL,
    registered_at timestamp without time zone NOT NULL,
    CONSTRAINT registered_versions_registered_at_range CHECK (((registered_at >= '1970-01-01 00:00:00'::timestamp without time zone) AND (registered_at < '9999-01-01 00:00:00'::timestamp without time zone)))
);

CREATE TABLE public.retraining_runs (
    retraining_id character varying(12) NOT NULL,
    model_name character varying(64) NOT NULL,
    trigger_type character varying(16) NOT NULL,
    alert_id integer,
    attempt integer NOT NULL,
    run_id character varying(64) NOT NULL,
    outcome character varying(32) NOT NULL,
    reason text NOT NULL,
    challenger_version character varying(32),
    started_at timestamp without time zone NOT NULL,
    finished_at timestamp without time zone,
    cause character varying(96),
    cause_text text DEFAULT ''::text NOT NULL,
    n_new_labels integer,
    gave_up boolean DEFAULT false NOT NULL,
    CONSTRAINT retraining_runs_finished_at_range CHECK (((finished_at >= '1970-01-01 00:00:00'::timestamp without time zone) AND (finished_at < '9999-01-01 00:00:00'::timestamp without time zone))),
    CONSTRAINT retraining_runs_started_at_range CHECK (((started_at >= '1970-01-01 00:00:00'::timestamp without time zone) AND (started_at < '9999-01-01 00:00:00'::timestamp without time zone)))
);

CREATE TABLE public.shadow_predictions (
    model_version character varying(32) NOT NULL,
    request_id character varying(128) NOT NULL,
    model_name character varying(64) NOT NULL,
    predicted_at timestamp without time zone NOT NULL,
    probability double precision NOT NULL,
    prediction smallint NOT NULL,
    scored_at timestamp without time zone NOT NULL,
    CONSTRAINT shadow_predictions_predicted_at_range CHECK (((predicted_at >= '1970-01-01 00:00:00'::timestamp without time zone) AND (predicted_at < '9999-01-01 00:00:00'::timestamp without time zone))),
    CONSTRAINT shadow_predictions_prediction_value CHECK ((prediction = ANY (ARRAY[0, 1]))),
    CONSTRAINT shadow_predictions_probability_value CHECK (((probability >= (0)::double precision) AND (probability <= (1)::double precision))),
    CONSTRAINT shadow_predictions_scored_at_range CHECK (((scored_at >= '1970-01-01 00:00:00'::timestamp without time zone) AND (scored_at < '9999-01-01 00:00:00'::timestamp without time zone)))
);

CREATE TABLE public.stale_hours (
    model_name character varying(64) NOT NULL,
    hour timestamp without time zone NOT NULL,
    CONSTRAINT stale_hours_hour_range CHECK (((hour >= '1970-01-01 00:00:00'::timestamp without time zone) AND (hour < '9999-01-01 00:00:00'::timestamp without time zone)))
);

CREATE TABLE public.storage_usage (
    kind character varying(32) NOT NULL,
    n_bytes bigint NOT NULL,
    measured_at timestamp without time zone NOT NULL,
    CONSTRAINT storage_usage_measured_at_range CHECK (((measured_at >= '1970-01-01 00:00:00'::timestamp without time zone) AND (measured_at < '9999-01-01 00:00:00'::timestamp without time zone)))
);

CREATE TABLE public.training_lock (
    model_name character varying(64) NOT NULL,
    run_id character varying(64) NOT NULL,
    holder character varying(255) NOT NULL,
    locked_at timestamp without time zone NOT NULL,
    CONSTRAINT training_lock_locked_at_range CHECK (((locked_at >= '1970-01-01 00:00:00'::timestamp without time zone) AND (locked_at < '9999-01-01 00:00:00'::timestamp without time zone)))
);

ALTER TABLE ONLY public.prediction_logs ATTACH PARTITION public.prediction_logs_default DEFAULT;

ALTER TABLE ONLY public.alert_changes ALTER COLUMN change_id SET DEFAULT nextval('public.alert_changes_change_id_seq'::regclass);

ALTER TABLE ONLY public.alert_notifications ALTER COLUMN notification_id SET DEFAULT nextval('public.alert_notifications_notification_id_seq'::regclass);

ALTER TABLE ONLY public.api_tokens ALTER COLUMN token_id SET DEFAULT nextval('public.api_tokens_token_id_seq'::regclass);

ALTER TABLE ONLY public.audit_events ALTER COLUMN event_id SET DEFAULT nextval('public.audit_events_event_id_seq'::regclass);

ALTER TABLE ONLY public.drift_alerts ALTER COLUMN alert_id SET DEFAULT nextval('public.drift_alerts_alert_id_seq'::regclass);

ALTER TABLE ONLY public.drift_reports ALTER COLUMN report_id SET DEFAULT nextval('public.drift_reports_report_id_seq'::regclass);

ALTER TABLE ONLY public.label_observations ALTER COLUMN observation_id SET DEFAULT nextval('public.label_observations_observation_id_seq'::regclass);

ALTER TABLE ONLY public.alembic_version
    ADD CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num);

ALTER TABLE ONLY public.alert_changes
    ADD CONSTRAINT alert_changes_pkey PRIMARY KEY (change_id);

ALTER TABLE ONLY public.alert_notifications
    ADD CONSTRAINT alert_notifications_change_id_target_key UNIQUE (change_id, target);

ALTER TABLE ONLY public.alert_notifications
    ADD CONSTRAINT alert_notifications_pkey PRIMARY KEY (notification_id);

ALTER TABLE ONLY public.api_tokens
    ADD CONSTRAINT api_tokens_digest_key UNIQUE (digest);

ALTER TABLE ONLY public.api_tokens
    ADD CONSTRAINT api_tokens_pkey PRIMARY KEY (token_id);

ALTER TABLE ONLY public.audit_events
    ADD CONSTRAINT audit_events_pkey PRIMARY KEY (event_id);

ALTER TABLE ONLY public.client_request_ids
    ADD CONSTRAINT client_request_ids_pkey PRIMARY KEY (client_request_id, row_digest);

ALTER TABLE ONLY public.console_sessions
    ADD CONSTRAINT console_sessions_pkey PRIMARY KEY (digest);

ALTER TABLE ONLY public.console_users
    ADD CONSTRAINT console_users_pkey PRIMARY KEY (name);

ALTER TABLE ONLY public.contract_columns
    ADD CONSTRAINT contract_columns_pkey PRIMARY KEY (feature);

ALTER TABLE ONLY public.daily_performance
    ADD CONSTRAINT daily_performance_pkey PRIMARY KEY (model_name, model_version, day);

ALTER TABLE ONLY public.decision_approvals
    ADD CONSTRAINT decision_approvals_pkey PRIMARY KEY (decision_id, approver);

ALTER TABLE ONLY public.drift_alerts
    ADD CONSTRAINT drift_alerts_live_for_key UNIQUE (live_for);

ALTER TABLE ONLY public.drift_alerts
    ADD CONSTRAINT drift_alerts_pkey PRIMARY KEY (alert_id);

ALTER TABLE ONLY public.drift_metrics
    ADD CONSTRAINT drift_metrics_pkey PRIMARY KEY (report_id, feature);

ALTER TABLE ONLY public.drift_reports
    ADD CONSTRAINT drift_reports_pkey PRIMARY KEY (report_id);

ALTER TABLE ONLY public.feature_histograms
    ADD CONSTRAINT feature_histograms_pkey PRIMARY KEY (model_name, model_version, hour, feature);

ALTER TABLE ONLY public.ground_truth
    ADD CONSTRAINT ground_truth_pkey PRIMARY KEY (request_id);

ALTER TABLE ONLY public.histogram_watermarks
    ADD CONSTRAINT histogram_watermarks_pkey PRIMARY KEY (model_name);

ALTER TABLE ONLY public.label_observations
    ADD CONSTRAINT label_observations_pkey PRIMARY KEY (observation_id);

ALTER TABLE ONLY public.label_observations
    ADD CONSTRAINT label_observations_request_id_observed_at_label_key UNIQUE (request_id, observed_at, label);

ALTER TABLE ONLY public.model_evaluations
    ADD CONSTRAINT model_evaluations_pkey PRIMARY KEY (evaluation_id);

ALTER TABLE ONLY public.prediction_archives
    ADD CONSTRAINT prediction_archives_pkey PRIMARY KEY (day, part);

ALTER TABLE ONLY public.prediction_logs
    ADD CONSTRAINT prediction_logs_pkey PRIMARY KEY (request_id, predicted_at);

ALTER TABLE ONLY public.prediction_logs_default
    ADD CONSTRAINT prediction_logs_default_pkey PRIMARY KEY (request_id, predicted_at);

ALTER TABLE ONLY public.production_pointer
    ADD CONSTRAINT production_pointer_pkey PRIMARY KEY (model_name);

ALTER TABLE ONLY public.promotion_decisions
    ADD CONSTRAINT promotion_decisions_pkey PRIMARY KEY (decision_id);

ALTER TABLE ONLY public.reference_datasets
    ADD CONSTRAINT reference_datasets_pkey PRIMARY KEY (dataset_id);

ALTER TABLE ONLY public.registered_versions
    ADD CONSTRAINT registered_versions_pkey PRIMARY KEY (model_name, version);

ALTER TABLE ONLY public.retraining_runs
    ADD CONSTRAINT retraining_runs_alert_id_attempt_key UNIQUE (alert_id, attempt);

ALTER TABLE ONLY public.retraining_runs
    ADD CONSTRAINT retraining_runs_pkey PRIMARY KEY (retraining_id);

ALTER TABLE ONLY public.retraining_runs
    ADD CONSTRAINT retraining_runs_run_id_key UNIQUE (run_id);

ALTER TABLE ONLY public.shadow_predictions
    ADD CONSTRAINT shadow_predictions_pkey PRIMARY KEY (model_version, request_id);

ALTER TABLE ONLY public.stale_hours
    ADD CONSTRAINT stale_hours_pkey PRIMARY KEY (model_name, hour);

ALTER TABLE ONLY public.storage_usage
    ADD CONSTRAINT storage_usage_pkey PRIMARY KEY (kind);

ALTER TABLE ONLY public.training_lock
    ADD CONSTRAINT training_lock_pkey PRIMARY KEY (model_name);

CREATE INDEX ix_alert_changes_alert_id ON public.alert_changes USING btree (alert_id);

CREATE INDEX ix_alert_notifications_due_at ON public.alert_notifications USING btree (due_at);

CREATE UNIQUE INDEX ix_alert_notifications_subject ON public.alert_notifications USING btree (subject, target);

CREATE INDEX ix_api_tokens_owner ON public.api_tokens USING btree (owner);

CREATE INDEX ix_audit_events_at ON public.audit_events USING btree (at);

CREATE INDEX ix_client_request_ids_predicted_at ON public.client_request_ids USING btree (predicted_at);

CREATE INDEX ix_console_sessions_expires_at ON public.console_sessions USING btree (expires_at);

CREATE INDEX ix_drift_alerts_opened_at ON public.drift_alerts USING btree (opened_at);

CREATE INDEX ix_drift_reports_created_at ON public.drift_reports USING btree (created_at);

CREATE INDEX ix_ground_truth_received_at ON public.ground_truth USING btree (received_at);

CREATE INDEX ix_label_observations_is_waiting ON public.label_observations USING btree (is_waiting);

CREATE INDEX ix_label_observations_matched_request_id ON public.label_observations USING btree (matched_request_id);

CREATE INDEX ix_model_evaluations_created_at ON public.model_evaluations USING btree (created_at);

CREATE INDEX ix_prediction_logs_ingested_at ON ONLY public.prediction_logs USING btree (ingested_at);

CREATE INDEX ix_prediction_logs_predicted_at ON ONLY public.prediction_logs USING btree (predicted_at);

CREATE INDEX ix_prediction_logs_version ON ONLY public.prediction_logs USING btree (model_version, predicted_at);

CREATE INDEX ix_promotion_decisions_decided_at ON public.promotion_decisions USING btree (decided_at);

CREATE INDEX ix_reference_datasets_created_at ON public.reference_datasets USING btree (created_at);

CREATE INDEX ix_registered_versions_run_id ON public.registered_versions USING btree (run_id);

CREATE UNIQUE INDEX ix_retraining_runs_cause ON public.retraining_runs USING btree (model_name, cause, attempt);

CREATE INDEX ix_retraining_runs_started_at ON public.retraining_runs USING btree (started_at);

CREATE INDEX ix_shadow_predictions_predicted_at ON public.shadow_predictions USING btree (model_version, predicted_at);

CREATE INDEX prediction_logs_default_ingested_at_idx ON public.prediction_logs_default USING btree (ingested_at);

CREATE INDEX prediction_logs_default_model_version_predicted_at_idx ON public.prediction_logs_default USING btree (model_version, predicted_at);

CREATE INDEX prediction_logs_default_predicted_at_idx ON public.prediction_logs_default USING btree (predicted_at);

ALTER INDEX public.ix_prediction_logs_ingested_at ATTACH PARTITION public.prediction_logs_default_ingested_at_idx;

ALTER INDEX public.ix_prediction_logs_version ATTACH PARTITION public.prediction_logs_default_model_version_predicted_at_idx;

ALTER INDEX public.prediction_logs_pkey ATTACH PARTITION public.prediction_logs_default_pkey;

ALTER INDEX public.ix_prediction_logs_predicted_at ATTACH PARTITION public.prediction_logs_default_predicted_at_idx;

ALTER TABLE ONLY public.alert_changes
    ADD CONSTRAINT alert_changes_alert_id_fkey FOREIGN KEY (alert_id) REFERENCES public.drift_alerts(alert_id);

ALTER TABLE ONLY public.alert_notifications
    ADD CONSTRAINT alert_notifications_change_id_fkey FOREIGN KEY (change_id) REFERENCES public.alert_changes(change_id);

ALTER TABLE ONLY public.api_tokens
    ADD CONSTRAINT api_tokens_owner_fkey FOREIGN KEY (owner) REFERENCES public.console_users(name);

ALTER TABLE ONLY public.decision_approvals
    ADD CONSTRAINT decision_approvals_decision_id_fkey FOREIGN KEY (decision_id) REFERENCES public.promotion_decisions(decision_id);

ALTER TABLE ONLY public.drift_alerts
    ADD CONSTRAINT drift_alerts_report_id_fkey FOREIGN KEY (report_id) REFERENCES public.drift_reports(report_id);

ALTER TABLE ONLY public.drift_metrics
    ADD CONSTRAINT drift_metrics_report_id_fkey FOREIGN KEY (report_id) REFERENCES public.drift_reports(report_id);

REVOKE ALL ON FUNCTION public.pmmds_drop_day(unwanted date, new_file text, new_rows integer, new_repeated integer, new_bytes bigint, new_digest text) FROM PUBLIC;

REVOKE ALL ON FUNCTION public.pmmds_drop_empty_day(unwanted date) FROM PUBLIC;

REVOKE ALL ON FUNCTION public.pmmds_make_day(wanted date) FROM PUBLIC;

INSERT INTO alembic_version VALUES ('0001');
