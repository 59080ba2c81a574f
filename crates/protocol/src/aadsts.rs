//! The errors that Entra's clients know by number: AADSTS number, OAuth error, suberror (MSAL's classification), text, and the
//! body in which they travel. A table, no rules: which error is due is for the control plane to say.
//! <https://learn.microsoft.com/entra/identity-platform/reference-error-codes>

use serde::{Deserialize, Serialize};

/// What a client is told: one row of the table, with the text filled in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    pub aadsts: Aadsts,
    pub text: String,
}

/// The member values that differ from one occurrence to the next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Occurrence {
    /// `YYYY-MM-DD HH:MM:SSZ`.
    pub timestamp: String,
    pub trace_id: String,
    pub correlation_id: String,
    /// The address of the page that explains errors, without its query.
    pub error_page: String,
}

/// The JSON body of an error (RFC 6749 §5.2 and Entra's members).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorBody {
    pub error: String,
    pub error_description: String,
    pub error_codes: Vec<u32>,
    pub timestamp: String,
    pub trace_id: String,
    pub correlation_id: String,
    pub error_uri: String,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub suberror: Option<String>,
    /// A claims challenge: what the client should send back as `claims`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub claims: Option<String>,
}

impl Fault {
    pub fn number(&self) -> u32 {
        self.aadsts.number()
    }

    /// `AADSTS50126: … Trace ID: … Correlation ID: … Timestamp: …`
    pub fn description(&self, occurrence: &Occurrence) -> String {
        format!(
            "AADSTS{}: {} Trace ID: {} Correlation ID: {} Timestamp: {}",
            self.number(),
            self.text,
            occurrence.trace_id,
            occurrence.correlation_id,
            occurrence.timestamp
        )
    }

    /// The body for the token endpoint.
    pub fn body(&self, occurrence: &Occurrence) -> ErrorBody {
        ErrorBody {
            error: self.aadsts.token_error().to_owned(),
            error_description: self.description(occurrence),
            error_codes: vec![self.number()],
            timestamp: occurrence.timestamp.clone(),
            trace_id: occurrence.trace_id.clone(),
            correlation_id: occurrence.correlation_id.clone(),
            error_uri: format!("{}?code={}", occurrence.error_page, self.number()),
            suberror: self.aadsts.suberror().map(str::to_owned),
            claims: None,
        }
    }
}

macro_rules! table {
    ($($(#[$doc:meta])* $variant:ident = $number:literal, $token:literal, $authorize:literal, $status:literal, $suberror:expr, $text:literal;)+) => {
        /// A row of the table. Two rows may share a number where Entra uses one number for two situations.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Aadsts {
            $($(#[$doc])* $variant,)+
        }

        impl Aadsts {
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            pub const fn number(self) -> u32 {
                match self { $(Self::$variant => $number,)+ }
            }

            /// `error` at the token endpoint.
            pub const fn token_error(self) -> &'static str {
                match self { $(Self::$variant => $token,)+ }
            }

            /// `error` in the answer of the authorization endpoint (RFC 6749 §4.1.2.1, OpenID Connect Core §3.1.2.6).
            pub const fn authorize_error(self) -> &'static str {
                match self { $(Self::$variant => $authorize,)+ }
            }

            /// The HTTP status at the token endpoint.
            pub const fn status(self) -> u16 {
                match self { $(Self::$variant => $status,)+ }
            }

            pub const fn suberror(self) -> Option<&'static str> {
                match self { $(Self::$variant => $suberror,)+ }
            }

            /// The text, with `{}` where an argument belongs.
            pub const fn template(self) -> &'static str {
                match self { $(Self::$variant => $text,)+ }
            }
        }
    };
}

