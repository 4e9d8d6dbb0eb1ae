//! `webserver` and `metrics`: what is told over HTTP, and what of the counters.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;

use super::check::interval_ms;
use super::schema::number;
use super::trouble::wrong;
use super::written;

/// `webserver` when it is on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct WebServer {
    pub(crate) listen: SocketAddr,
    /// Path of the answer whether it works.
    pub(crate) healthz: String,
    /// Whether `/metrics` answers.
    pub(crate) has_metrics: bool,
    /// Key and certificate.
    pub(crate) certificate: Option<PathBuf>,
}

/// `metrics` when it is on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Metrics {
    /// Snapshots, where anybody gets them.
    pub(crate) snapshots: Option<Snapshots>,
    pub(crate) detail: Detail,
}

impl Metrics {
    /// Whether snapshots are alerts.
    pub(crate) fn raises_alerts(&self) -> bool {
        self.snapshots.as_ref().is_some_and(|snapshots| snapshots.as_alert)
    }
}

/// Snapshots of the counters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Snapshots {
    pub(crate) interval: Duration,
    pub(crate) as_alert: bool,
    pub(crate) file: Option<PathBuf>,
    pub(crate) in_mb: bool,
    pub(crate) with_empty: bool,
}

/// Which counters are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "independent switches, each a key of the file")]
pub(crate) struct Detail {
    pub(crate) rules: bool,
    pub(crate) resources: bool,
    pub(crate) state: bool,
    pub(crate) kernel: bool,
    pub(crate) per_cpu: bool,
}

impl Detail {
    /// Nothing is asked for.
    pub(crate) const NONE: Self =
        Self { rules: false, resources: false, state: false, kernel: false, per_cpu: false };
}

/// Paths that have their answer, whatever the key says.
const TAKEN: [&str; 2] = ["/metrics", "/versions"];

pub(super) fn resolve(
    web: written::WebServer,
    metrics: written::Metrics,
    is_live: bool,
    warnings: &mut Vec<String>,
) -> Result<(Option<WebServer>, Option<Metrics>)> {
    let wants_metrics = web.prometheus_metrics_enabled == Some(true);
    let metrics = of_metrics(metrics)?;
    let web = of_web(web, metrics.is_some())?;
    if !is_live {
        if metrics.is_some() {
            warnings.push(
                "metrics: none are told of a replay, which ends with its counters".to_owned(),
            );
        }
        return Ok((None, None));
    }
    if web.is_some() && wants_metrics && metrics.is_none() {
        warnings.push(
            "webserver.prometheus_metrics_enabled: /metrics does not answer, since metrics.enabled is false".to_owned(),
        );
    }
    let is_told = web.as_ref().is_some_and(|web| web.has_metrics);
    if metrics.as_ref().is_some_and(|metrics| metrics.snapshots.is_none()) && !is_told {
        warnings.push(
            "metrics.enabled: nobody gets them; metrics.output_rule, metrics.output_file or webserver.prometheus_metrics_enabled says who is to".to_owned(),
        );
    }
    Ok((web, metrics))
}

fn of_web(web: written::WebServer, has_metrics: bool) -> Result<Option<WebServer>> {
    let written::WebServer {
        enabled,
        k8s_healthz_endpoint,
        listen_address,
        listen_port,
        prometheus_metrics_enabled,
        ssl_certificate,
        ssl_enabled,
    } = web;
    if enabled != Some(true) {
        return Ok(None);
    }
    let address = listen_address.as_deref().unwrap_or("127.0.0.1").trim();
    let address: IpAddr = address.parse().map_err(|_| {
        let why =
            format!("{address:?} is not an address of IPv4 or IPv6, such as 127.0.0.1 or ::1");
        wrong("webserver.listen_address", why)
    })?;
    let healthz = k8s_healthz_endpoint.unwrap_or_else(|| "/healthz".to_owned());
    let is_path = healthz.starts_with('/')
        && healthz.bytes().all(|b| b.is_ascii_graphic() && !b"?#".contains(&b))
        && !TAKEN.contains(&&*healthz);
    if !is_path {
        let why = format!(
            "{healthz:?} must be a path such as /healthz, and none of {}",
            TAKEN.join(", ")
        );
        return Err(wrong("webserver.k8s_healthz_endpoint", why));
    }
    let port = number("webserver.listen_port", listen_port)? as u16;
    let certificate =
        || ssl_certificate.unwrap_or_else(|| "/etc/falco/falco.pem".to_owned()).into();
    Ok(Some(WebServer {
        listen: SocketAddr::new(address, port),
        healthz,
        has_metrics: has_metrics && prometheus_metrics_enabled == Some(true),
        certificate: (ssl_enabled == Some(true)).then(certificate),
    }))
}

