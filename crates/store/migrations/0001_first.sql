-- The first schema. Read `schema.sql` for the newest one; a migration that has landed is never edited.

CREATE TABLE counter (
    name TEXT PRIMARY KEY,
    value BIGINT NOT NULL,
    newest BIGINT
);
INSERT INTO counter (name, value) VALUES ('revision', 0), ('outbox', 0), ('directory_audit', 0), ('sign_in', 0), ('start', 0);

CREATE TABLE directory_object (
    kind TEXT NOT NULL,
    id TEXT NOT NULL,
    body TEXT NOT NULL,
    revision BIGINT NOT NULL,
    user_principal_name TEXT,
    app_id TEXT,
    PRIMARY KEY (kind, id)
);
CREATE UNIQUE INDEX directory_object_user_principal_name ON directory_object (user_principal_name);
CREATE UNIQUE INDEX directory_object_app_id ON directory_object (app_id);

CREATE TABLE setting (
    name TEXT PRIMARY KEY,
    value BYTEA NOT NULL
);

CREATE TABLE credential (
    id TEXT PRIMARY KEY,
    user_id TEXT NOT NULL,
    kind TEXT NOT NULL,
    label TEXT NOT NULL,
    secret BYTEA NOT NULL,
    created BIGINT NOT NULL,
    last_used BIGINT,
    counter BIGINT NOT NULL
);
CREATE INDEX credential_user ON credential (user_id);
CREATE UNIQUE INDEX credential_password ON credential (user_id) WHERE kind = 'password';

CREATE TABLE throttle (
    name TEXT PRIMARY KEY,
    failures BIGINT NOT NULL,
    last_failure BIGINT NOT NULL,
    locked_until BIGINT
);
CREATE INDEX throttle_last_failure ON throttle (last_failure);

CREATE TABLE session (
    id TEXT PRIMARY KEY,
    user_id TEXT NOT NULL,
    secret_hash TEXT NOT NULL,
    created BIGINT NOT NULL,
    signed_in_at BIGINT NOT NULL,
    expires BIGINT NOT NULL,
    methods TEXT NOT NULL,
    transfer_method TEXT NOT NULL,
    revoked_at BIGINT
);
CREATE INDEX session_user ON session (user_id);
CREATE INDEX session_expires ON session (expires);

CREATE TABLE authorization_code (
    hash TEXT PRIMARY KEY,
    session_id TEXT NOT NULL,
    user_id TEXT NOT NULL,
    client_id TEXT NOT NULL,
    detail TEXT NOT NULL,
    expires BIGINT NOT NULL,
    redeemed_at BIGINT
);
CREATE INDEX authorization_code_expires ON authorization_code (expires);

CREATE TABLE refresh_grant (
    id TEXT PRIMARY KEY,
    session_id TEXT NOT NULL,
    user_id TEXT NOT NULL,
    client_id TEXT NOT NULL,
    detail TEXT NOT NULL,
    current_hash TEXT NOT NULL,
    created BIGINT NOT NULL,
    last_used BIGINT NOT NULL,
    expires BIGINT NOT NULL,
    revoked_at BIGINT
);
CREATE INDEX refresh_grant_session ON refresh_grant (session_id);
CREATE INDEX refresh_grant_user ON refresh_grant (user_id);
CREATE INDEX refresh_grant_expires ON refresh_grant (expires);

CREATE TABLE signing_key (
    kid TEXT PRIMARY KEY,
    sealed_private BYTEA NOT NULL,
    public_jwk TEXT NOT NULL,
    created BIGINT NOT NULL,
    active_from BIGINT NOT NULL,
    retire_at BIGINT NOT NULL
);

CREATE TABLE outbox (
    sequence BIGINT PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    body TEXT NOT NULL,
    created BIGINT NOT NULL
);

CREATE TABLE event_stream (
    id TEXT PRIMARY KEY,
    client_id TEXT NOT NULL,
    audience TEXT NOT NULL,
    endpoint TEXT NOT NULL,
    sealed_authorization BYTEA,
    detail TEXT NOT NULL,
    status TEXT NOT NULL,
    created BIGINT NOT NULL,
    acknowledged BIGINT NOT NULL
);
CREATE INDEX event_stream_client ON event_stream (client_id);

CREATE TABLE directory_audit (
    sequence BIGINT PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    at BIGINT NOT NULL,
    activity TEXT NOT NULL,
    category TEXT NOT NULL,
    body TEXT NOT NULL
);
CREATE INDEX directory_audit_at ON directory_audit (at);
CREATE INDEX directory_audit_activity ON directory_audit (activity, sequence);
CREATE INDEX directory_audit_category ON directory_audit (category, sequence);

CREATE TABLE directory_audit_target (
    target TEXT NOT NULL,
    sequence BIGINT NOT NULL REFERENCES directory_audit (sequence) ON DELETE CASCADE,
    PRIMARY KEY (target, sequence)
);
CREATE INDEX directory_audit_target_sequence ON directory_audit_target (sequence);

CREATE TABLE sign_in (
    sequence BIGINT PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    at BIGINT NOT NULL,
    correlation_id TEXT NOT NULL,
    user_id TEXT,
    user_principal_name TEXT NOT NULL,
    app_id TEXT NOT NULL,
    resource_id TEXT NOT NULL,
    succeeded BOOLEAN NOT NULL,
    body TEXT NOT NULL,
    request TEXT NOT NULL,
    decision TEXT NOT NULL
);
CREATE INDEX sign_in_at ON sign_in (at);
CREATE INDEX sign_in_correlation ON sign_in (correlation_id, sequence);
CREATE INDEX sign_in_user ON sign_in (user_id, sequence);
CREATE INDEX sign_in_user_principal_name ON sign_in (user_principal_name, sequence);
CREATE INDEX sign_in_app ON sign_in (app_id, sequence);
CREATE INDEX sign_in_resource ON sign_in (resource_id, sequence);
CREATE INDEX sign_in_succeeded ON sign_in (succeeded, sequence);

CREATE TABLE one_time (
    hash TEXT NOT NULL,
    purpose TEXT NOT NULL,
    expires BIGINT NOT NULL,
    PRIMARY KEY (hash, purpose)
);
CREATE INDEX one_time_expires ON one_time (expires);
