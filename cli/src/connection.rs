//! Which cluster is meant, and as whom: the flags, the kubeconfig files, the client made of them.

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::time::Duration;

use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};

use crate::error::CliError;
use crate::screen::Screen;
use crate::session::Session;

// The flags that every client command takes, before or after its name. (No doc comment: it would be shown as help.)
#[derive(clap::Args, Debug, Clone, Default)]
#[command(next_help_heading = "Cluster")]
pub struct Connection {
    /// Namespace to work in
    #[arg(short = 'n', long, value_name = "NAME")]
    namespace: Option<String>,
    /// Kubeconfig file [default: $KUBECONFIG, a list, else ~/.kube/config, else that of `skiff up`]
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
    /// Context of the kubeconfig
    #[arg(long, value_name = "NAME")]
    context: Option<String>,
    /// Cluster of the kubeconfig
    #[arg(long, value_name = "NAME", hide_short_help = true)]
    cluster: Option<String>,
    /// User of the kubeconfig
    #[arg(long, value_name = "NAME", hide_short_help = true)]
    user: Option<String>,
    /// Address of the API server
    #[arg(short = 's', long, value_name = "URL", hide_short_help = true)]
    server: Option<String>,
    /// Bearer token
    #[arg(long, value_name = "TOKEN", hide_short_help = true)]
    token: Option<String>,
    /// File with the certificates to trust
    #[arg(long, value_name = "FILE", hide_short_help = true)]
    certificate_authority: Option<PathBuf>,
    /// File with the client certificate
    #[arg(long, value_name = "FILE", hide_short_help = true)]
    client_certificate: Option<PathBuf>,
    /// File with the key of the client certificate
    #[arg(long, value_name = "FILE", hide_short_help = true)]
    client_key: Option<PathBuf>,
    /// Accept any certificate of the server. Insecure
    #[arg(long, hide_short_help = true)]
    insecure_skip_tls_verify: bool,
    /// Name that the server's certificate must have
    #[arg(long, value_name = "NAME", hide_short_help = true)]
    tls_server_name: Option<String>,
    /// User to act as
    #[arg(long = "as", value_name = "USER", hide_short_help = true)]
    impersonate: Option<String>,
    /// Group to act as, may be repeated
    #[arg(long = "as-group", value_name = "GROUP", hide_short_help = true)]
    impersonate_groups: Vec<String>,
    /// How long to wait for an answer: 1s, 2m, 3h; 0 waits for ever
    #[arg(long, value_name = "DURATION", value_parser = parse_duration, hide_short_help = true)]
    request_timeout: Option<Duration>,
}

impl Connection {
    /// These flags, and where they say nothing, those given before the command.
    pub fn or(self, before: Self) -> Self {
        let groups =
            if self.impersonate_groups.is_empty() { before.impersonate_groups } else { self.impersonate_groups };
        Self {
            namespace: self.namespace.or(before.namespace),
            kubeconfig: self.kubeconfig.or(before.kubeconfig),
            context: self.context.or(before.context),
            cluster: self.cluster.or(before.cluster),
            user: self.user.or(before.user),
            server: self.server.or(before.server),
            token: self.token.or(before.token),
            certificate_authority: self.certificate_authority.or(before.certificate_authority),
            client_certificate: self.client_certificate.or(before.client_certificate),
            client_key: self.client_key.or(before.client_key),
            insecure_skip_tls_verify: self.insecure_skip_tls_verify || before.insecure_skip_tls_verify,
            tls_server_name: self.tls_server_name.or(before.tls_server_name),
            impersonate: self.impersonate.or(before.impersonate),
            impersonate_groups: groups,
            request_timeout: self.request_timeout.or(before.request_timeout),
        }
    }

    /// Opens nothing yet: the first request does.
    pub async fn session(self, screen: Screen) -> Result<Session, CliError> {
        // The only provider in the build; another part of this process may have named it before.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let config = self.config().await?;
        let server = config.cluster_url.authority().map(ToString::to_string).unwrap_or_default();
        let default_namespace = config.default_namespace.clone();
        let client = Client::try_from(config).map_err(|error| CliError::local(error.to_string()))?;
        Ok(Session {
            client,
            server,
            namespace_given: self.namespace.is_some(),
            namespace: self.namespace.unwrap_or(default_namespace),
            request_timeout: self.request_timeout.filter(|timeout| !timeout.is_zero()),
            screen,
            clock: lifecycle::clock::Clock::system(),
            warnings: RefCell::default(),
        })
    }

