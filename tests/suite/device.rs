//! The command on a GPU: the same files as from the CPU, byte for byte.

use libtest_mimic::Trial;

use crate::command::{Workshop, contents, done, json};
use crate::harness::{folder, gpu_test, root};
use crate::tables::read;

/// The tests of this module.
pub(crate) fn tests() -> Vec<Trial> {
    vec![
        gpu_test("device::the_gpu_publishes_the_same_bytes", the_gpu_publishes_the_same_bytes),
        gpu_test("device::one_device_twice_publishes_the_same_bytes", one_device_twice_publishes_the_same_bytes),
        gpu_test("device::what_does_not_fit_goes_on_elsewhere_unless_forbidden", what_does_not_fit_goes_on_elsewhere),
        gpu_test("device::a_bench_of_cpu_and_gpu_agrees", a_bench_of_cpu_and_gpu_agrees),
        gpu_test("device::a_bench_measures_the_gpu_beside_it", a_bench_measures_the_gpu_beside_it),
    ]
}

fn bank() -> String {
    root().join("data/customers.parquet").to_str().expect("text").to_owned()
}

fn the_gpu_publishes_the_same_bytes(index: usize) {
    let w = Workshop::new();
    let device = index.to_string();
    let published = |verb: &[&str], device: &[&str]| {
        w.run([verb, &["--margin"], device].concat()).succeeds();
        let manifest = json(w.out().join("manifest.json"));
        let mut files = contents(&w.out());
        files.remove("manifest.json");
        (manifest["device"]["backend"].as_str().expect("a name").to_owned(), files)
    };
    let fit = ["fit", &bank(), "--k", "7"];
    let (name, on_cpu) = published(&fit, &["--backend", "cpu"]);
    assert_eq!(name, "cpu");
    let (name, on_gpu) = published(&fit, &["--device", &device]);
    assert_eq!(name, "gpu");
    assert!(on_gpu == on_cpu, "the GPU gave other bytes");
    let model = w.text("model.json");
    std::fs::copy(w.out().join("model.json"), &model).expect("a copy");
    let labels = w.out().join("segments/part-00000.parquet");
    let fitted = read(&labels);
    let (name, _) = published(&["assign", &model, &bank()], &["--backend", "gpu", "--device", &device]);
    assert_eq!(name, "gpu");
    assert!(read(&labels).columns() == fitted.columns(), "assign on the GPU gave other labels");
}

fn a_bench_of_cpu_and_gpu_agrees(index: usize) {
    let ran = done(["bench", &bank(), "--k", "5", "--backends", "cpu,gpu", "--device", &index.to_string()]);
    assert!(ran.out.contains("all backends gave the same labels and the same model"), "{}", ran.out);
}

fn one_device_twice_publishes_the_same_bytes(index: usize) {
    let w = Workshop::new();
    let fit = ["fit", &bank(), "--k", "5"];
    w.run([&fit[..], &["--backend", "cpu"]].concat()).succeeds();
    let labels = json(w.out().join("manifest.json"))["outcome"]["labels_blake3"].clone();
    w.run([&fit[..], &["--device", &format!("{index},{index}")]].concat()).succeeds();
    let manifest = json(w.out().join("manifest.json"));
    assert_eq!(manifest["outcome"]["labels_blake3"], labels);
    assert!(manifest["device"]["device"].as_str().expect("text").contains(" + "), "{}", manifest["device"]["device"]);
    assert!(manifest["device"]["remark"].as_str().expect("text").contains("shared by measured speed"));
    assert!(manifest["parts"][0]["device_work"]["to_device"].as_u64() > Some(20_000 * 15 * 4), "all tiles went there");
}

/// More segments and features than a software device can handle: its loops end too early.
fn what_does_not_fit_goes_on_elsewhere(index: usize) {
    let w = Workshop::new();
    let bank = w.text("bank.parquet");
    done(["synth", "--rows", "4200", "--features", "64", "--out", &bank]);
    let device = index.to_string();
    let fit = ["fit", &bank, "--k", "4096", "--max-iter", "1", "--device", &device];
    let findings: serde_json::Value = serde_json::from_str(&done(["doctor", "--json"]).out).expect("JSON");
    let software = findings["devices"][index]["real"] == false;
    let strict = w.run([&fit[..], &["--strict-device"]].concat());
    w.run(fit).succeeds();
    let manifest = json(w.out().join("manifest.json"));
    if !software {
        strict.succeeds();
        assert_eq!(manifest["device"]["backend"], "gpu");
        return;
    }
    strict.is_refused(4, &["4096 segments of 63 features are too many for ", "run on the CPU"]);
    assert_eq!(manifest["device"]["backend"], "cpu");
    let warnings = manifest["outcome"]["warnings"].to_string();
    assert!(warnings.contains("are too many for") && warnings.contains("continuing on"), "{warnings}");
}

fn a_bench_measures_the_gpu_beside_it(index: usize) {
    let folder = folder();
    let file = folder.path().join("bench.json");
    let (device, path) = (index.to_string(), file.to_str().expect("text"));
    let backends = ["--backends", "cpu,gpu", "--device", &device, "--json", path];
    let prices = ["--price-per-hour", "gpu=2.5"];
    let ran = done([&["bench", &bank(), "--k", "5"][..], &backends, &prices].concat());
    assert!(ran.out.contains("GPU's ceilings: "), "{}", ran.out);
    let report = json(&file);
    let (cpu, gpu) = (&report["runs"][0], &report["runs"][1]);
    assert!(cpu.get("device_ceilings").is_none() && cpu.get("cost_per_million").is_none(), "{cpu}");
    for rate in ["gflops", "copy_gbs"] {
        assert!(gpu["device_ceilings"][rate].as_f64().is_some_and(|most| most > 0.0), "{gpu}");
    }
    let kernels: Vec<&str> =
        gpu["kernels"].as_array().expect("a list").iter().map(|w| w["kernel"].as_str().unwrap()).collect();
    assert_eq!(kernels, ["assign", "label"]);
    assert!(gpu["bus"]["from_device"].as_u64() >= Some(20_000 * 12), "labels and distances came back");
    assert!(ran.out.contains("kernel assign"), "{}", ran.out);
    assert!(gpu["cost_per_million"].as_f64().is_some_and(|cost| cost > 0.0), "{gpu}");
    // A pass stays below the device's ceilings.
    for (rate, most) in [("gflops", "gflops"), ("gbs", "copy_gbs")] {
        let (reached, most) = (gpu[rate].as_f64().unwrap(), gpu["device_ceilings"][most].as_f64().unwrap());
        assert!(reached < 1.2 * most, "{reached} of {most} {rate}");
    }
}
