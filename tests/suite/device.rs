//! The command on a GPU: the same files as from the CPU, to the byte.

use libtest_mimic::Trial;

use crate::command::{Workshop, contents, done, json};
use crate::harness::{folder, gpu_test, root};

/// The tests of this module.
pub(crate) fn tests() -> Vec<Trial> {
    vec![
        gpu_test("device::the_gpu_publishes_the_same_bytes", the_gpu_publishes_the_same_bytes),
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
        (manifest["backend"].as_str().expect("a name").to_owned(), files)
    };
    let fit = ["fit", &bank(), "--k", "7"];
    let (name, on_cpu) = published(&fit, &["--backend", "cpu"]);
    assert_eq!(name, "cpu");
    let (name, on_gpu) = published(&fit, &["--device", &device]);
    assert_eq!(name, "gpu");
    assert!(on_gpu == on_cpu, "the GPU gave other bytes");
    let model = w.text("model.json");
    std::fs::copy(w.out().join("model.json"), &model).expect("a copy");
    let (name, again) = published(&["assign", &model, &bank()], &["--backend", "gpu", "--device", &device]);
    assert_eq!(name, "gpu");
    assert!(again["segments.parquet"] == on_cpu["segments.parquet"], "assign on the GPU gave other bytes");
}

fn a_bench_of_cpu_and_gpu_agrees(index: usize) {
    let ran = done(["bench", &bank(), "--k", "5", "--backends", "cpu,gpu", "--device", &index.to_string()]);
    assert!(ran.out.contains("all backends gave the same labels and the same model"), "{}", ran.out);
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
    assert!(gpu["cost_per_million"].as_f64().is_some_and(|cost| cost > 0.0), "{gpu}");
    // A pass stays below the device's ceilings.
    for (rate, most) in [("gflops", "gflops"), ("gbs", "copy_gbs")] {
        let (reached, most) = (gpu[rate].as_f64().unwrap(), gpu["device_ceilings"][most].as_f64().unwrap());
        assert!(reached < 1.2 * most, "{reached} of {most} {rate}");
    }
}