table! {
    // The request.
    TenantNotFound = 90002, "invalid_request", "invalid_request", 400, None,
        "Tenant '{}' not found. Check to make sure you have the correct tenant ID and are signing into the correct cloud.";
    MissingParameter = 900144, "invalid_request", "invalid_request", 400, None,
        "The request body must contain the following parameter: '{}'.";
    DuplicateParameter = 9000411, "invalid_request", "invalid_request", 400, None,
        "The request is not properly formatted. The parameter '{}' is duplicated.";
    MalformedRequest = 90023, "invalid_request", "invalid_request", 400, None,
        "The request is not valid: {}.";
    RequestObject = 90023, "invalid_request", "request_not_supported", 400, None,
        "Request objects are not supported.";
    OnlyPost = 900561, "invalid_request", "invalid_request", 405, None,
        "The endpoint only accepts POST requests. Received a {} request.";
    UnsupportedGrantType = 70003, "unsupported_grant_type", "invalid_request", 400, None,
        "The app requested an unsupported grant type '{}'.";
    UnsupportedResponseType = 70005, "unsupported_response_type", "unsupported_response_type", 400, None,
        "Response type '{}' is not supported.";
    UnsupportedResponseMode = 70007, "invalid_request", "invalid_request", 400, None,
        "'{}' is not a supported value of 'response_mode'.";
    CodeChallengeSize = 501491, "invalid_request", "invalid_request", 400, None,
        "Invalid size of Code_Challenge parameter.";
    // The client.
    ApplicationNotFound = 700016, "unauthorized_client", "unauthorized_client", 400, None,
        "Application with identifier '{}' was not found in the directory '{}'. This can happen if the application has not been installed by the administrator of the tenant.";
    RedirectMismatch = 50011, "invalid_request", "invalid_request", 400, None,
        "The redirect URI '{}' specified in the request does not match the redirect URIs configured for the application '{}'.";
    InvalidClientSecret = 7000215, "invalid_client", "unauthorized_client", 401, None,
        "Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, not the client secret ID, for a secret added to app '{}'.";
    ClientSecretExpired = 7000222, "invalid_client", "unauthorized_client", 401, None,
        "The provided client secret keys for app '{}' are expired.";
    ClientSecretMissing = 7000218, "invalid_client", "unauthorized_client", 401, None,
        "The request body must contain the following parameter: 'client_assertion' or 'client_secret'.";
    PublicClientWithSecret = 700025, "invalid_client", "unauthorized_client", 401, None,
        "Client is public so neither 'client_assertion' nor 'client_secret' should be presented.";
    // Scope and resource.
    InvalidScope = 70011, "invalid_scope", "invalid_scope", 400, None,
        "The provided value for the input parameter 'scope' is not valid. {}";
    SeveralResources = 28000, "invalid_scope", "invalid_scope", 400, None,
        "Provided value for the input parameter scope is not valid because it contains more than one resource. Scope {} is not valid.";
    ScopeNotOnResource = 650053, "invalid_scope", "invalid_scope", 400, None,
        "The application '{}' asked for scope '{}' that doesn't exist on the resource '{}'.";
    ClientCredentialsScope = 1002012, "invalid_scope", "invalid_scope", 400, None,
        "The provided value for scope {} is not valid. Client credential flows must have a scope value with /.default suffixed to the resource identifier (application ID URI).";
    ResourceNotFound = 500011, "invalid_resource", "invalid_resource", 400, None,
        "The resource principal named {} was not found in the tenant named {}.";
    ConsentRequired = 65001, "invalid_grant", "consent_required", 400, Some("consent_required"),
        "The user or administrator has not consented to use the application with ID '{}' named '{}'. Send an interactive authorization request for this user and resource.";
    RoleNotAssigned = 501051, "invalid_grant", "access_denied", 400, None,
        "Application '{}' is not assigned to a role for the application '{}'.";
    Declined = 65004, "access_denied", "access_denied", 400, None,
        "The sign-in was cancelled.";
    // The grant.
    InvalidGrant = 70000, "invalid_grant", "invalid_request", 400, Some("bad_token"),
        "The provided grant is invalid or malformed.";
    CodeMalformed = 9002313, "invalid_grant", "invalid_request", 400, None,
        "The provided authorization code is invalid or malformed.";
    CodeExpired = 70008, "invalid_grant", "invalid_request", 400, None,
        "The provided authorization code or refresh token has expired due to inactivity. Send a new interactive authorization request for this user and resource.";
    CodeRedeemed = 54005, "invalid_grant", "invalid_request", 400, None,
        "OAuth2 Authorization code was already redeemed, please retry with a new valid code or use an existing refresh token.";
    CodeVerifierMismatch = 501481, "invalid_grant", "invalid_request", 400, None,
        "The Code_Verifier does not match the code_challenge supplied in the authorization request.";
    RefreshTokenExpired = 700082, "invalid_grant", "invalid_request", 400, Some("bad_token"),
        "The refresh token has expired due to inactivity. Send a new interactive authorization request for this user and resource.";
    ClientMismatch = 70000, "invalid_grant", "invalid_request", 400, Some("client_mismatch"),
        "The provided grant was issued to another client.";
    /// Sessions were revoked, or a refresh token was used twice.
    GrantRevoked = 50173, "invalid_grant", "login_required", 400, Some("bad_token"),
        "The provided grant has expired due to it being revoked, a fresh auth token is needed. The user might have changed or reset their password.";
    // The person.
    UserNotFound = 50034, "invalid_grant", "login_required", 400, None,
        "The user account does not exist in the directory.";
    WrongPassword = 50126, "invalid_grant", "access_denied", 400, None,
        "Error validating credentials due to invalid username or password.";
    AccountLocked = 50053, "invalid_grant", "access_denied", 400, None,
        "The account is locked, you've tried to sign in too many times with an incorrect user ID or password.";
    AccountDisabled = 50057, "invalid_grant", "access_denied", 400, None,
        "The user account is disabled.";
    NotSignedIn = 50058, "login_required", "login_required", 400, None,
        "A silent sign-in request was sent but no user is signed in.";
    AccountSelection = 16000, "interaction_required", "account_selection_required", 400, None,
        "The account that is signed in is not the one that was asked for. Select an account.";
    StrongAuthenticationFailed = 500121, "access_denied", "access_denied", 400, None,
        "Authentication failed during strong authentication request.";
    // What policies owe.
    StrongAuthenticationRequired = 50074, "interaction_required", "interaction_required", 400, Some("basic_action"),
        "Strong Authentication is required.";
    MfaRequired = 50076, "interaction_required", "interaction_required", 400, Some("basic_action"),
        "Due to a configuration change made by your administrator, or because you moved to a new location, you must use multi-factor authentication to access '{}'.";
    MfaExpired = 50078, "interaction_required", "interaction_required", 400, Some("basic_action"),
        "Presented multi-factor authentication has expired due to policies configured by your administrator, you must refresh your multi-factor authentication to access '{}'.";
    MfaRegistrationRequired = 50079, "interaction_required", "interaction_required", 400, Some("basic_action"),
        "Due to a configuration change made by your administrator, or because you moved to a new location, you must enroll in multi-factor authentication to access '{}'.";
    SignInFrequency = 70043, "invalid_grant", "login_required", 400, Some("bad_token"),
        "The refresh token has expired or is invalid due to sign-in frequency checks by conditional access.";
    DeviceNotCompliant = 53000, "interaction_required", "access_denied", 400, Some("message_only"),
        "Device is not in required device state: compliant. Conditional Access policy requires a compliant device, and the device is not compliant.";
    DeviceNotJoined = 53001, "interaction_required", "access_denied", 400, Some("message_only"),
        "Device is not in required device state: domain_joined. Conditional Access policy requires a domain joined device, and the device is not domain joined.";
    ApplicationNotApproved = 53002, "interaction_required", "access_denied", 400, Some("message_only"),
        "Application used is not an approved application for Conditional Access.";
    BlockedByPolicy = 53003, "interaction_required", "access_denied", 400, Some("message_only"),
        "Access has been blocked by Conditional Access policies. The access policy does not allow token issuance.";
    RegistrationBlocked = 53010, "interaction_required", "access_denied", 400, Some("message_only"),
        "Configuring multi-factor authentication methods is blocked because the organization requires this information to be set from specific locations or devices.";
    ExternalChallenge = 50158, "interaction_required", "interaction_required", 400, Some("basic_action"),
        "External security challenge not satisfied.";
    PasswordChangeRequired = 50135, "interaction_required", "interaction_required", 400, Some("basic_action"),
        "Password change is required due to account risk.";
    // The pages.
    FlowExpired = 50089, "invalid_request", "login_required", 400, None,
        "Authentication failed due to flow token expired. Start again from the application.";
    FlowMismatch = 165000, "invalid_request", "invalid_request", 400, None,
        "Invalid Request: Request tokens do not match the user context.";
    // Ourselves.
    Throttled = 90055, "temporarily_unavailable", "temporarily_unavailable", 429, None,
        "There are too many incoming requests. Try again in a moment.";
    Unavailable = 90033, "temporarily_unavailable", "temporarily_unavailable", 503, None,
        "A transient error has occurred. Please try again.";
}