    async fn config(&self) -> Result<Config, CliError> {
        let options =
            KubeConfigOptions { context: self.context.clone(), cluster: self.cluster.clone(), user: self.user.clone() };
        let mut config = match self.load_kubeconfig()? {
            Some(kubeconfig) => {
                Config::from_custom_kubeconfig(self.amend(kubeconfig)?, &options).await.map_err(explain)?
            }
            None if self.server.is_some() => {
                Config::from_custom_kubeconfig(self.amend(Kubeconfig::default())?, &options).await.map_err(explain)?
            }
            None => Config::incluster().map_err(|_| no_configuration())?,
        };
        if let Some(name) = &self.tls_server_name {
            config.tls_server_name = Some(name.clone());
        }
        if is_loopback(config.cluster_url.host().unwrap_or_default()) {
            // A proxy of the environment is never asked for this machine's own addresses.
            config.proxy_url = None;
        }
        config.headers.push((http::header::USER_AGENT, http::HeaderValue::from_static(USER_AGENT)));
        Ok(config)
    }

    fn load_kubeconfig(&self) -> Result<Option<Kubeconfig>, CliError> {
        if let Some(path) = &self.kubeconfig {
            return read_kubeconfig(path).map(Some);
        }
        let listed = std::env::var_os("KUBECONFIG").unwrap_or_default();
        let listed: Vec<PathBuf> = std::env::split_paths(&listed).filter(|path| !path.as_os_str().is_empty()).collect();
        let paths = if listed.is_empty() { standard_kubeconfigs() } else { listed };
        let mut merged: Option<Kubeconfig> = None;
        // A file of the list that is not there counts for nothing.
        for path in paths.iter().filter(|path| path.exists()) {
            let next = read_kubeconfig(path)?;
            merged = Some(match merged {
                None => next,
                Some(first) => first.merge(next).map_err(explain)?,
            });
        }
        Ok(merged)
    }

    /// Puts what the flags say into the kubeconfig, under names of their own where the file has none.
    fn amend(&self, mut kubeconfig: Kubeconfig) -> Result<Kubeconfig, CliError> {
        let context_name = self.context.clone().or(kubeconfig.current_context.clone()).filter(|name| !name.is_empty());
        if context_name.is_none() && self.server.is_none() {
            return Err(no_configuration());
        }
        let context_name = context_name.unwrap_or_else(|| FLAGS.to_owned());
        if !kubeconfig.contexts.iter().any(|context| context.name == context_name) {
            if self.context.is_some() || self.server.is_none() {
                return Err(CliError::local(format!("context {context_name:?} does not exist")));
            }
            kubeconfig.contexts.push(named(&context_name, serde_json::json!({"cluster": FLAGS, "user": FLAGS}))?);
        }
        let context = kubeconfig.contexts.iter().find(|context| context.name == context_name);
        let context = context.and_then(|context| context.context.clone()).unwrap_or_default();
        kubeconfig.current_context = Some(context_name);
        self.amend_cluster(&mut kubeconfig, self.cluster.as_deref().unwrap_or(&context.cluster))?;
        let user = self.user.clone().or(context.user).unwrap_or_else(|| FLAGS.to_owned());
        self.amend_user(&mut kubeconfig, &user)?;
        Ok(kubeconfig)
    }

    fn amend_cluster(&self, kubeconfig: &mut Kubeconfig, name: &str) -> Result<(), CliError> {
        if self.server.is_some() && !kubeconfig.clusters.iter().any(|cluster| cluster.name == name) {
            let cluster = serde_json::json!({"name": name, "cluster": {}});
            kubeconfig
                .clusters
                .push(serde_json::from_value(cluster).map_err(|error| CliError::local(error.to_string()))?);
        }
        let found = kubeconfig.clusters.iter_mut().find(|cluster| cluster.name == name);
        let Some(cluster) = found.and_then(|cluster| cluster.cluster.as_mut()) else { return Ok(()) };
        if let Some(server) = &self.server {
            let has_scheme = server.contains("://");
            cluster.server = Some(if has_scheme { server.clone() } else { format!("http://{server}") });
        }
        if let Some(path) = &self.certificate_authority {
            cluster.certificate_authority = Some(path.display().to_string());
            cluster.certificate_authority_data = None;
        }
        if self.insecure_skip_tls_verify {
            cluster.insecure_skip_tls_verify = Some(true);
        }
        Ok(())
    }

    fn amend_user(&self, kubeconfig: &mut Kubeconfig, name: &str) -> Result<(), CliError> {
        if !kubeconfig.auth_infos.iter().any(|user| user.name == name) {
            let user = serde_json::json!({"name": name, "user": {}});
            kubeconfig
                .auth_infos
                .push(serde_json::from_value(user).map_err(|error| CliError::local(error.to_string()))?);
        }
        let found = kubeconfig.auth_infos.iter_mut().find(|user| user.name == name);
        let Some(user) = found.and_then(|user| user.auth_info.as_mut()) else { return Ok(()) };
        if let Some(token) = &self.token {
            user.token = Some(token.clone().into());
        }
        if let Some(path) = &self.client_certificate {
            user.client_certificate = Some(path.display().to_string());
            user.client_certificate_data = None;
        }
        if let Some(path) = &self.client_key {
            user.client_key = Some(path.display().to_string());
            user.client_key_data = None;
        }
        if let Some(name) = &self.impersonate {
            user.impersonate = Some(name.clone());
        }
        if !self.impersonate_groups.is_empty() {
            user.impersonate_groups = Some(self.impersonate_groups.clone());
        }
        Ok(())
    }
}

