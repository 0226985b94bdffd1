//! Settings and environments that must be refused: outputs, disk, memory, devices, models, recipes, signals.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::command::{Ran, Workshop, contents, done};
use crate::harness::{hyades, root, tests};
use crate::tables::{f64s, three_groups, write};

tests!(
    outputs_that_cannot_be_written,
    outputs_inside_the_input,
    a_full_disk,
    too_little_memory,
    threads_and_devices,
    prices_that_are_none,
    damaged_models,
    a_model_that_needs_more_columns,
    recipes,
    starting_centroids_that_do_not_fit,
    signals_end_a_run_and_publish_nothing,
);

fn outputs_that_cannot_be_written() {
    let w = Workshop::new();
    write(&w.path("a.parquet"), &three_groups(30));
    let input = w.text("a.parquet");
    let run = |out: &str| Ran::from(hyades(["fit", &input, "--k", "3", "--out", out]));
    run(&input).is_refused(2, &[&input, "is a file", "--out names a folder"]);
    let below = format!("{input}/out");
    run(&below).is_refused(4, &["cannot create the folder", &below]);
    if cfg!(target_os = "linux") {
        run("/proc/nope").is_refused(4, &["cannot create the folder /proc/nope", "choose another path"]);
    }
    let synth = Ran::from(hyades(["synth", "--rows", "10", "--out", &below]));
    synth.is_refused(4, &["cannot write in the folder", &input]);
    assert_eq!(contents(&w.out()).len(), 3);
}

fn outputs_inside_the_input() {
    let w = Workshop::new();
    std::fs::create_dir(w.path("in")).unwrap();
    write(&w.path("in/a.parquet"), &three_groups(30));
    let (folder, inside, pattern) = (w.text("in"), w.text("in/out"), w.text("in/*.parquet"));
    let before = contents(&w.path("in"));
    let run = |input: &str, out: &str| Ran::from(hyades(["fit", input, "--k", "3", "--out", out]));
    for (input, out) in [(&folder, &folder), (&folder, &inside), (&pattern, &folder)] {
        run(input, out).is_refused(2, &[out, "lies inside the input", input, "choose a folder outside it"]);
    }
    run(&w.text("in/a.parquet"), &folder).is_refused(2, &["holds a file that this run reads", "in/a.parquet"]);
    let other = Workshop::new();
    write(&other.path("a.parquet"), &three_groups(30));
    let out = other.text("");
    run(&root().join("data/customers.parquet").to_str().unwrap().to_owned(), &out)
        .is_refused(2, &[&out, "holds a.parquet, which is not of an earlier run"]);
    assert!(contents(&w.path("in")) == before, "the input was changed");
}

/// Runs in a shell where no file may grow beyond `blocks` of 512 bytes and writing more is an error, as on a full disk.
fn with_a_limit(blocks: u32, arguments: &[&str]) -> Ran {
    let script = format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" \"$@\"");
    let mut shell = Command::new("sh");
    shell.args(["-c", &script, env!("CARGO_BIN_EXE_hyades")]).args(arguments);
    shell.output().expect("sh runs").into()
}

fn a_full_disk() {
    let w = Workshop::new();
    let (bank, out) = (root().join("data/customers.parquet"), w.text("out"));
    let bank = bank.to_str().unwrap();
    let fit = ["fit", bank, "--k", "3", "--out", &out];
    with_a_limit(16, &fit).is_refused(4, &["cannot write", "segments/part-00000.parquet"]);
    w.is_untouched();
    // Prepared rows in a scratch file need disk space as well.
    let (scratch, large) = (w.text("scratch"), w.text("large.parquet"));
    std::fs::create_dir(&scratch).unwrap();
    done(["synth", "--rows", "1000000", "--features", "12", "--out", &large]);
    let fit = ["fit", &large, "--k", "3", "--out", &out, "--threads", "2", "--scratch", &scratch];
    let memory = smallest_memory(&fit);
    let ran = with_a_limit(512, &[&fit[..], &["--memory", &memory]].concat());
    assert!(ran.err.contains("streamed from a scratch file in"), "{}", ran.err);
    ran.is_refused(4, &["cannot write", "scratch"]);
    w.is_untouched();
    assert!(contents(&w.path("scratch")).is_empty(), "a scratch file was left behind");

    let before = contents(&w.out());
    let target = w.text("out/segments/part-00000.parquet");
    with_a_limit(64, &["synth", "--rows", "20000", "--out", &target]).is_refused(4, &["cannot write"]);
    assert!(contents(&w.out()) == before, "an earlier file was changed");
}

