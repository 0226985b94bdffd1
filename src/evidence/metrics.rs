//! Metrics of a run in the text format of Prometheus, for the textfile collector of its node exporter.
//!
//! Times are timestamps, never ages, so that the file stays true while no run happens. Every sample has the label
//! `job_name` (Prometheus itself sets `job`). There is none for a feature or a segment: the number of time series does
//! not depend on the data.

use std::fmt::Write;

/// The words for what came of a run; exactly one of them is 1.
pub(crate) const VERDICTS: [&str; 7] =
    ["published", "waits", "refused", "nothing_new", "no_input", "interrupted", "failed"];

const LAST_SUCCESS: &str = "hyades_run_last_success_timestamp_seconds";

/// A run that ended.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Metrics<'a> {
    pub(crate) job: &'a str,
    /// Seconds since 1970.
    pub(crate) ended: f64,
    pub(crate) duration: f64,
    /// One of [`VERDICTS`].
    pub(crate) verdict: &'static str,
    /// The last time that a version was published or that nothing was new, in seconds since 1970; 0: never.
    pub(crate) last_success: f64,
    /// What the run found, if it came so far.
    pub(crate) found: Option<RunFigures>,
    /// The version that readers read, if there is one.
    pub(crate) current: Option<VersionFigures>,
}

/// What a run found. None: not known, or nothing to compare with.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct RunFigures {
    pub(crate) customers: u64,
    pub(crate) segments: u64,
    pub(crate) moved: Option<u64>,
    pub(crate) came: Option<u64>,
    pub(crate) left: Option<u64>,
    /// Gates that passed, warned and failed.
    pub(crate) gates: [u64; 3],
    /// The largest population stability index of a feature.
    pub(crate) psi: Option<f64>,
    /// The largest Wasserstein distance of a feature, in standard deviations.
    pub(crate) w1: Option<f64>,
    pub(crate) inertia: Option<f64>,
}

/// The current version.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct VersionFigures {
    pub(crate) version: u64,
    /// The day that it describes, in seconds since 1970.
    pub(crate) as_of: Option<f64>,
    pub(crate) customers: u64,
    pub(crate) segments: u64,
}

impl Metrics<'_> {
    /// The file's text.
    pub(crate) fn text(&self) -> String {
        let mut page = MetricsPage { job: self.job, text: String::new() };
        page.one(
            "hyades_run_last_completion_timestamp_seconds",
            "When the last run ended, whatever came of it.",
            self.ended,
        );
        let help = "When a run last published a version or found nothing new; 0: never.";
        page.one(LAST_SUCCESS, help, self.last_success);
        page.one("hyades_run_duration_seconds", "How long the last run took.", self.duration);
        let verdicts = VERDICTS.map(|verdict| (verdict, f64::from(u8::from(verdict == self.verdict))));
        page.many("hyades_run_verdict", "What came of the last run.", "verdict", &verdicts);
        if let Some(found) = &self.found {
            found.add(&mut page);
        }
        if let Some(current) = &self.current {
            page.one("hyades_current_version", "The number of the published version.", current.version as f64);
            if let Some(day) = current.as_of {
                let help = "The day that the published version describes.";
                page.one("hyades_current_as_of_timestamp_seconds", help, day);
            }
            page.one("hyades_current_customers", "Customers of the published version.", current.customers as f64);
            page.one("hyades_current_segments", "Segments of the published version.", current.segments as f64);
        }
        page.text
    }

    /// The time of the last success in an earlier file, as the job itself wrote it there.
    pub(crate) fn last_success_in(text: &str, job: &str) -> Option<f64> {
        let start = format!("{LAST_SUCCESS}{{job_name=\"{}\"}} ", escaped(job));
        text.lines().find_map(|line| line.strip_prefix(&start)?.parse().ok())
    }

    /// Whether a text is empty, or begins as files of metrics do, so that it may be replaced.
    pub(crate) fn is_own(text: &str) -> bool {
        text.is_empty() || text.starts_with("# HELP hyades_")
    }
}

