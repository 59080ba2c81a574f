-- The newest schema, to read. The program runs `migrations/`, never this file; a test proves that both give the same.
--
-- Times are microseconds since 1970 in UTC. JSON is opaque text. Identifiers are in lower case. Everything marked
-- "sealed" is encrypted before it comes here; "hash" is a digest, and what it was made of is not kept.

-- Which migrations have run.
CREATE TABLE schema_migration (
    version BIGINT PRIMARY KEY
);

-- Numbers in commit order, without gaps, and the newest time of what was numbered.
CREATE TABLE counter (
    name TEXT PRIMARY KEY,
    value BIGINT NOT NULL,
    newest BIGINT
);
INSERT INTO counter (name, value) VALUES ('revision', 0), ('outbox', 0), ('directory_audit', 0), ('sign_in', 0), ('start', 0);

-- The tenant: every Graph object.
CREATE TABLE directory_object (
    kind TEXT NOT NULL,             -- the Graph resource's name
    id TEXT NOT NULL,
    body TEXT NOT NULL,             -- JSON
    revision BIGINT NOT NULL,       -- the number of the change that wrote it
    user_principal_name TEXT,       -- users only; lower case
    app_id TEXT,                    -- applications only
    PRIMARY KEY (kind, id)
);
CREATE UNIQUE INDEX directory_object_user_principal_name ON directory_object (user_principal_name);
CREATE UNIQUE INDEX directory_object_app_id ON directory_object (app_id);

-- Values of the server itself.
CREATE TABLE setting (
    name TEXT PRIMARY KEY,
    value BYTEA NOT NULL
);

CREATE TABLE credential (
    id TEXT PRIMARY KEY,
    user_id TEXT NOT NULL,
    kind TEXT NOT NULL,             -- password, totp, passkey
    label TEXT NOT NULL,
    secret BYTEA NOT NULL,          -- a password's hash, a sealed TOTP secret, a passkey's public part
    created BIGINT NOT NULL,
    last_used BIGINT,
    counter BIGINT NOT NULL         -- only grows: the last TOTP step used, a passkey's signature counter
);
CREATE INDEX credential_user ON credential (user_id);
CREATE UNIQUE INDEX credential_password ON credential (user_id) WHERE kind = 'password';

CREATE TABLE throttle (
    name TEXT PRIMARY KEY,          -- the caller's key: an account, an address
    failures BIGINT NOT NULL,
    last_failure BIGINT NOT NULL,
    locked_until BIGINT
);
CREATE INDEX throttle_last_failure ON throttle (last_failure);

-- Sessions of browsers at the control plane.
CREATE TABLE session (
    id TEXT PRIMARY KEY,
    user_id TEXT NOT NULL,
    secret_hash TEXT NOT NULL,
    created BIGINT NOT NULL,
    signed_in_at BIGINT NOT NULL,
    expires BIGINT NOT NULL,
    methods TEXT NOT NULL,          -- JSON
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
    detail TEXT NOT NULL,           -- JSON
    expires BIGINT NOT NULL,
    redeemed_at BIGINT
);
CREATE INDEX authorization_code_expires ON authorization_code (expires);

-- Families of refresh tokens.
CREATE TABLE refresh_grant (
    id TEXT PRIMARY KEY,
    session_id TEXT NOT NULL,
    user_id TEXT NOT NULL,
    client_id TEXT NOT NULL,
    detail TEXT NOT NULL,           -- JSON
    current_hash TEXT NOT NULL,     -- of the one token that is good now
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
    public_jwk TEXT NOT NULL,       -- JSON
    created BIGINT NOT NULL,
    active_from BIGINT NOT NULL,
    retire_at BIGINT NOT NULL
);

-- Security events to be sent, in commit order.
CREATE TABLE outbox (
    sequence BIGINT PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    body TEXT NOT NULL,             -- JSON
    created BIGINT NOT NULL
);

-- Who is sent them, and how far they have got.
CREATE TABLE event_stream (
    id TEXT PRIMARY KEY,
    client_id TEXT NOT NULL,
    audience TEXT NOT NULL,
    endpoint TEXT NOT NULL,
    sealed_authorization BYTEA,
    detail TEXT NOT NULL,           -- JSON
    status TEXT NOT NULL,
    created BIGINT NOT NULL,
    acknowledged BIGINT NOT NULL    -- outbox sequence
);
CREATE INDEX event_stream_client ON event_stream (client_id);

CREATE TABLE directory_audit (
    sequence BIGINT PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    at BIGINT NOT NULL,
    activity TEXT NOT NULL,
    category TEXT NOT NULL,
    body TEXT NOT NULL              -- JSON
);
CREATE INDEX directory_audit_at ON directory_audit (at);
CREATE INDEX directory_audit_activity ON directory_audit (activity, sequence);
CREATE INDEX directory_audit_category ON directory_audit (category, sequence);

-- The ids of the objects that an audit record is about.
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
    user_id TEXT,                   -- absent when nobody by that name exists
    user_principal_name TEXT NOT NULL,  -- lower case
    app_id TEXT NOT NULL,
    resource_id TEXT NOT NULL,
    succeeded BOOLEAN NOT NULL,
    body TEXT NOT NULL,             -- JSON: the record
    request TEXT NOT NULL,          -- JSON: what was decided upon, to replay it
    decision TEXT NOT NULL          -- JSON: the answer
);
CREATE INDEX sign_in_at ON sign_in (at);
CREATE INDEX sign_in_correlation ON sign_in (correlation_id, sequence);
CREATE INDEX sign_in_user ON sign_in (user_id, sequence);
CREATE INDEX sign_in_user_principal_name ON sign_in (user_principal_name, sequence);
CREATE INDEX sign_in_app ON sign_in (app_id, sequence);
CREATE INDEX sign_in_resource ON sign_in (resource_id, sequence);
CREATE INDEX sign_in_succeeded ON sign_in (succeeded, sequence);

-- Values that are good once, for one purpose.
CREATE TABLE one_time (
    hash TEXT NOT NULL,
    purpose TEXT NOT NULL,
    expires BIGINT NOT NULL,
    PRIMARY KEY (hash, purpose)
);
CREATE INDEX one_time_expires ON one_time (expires);
