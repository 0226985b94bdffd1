//! SwiftShader, a second software GPU, which has no 64-bit integers: the command gives the same bytes as on the CPU.
//! Its driver replaces all others in child processes; see `swiftshader_test` for where it comes from.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use libtest_mimic::Trial;
use serde_json::Value;

use crate::command::{Ran, Workshop, contents, done, json};
use crate::harness::{command, swiftshader_test};

/// A fit for which the kernels are compiled in a different way.
struct Job {
    name: &'static str,
    rows: usize,
    /// Columns of the synthetic bank, one of which is no feature.
    columns: usize,
    k: usize,
    options: &'static [&'static str],
    /// Kernels that run, besides `assign` and `label`.
    kernels: &'static [&'static str],
}

const JOBS: [Job; 6] = [
    Job { name: "two_segments", rows: 6000, columns: 3, k: 2, options: &[], kernels: &[] },
    // All features in registers, sums in workgroup memory.
    Job { name: "features_in_registers", rows: 6000, columns: 17, k: 16, options: &["--margin"], kernels: &[] },
    // Features in a loop, centroids in a storage buffer, sums in global memory, segments that become empty.
    Job { name: "many_segments", rows: 1500, columns: 61, k: 300, options: &[], kernels: &["farthest"] },
    // Integer distances in pairs of u32, which are added up for 256 features at a time.
    Job { name: "many_features", rows: 600, columns: 301, k: 5, options: &["--margin"], kernels: &[] },
    Job { name: "weights", rows: 3000, columns: 20, k: 9, options: &["--row-weight", "tenure_months"], kernels: &[] },
    // Few different rows: many lie between two centroids, and integers decide.
    Job { name: "ties", rows: 4000, columns: 22, k: 20, options: LATTICE, kernels: &[] },
];

const LATTICE: &[&str] = &["--features", "complaints_12m,products_held", "--transform", "none", "--scale", "none"];

/// The suite's own tests of a GPU, by a part of their names.
const GPU_TESTS: [&str; 5] =
    ["backends::gpu", "equality::gpu", "equality::a_lost_device", "device::the_gpu", "device::one_device_twice"];

/// The tests of this module.
pub(crate) fn tests() -> Vec<Trial> {
    let mut tests: Vec<Trial> = JOBS
        .iter()
        .map(|job| {
            swiftshader_test(&format!("swiftshader::{}", job.name), |driver| {
                gives_the_same_bytes(&Lab::new(driver), job)
            })
        })
        .collect();
    tests.extend(GPU_TESTS.map(|filter| {
        let name = format!("swiftshader::passes_{}", filter.replace("::", "_"));
        swiftshader_test(&name, move |driver| passes_a_test(driver, filter))
    }));
    tests.push(swiftshader_test("swiftshader::has_no_64_bit_integers", has_no_64_bit_integers));
    tests.push(swiftshader_test("swiftshader::strata", strata));
    tests.push(swiftshader_test("swiftshader::streamed", streamed));
    tests.push(swiftshader_test("swiftshader::labels_of_new_rows", labels_of_new_rows));
    tests
}

/// Lets the process find no other GPU.
fn with_only<'a>(command: &'a mut Command, driver: &Path) -> &'a mut Command {
    // The second name is for loaders before 1.3.207.
    command.env("VK_DRIVER_FILES", driver).env("VK_ICD_FILENAMES", driver)
}

/// Inputs, and the driver.
struct Lab<'a> {
    w: Workshop,
    driver: &'a Path,
}

impl<'a> Lab<'a> {
    fn new(driver: &'a Path) -> Self {
        Lab { w: Workshop::new(), driver }
    }

    fn bank(&self, name: &str, rows: usize, columns: usize, seed: &str) -> String {
        let file = self.w.text(name);
        let (rows, columns) = (rows.to_string(), columns.to_string());
        done(["synth", "--rows", &rows, "--features", &columns, "--seed", seed, "--out", &file]);
        file
    }

    fn ran_there(&self, arguments: &[&str]) -> Ran {
        with_only(&mut command(), self.driver).args(arguments).output().expect("hyades runs").into()
    }

    /// The files of a job, each on the CPU and on SwiftShader, and the latter's manifest.
    fn same(&self, job: &[&str], there: &[&str]) -> Value {
        let (cpu, gpu) = (self.w.text("cpu"), self.w.text("gpu"));
        done([job, &["--backend", "cpu", "--out", &cpu]].concat());
        let device = ["--device", "SwiftShader", "--strict-device", "--out", &gpu];
        self.ran_there(&[job, &device, there].concat()).succeeds();
        let (on_cpu, of_cpu) = published(Path::new(&cpu));
        let (on_gpu, of_gpu) = published(Path::new(&gpu));
        assert_eq!(of_cpu["device"]["backend"], "cpu");
        assert_eq!(of_gpu["device"]["backend"], "gpu");
        assert!(of_gpu["device"]["device"].as_str().expect("a name").contains("SwiftShader"), "{}", of_gpu["device"]);
        assert_eq!(on_gpu.keys().collect::<Vec<_>>(), on_cpu.keys().collect::<Vec<_>>());
        for (name, bytes) in &on_cpu {
            assert!(on_gpu[name] == *bytes, "{name} has other bytes");
        }
        assert_eq!(of_gpu["outcome"]["labels_blake3"], of_cpu["outcome"]["labels_blake3"]);
        assert_eq!(inertias(&of_gpu), inertias(&of_cpu));
        of_gpu
    }
}

