//! Inputs in an object store: the same segments as from files, few requests with many at a time, and no secret in any
//! output.

use std::time::Duration;

use crate::command::{Ran, Workshop, done, json, labels_hash};
use crate::harness::{command, root, tests};
use crate::store::{KEY, SECRET, Store};
use crate::tables::{read, write_batch};

tests!(
    the_same_segments_from_a_store,
    every_verb_reads_a_store,
    requests_are_merged_and_sent_ahead,
    a_large_chunk_comes_in_pieces,
    folders_and_patterns_in_a_store,
    files_by_plain_http,
    a_store_that_is_busy_is_asked_again,
    an_object_that_changes_is_refused,
    credentials_stay_in_the_environment,
    places_that_cannot_be_read,
);

const BANK: &str = "data/customers.parquet";

fn hash_of_the_bank(w: &Workshop, more: &[&str]) -> String {
    let bank = root().join(BANK);
    w.run([&["fit", bank.to_str().unwrap(), "--k", "6"], more].concat()).succeeds();
    labels_hash(&w.out())
}

fn fit(w: &Workshop, store: &Store, inputs: &[&str], more: &[&str]) -> Ran {
    let out = w.out();
    store.run(&[&["fit"], inputs, &["--k", "6", "--out", out.to_str().unwrap()], more].concat())
}

fn the_same_segments_from_a_store() {
    let (w, store) = (Workshop::new(), Store::new(true));
    let expected = hash_of_the_bank(&w, &[]);
    store.put("in/customers.parquet", &root().join(BANK));
    for more in [&[][..], &["--threads", "1"], &["--threads", "5"], &["--memory", "190MiB"], &["--rules"]] {
        let mut more = more.to_vec();
        let rules = w.text("rules.toml");
        let expected = if more == ["--rules"] {
            std::fs::write(&rules, "[[rule]]\nname = \"old\"\nwhen = \"tenure_months > 200\"\n").unwrap();
            more.push(&rules);
            hash_of_the_bank(&w, &more)
        } else {
            expected.clone()
        };
        fit(&w, &store, &["s3://bank/in/customers.parquet"], &more).succeeds();
        assert_eq!(labels_hash(&w.out()), expected, "{more:?}");
    }
    let manifest = json(w.out().join("manifest.json"));
    assert_eq!(manifest["inputs"]["files"][0]["path"], "s3://bank/in/customers.parquet");
}

fn every_verb_reads_a_store() {
    let (w, store) = (Workshop::new(), Store::new(true));
    let (bank, url) = (root().join(BANK), "s3://bank/customers.parquet");
    store.put("customers.parquet", &bank);
    let bank = bank.to_str().unwrap();
    let hash = hash_of_the_bank(&w, &[]);
    std::fs::copy(w.out().join("model.json"), w.path("model.json")).unwrap();
    let (model, out) = (w.text("model.json"), w.text("labels"));
    store.run(&["assign", &model, url, "--out", &out]).succeeds();
    assert_eq!(labels_hash(&w.path("labels")), hash);
    for verb in [&["check"][..], &["plan", "--k", "3"], &["recipe", "init"]] {
        // All but the line that has the time.
        let told = |ran: Ran, name: &str| {
            let out = ran.succeeds().out.replace(name, "INPUT");
            out.lines().filter(|line| !line.contains(" file in ")).map(str::to_owned).collect::<Vec<_>>()
        };
        let near = told(done([verb, &[bank]].concat()), bank);
        let far = told(store.run(&[verb, &[url]].concat()), url);
        // Read-ahead takes memory, which a plan includes.
        assert!(near == far || verb[0] == "plan", "{verb:?}: {near:#?}\n{far:#?}");
    }
    let (near, far) = (w.text("near.parquet"), w.text("far.parquet"));
    done(["recipe", "apply", &model, bank, "--out", &near]);
    store.run(&["recipe", "apply", &model, url, "--out", &far]).succeeds();
    assert!(std::fs::read(&near).unwrap() == std::fs::read(&far).unwrap());
    // Both sides of a join.
    let all = read(&root().join(BANK));
    let some = |names: &[usize]| all.project(names).unwrap();
    write_batch(&store.path("left.parquet"), &some(&[0, 1, 2, 3, 4]), 3000);
    write_batch(&store.path("right.parquet"), &some(&[0, 5, 6, 7]), 1700);
    let sides = |at: &dyn Fn(&str) -> String| [at("left.parquet"), "--join".into(), at("right.parquet")];
    let near = sides(&|name| store.path(name).to_str().unwrap().to_owned());
    let mut labels = Vec::new();
    for sides in [near, sides(&|name| format!("s3://bank/{name}"))] {
        let inputs: Vec<&str> = sides.iter().map(String::as_str).collect();
        fit(&w, &store, &inputs, &[]).succeeds();
        labels.push(labels_hash(&w.out()));
    }
    assert_eq!(labels[0], labels[1]);
}

