//! Which files an input means, what of them was read, and the text files beside them.

use std::fs;
use std::path::Path;

use arrow::array::ArrayRef;
use serde_json::Value;

use crate::command::{Ran, Workshop, done, json, labels_hash};
use crate::harness::{hyades, root, tests};
use crate::tables::{batch, f64s, i64s, three_groups, write, write_batch};

tests!(
    names_of_folders_are_unescaped,
    parquet_by_any_name,
    #[cfg(unix)]
    links_that_make_a_loop,
    the_content_that_was_read,
    the_same_content_however_it_is_read,
    the_content_of_encrypted_files,
    texts_with_byte_order_marks,
);

/// 90 customers from the id `first` on, in three groups.
fn customers(first: i64) -> Vec<(&'static str, ArrayRef)> {
    let mut table = three_groups(90);
    table[0] = ("id", i64s(first..first + 90));
    table
}

fn names_of_folders_are_unescaped() {
    let w = Workshop::new();
    for (at, folder) in ["region=M%C3%BCnchen%2FOst", "region=Nord", "region=100%", "region=__HIVE_DEFAULT_PARTITION__"]
        .into_iter()
        .enumerate()
    {
        fs::create_dir_all(w.path("bank").join(folder)).unwrap();
        write(&w.path("bank").join(folder).join("a.parquet"), &customers(1000 * at as i64));
    }
    let rules = "[[rule]]\nname = \"east\"\nwhen = \"region = 'München/Ost'\"\n[strata]\nwithin = \"region\"\nk = 3\n";
    fs::write(w.path("rules.toml"), rules).unwrap();
    w.run(["fit", &w.text("bank"), "--k", "3", "--rules", &w.text("rules.toml")]).succeeds();
    let outcome = json(w.out().join("manifest.json"))["outcome"].take();
    assert_eq!(outcome["rules"][0]["rows"], 90, "{outcome}");
    // Strata are known again.
    fs::write(w.path("rules.toml"), "[strata]\nwithin = \"region\"\nk = 3\n").unwrap();
    w.run(["fit", &w.text("bank"), "--k", "3", "--rules", &w.text("rules.toml")]).succeeds();
    let model = w.out().join("model.json");
    assert!(fs::read_to_string(&model).unwrap().contains("München/Ost"));
    let labels = labels_hash(&w.out());
    let assigned = w.text("assigned");
    done(["assign", model.to_str().unwrap(), &w.text("bank"), "--out", &assigned]);
    assert_eq!(labels_hash(Path::new(&assigned)), labels);
}

fn parquet_by_any_name() {
    let w = Workshop::new();
    let bank = w.path("bank");
    fs::create_dir_all(bank.join("sub")).unwrap();
    for (at, name) in ["a.parquet", "000001_0", "sub/part.parquet.snappy"].into_iter().enumerate() {
        write(&bank.join(name), &customers(1000 * at as i64));
    }
    for hidden in ["_SUCCESS", ".a.parquet.crc", "_metadata"] {
        fs::copy(bank.join("a.parquet"), bank.join(hidden)).unwrap();
    }
    // Text beside the data is no CSV, unless the pattern says so.
    fs::create_dir(w.path("beside")).unwrap();
    fs::copy(bank.join("a.parquet"), w.path("beside/a.parquet")).unwrap();
    fs::copy(bank.join("a.parquet"), w.path("beside/b.txt")).unwrap();
    fs::write(w.path("beside/read.txt"), "read me, please\n1,2\n").unwrap();
    let ran = Ran::from(hyades(["plan", &w.text("beside/*"), "--k", "3"]));
    // b.txt is Parquet, with the customers of a.parquet.
    assert!(ran.out.contains("180 rows in 2 files"), "{}{}", ran.out, ran.err);
    assert!(ran.err.contains("1 file is not read") && ran.err.contains("read.txt"), "{}", ran.err);
    let plan = ["plan", &w.text("bank"), "--k", "3"];
    let ran = done(plan);
    assert!(ran.out.contains("270") && !(ran.out.clone() + &ran.err).contains("not read"), "{}{}", ran.out, ran.err);
    // Begins like Parquet, but was cut off.
    fs::write(bank.join("half"), &fs::read(bank.join("a.parquet")).unwrap()[..500]).unwrap();
    fs::write(bank.join("notes.txt"), "read me").unwrap();
    fs::write(bank.join("empty"), "").unwrap();
    let ran = done(plan);
    let (half, empty) = (bank.join("half"), bank.join("empty"));
    let told = format!("3 files are not read, since they are not Parquet: {}, {}, ", empty.display(), half.display());
    assert!(ran.out.contains("270") && ran.err.contains(&told), "{}{}", ran.out, ran.err);
    for i in 0..4 {
        fs::write(bank.join(format!("sub/{i}.json")), "{}").unwrap();
    }
    let ran = done(plan);
    assert!(ran.err.contains("WARN") && ran.err.contains("and 4 more"), "{}", ran.err);
}

