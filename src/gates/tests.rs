use super::*;
use crate::error::Result;

fn gates(text: &str) -> Result<Gates, String> {
    toml::from_str(text).map_err(|e| e.to_string())
}

fn segment(segment_id: u64, customers: u64, share: f64, share_before: Option<f64>) -> SegmentMeasures {
    SegmentMeasures { segment_id, customers, share, share_before, retention: share_before.map(|_| 0.9), stayed: None }
}

fn feature(name: &str, psi: f64, missing: f64) -> FeatureMeasures {
    FeatureMeasures {
        name: name.into(),
        psi: Some(psi),
        w1: Some(0.1),
        missing: Some(missing),
        missing_before: Some(0.01),
    }
}

fn measures() -> Measures {
    Measures {
        compared_with: Some(42),
        rows: 1000,
        rows_before: Some(1250),
        inertia: Some(11.0),
        inertia_before: Some(10.0),
        unmatched: Some(1),
        relabelled: Some(0.02),
        segments: vec![segment(7, 600, 0.6, Some(0.5)), segment(3, 396, 0.396, Some(0.5)), segment(9, 4, 0.004, None)],
        features: vec![feature("balance", 0.3, 1.0), feature("age\u{1b}", 0.02, 0.01)],
    }
}

fn texts(results: &[GateResult]) -> Vec<String> {
    results.iter().map(GateResult::text).collect()
}

#[test]
fn limits_are_numbers_or_tables() {
    let read =
        gates("share_change = 0.05\nunmatched_max = 0\nshare_min = { min = 0.01, severity = \"warn\" }").unwrap();
    assert_eq!(read.share_change, Some(AtMost { max: 0.05, severity: GateSeverity::Error }));
    assert_eq!(read.unmatched_max, Some(AtMost { max: 0.0, severity: GateSeverity::Error }));
    assert_eq!(read.share_min, Some(AtLeast { min: 0.01, severity: GateSeverity::Warn }));
    // What is written is read again, in TOML and in JSON.
    assert_eq!(gates(read.to_toml().strip_prefix("[gates]\n").unwrap()).unwrap(), read);
    let json = serde_json::to_string(&read).unwrap();
    assert_eq!(serde_json::from_str::<Gates>(&json).unwrap(), read);
    assert_eq!(serde_json::from_str::<Gates>("{\"unmatched_max\": 3}").unwrap().unmatched_max.unwrap().max, 3.0);
}

#[test]
fn wrong_limits_are_explained() {
    for (text, says) in [
        ("share_change = \"5%\"", "a number, or a table such as { max = 0.05, severity = \"warn\" }"),
        ("share_min = { max = 0.05 }", "unknown key \"max\"; there are \"min\" and \"severity\""),
        ("share_max = { severity = \"warn\" }", "\"max\" is missing"),
        ("share_max = { max = 0.5, severity = \"fatal\" }", "unknown variant `fatal`, expected `error` or `warn`"),
        ("silhouette_min = 0.5", "unknown field `silhouette_min`"),
    ] {
        let error = gates(text).unwrap_err();
        assert!(error.contains(says) && error.contains("line 1"), "{text}: {error}");
    }
    let text =
        "share_change = 5\npsi_max = -1\nsmallest_segment = 2.5\nw1_max = inf\nmissing_rise = nan\nshare_max = 1";
    let faults = gates(text).unwrap().faults();
    assert_eq!(
        faults.into_iter().map(|(_, text)| text).collect::<Vec<_>>(),
        [
            "missing_rise is NaN; it must be a share from 0 to 1, such as 0.05",
            "psi_max is -1; it must be a number of at least 0, such as 0.1",
            "w1_max is inf; it must be a number of at least 0, such as 0.1",
            "share_change is 5; it must be a share from 0 to 1, such as 0.05",
            "smallest_segment is 2.5; it must be a whole number of at least 0",
        ]
    );
}