impl Aadsts {
    /// The fault with its text filled in; arguments are cut at 256 characters, since clients send them.
    pub fn fault(self, arguments: &[&str]) -> Fault {
        let mut pieces = self.template().split("{}");
        let mut text = pieces.next().unwrap_or_default().to_owned();
        let mut arguments = arguments.iter();
        for piece in pieces {
            text.extend(arguments.next().into_iter().flat_map(|argument| argument.chars().take(256)));
            text.push_str(piece);
        }
        Fault { aadsts: self, text }
    }

    /// The rows that carry `number`.
    pub fn with_number(number: u32) -> impl Iterator<Item = Self> {
        Self::ALL.iter().copied().filter(move |row| row.number() == number)
    }
}

impl From<Aadsts> for Fault {
    fn from(aadsts: Aadsts) -> Self {
        aadsts.fault(&[])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn occurrence() -> Occurrence {
        Occurrence {
            timestamp: "2026-11-22 10:00:00Z".to_owned(),
            trace_id: "11111111-1111-1111-1111-111111111111".to_owned(),
            correlation_id: "22222222-2222-2222-2222-222222222222".to_owned(),
            error_page: "https://localhost:8443/error".to_owned(),
        }
    }

    #[test]
    fn a_body_has_the_members_that_msal_reads() {
        let body = Aadsts::GrantRevoked.fault(&[]).body(&occurrence());
        expect_test::expect![[r#"
            {
              "error": "invalid_grant",
              "error_description": "AADSTS50173: The provided grant has expired due to it being revoked, a fresh auth token is needed. The user might have changed or reset their password. Trace ID: 11111111-1111-1111-1111-111111111111 Correlation ID: 22222222-2222-2222-2222-222222222222 Timestamp: 2026-11-22 10:00:00Z",
              "error_codes": [
                50173
              ],
              "timestamp": "2026-11-22 10:00:00Z",
              "trace_id": "11111111-1111-1111-1111-111111111111",
              "correlation_id": "22222222-2222-2222-2222-222222222222",
              "error_uri": "https://localhost:8443/error?code=50173",
              "suberror": "bad_token"
            }"#]]
        .assert_eq(&serde_json::to_string_pretty(&body).unwrap());
    }

    #[test]
    fn arguments_fill_the_text_and_are_cut() {
        let fault = Aadsts::RedirectMismatch.fault(&["https://a.example/", "app"]);
        assert!(fault.text.contains("'https://a.example/'") && fault.text.ends_with("application 'app'."));
        let long = "x".repeat(10_000);
        assert!(Aadsts::TenantNotFound.fault(&[&long]).text.len() < 1000);
        // Braces in an argument are text, not a place for the next argument.
        assert!(Aadsts::RedirectMismatch.fault(&["{}", "app"]).text.contains("'{}'"));
    }

    #[test]
    fn every_error_is_one_that_the_standards_name() {
        let known = [
            "invalid_request",
            "unauthorized_client",
            "access_denied",
            "unsupported_response_type",
            "invalid_scope",
            "temporarily_unavailable",
            "invalid_client",
            "invalid_grant",
            "unsupported_grant_type",
            "interaction_required",
            "login_required",
            "account_selection_required",
            "consent_required",
            "request_not_supported",
            "invalid_resource",
        ];
        for row in Aadsts::ALL {
            assert!(known.contains(&row.token_error()), "{row:?}");
            assert!(known.contains(&row.authorize_error()), "{row:?}");
            assert!(row.status() >= 400, "{row:?}");
        }
    }
}