/// The smallest `--memory` that a fit asks for when it is given far too little.
fn smallest_memory(fit: &[&str]) -> String {
    let ran = Ran::from(hyades([fit, &["--memory", "1MiB"]].concat()));
    ran.is_refused(4, &["need at least", "are allowed"]);
    let (_, rest) = ran.err.split_once("give --memory ").expect("the message names what would do");
    rest.split(' ').next().unwrap_or_default().to_owned()
}

fn too_little_memory() {
    let w = Workshop::new();
    let bank = root().join("data/customers.parquet");
    let fit = ["fit", bank.to_str().unwrap(), "--k", "3", "--threads", "2"];
    let out = w.text("out");
    let smallest = smallest_memory(&[&fit[..], &["--out", &out]].concat());
    w.is_untouched();
    let mib: u64 = smallest.trim_end_matches("MiB").parse().expect("whole MiB");
    let less = format!("{}MiB", mib - 1);
    let why = ["20000 rows of 15 features need at least", &smallest, "are allowed"];
    w.refused(4, &why, [&fit[..], &["--memory", &less]].concat());
    w.run([&fit[..], &["--memory", &smallest]].concat()).succeeds();
}

fn threads_and_devices() {
    let w = Workshop::new();
    write(&w.path("a.parquet"), &three_groups(30));
    let input = w.text("a.parquet");
    let fit = |more: &[&str]| {
        [&["fit", &input, "--k", "3"], more].concat().iter().map(|s| (*s).to_owned()).collect::<Vec<_>>()
    };
    w.refused(2, &["--threads 0", "at least one thread"], fit(&["--threads", "0"]));
    w.refused(2, &["--device selects a GPU"], fit(&["--backend", "cpu", "--device", "0"]));
    if cfg!(feature = "gpu") {
        let why = ["looked for a GPU named \"Quantum 9\"", "found: ", "hyades doctor"];
        w.refused(4, &why, fit(&["--device", "Quantum 9"]));
        w.refused(4, &["\"Quantum 9\"", "found: "], fit(&["--backend", "gpu", "--device", "Quantum 9"]));
        w.refused(4, &["99", "found: "], fit(&["--device", "99"]));
        w.refused(4, &["99", "found: "], fit(&["--device", "99,98"]));
    }
    let foreign = if cfg!(target_arch = "aarch64") { "avx2" } else { "neon" };
    w.refused(4, &["this machine has no", "choose one of"], fit(&["--simd", foreign]));
    w.refused(2, &["mmx", "avx512, avx2, neon"], fit(&["--simd", "mmx"]));
    w.refused(2, &["--memory"], fit(&["--memory", "much"]));
}

fn prices_that_are_none() {
    let bank = root().join("data/customers.parquet");
    let bank = bank.to_str().unwrap();
    let refused = |price: &str, why: &str| {
        let bench = ["bench", bank, "--k", "3", "--backends", "cpu", "--price-per-hour", price];
        Ran::from(hyades(bench)).is_refused(2, &[why]);
    };
    let of_the_option = |price: &str, why: &str| {
        refused(price, &format!("invalid value '{price}' for '--price-per-hour <PRICE>': {why}\n"));
    };
    for price in ["cheap", "0,10", "2.5 EUR"] {
        let why = format!("{price:?} is not a price; write 2.5 for all backends, or cpu=0.10,gpu=2.5");
        of_the_option(price, &why);
    }
    of_the_option("cpu=1,", "\"\" is not a price; write 2.5 for all backends, or cpu=0.10,gpu=2.5");
    for (price, amount) in [("0", "0"), ("-1", "-1"), ("cpu=-0.5", "-0.5"), ("inf", "inf"), ("cpu=nan", "NaN")] {
        of_the_option(price, &format!("a price per hour is a number above 0, not {amount}"));
    }
    of_the_option("tpu=1", "\"tpu\" is not a backend; use cpu, gpu, reference or auto");
    of_the_option("cpu=1,cpu=2", "cpu has two prices");
    let why =
        "--price-per-hour names gpu, but the backends compared are cpu; add it to --backends, or remove its price";
    refused("cpu=1,gpu=2", why);
}

/// A workshop with a good model in `model.json` and its input in `a.parquet`.
fn with_model() -> Workshop {
    let w = Workshop::new();
    write(&w.path("a.parquet"), &three_groups(60));
    done(["fit", &w.text("a.parquet"), "--k", "3", "--out", &w.text("fit")]);
    std::fs::copy(w.path("fit/model.json"), w.path("model.json")).unwrap();
    w
}