#[test]
fn every_breach_is_told() {
    let text = "share_min = 0.01\nshare_max = 0.5\nshare_change = { max = 0.09, severity = \"warn\" }\n\
                rows_change = 0.1\nmissing_rise = 0.5\npsi_max = 0.25\nw1_max = 0.05\ninertia_rise = 0.05\n\
                smallest_segment = 5\nretention_min = 0.95\nunmatched_max = 0\nrelabelled_max = 0.01";
    let results = judge(&gates(text).unwrap(), &measures());
    assert_eq!(
        texts(&results),
        [
            "rows_change: the number of rows changed by 20.0%, at most 10.0% allowed, compared with version 42",
            "missing_rise: \"balance\" has missing values in 99.0% more of the rows, at most 50.0% allowed, compared \
             with version 42",
            "psi_max: \"balance\" has a population stability index of 0.3000, at most 0.2500 allowed, compared with \
             version 42",
            "w1_max: \"balance\" shifted by 0.1000 standard deviations, at most 0.0500 allowed, compared with \
             version 42",
            "w1_max: \"age\\u{1b}\" shifted by 0.1000 standard deviations, at most 0.0500 allowed, compared with \
             version 42",
            "inertia_rise: the inertia per customer changed by 10.0%, at most 5.00% allowed, compared with version 42",
            "share_min: segment 9 has 0.40% of the customers, at least 1.00% allowed",
            "share_max: segment 7 has 60.0% of the customers, at most 50.0% allowed",
            "share_change: segment 3 has a share of the customers that changed by 10.4 percentage points, at most 9.00 \
             percentage points allowed, compared with version 42",
            "share_change: segment 7 has a share of the customers that changed by 10.00 percentage points, at most 9.00 \
             percentage points allowed, compared with version 42",
            "smallest_segment: segment 9 has 4 customers, at least 5 allowed",
            "retention_min: segment 7 kept 90.0% of its customers, at least 95.0% allowed, compared with version 42",
            "retention_min: segment 3 kept 90.0% of its customers, at least 95.0% allowed, compared with version 42",
            "unmatched_max: segments without an ancestor or a successor: 1, at most 0 allowed, compared with \
             version 42",
            "relabelled_max: the definition of their segment changed for 2.00% of the customers, at most 1.00% \
             allowed, compared with version 42",
        ]
    );
    assert!(results.iter().all(|result| !result.passed && result.value.is_some()));
    assert_eq!(verdict(&results), GateVerdict::Refused);
    let json = serde_json::to_string(&results).unwrap();
    assert_eq!(serde_json::from_str::<Vec<GateResult>>(&json).unwrap(), results);
    assert!(json.contains("\"subject\":{\"segment_id\":9}") && json.contains("\"subject\":{\"feature\":\"balance\"}"));
}

#[test]
fn what_passes_is_told_by_its_worst_value() {
    let results = judge(&gates("share_max = { max = 0.59, severity = \"warn\" }\npsi_max = 0.5").unwrap(), &measures());
    assert_eq!(verdict(&results), GateVerdict::Warned);
    assert_eq!((results[0].passed, results[0].value), (true, Some(0.3)));
    // A limit that is met is no breach.
    let results = judge(&gates("share_max = 0.6\nsmallest_segment = 4").unwrap(), &measures());
    assert_eq!((results.len(), verdict(&results)), (2, GateVerdict::Passed));
    assert_eq!(verdict(&judge(&Gates::default(), &measures())), GateVerdict::Passed);
    // What is not a number is.
    let odd = Measures { inertia: Some(f64::NAN), ..measures() };
    assert_eq!(verdict(&judge(&gates("inertia_rise = 0.5").unwrap(), &odd)), GateVerdict::Refused);
    let grown = Measures { rows_before: Some(0), ..measures() };
    assert_eq!(verdict(&judge(&gates("rows_change = 0.5").unwrap(), &grown)), GateVerdict::Refused);
}

#[test]
fn a_first_version_has_nothing_to_compare_with() {
    let first = Measures { segments: vec![segment(1, 10, 1.0, None)], rows: 10, ..Measures::default() };
    let results = judge(&gates("share_change = 0\nshare_max = 0.9\nrows_change = 0").unwrap(), &first);
    assert_eq!(
        texts(&results),
        [
            "rows_change: there is nothing to compare with",
            "share_max: segment 1 has 100.0% of the customers, at most 90.0% allowed",
            "share_change: there is nothing to compare with"
        ]
    );
    assert_eq!(results.iter().map(|result| result.passed).collect::<Vec<_>>(), [true, false, true]);
}

#[test]
fn the_starting_section_says_what_the_starting_gates_are() {
    #[derive(serde::Deserialize)]
    struct JobPart {
        gates: Gates,
    }
    let read: JobPart = toml::from_str(Gates::starting_toml()).unwrap();
    assert_eq!(read.gates, Gates::starting());
    assert!(read.gates.faults().is_empty());
    assert!(Gates::starting_toml().lines().all(|line| line.len() <= 120));
    let uncommented = Gates::starting_toml().replace("# share_min", "share_min");
    assert!(toml::from_str::<JobPart>(&uncommented).unwrap().gates.share_min.is_some());
    let schema = schemars::schema_for!(Gates).to_value();
    assert_eq!(schema["properties"].as_object().unwrap().len(), 12);
    assert_eq!(schema["$defs"]["AtMost"]["anyOf"][1]["required"][0], "max");
}