/// All files of an output but the manifest, and the manifest.
fn published(out: &Path) -> (BTreeMap<String, Vec<u8>>, Value) {
    let mut files = contents(out);
    files.remove("manifest.json").expect("a manifest");
    (files, json(out.join("manifest.json")))
}

/// Of every pass of every part; labelling makes no passes.
fn inertias(manifest: &Value) -> Vec<Vec<f64>> {
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let of = |pass: &Value| pass["inertia"].as_f64().expect("a number");
    list(&manifest["parts"]).iter().map(|part| list(&part["passes"]).iter().map(of).collect()).collect()
}

fn gives_the_same_bytes(lab: &Lab<'_>, job: &Job) {
    let k = job.k.to_string();
    let (bank, start) = (lab.bank("bank.parquet", job.rows, job.columns, "1"), lab.w.text("start"));
    let fit = |input| [&["fit", input, "--k", &k], job.options].concat();
    // From the segments of another bank, so that there are several passes.
    let other = lab.bank("other.parquet", 3 * job.k.max(100), job.columns, "8");
    done([&fit(&other)[..], &["--no-profile", "--backend", "cpu", "--out", &start]].concat());
    let start = format!("{start}/model.json");
    let manifest = lab.same(&[&fit(&bank)[..], &["--init", &start, "--tol", "0", "--max-iter", "4"]].concat(), &[]);
    assert!(inertias(&manifest)[0].len() > 1, "a single pass");
    let ran = kernels(&manifest["parts"][0]);
    for kernel in ["assign", "label"].iter().chain(job.kernels) {
        assert!(ran.contains(kernel), "{kernel} did not run, only {ran:?}");
    }
}

/// The kernels that ran for a part.
fn kernels(part: &Value) -> Vec<&str> {
    let kernels = part["device_work"]["kernels"].as_array().expect("kernels");
    kernels.iter().map(|kernel| kernel["kernel"].as_str().expect("a name")).collect()
}

/// Without them distances and sums are pairs of u32: `distance32.wgsl` and `wide.wgsl`.
fn has_no_64_bit_integers(driver: &Path) {
    let lab = Lab::new(driver);
    let found: Value = serde_json::from_str(&lab.ran_there(&["doctor", "--json"]).out).expect("JSON");
    let details: Vec<&str> =
        found["devices"].as_array().expect("a list").iter().map(|device| device["details"].as_str().unwrap()).collect();
    assert!(details.len() == 1 && details[0].contains("SwiftShader"), "not the only GPU: {details:?}");
    assert!(!details[0].contains("int64"), "it has 64-bit integers now, so nothing tests their absence: {details:?}");
}

fn strata(driver: &Path) {
    let lab = Lab::new(driver);
    let (bank, rules) = (lab.bank("bank.parquet", 4000, 22, "1"), lab.w.text("rules.toml"));
    let text = "[[rule]]\nname = \"many\"\nwhen = \"products_held > 4\"\n[strata]\nwithin = \"products_held\"\n";
    std::fs::write(&rules, text).expect("a file");
    let manifest = lab.same(&["fit", &bank, "--k", "3", "--rules", &rules], &[]);
    let parts = manifest["parts"].as_array().expect("parts");
    let fitted = parts.iter().filter(|part| part["k"] == 3 && kernels(part).contains(&"assign")).count();
    assert!(fitted > 2, "{parts:?}");
}

/// Tiles in a scratch file there, and in memory on the CPU.
fn streamed(driver: &Path) {
    let lab = Lab::new(driver);
    let bank = lab.bank("bank.parquet", 900_000, 3, "1");
    let starts = ["--init", "random", "--n-init", "1", "--tol", "0", "--max-iter", "2"];
    let fit = [&["fit", &bank, "--k", "2", "--no-profile", "--threads", "2"], &starts[..]].concat();
    // The memory that a software GPU needs depends on what is allowed.
    let mut memory = "1MiB".to_owned();
    for _ in 0..10 {
        let plan = ["plan", &bank, "--k", "2", "--threads", "2", "--device", "SwiftShader", "--memory", &memory];
        let told = lab.ran_there(&plan).err;
        let Some((_, rest)) = told.split_once("give --memory ") else { break };
        memory = rest.split(' ').next().unwrap_or_default().to_owned();
    }
    let manifest = lab.same(&fit, &["--memory", &memory]);
    assert!(manifest["plan"]["place"]["scratch"].is_string(), "it is not streamed: {}", manifest["plan"]);
}

fn labels_of_new_rows(driver: &Path) {
    let lab = Lab::new(driver);
    let (bank, fitted) = (lab.bank("bank.parquet", 2000, 40, "1"), lab.w.text("fitted"));
    done(["fit", &bank, "--k", "12", "--no-profile", "--backend", "cpu", "--out", &fitted]);
    let new = lab.bank("new.parquet", 5000, 40, "2");
    lab.same(&["assign", &fitted, &new, "--margin"], &[]);
}

fn passes_a_test(driver: &Path, filter: &str) {
    let suite = std::env::current_exe().expect("this program");
    let ran = with_only(&mut Command::new(suite), driver).env("HYADES_REQUIRE_GPU", "1").arg(filter).output();
    let ran = Ran::from(ran.expect("the suite runs"));
    assert_eq!(ran.code, Some(0), "{}{}", ran.out, ran.err);
    assert!(!ran.out.contains(" 0 passed"), "no such test: {}", ran.out);
}