/// Stands for a cluster, user or context that only flags describe.
const FLAGS: &str = "flags";
const USER_AGENT: &str = concat!("skiff/v", env!("CARGO_PKG_VERSION"));

fn named(name: &str, context: serde_json::Value) -> Result<kube::config::NamedContext, CliError> {
    let named = serde_json::json!({"name": name, "context": context});
    serde_json::from_value(named).map_err(|error| CliError::local(error.to_string()))
}

fn read_kubeconfig(path: &Path) -> Result<Kubeconfig, CliError> {
    if !path.exists() {
        return Err(CliError::local(format!("stat {}: no such file or directory", path.display())));
    }
    Kubeconfig::read_from(path).map_err(|error| {
        CliError::local(format!("error loading config file \"{}\": {}", path.display(), first_line(&error.to_string())))
    })
}

/// The user's own file, or where there is none, the one that `skiff up` writes.
fn standard_kubeconfigs() -> Vec<PathBuf> {
    let own = std::env::home_dir().map(|home| home.join(".kube/config")).filter(|path| path.exists());
    vec![own.unwrap_or_else(|| cluster::paths::DataDir::standard().kubeconfig())]
}

fn no_configuration() -> CliError {
    CliError::local(
        "no cluster is configured: no kubeconfig was found.\n\
         Start a cluster with 'skiff up', or name a kubeconfig with --kubeconfig or $KUBECONFIG.",
    )
}

fn explain(error: kube::config::KubeconfigError) -> CliError {
    CliError::local(error.to_string())
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}

fn is_loopback(host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// `90s`, `1m30s`, `2h`, `500ms`, or bare seconds. A sign is kept out: where one is meaningful it is read by the caller.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let invalid = || format!("invalid duration {text:?}: use a number with a unit, as in 30s, 5m or 1h30m");
    if let Ok(seconds) = text.parse::<u64>() {
        return Ok(Duration::from_secs(seconds));
    }
    let mut total = Duration::ZERO;
    let mut rest = text;
    if rest.is_empty() {
        return Err(invalid());
    }
    while !rest.is_empty() {
        let digits = rest.find(|letter: char| !letter.is_ascii_digit() && letter != '.').ok_or_else(invalid)?;
        let number: f64 = rest[..digits].parse().map_err(|_| invalid())?;
        rest = &rest[digits..];
        let unit = rest.find(|letter: char| letter.is_ascii_digit()).unwrap_or(rest.len());
        let seconds = match &rest[..unit] {
            "ns" => 1e-9,
            "us" | "µs" => 1e-6,
            "ms" => 1e-3,
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3600.0,
            _ => return Err(invalid()),
        };
        total = total
            .checked_add(Duration::try_from_secs_f64(number * seconds).map_err(|_| invalid())?)
            .ok_or_else(invalid)?;
        rest = &rest[unit..];
    }
    Ok(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_those_of_go() {
        assert_eq!(parse_duration("90s"), Ok(Duration::from_secs(90)));
        assert_eq!(parse_duration("1h30m"), Ok(Duration::from_secs(5400)));
        assert_eq!(parse_duration("1.5m"), Ok(Duration::from_secs(90)));
        assert_eq!(parse_duration("5"), Ok(Duration::from_secs(5)));
        assert_eq!(parse_duration("500ms"), Ok(Duration::from_millis(500)));
        for text in ["", "s", "5x", "1m5", "-1s", "..s"] {
            assert!(parse_duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn flags_behind_the_command_win_over_those_before_it() {
        let before = Connection { namespace: Some("a".into()), context: Some("c".into()), ..Connection::default() };
        let behind = Connection { namespace: Some("b".into()), ..Connection::default() };
        let both = behind.or(before);
        assert_eq!((both.namespace.as_deref(), both.context.as_deref()), (Some("b"), Some("c")));
    }

    #[tokio::test]
    async fn a_server_alone_is_configuration_enough() {
        let flags = Connection { server: Some("127.0.0.1:1".into()), token: Some("t".into()), ..Connection::default() };
        let options = KubeConfigOptions::default();
        let config =
            Config::from_custom_kubeconfig(flags.amend(Kubeconfig::default()).unwrap(), &options).await.unwrap();
        assert_eq!(config.cluster_url.to_string(), "http://127.0.0.1:1/");
        assert!(config.auth_info.token.is_some());
    }

    #[test]
    fn a_context_must_exist() {
        let flags = Connection { context: Some("nope".into()), ..Connection::default() };
        let error = flags.amend(Kubeconfig::default()).unwrap_err();
        assert_eq!(error.report(), "error: context \"nope\" does not exist");
    }
}