/// 40 row groups of 16 columns are 640 chunks: they are fetched in a few requests, several at a time, and only heads
/// and ids are fetched twice.
fn requests_are_merged_and_sent_ahead() {
    let (w, store) = (Workshop::new(), Store::new(true));
    let all = read(&root().join(BANK));
    write_batch(&store.path("small-groups.parquet"), &all, 500);
    store.set(|mood| mood.delay = Duration::from_millis(20));
    fit(&w, &store, &["s3://bank/small-groups.parquet"], &["--threads", "2", "--no-profile"]).succeeds();
    let asked = store.asked();
    assert!(asked.len() <= 40, "{} requests", asked.len());
    assert!(asked.iter().filter(|a| a.method == "GET").all(|a| a.range.is_some()), "{asked:?}");
    // A file is a single piece only if it is smaller than that; many files are many pieces.
    for i in 0..24 {
        write_batch(&store.path(&format!("many/{i:02}.parquet")), &all.slice(i * 800, 800), 800);
    }
    store.asked();
    fit(&w, &store, &["s3://bank/many"], &["--threads", "1", "--no-profile"]).succeeds();
    let asked = store.asked();
    // A listing; for each file its footer, ids twice and features; for eight files their heads; for each column that
    // could be an id a look at its first rows.
    assert!(asked.len() <= 1 + 24 * 4 + 8 + 16, "{} requests", asked.len());
    assert!(store.most_under_way() >= 8, "{} under way", store.most_under_way());
    let ranges: u64 = asked.iter().filter_map(|a| a.range.as_deref()).map(length).sum();
    let size: u64 =
        (0..24).map(|i| std::fs::metadata(store.path(&format!("many/{i:02}.parquet"))).unwrap().len()).sum();
    assert!(ranges < 5 * size, "{ranges} bytes of {size}");
}

/// The bytes of `bytes=a-b`.
fn length(range: &str) -> u64 {
    let (first, last) = range.strip_prefix("bytes=").unwrap().split_once('-').unwrap();
    last.parse::<u64>().unwrap() - first.parse::<u64>().unwrap() + 1
}

/// Chunks of 16 MB: no request exceeds 2 MiB, the next ones are in progress, and the result is the same as from the
/// file.
fn a_large_chunk_comes_in_pieces() {
    let (w, store) = (Workshop::new(), Store::new(true));
    let rows = 2_000_000;
    let values = |seed: u64| crate::tables::f64s(crate::tables::noise(seed).take(rows));
    let path = store.path("large.parquet");
    crate::tables::write(&path, &[("x", values(1)), ("y", values(2))]);
    store.set(|mood| mood.delay = Duration::from_millis(5));
    fit(&w, &store, &["s3://bank/large.parquet"], &["--threads", "2", "--no-profile"]).succeeds();
    let hash = labels_hash(&w.out());
    let asked = store.asked();
    let longest = asked.iter().filter_map(|a| a.range.as_deref()).map(length).max().unwrap();
    assert!(longest <= 2 << 20, "{longest} bytes at once");
    assert!(store.most_under_way() >= 4, "{} under way", store.most_under_way());
    let fetched: u64 = asked.iter().filter_map(|a| a.range.as_deref()).map(length).sum();
    let size = std::fs::metadata(&path).unwrap().len();
    // Heads, for the recipe and in search of an id, with the read-ahead after them, and each chunk once.
    assert!(fetched < size + 3 * size / 8, "{fetched} bytes of {size}");
    w.run(["fit", path.to_str().unwrap(), "--k", "6"]).succeeds();
    assert_eq!(labels_hash(&w.out()), hash);
}