fn damaged_models() {
    let w = with_model();
    let good = std::fs::read_to_string(w.path("model.json")).unwrap();
    let (model, input) = (w.text("model.json"), w.text("a.parquet"));
    let refused = |text: &[u8], parts: &[&str]| {
        std::fs::write(&model, text).unwrap();
        let parts = [parts, &[model.as_str()]].concat();
        w.refused(2, &parts, ["assign", &model, &input]);
    };
    for share in [0, 1, 10, 50, 90, 99] {
        refused(&good.as_bytes()[..good.len() * share / 100], &["not a model, or a damaged one"]);
    }
    let digit = good.find("\"grid_centers_\"").map(|at| at + good[at..].find(|c: char| c.is_ascii_digit()).unwrap());
    let mut flipped = good.clone().into_bytes();
    let at = digit.unwrap();
    flipped[at] = if flipped[at] == b'1' { b'2' } else { b'1' };
    refused(&flipped, &["damaged: its checksum does not match", "fit a new model"]);
    let newer = good.replacen("\"format_version\": 6", "\"format_version\": 7", 1);
    refused(newer.as_bytes(), &["format version is 7", "reads up to 6", "newer hyades"]);
    // A future format may hold fields that this program does not know: the message is about the version.
    let stranger = newer.replacen("\"algorithm\"", "\"something_new\": 1, \"algorithm\"", 1);
    refused(stranger.as_bytes(), &["format version is 7"]);
    let stranger = newer.replacen("\"checksum\"", "\"another_sum\"", 1);
    refused(stranger.as_bytes(), &["format version is 7"]);
    refused(
        b"{\"format\": \"recipe book\", \"format_version\": 1, \"checksum\": \"\", \"model\": {}}",
        &["not a model", "recipe book"],
    );
    refused(&[0xff, 0xfe, 0x00], &["not a model: it is not text"]);
    std::fs::write(&model, &good).unwrap();
    w.run(["assign", &model, &input]).succeeds();

    let w = with_model();
    let (none, input) = (w.text("none.json"), w.text("a.parquet"));
    w.refused(2, &[&none, "no such file"], ["assign", &none, &input]);
    let folder = w.text("");
    w.refused(2, &["is not the folder of a fit"], ["assign", &folder, &input]);
}

fn a_model_that_needs_more_columns() {
    let w = with_model();
    let table = three_groups(30);
    write(&w.path("b.parquet"), &[table[0].clone(), ("z", table[1].1.clone())]);
    let why = ["lacks columns that the model needs: x, y", "in any order"];
    w.refused(3, &why, ["assign", &w.text("model.json"), &w.text("b.parquet")]);
}

fn recipes() {
    let w = Workshop::new();
    write(&w.path("a.parquet"), &three_groups(30));
    let (input, recipe) = (w.text("a.parquet"), w.text("recipe.toml"));
    let refused = |text: &str, parts: &[&str]| {
        std::fs::write(&recipe, text).unwrap();
        w.refused(2, parts, ["fit", &input, "--k", "3", "--recipe", &recipe]);
    };
    refused("[defaults]\n\ntransfrom = \"none\"\n", &[&recipe, "line 3", "transfrom", "transform"]);
    refused("[columns.x]\nscale = \"huge\"\n", &[&recipe, "line 2", "huge", "zscore"]);
    refused("[columns.x]\nmissing = \"some\"\n", &[&recipe, "line 2", "some", "median"]);
    refused("[columns.x\n", &[&recipe, "line 1"]);
    refused("[columns.x]\nclip = 0\n", &["x: clip must be above 0", "recipe.toml:1:10", "above 0"]);
    refused("[columns.y]\nweight = -1\n", &["y: weight must be above 0"]);
    refused(
        "[columns.nobody]\nclip = 3\n[columns.x]\nclip = 3\n",
        &["are not features:\n", "\"nobody\" is not a column", "recipe.toml:1:10", "the features are: x, y"],
    );
    w.refused(2, &["recipe2.toml", "no such file"], ["fit", &input, "--k", "3", "--recipe", &w.text("recipe2.toml")]);

    let below = f64s((0..30).map(|i| f64::from(i - 9)));
    write(&w.path("b.parquet"), &[three_groups(30)[0].clone(), ("x", below)]);
    let why = ["\"x\" has 9 values of -1 or less", "signed-log1p"];
    w.refused(3, &why, ["fit", &w.text("b.parquet"), "--k", "3", "--transform", "log1p"]);
}