#[test]
fn limits_are_suggested_from_past_versions() {
    // Largest shares 0.50, 0.52, 0.54: mean 0.52, sample deviation 0.02, so 0.58. Smallest segments 10, 20, 30: below
    // 0.
    let version = |i: u64| Measures {
        rows: 1000,
        unmatched: (i > 0).then_some(i),
        segments: vec![segment(1, 500, 0.5 + 0.02 * i as f64, None), segment(2, 10 + 10 * i, 0.1, None)],
        ..Measures::default()
    };
    let history: Vec<Measures> = (0..3).map(version).collect();
    let suggested = suggest(&history).unwrap();
    let share_max = suggested.gates.share_max.unwrap();
    assert!((share_max.max - 0.58).abs() < 0.0011 && share_max.max >= 0.58, "{share_max:?}");
    assert_eq!(suggested.gates.smallest_segment.unwrap().min, 0.0);
    assert_eq!(suggested.gates.share_min.unwrap().min, 0.099);
    assert_eq!((suggested.gates.unmatched_max, suggested.gates.rows_change), (None, None));
    assert!(suggested.versions.contains(&("unmatched_max", 2)) && suggested.versions.contains(&("share_max", 3)));
    let text = suggested.to_toml();
    assert!(text.contains("\n[gates]\nshare_min = 0.099  # from 3 versions\nshare_max = 0.58"), "{text}");
    // All past versions pass.
    let past = |measures: &Measures| verdict(&judge(&suggested.gates, measures)) == GateVerdict::Passed;
    assert!(history.iter().all(past) && suggested.gates.faults().is_empty());
    let error = suggest(&history[..2]).unwrap_err();
    assert_eq!(error.to_string(), "gates are suggested from at least 3 versions; there are 2");
}

#[test]
fn constant_values_stay_within_their_own_limit() {
    for share in [0.123_456, 0.999_99, 0.1, 1e-7, 0.0] {
        let measures = Measures { segments: vec![segment(1, 1, share, Some(0.0))], ..Measures::default() };
        let gates = suggest(&[measures.clone(), measures.clone(), measures.clone()]).unwrap().gates;
        assert_eq!(verdict(&judge(&gates, &measures)), GateVerdict::Passed, "{share}: {gates:?}");
    }
}

#[test]
fn figures_of_few_customers_are_withheld() {
    let text = "missing_rise = 0\nretention_min = 1\nrelabelled_max = 0";
    let told = |change: &dyn Fn(&mut Measures), limit: u64| -> Vec<String> {
        let mut measures = Measures { rows_before: Some(1000), ..measures() };
        for segment in &mut measures.segments {
            (segment.retention, segment.stayed) = (None, None);
        }
        change(&mut measures);
        let few = FewCustomers { measures: &measures, limit, sizes_are_withheld: false };
        let results = judge(&gates(text).unwrap(), &measures);
        results.iter().filter(|result| !result.passed).map(|result| result.phrase_without_few(&few).en).collect()
    };
    let kept = |share: f64, stayed: Option<u64>| {
        move |m: &mut Measures| (m.segments[0].retention, m.segments[0].stayed) = (Some(share), stayed)
    };
    let missing = |now: f64, before: f64| {
        move |m: &mut Measures| (m.features[0].missing, m.features[0].missing_before) = (Some(now), Some(before))
    };
    let relabelled = |share: f64| move |m: &mut Measures| m.relabelled = Some(share);
    let of = |all: Vec<String>, gate: &str| -> String {
        all.into_iter().find(|text| text.starts_with(gate)).expect("a breach")
    };
    let retention = |share: f64, stayed: Option<u64>| of(told(&kept(share, stayed), 10), "retention_min");
    let withheld = "retention_min: the figure of few customers is withheld";
    // One of 200 is gone, 9 of 200, and 9 are left; 10 are gone; an unknown number.
    assert_eq!([0.995, 0.955, 0.045].map(|share| retention(share, Some(200))), [withheld; 3]);
    let ten = "retention_min: segment 7 kept 95.0% of its customers, at least 100.0% allowed, compared with version 42";
    assert_eq!(retention(0.95, Some(200)), ten);
    assert_eq!(retention(0.5, None), withheld);
    // Nothing is withheld.
    let told_all = of(told(&kept(0.995, Some(200)), 0), "retention_min");
    assert!(told_all.contains("kept 99.50% of its customers"), "{told_all}");
    let of_relabelled = |share: f64| of(told(&relabelled(share), 10), "relabelled_max");
    assert_eq!(of_relabelled(0.009), "relabelled_max: the figure of few customers is withheld");
    assert!(of_relabelled(0.01).contains("for 1.00% of the customers"));
    let rise = |now: f64, before: f64| of(told(&missing(now, before), 10), "missing_rise");
    // 3 more than before, 3 before, all but 3, and 100 more.
    for (now, before) in [(0.103, 0.1), (0.5, 0.003), (0.997, 0.5)] {
        assert_eq!(rise(now, before), "missing_rise: the figure of few customers is withheld");
    }
    assert!(rise(0.2, 0.1).contains("in 10.0% more of the rows"));
}

#[test]
fn gates_are_found_in_a_text() {
    let text = "rows_change: the number of rows changed by 20.0%, at most 10.0% allowed; retention_min: segment 7 kept \
                99.5% of its customers";
    let found: Vec<String> = gates_in(text).into_iter().map(|title| title.en).collect();
    assert_eq!(found, ["rows_change", "retention_min"]);
    assert!(gates_in("somebody looked at it").is_empty());
}