/// Names, order and partition values are the same as on disk: `-` sorts before `/`, but not before the end of a name.
fn folders_and_patterns_in_a_store() {
    let (w, store) = (Workshop::new(), Store::new(true));
    let all = read(&root().join(BANK));
    for (i, region) in ["de", "de-by", "de.x", "fr"].iter().enumerate() {
        write_batch(&store.path(&format!("bank/region={region}/part-0.parquet")), &all.slice(i * 5000, 5000), 2000);
    }
    std::fs::write(store.path("bank/_SUCCESS"), "").unwrap();
    std::fs::write(store.path("bank/_old/part-0.parquet"), "no Parquet").unwrap();
    std::fs::write(store.path("bank/notes.txt"), "mine").unwrap();
    let on_disk = store.path("bank/x").parent().unwrap().to_owned();
    w.run(["fit", on_disk.to_str().unwrap(), "--k", "6"]).succeeds();
    let expected = labels_hash(&w.out());
    let paths = || {
        let inputs = json(w.out().join("manifest.json"))["inputs"]["files"].take();
        inputs.as_array().unwrap().iter().map(|i| i["path"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let here = paths();
    for url in [
        "s3://bank/bank",
        "s3://bank/bank/",
        "s3://bank/b%61nk/",
        "s3a://bank/bank/",
        "s3://bank/bank/region=*/*.parquet",
        "s3://bank/bank/region=*",
    ] {
        let ran = fit(&w, &store, &[url], &[]).succeeds();
        assert_eq!(labels_hash(&w.out()), expected, "{url}: {}", ran.err);
        let base = &url[..url.find(":").unwrap()];
        let named = here.iter().map(|p| p.replacen(on_disk.to_str().unwrap(), &format!("{base}://bank/bank"), 1));
        assert_eq!(paths(), named.collect::<Vec<_>>(), "{url}");
    }
    fit(&w, &store, &["s3://bank/bank/region=[ef]*/*"], &[]).succeeds();
    assert_eq!(json(w.out().join("manifest.json"))["inputs"]["rows"], 5000);
    let values = store.run(&["check", "s3://bank/bank/region=fr/"]).succeeds().out;
    assert!(values.contains("region") && !values.contains("frbank"), "{values}");
    std::fs::write(store.path("bank/_delta_log/00000000000000000000.json"), "{}").unwrap();
    for url in ["s3://bank/bank", "s3://bank/"] {
        fit(&w, &store, &[url], &[]).is_refused(3, &["s3://bank/bank is a Delta table"]);
    }
}

fn files_by_plain_http() {
    let (w, store) = (Workshop::new(), Store::new(false));
    store.put("customers.parquet", &root().join(BANK));
    let expected = hash_of_the_bank(&w, &[]);
    let url = store.http("customers.parquet");
    w.run(["fit", &url, "--k", "6"]).succeeds();
    assert_eq!(labels_hash(&w.out()), expected);
    let w = Workshop::new();
    w.refused(2, &["plain HTTP cannot list files; name each file"], ["fit", &store.http(""), "--k", "6"]);
    w.refused(8, &["there is no such object"], ["fit", &store.http("none.parquet"), "--k", "6"]);
    store.set(|mood| mood.only_whole = true);
    w.refused(4, &["does not support HTTP range requests"], ["fit", &url, "--k", "6"]);
}

fn a_store_that_is_busy_is_asked_again() {
    let (w, store) = (Workshop::new(), Store::new(true));
    store.put("customers.parquet", &root().join(BANK));
    let expected = hash_of_the_bank(&w, &[]);
    store.set(|mood| mood.busy = 3);
    fit(&w, &store, &["s3://bank/customers.parquet"], &[]).succeeds();
    assert_eq!(labels_hash(&w.out()), expected);
}

/// Also if a server has no tags to distinguish versions.
fn an_object_that_changes_is_refused() {
    for tags in [true, false] {
        let (other, store) = (Workshop::new(), Store::new(true));
        let all = read(&root().join(BANK));
        let (first, second) = (store.path("bank.parquet"), other.path("other.parquet"));
        write_batch(&first, &all, 2000);
        write_batch(&second, &all.slice(0, 19_000), 2000);
        // After head and footer.
        store.set(|mood| (mood.change, mood.no_tags) = (Some((2, second, first)), !tags));
        let w = Workshop::new();
        let out = w.text("out");
        let ran = store.run(&["fit", "s3://bank/bank.parquet", "--k", "6", "--out", &out]);
        ran.is_refused(3, &["s3://bank/bank.parquet: it was changed while it was read; run again when it is complete"]);
        w.is_untouched();
    }
}

/// Neither output nor messages contain a key or a secret, whatever fails.
fn credentials_stay_in_the_environment() {
    let (w, store) = (Workshop::new(), Store::new(true));
    store.put("customers.parquet", &root().join(BANK));
    let silent = |ran: &Ran| {
        for secret in [KEY, SECRET, "not-the-secret-at-all"] {
            assert!(!ran.err.contains(secret) && !ran.out.contains(secret), "{ran:?}");
        }
    };
    let out = w.text("out");
    let arguments = ["fit", "s3://bank/customers.parquet", "--k", "6", "--out", &out];
    let ran = store.run(&arguments).succeeds();
    silent(&ran);
    for file in ["manifest.json", "model.json"] {
        let text = std::fs::read_to_string(w.out().join(file)).unwrap();
        assert!(!text.contains(KEY) && !text.contains(SECRET), "{file}");
    }
    let mut variables = store.variables();
    variables.insert("AWS_SECRET_ACCESS_KEY", "not-the-secret-at-all".into());
    variables.insert("RUST_LOG", "trace".into());
    let ran = Ran::from(command().args(arguments).envs(&variables).output().unwrap());
    silent(&ran);
    ran.is_refused(
        4,
        &["s3://bank/customers.parquet", "permission denied; credentials are taken from the environment"],
    );
    for url in ["https://ann:hunter2@bank/x.parquet", "s3://ann:hunter2@bank/x.parquet"] {
        let ran = store.run(&["check", url]);
        assert!(!ran.err.contains("hunter2"), "{}", ran.err);
        ran.is_refused(2, &["pass credentials in the environment"]);
    }
    let ran = store.run(&["check", "https://bank/x.parquet?X-Amz-Signature=hunter2"]);
    assert!(!ran.err.contains("hunter2"), "{}", ran.err);
    ran.is_refused(2, &["https://bank/x.parquet: the query of a URL may hold a signature"]);
}

fn places_that_cannot_be_read() {
    let (w, store) = (Workshop::new(), Store::new(true));
    store.put("in/notes.txt", &root().join("README.md"));
    store.put("in/cut.parquet", &root().join("README.md"));
    let refused = |code: i32, url: &str, parts: &[&str]| {
        store.run(&["fit", url, "--k", "2", "--out", &w.text("out")]).is_refused(code, parts);
        w.is_untouched();
    };
    refused(8, "s3://bank/none", &["s3://bank/none: there is no such object, and no Parquet file below it"]);
    refused(8, "s3://bank/in/*.pq", &["no object matches s3://bank/in/*.pq"]);
    refused(3, "s3://bank/in/cut.parquet", &["s3://bank/in/cut.parquet: not a Parquet file"]);
    refused(2, "ftp://bank/x.parquet", &["ftp://bank/x.parquet: unsupported URL scheme; supported are s3://"]);
    refused(2, "file:///etc/passwd", &["unsupported URL scheme"]);
    refused(2, "s3://bank/in//x.parquet", &["s3://bank/in//x.parquet: ", "empty"]);
    let bank = root().join(BANK);
    store.put("in/a.parquet", &bank);
    let twice = ["fit", "s3://bank/in/a.parquet", "s3://bank/in/a.parquet", "--k", "2", "--out", &w.text("out")];
    store.run(&twice).is_refused(2, &["s3://bank/in/a.parquet is named twice among the inputs"]);
}