#[cfg(unix)]
fn links_that_make_a_loop() {
    let w = Workshop::new();
    let bank = w.path("bank");
    fs::create_dir(&bank).unwrap();
    write(&bank.join("x.parquet"), &customers(0));
    for (link, to) in [("a", "."), ("b", "../bank")] {
        std::os::unix::fs::symlink(to, bank.join(link)).unwrap();
    }
    let loops = format!("{} is a link to a folder that contains it", bank.join("a").display());
    Ran::from(hyades(["plan", &w.text("bank"), "--k", "3"])).is_refused(3, &[&loops, "remove the link"]);
    for pattern in ["bank/**", "bank/**/*.parquet"] {
        let ran = Ran::from(hyades(["plan", &w.text(pattern), "--k", "3"]));
        assert!(matches!(ran.code, Some(2 | 3)), "{pattern}: {}", ran.err);
    }
    done(["plan", &w.text("bank/*.parquet"), "--k", "3"]);
}

/// What the manifest says about the content of the files that a fit read.
fn content(w: &Workshop, input: &str, more: &[&str]) -> Value {
    let input = w.text(input);
    w.run([&["fit", &input, "--k", "3"][..], more].concat()).succeeds();
    let mut manifest = json(w.out().join("manifest.json"));
    let files = manifest["inputs"]["files"].as_array_mut().unwrap();
    files.iter_mut().map(|file| file["content"].take()).collect()
}

/// 6000 customers with a column that is no feature; row groups of 1000, without statistics.
fn bank(w: &Workshop, name: &str, changed: usize) {
    let mut table = three_groups(6000);
    let balance = (0..6000).map(|i| f64::from(i % 97) + if (i as usize) < changed { 0.5 } else { 0.0 });
    table.push(("balance", f64s(balance.collect::<Vec<_>>())));
    table.push(("unused", f64s((0..6000).map(f64::from).collect::<Vec<_>>())));
    let batch = batch(&table);
    let none = parquet::file::properties::EnabledStatistics::None;
    let properties = parquet::file::properties::WriterProperties::builder()
        .set_statistics_enabled(none)
        .set_dictionary_enabled(false)
        .set_data_page_row_count_limit(300)
        .set_write_batch_size(100)
        .set_max_row_group_row_count(Some(1000));
    let file = fs::File::create(w.path(name)).unwrap();
    let mut writer = parquet::arrow::ArrowWriter::try_new(file, batch.schema(), Some(properties.build())).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
}

fn the_content_that_was_read() {
    let w = Workshop::new();
    bank(&w, "a.parquet", 0);
    bank(&w, "b.parquet", 60);
    let footer = |w: &Workshop| json(w.out().join("manifest.json"))["inputs"]["files"][0]["footer_blake3"].take();
    let exclude = ["--exclude", "unused"];
    let (a, footer_a) = (content(&w, "a.parquet", &exclude), footer(&w));
    let (b, footer_b) = (content(&w, "b.parquet", &exclude), footer(&w));
    assert_eq!(a[0]["columns"], serde_json::json!(["id", "x", "y", "balance"]));
    assert_eq!(a[0]["bytes"], b[0]["bytes"]);
    assert!(a[0]["bytes"].as_u64() > Some(4 * 8 * 6000), "{a}");
    assert_eq!(footer_a, footer_b, "60 changed balances do not show in the footer");
    assert_ne!(a[0]["blake3"], b[0]["blake3"], "60 changed balances show in the content");
    // What was not read is not vouched for.
    let without = ["--exclude", "unused", "--exclude", "balance"];
    assert_eq!(content(&w, "a.parquet", &without), content(&w, "b.parquet", &without));
}