fn starting_centroids_that_do_not_fit() {
    let w = with_model();
    let input = w.text("a.parquet");
    let model = w.text("model.json");
    w.refused(2, &["has 3 centroids, but k = 4"], ["fit", &input, "--k", "4", "--init", &model]);
    let table = three_groups(3);
    write(&w.path("centers.parquet"), &table[1..2]);
    let centers = w.text("centers.parquet");
    w.refused(2, &[&centers, "missing: y"], ["fit", &input, "--k", "3", "--init", &centers]);
    // Found in the footer, before the table's values or the bank's are read.
    w.refused(2, &[&input, "centroids, but k = 3"], ["fit", &input, "--k", "3", "--init", &input]);
    let none = w.text("nothing.parquet");
    w.refused(2, &[&none, "no such file"], ["fit", &input, "--k", "3", "--init", &none]);
}

/// A run that a signal has not ended by then is killed, and the test fails.
const LONGEST_WAIT: Duration = Duration::from_secs(15);

/// A run in the background whose log lines can be waited for.
struct Running {
    child: Child,
    lines: std::io::Lines<BufReader<std::process::ChildStderr>>,
    said: String,
}

impl Running {
    fn start(arguments: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_hyades"));
        let mut child =
            command.args(arguments).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("it starts");
        let lines = BufReader::new(child.stderr.take().expect("stderr")).lines();
        Running { child, lines, said: String::new() }
    }

    fn wait_for(&mut self, text: &str) {
        for line in self.lines.by_ref() {
            let line = line.expect("text");
            self.said.push_str(&line);
            self.said.push('\n');
            if line.contains(text) {
                return;
            }
        }
        panic!("it ended before it said {text:?}: {}", self.said);
    }

    /// Sends a signal; returns how long the run took to end, and how it ended.
    fn signal(mut self, signal: &str) -> (Duration, Option<i32>, String) {
        assert!(self.child.try_wait().expect("a state").is_none(), "it ended too early: {}", self.said);
        let start = Instant::now();
        let sent = Command::new("kill").args([signal, &self.child.id().to_string()]).status().expect("kill runs");
        assert!(sent.success());
        while start.elapsed() < LONGEST_WAIT && self.child.try_wait().expect("a state").is_none() {
            std::thread::sleep(Duration::from_millis(5));
        }
        let took = start.elapsed();
        if took >= LONGEST_WAIT {
            self.child.kill().expect("it can be killed");
        }
        let status = self.child.wait().expect("it ends");
        self.lines.by_ref().map_while(Result::ok).for_each(|line| self.said.push_str(&line));
        (took, status.code(), self.said)
    }
}

fn signals_end_a_run_and_publish_nothing() {
    let w = Workshop::new();
    let (bank, starts, out) = (w.text("bank.parquet"), w.text("starts.parquet"), w.text("out"));
    done(["synth", "--rows", "1000000", "--features", "16", "--out", &bank]);
    done(["synth", "--rows", "64", "--features", "16", "--seed", "1", "--out", &starts]);
    let long = ["fit", &bank, "--k", "64", "--tol", "0", "--backend", "reference", "--out", &out];
    let passes: Vec<&str> = long.iter().copied().chain(["--init", &starts]).collect();
    // While it decodes, seeds and refines; and in the middle of a full pass, which takes seconds.
    for (signal, arguments, after) in
        [("-TERM", &long[..], "\"open\""), ("-INT", &long, "\"prepare\""), ("-TERM", &passes, "\"prepare\"")]
    {
        let mut running = Running::start(arguments);
        running.wait_for(after);
        std::thread::sleep(Duration::from_millis(300));
        let (took, code, said) = running.signal(signal);
        assert!(took < Duration::from_secs(5), "{signal} after {after}: it took {took:?}");
        assert_eq!(code, Some(5), "{signal} after {after}: {said}");
        assert!(said.contains("error: interrupted: nothing was published"), "{said}");
        w.is_untouched();
    }
    // No handler runs at all: earlier output is still there, and the next run is not disturbed.
    let mut running = Running::start(&long);
    running.wait_for("\"prepare\"");
    let (_, code, _) = running.signal("-KILL");
    assert_eq!(code, None);
    let after = contents(&w.out());
    for name in ["segments/part-00000.parquet", "model.json"] {
        assert_eq!(after[name], format!("the earlier {name}").into_bytes());
    }
    w.run(["fit", &starts, "--k", "2"]).succeeds();
}