impl RunFigures {
    fn add(&self, page: &mut MetricsPage<'_>) {
        page.one("hyades_run_customers", "Customers of the last run.", self.customers as f64);
        page.one("hyades_run_segments", "Segments of the last run.", self.segments as f64);
        let gates =
            [("passed", self.gates[0] as f64), ("warned", self.gates[1] as f64), ("failed", self.gates[2] as f64)];
        page.many("hyades_run_gates", "Gates of the last run by outcome.", "outcome", &gates);
        let counts = [
            ("hyades_run_customers_moved", "Customers whose segment changed.", self.moved),
            ("hyades_run_customers_came", "Customers whom the version before did not have.", self.came),
            ("hyades_run_customers_left", "Customers of the version before who are gone.", self.left),
        ];
        for (name, help, count) in counts {
            count.into_iter().for_each(|count| page.one(name, help, count as f64));
        }
        let figures = [
            ("hyades_run_psi_max", "The largest population stability index of a feature.", self.psi),
            ("hyades_run_wasserstein_max", "The largest shift of a feature, in standard deviations.", self.w1),
            ("hyades_run_inertia_per_customer", "Mean squared distance to the centroid.", self.inertia),
        ];
        for (name, help, figure) in figures {
            figure.into_iter().for_each(|figure| page.one(name, help, figure));
        }
    }
}

struct MetricsPage<'a> {
    job: &'a str,
    text: String,
}

impl MetricsPage<'_> {
    fn head(&mut self, name: &str, help: &str) {
        let _ = writeln!(self.text, "# HELP {name} {help}\n# TYPE {name} gauge");
    }

    fn one(&mut self, name: &str, help: &str, value: f64) {
        self.head(name, help);
        let _ = writeln!(self.text, "{name}{{job_name=\"{}\"}} {value}", escaped(self.job));
    }

    fn many(&mut self, name: &str, help: &str, label: &str, values: &[(&str, f64)]) {
        self.head(name, help);
        for (value, number) in values {
            let job = escaped(self.job);
            let _ = writeln!(self.text, "{name}{{job_name=\"{job}\",{label}=\"{value}\"}} {number}");
        }
    }
}

/// The value of a label.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_is_that_of_the_format() {
        let found =
            RunFigures { customers: 145, segments: 3, moved: Some(20), gates: [4, 1, 0], ..RunFigures::default() };
        let metrics = Metrics {
            job: "a \"b\"\\",
            ended: 1_796_000_000.25,
            verdict: "published",
            found: Some(found),
            ..Metrics::default()
        };
        let text = metrics.text();
        let has = |line: &str| assert!(text.lines().any(|l| l == line), "no {line} in:\n{text}");
        has("# TYPE hyades_run_last_completion_timestamp_seconds gauge");
        has("hyades_run_last_completion_timestamp_seconds{job_name=\"a \\\"b\\\"\\\\\"} 1796000000.25");
        has("hyades_run_verdict{job_name=\"a \\\"b\\\"\\\\\",verdict=\"published\"} 1");
        has("hyades_run_verdict{job_name=\"a \\\"b\\\"\\\\\",verdict=\"failed\"} 0");
        has("hyades_run_gates{job_name=\"a \\\"b\\\"\\\\\",outcome=\"warned\"} 1");
        assert!(text.ends_with('\n') && !text.contains("psi") && !text.contains("hyades_current"));
        let samples = text.lines().filter(|line| !line.starts_with('#')).count();
        assert!(samples < 30, "{samples} time series");
        assert!(Metrics::is_own(&text) && Metrics::is_own("") && !Metrics::is_own("PAR1"));
    }

    #[test]
    fn the_last_success_is_kept() {
        let metrics = Metrics { job: "r\n", last_success: 1_796_000_000.125, verdict: "failed", ..Metrics::default() };
        assert_eq!(Metrics::last_success_in(&metrics.text(), "r\n"), Some(1_796_000_000.125));
        assert_eq!(Metrics::last_success_in(&metrics.text(), "other"), None);
        assert_eq!(Metrics::last_success_in("", "r"), None);
    }
}
