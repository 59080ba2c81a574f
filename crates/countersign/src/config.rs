//! `countersign serve` and `countersign gateway`: one TOML file, one resolved value. Everything that can be known to be
//! wrong is known, and said, before a port opens or a file is made. Nothing reads the file again.

mod reader;

use crate::error::{CommandError, Problem};
use reader::{Reader, Section};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;
use url::Url;

/// `countersign serve`.
#[derive(Clone, Debug)]
pub struct ServeConfig {
    /// Holds what the other keys do not place elsewhere: `countersign.db`, `data.key`, `ca.pem`, `ca.key`.
    pub data_dir: PathBuf,
    pub control_plane: ControlPlaneConfig,
    pub gateway: Option<GatewayConfig>,
}

#[derive(Clone, Debug)]
pub struct ControlPlaneConfig {
    /// Its own; what the file does not say is as the control plane has it.
    pub settings: control_plane::Config,
    pub listen: Vec<SocketAddr>,
    pub certificate: CertificateSource,
    /// Authorities that receivers of events are trusted by, besides the one of `data_dir`.
    pub authority_file: Option<PathBuf>,
    pub database: PathBuf,
    /// The most the database may grow to, in SQLite pages of 4 KiB.
    pub database_max_pages: Option<u32>,
    pub data_key_file: PathBuf,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GatewayConfig {
    /// `{base}/{tenant}/v2.0` of the control plane.
    pub issuer: Url,
    pub base_url: Url,
    pub listen: Vec<SocketAddr>,
    pub certificate: CertificateSource,
    /// Authorities that the control plane is trusted by; in `serve`, besides the one of `data_dir`.
    pub authority_file: Option<PathBuf>,
    pub client_id: String,
    pub client_secret_file: PathBuf,
    /// `None`: sessions end with the process.
    pub cookie_key_file: Option<PathBuf>,
    /// Who may read `/metrics`; without it nobody.
    pub metrics_token_file: Option<PathBuf>,
    /// Authorities that applications reached over https are trusted by.
    pub applications_authority_file: Option<PathBuf>,
    /// Without a word from the control plane for this long, nobody is let in and what runs is cut. `None`: as the gateway
    /// has it.
    pub silence: Option<Duration>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CertificateSource {
    Files {
        certificate: PathBuf,
        key: PathBuf,
    },
    /// Made by the authority of the data folder, which can make them for names of this machine alone.
    Made {
        names: Vec<String>,
    },
}

pub const CONTROL_PLANE_PORT: u16 = 8443;
pub const GATEWAY_PORT: u16 = 8444;

const BASE_FORM: &str = "https://HOST[:PORT]";
const ISSUER_FORM: &str = "https://HOST[:PORT]/TENANT/v2.0";

/// Both loopback addresses.
pub fn loopback(port: u16) -> Vec<SocketAddr> {
    vec![SocketAddr::from((Ipv4Addr::LOCALHOST, port)), SocketAddr::from((Ipv6Addr::LOCALHOST, port))]
}

pub fn read_serve(file: &Path) -> Result<ServeConfig, CommandError> {
    parse(file, serve)
}

pub fn read_gateway(file: &Path) -> Result<GatewayConfig, CommandError> {
    parse(file, |top| {
        let config = gateway(top, Setting::Alone);
        require_files(top, config.as_ref());
        config
    })
}

fn parse<T>(file: &Path, resolve: impl FnOnce(&Section<'_>) -> Option<T>) -> Result<T, CommandError> {
    let bytes = std::fs::read(file).map_err(|error| {
        Problem::caused_by("the configuration cannot be read", &error).at(file.display()).hint("name it with `--config FILE`")
    })?;
    let text = String::from_utf8(bytes).map_err(|_| Problem::new("the configuration is not UTF-8 text").at(file.display()))?;
    let reader = Reader::new(file, &text);
    let config = {
        let top = reader.top();
        let config = resolve(&top);
        top.finish();
        config
    };
    let problems = reader.problems();
    match config {
        Some(config) if problems.is_empty() => Ok(config),
        Some(_) | None => Err(problems.into()),
    }
}

fn serve(top: &Section<'_>) -> Option<ServeConfig> {
    let data_dir = top.required_path("data_dir");
    let base_url = top.required_url("base_url", BASE_FORM);
    let listen = top.addresses("listen");
    let authority_file = top.path("authority_file");
    let database = top.path("database");
    let megabytes = top.number("database_limit_megabytes", 1..=16_000_000);
    let data_key_file = top.path("data_key_file");
    let certificate = certificate(top, base_url.as_ref());
    let sign_in = top.section("sign_in").map(SignIn::read).unwrap_or_default();
    let heartbeat = top.section("signals").and_then(|section| {
        let heartbeat = section.seconds("heartbeat_seconds", 1..=300);
        section.finish();
        heartbeat
    });
    let gateway_section = top.section("gateway");
    let gateway = gateway_section.map(|section| {
        let config = gateway(&section, Setting::InServe);
        section.finish();
        config
    });
    let (data_dir, base_url) = (data_dir?, base_url?);
    let port = base_url.port_or_known_default().unwrap_or(CONTROL_PLANE_PORT);
    let defaults = control_plane::Config::new(base_url);
    let settings = control_plane::Config {
        session_lifetime: sign_in.session_lifetime.unwrap_or(defaults.session_lifetime),
        heartbeat: heartbeat.unwrap_or(defaults.heartbeat),
        password_threads: sign_in.password_threads.unwrap_or(defaults.password_threads),
        password_queue: sign_in.password_queue.unwrap_or(defaults.password_queue),
        ..defaults
    };
    Some(ServeConfig {
        control_plane: ControlPlaneConfig {
            listen: listen.unwrap_or_else(|| loopback(port)),
            certificate: certificate?,
            authority_file,
            database: database.unwrap_or_else(|| data_dir.join("countersign.db")),
            database_max_pages: megabytes.and_then(|megabytes| u32::try_from(megabytes * 256).ok()),
            data_key_file: data_key_file.unwrap_or_else(|| data_dir.join("data.key")),
            settings,
        },
        gateway: match gateway {
            None => None,
            Some(gateway) => Some(gateway?),
        },
        data_dir,
    })
}

/// `[sign_in]`.
#[derive(Default)]
struct SignIn {
    session_lifetime: Option<Duration>,
    password_threads: Option<usize>,
    password_queue: Option<usize>,
}

impl SignIn {
    fn read(section: Section<'_>) -> Self {
        let count = |key, allowed| section.number(key, allowed).and_then(|number| usize::try_from(number).ok());
        let hours = section.number("session_hours", 1..=24 * 90);
        let read = Self {
            session_lifetime: hours.map(|hours| Duration::from_secs(hours * 3600)),
            password_threads: count("password_threads", 1..=64),
            password_queue: count("password_queue", 1..=10_000),
        };
        section.finish();
        read
    }
}

/// Where a gateway's keys stand.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Setting {
    /// In a file of their own.
    Alone,
    /// Beside a control plane, whose authority is trusted anyway.
    InServe,
}

fn gateway(section: &Section<'_>, setting: Setting) -> Option<GatewayConfig> {
    let issuer = section.required_url("issuer", ISSUER_FORM);
    let base_url = section.required_url("base_url", BASE_FORM);
    let listen = section.addresses("listen");
    let authority_file = section.path("authority_file");
    let client_id = section.required_text("client_id");
    let client_secret_file = section.required_path("client_secret_file");
    let cookie_key_file = section.path("cookie_key_file");
    let metrics_token_file = section.path("metrics_token_file");
    let applications_authority_file = section.path("applications_authority_file");
    let silence = section.seconds("silence_seconds", 2..=3600);
    let certificate = certificate(section, base_url.as_ref());
    if setting == Setting::Alone && authority_file.is_none() && !section.has("authority_file") {
        let hint = "the PEM file with the authority that signed the control plane's certificate".to_owned();
        return section.report(section.span_of("authority_file"), "the file has no `authority_file`".to_owned(), Some(hint));
    }
    let base_url = base_url?;
    let port = base_url.port_or_known_default().unwrap_or(GATEWAY_PORT);
    Some(GatewayConfig {
        issuer: issuer?,
        listen: listen.unwrap_or_else(|| loopback(port)),
        certificate: certificate?,
        authority_file,
        client_id: client_id?,
        client_secret_file: client_secret_file?,
        cookie_key_file,
        metrics_token_file,
        applications_authority_file,
        silence,
        base_url,
    })
}

/// `[tls]`: two files, or names to make a certificate for; without it, one for the host of `base_url`.
fn certificate(section: &Section<'_>, base_url: Option<&Url>) -> Option<CertificateSource> {
    let host = base_url.and_then(Url::host_str).unwrap_or("localhost").to_owned();
    let Some(tls) = section.section("tls") else { return Some(CertificateSource::Made { names: vec![host] }) };
    let (certificate, key, names) = (tls.path("certificate_file"), tls.path("key_file"), tls.texts("names"));
    let span = tls.span_of("");
    tls.finish();
    match (certificate, key, names) {
        (Some(certificate), Some(key), None) => Some(CertificateSource::Files { certificate, key }),
        (None, None, Some(mut names)) => {
            if !names.contains(&host) {
                names.insert(0, host);
            }
            Some(CertificateSource::Made { names })
        }
        (_, _, _) => {
            let hint = "or leave [tls] out: on localhost a certificate is made".to_owned();
            let message = "[tls] needs `certificate_file` and `key_file`, or `names` alone".to_owned();
            section.report(span, message, Some(hint))
        }
    }
}

/// On its own a gateway has no data folder, and so no authority that could make a certificate.
fn require_files(top: &Section<'_>, config: Option<&GatewayConfig>) {
    if let Some(GatewayConfig { certificate: CertificateSource::Made { .. }, .. }) = config {
        let message = "[tls] needs `certificate_file` and `key_file`".to_owned();
        top.report::<()>(top.span_of("tls"), message, None);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    const GATEWAY: &str = r#"
        issuer = "https://localhost:8443/woodgrove.example/v2.0"
        base_url = "https://gateway.localhost:8444"
        client_id = "23961c52-2970-4819-ae6f-8f356f02bfb4"
        client_secret_file = "secret"
    "#;

    fn serve(text: &str) -> Result<ServeConfig, CommandError> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("c.toml");
        fs::write(&file, text).unwrap();
        read_serve(&file)
    }

    fn problems<T: std::fmt::Debug>(result: Result<T, CommandError>) -> Vec<(String, String, String)> {
        let place = |place: &str| place.rsplit_once("c.toml:").map_or(String::new(), |(_, place)| place.to_owned());
        let problems = result.unwrap_err().problems.into_iter();
        problems.map(|problem| (place(&problem.place), problem.message, problem.hint.unwrap_or_default())).collect()
    }

    #[test]
    fn the_examples_can_be_read_and_say_what_is_so_anyway() {
        let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples");
        let config = read_serve(&examples.join("serve.toml")).unwrap();
        let mut least = serve("data_dir = \"data\"\nbase_url = \"https://localhost:8443\"").unwrap();
        least.data_dir.clone_from(&config.data_dir);
        least.control_plane.database = config.data_dir.join("countersign.db");
        least.control_plane.data_key_file = config.data_dir.join("data.key");
        assert_eq!(format!("{config:?}"), format!("{least:?}"));
        let gateway = read_gateway(&examples.join("gateway.toml")).unwrap();
        let secret = secrecy::SecretString::from("s");
        let defaults = gateway::Config::new(gateway.issuer, model::AppId::new(&gateway.client_id), secret, gateway.base_url);
        assert_eq!(gateway.silence, Some(defaults.silence));
    }

    #[test]
    fn the_least_there_can_be() {
        let config = serve("data_dir = \"data\"\nbase_url = \"https://localhost:8443\"").unwrap();
        assert!(config.data_dir.ends_with("data") && config.data_dir.is_absolute());
        assert_eq!(config.control_plane.listen, loopback(8443));
        assert_eq!(config.control_plane.certificate, CertificateSource::Made { names: vec!["localhost".to_owned()] });
        assert_eq!(config.control_plane.database, config.data_dir.join("countersign.db"));
        assert!(config.gateway.is_none());
    }

    #[test]
    fn everything_there_can_be() {
        let config = serve(&format!(
            "data_dir = \"/d\"\nbase_url = \"https://id.woodgrove.example\"\nlisten = [\"0.0.0.0:443\", \"[::]:443\"]\n\
             database = \"/db\"\ndatabase_limit_megabytes = 1_024\ndata_key_file = \"k\"\nauthority_file = \"a\"\n\
             [tls]\ncertificate_file = \"c\"\nkey_file = \"k\"\n\
             [sign_in]\nsession_hours = 8\npassword_threads = 4\npassword_queue = 10\n[signals]\nheartbeat_seconds = 5\n\
             [gateway]\n{GATEWAY}\nlisten = [\"127.0.0.1:1\"]\nauthority_file = \"b\"\ncookie_key_file = \"c\"\nsilence_seconds = 15\n\
             metrics_token_file = \"m\"\napplications_authority_file = \"u\"\n\
             tls.names = [\"payroll.localhost\"]"
        ))
        .unwrap();
        assert_eq!(config.control_plane.database_max_pages, Some(262_144));
        assert_eq!(config.control_plane.settings.heartbeat, Duration::from_secs(5));
        let gateway = config.gateway.unwrap();
        let names = vec!["gateway.localhost".to_owned(), "payroll.localhost".to_owned()];
        assert_eq!(gateway.certificate, CertificateSource::Made { names });
        assert_eq!(gateway.silence, Some(Duration::from_secs(15)));
    }

    #[test]
    fn every_error_is_told_with_its_place() {
        let found = problems(serve(
            "base_url = \"http://localhost:8443\"\nlisten = [\"localhost\"]\ndata_dri = \"x\"\n[sign_in]\nsession_hours = 0\n\
             password_threads = \"2\"\n[tls]\nkey_file = \"k\"\n[gateway]\nclient_id = \"\"\n",
        ));
        let told: Vec<(&str, &str)> = found.iter().map(|(place, message, _)| (place.as_str(), message.as_str())).collect();
        assert_eq!(
            told,
            [
                ("1:1", "the file has no `data_dir`"),
                ("1:12", "`base_url` must be an address of the form `https://HOST[:PORT]`, not `http://localhost:8443`"),
                ("2:11", "`localhost` is not an address to listen on"),
                ("7:1", "[tls] needs `certificate_file` and `key_file`, or `names` alone"),
                ("5:17", "`session_hours` must be from 1 to 2160"),
                ("6:20", "`password_threads` must be a number, not string"),
                ("9:1", "[gateway] has no `issuer`"),
                ("9:1", "[gateway] has no `base_url`"),
                ("10:13", "`client_id` is empty"),
                ("9:1", "[gateway] has no `client_secret_file`"),
                ("3:1", "unknown key `data_dri`"),
            ]
        );
        assert_eq!(found.last().unwrap().2, "did you mean `data_dir`?");
    }

    #[test]
    fn broken_syntax_is_told_with_its_place() {
        let found = problems(serve("data_dir = \"data\nbase_url = https\n"));
        assert!(found.len() >= 2, "{found:?}");
        assert!(found[0].0.starts_with("1:") && found[1].0.starts_with("2:"), "{found:?}");
    }

    #[test]
    fn a_gateway_on_its_own_needs_files() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("c.toml");
        fs::write(&file, GATEWAY).unwrap();
        let messages: Vec<String> = problems(read_gateway(&file)).into_iter().map(|(_, message, _)| message).collect();
        assert_eq!(messages, ["the file has no `authority_file`"]);
        fs::write(&file, format!("{GATEWAY}\nauthority_file = \"ca.pem\"")).unwrap();
        let messages: Vec<String> = problems(read_gateway(&file)).into_iter().map(|(_, message, _)| message).collect();
        assert_eq!(messages, ["[tls] needs `certificate_file` and `key_file`"]);
        fs::write(
            &file,
            format!("{GATEWAY}\nauthority_file = \"ca.pem\"\ntls = {{ certificate_file = \"c\", key_file = \"k\" }}"),
        )
        .unwrap();
        read_gateway(&file).unwrap();
        assert!(
            read_gateway(&folder.path().join("none")).unwrap_err().to_string().contains("hint: name it with `--config FILE`")
        );
    }
}