fn the_same_content_however_it_is_read() {
    let w = Workshop::new();
    bank(&w, "a.parquet", 0);
    write(&w.path("more.parquet"), &[("id", i64s((0..6000).map(|i| 100 + 3 * i))), ("z", i64s(0..6000))]);
    fs::write(w.path("rules.toml"), "[[rule]]\nname = \"low\"\nwhen = \"balance < 9\"\n").unwrap();
    let (more, rules) = (w.text("more.parquet"), w.text("rules.toml"));
    for usual in [&["--join", &more][..], &["--rules", &rules], &[]] {
        let first = content(&w, "a.parquet", usual);
        assert_eq!(first[0]["columns"].as_array().map(Vec::len), Some(5), "{first}");
        for other in [
            &["--simd", "portable", "--chunk-rows", "128"][..],
            &["--memory", "80MiB", "--chunk-rows", "64", "--threads", "1"],
        ] {
            assert_eq!(content(&w, "a.parquet", &[usual, other].concat()), first, "{usual:?} {other:?}");
        }
    }
}

fn the_content_of_encrypted_files() {
    let w = Workshop::new();
    for name in ["pyarrow-uniform", "pyarrow-kms"] {
        let from = |ending: &str| root().join(format!("data/encrypted/{name}.{ending}"));
        fs::copy(from("parquet"), w.path("a.parquet")).unwrap();
        let keys = from("toml").to_str().unwrap().to_owned();
        let read = content(&w, "a.parquet", &["--keys", &keys]);
        assert!(read[0]["bytes"].as_u64() > Some(100), "{name}: {read}");
        assert_eq!(content(&w, "a.parquet", &["--keys", &keys, "--threads", "1"]), read);
    }
}

fn texts_with_byte_order_marks() {
    let w = Workshop::new();
    write_batch(&w.path("a.parquet"), &batch(&three_groups(90)), 90);
    let input = w.text("a.parquet");
    let pseudonyms = |key: &[u8]| {
        fs::write(w.path("key"), key).unwrap();
        w.run(["fit", &input, "--k", "3", "--pseudonymise", &w.text("key")]).succeeds();
        json(w.out().join("manifest.json"))["inputs"]["pseudonym_key_check"].take()
    };
    let plain = pseudonyms(b"a secret of the bank");
    assert_eq!(pseudonyms(b"\xEF\xBB\xBFa secret of the bank\r\n"), plain);
    let wide: Vec<u8> = "\u{FEFF}a secret of the bank".encode_utf16().flat_map(u16::to_le_bytes).collect();
    fs::write(w.path("key"), &wide).unwrap();
    let refused = ["fit", &input, "--k", "3", "--pseudonymise", &w.text("key"), "--out", &w.text("other")];
    Ran::from(hyades(refused)).is_refused(2, &["the key in", "UTF-16"]);

    let (recipe, config) = (w.text("recipe.toml"), w.text("config.toml"));
    let utf16 = |text: &str| ["\u{FEFF}", text].concat().encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>();
    let text = "[defaults]\nscale = \"none\"\n";
    fs::write(&recipe, format!("\u{FEFF}{text}")).unwrap();
    w.run(["fit", &input, "--k", "3", "--recipe", &recipe]).succeeds();
    fs::write(&recipe, utf16(text)).unwrap();
    Ran::from(hyades(["plan", &input, "--k", "3", "--recipe", &recipe])).is_refused(2, &["UTF-16; save it as UTF-8"]);
    fs::write(&config, "\u{FEFF}[clustering]\nk = 3\n").unwrap();
    done(["plan", &input, "--config", &config]);
    // A model that an editor saved.
    let model = w.out().join("model.json");
    fs::write(&model, ["\u{FEFF}", &fs::read_to_string(&model).unwrap()].concat()).unwrap();
    done(["assign", model.to_str().unwrap(), &input, "--out", &w.text("assigned")]);
}