fn of_metrics(metrics: written::Metrics) -> Result<Option<Metrics>> {
    let written::Metrics {
        convert_memory_to_mb,
        enabled,
        include_empty_values,
        interval,
        kernel_event_counters_enabled,
        kernel_event_counters_per_cpu_enabled,
        output_file,
        output_rule,
        resource_utilization_enabled,
        rules_counters_enabled,
        state_counters_enabled,
    } = metrics;
    if enabled != Some(true) {
        return Ok(None);
    }
    let interval = interval.as_deref().unwrap_or("5000ms");
    // The schema lets nothing else through.
    let Some(ms) = interval_ms(interval) else {
        return Err(wrong("metrics.interval", format!("{interval:?} is no time")));
    };
    let as_alert = output_rule.unwrap_or(false);
    let file = output_file.filter(|name| !name.is_empty()).map(PathBuf::from);
    let snapshots = (as_alert || file.is_some()).then(|| Snapshots {
        interval: Duration::from_millis(ms),
        as_alert,
        file,
        in_mb: convert_memory_to_mb.unwrap_or(true),
        with_empty: include_empty_values.unwrap_or(false),
    });
    let has_kernel = kernel_event_counters_enabled.unwrap_or(true);
    Ok(Some(Metrics {
        snapshots,
        detail: Detail {
            rules: rules_counters_enabled.unwrap_or(true),
            resources: resource_utilization_enabled.unwrap_or(true),
            state: state_counters_enabled.unwrap_or(true),
            kernel: has_kernel,
            per_cpu: has_kernel && kernel_event_counters_per_cpu_enabled.unwrap_or(false),
        },
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    type Resolved = (Option<WebServer>, Option<Metrics>);

    fn of(web: &str, metrics: &str) -> (Result<Resolved>, Vec<String>) {
        let (web, metrics) =
            (serde_yaml::from_str(web).unwrap(), serde_yaml::from_str(metrics).unwrap());
        let mut warnings = Vec::new();
        (resolve(web, metrics, true, &mut warnings), warnings)
    }

    #[test]
    fn both_are_off_unless_asked_for_and_then_listen_to_this_machine_alone() {
        let (off, warnings) = of("{}", "{}");
        assert_eq!((off.unwrap(), warnings), ((None, None), Vec::new()));
        let (on, warnings) = of("{enabled: true}", "{enabled: true, output_rule: true}");
        let (web, metrics) = on.unwrap();
        let web = web.unwrap();
        assert_eq!(
            (web.listen.to_string(), &*web.healthz),
            ("127.0.0.1:8765".to_owned(), "/healthz")
        );
        assert!(!web.has_metrics && web.certificate.is_none() && warnings.is_empty());
        let snapshots = metrics.unwrap().snapshots.unwrap();
        assert_eq!(snapshots.interval, Duration::from_secs(5));
    }

    #[test]
    fn metrics_over_http_take_both_switches() {
        let web = "{enabled: true, prometheus_metrics_enabled: true}";
        let (with, warnings) = of(web, "{enabled: true, interval: 1h30m}");
        assert!(with.unwrap().0.unwrap().has_metrics && warnings.is_empty());
        let (without, warnings) = of(web, "{}");
        assert!(!without.unwrap().0.unwrap().has_metrics);
        assert!(warnings[0].starts_with("webserver.prometheus_metrics_enabled: "), "{warnings:?}");
        let (_, warnings) = of("{}", "{enabled: true}");
        assert!(warnings[0].starts_with("metrics.enabled: nobody gets them"), "{warnings:?}");
    }

    #[test]
    fn wrong_values_name_the_key() {
        for (web, message) in [
            (
                "{enabled: true, listen_address: localhost}",
                "webserver.listen_address: \"localhost\" is not an address",
            ),
            (
                "{enabled: true, k8s_healthz_endpoint: healthz}",
                "webserver.k8s_healthz_endpoint: \"healthz\" must be a path",
            ),
            (
                "{enabled: true, k8s_healthz_endpoint: /metrics}",
                "webserver.k8s_healthz_endpoint: \"/metrics\" must be",
            ),
        ] {
            let error = of(web, "{}").0.unwrap_err().to_string();
            assert!(error.starts_with(message), "{error}");
        }
    }
}
