//! Encrypted Parquet: read with the keys of a file, to the same labels, without revealing any key.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use arrow::array::RecordBatch;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::encryption::encrypt::{EncryptionPropertiesBuilder, FileEncryptionProperties};
use parquet::file::column_crypto_metadata::ColumnCryptoMetaData;
use parquet::file::metadata::{ParquetMetaDataBuilder, ParquetMetaDataReader, ParquetMetaDataWriter};
use parquet::file::properties::WriterProperties;

use crate::command::{Ran, Workshop, contents, done, json, labels_hash, part, within};
use crate::harness::{hyades, root, tests};
use crate::tables::{batch, i64s, read, segments, three_groups, write, write_batch};

tests!(
    encrypted_files_give_the_labels_of_plain_ones,
    tiles_that_are_streamed,
    every_verb_takes_keys,
    columns_without_their_key,
    keys_that_do_not_fit,
    key_files_with_faults,
    altered_files_are_refused,
    columns_that_only_claim_to_be_encrypted,
    keys_are_told_to_nobody,
    files_of_pyarrow,
);

const FOOTER: &[u8; 16] = b"the footer's key";
const X: &[u8; 16] = b"the key of x ...";
const LONG: &[u8; 32] = b"a key of 256 bits, for y alone..";
const PREFIX: &str = "bank/2026-11";

fn hex(key: &[u8]) -> String {
    key.iter().map(|b| format!("{b:02x}")).collect()
}

fn builder() -> EncryptionPropertiesBuilder {
    FileEncryptionProperties::builder(FOOTER.to_vec())
}

/// Writes a batch encrypted.
fn encrypt(path: &Path, batch: &RecordBatch, group_rows: usize, keys: EncryptionPropertiesBuilder) {
    let properties = WriterProperties::builder()
        .set_max_row_group_row_count(Some(group_rows))
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .with_file_encryption_properties(keys.build().expect("keys"))
        .build();
    let file = File::create(path).expect("a new file");
    let mut writer = ArrowWriter::try_new(file, batch.schema(), Some(properties)).expect("a schema for Parquet");
    writer.write(batch).expect("rows are written");
    writer.close().expect("the footer is written");
}

/// `three_groups`, with a separate key for column x, and the keys for it.
fn small(w: &Workshop) -> [String; 2] {
    encrypt(&w.path("e.parquet"), &batch(&three_groups(300)), 200, builder().with_column_key("x", X.to_vec()));
    std::fs::write(w.path("keys.toml"), format!("footer = {:?}\n[columns]\nx = {:?}\n", hex(FOOTER), hex(X))).unwrap();
    [w.text("e.parquet"), w.text("keys.toml")]
}

fn encrypted_files_give_the_labels_of_plain_ones() {
    let w = Workshop::new();
    let bank = read(&root().join("data/customers.parquet"));
    write_batch(&w.path("plain.parquet"), &bank, 6_000);
    let rules = "[[rule]]\nname = \"rich\"\nwhen = \"current_balance > 10000\"\n";
    std::fs::write(w.path("rules.toml"), rules).unwrap();
    let fit = |input: &str, more: &[&str]| {
        let given = ["fit", &w.text(input), "--k", "6", "--backend", "cpu", "--quiet"].map(str::to_owned);
        w.run(given.into_iter().chain(more.iter().map(|&m| m.to_owned()))).succeeds();
        labels_hash(&w.out())
    };
    let plain = fit("plain.parquet", &[]);
    let plain_model = part(&w.out())["cluster_centers_"].take();
    let ruled = fit("plain.parquet", &["--rules", &w.text("rules.toml")]);
    let (key, x, long) = (hex(FOOTER), hex(X), hex(LONG));
    let balance = "current_balance";
    let ids = || {
        builder()
            .with_footer_key_metadata(b"kf".to_vec())
            .with_column_key_and_metadata(balance, X.to_vec(), b"k1".to_vec())
            .with_column_key_and_metadata("savings_balance", LONG.to_vec(), b"k2".to_vec())
    };
    let two = || builder().with_column_key(balance, X.to_vec()).with_column_key("savings_balance", LONG.to_vec());
    let of_columns = format!("footer = {key:?}\n[columns]\n{balance} = {x:?}\nsavings_balance = {long:?}\n");
    let of_ids = format!("ids = {{ kf = {key:?}, k1 = {x:?}, k2 = {long:?}, other = {x:?} }}\n");
    let variants = [
        (builder(), format!("footer = {key:?}\n")),
        (builder().with_plaintext_footer(true), format!("footer = {key:?}\n")),
        (two(), of_columns.clone()),
        (two().with_plaintext_footer(true), of_columns.clone()),
        (ids(), of_ids.clone()),
        // By the column's name if given, otherwise by the id.
        (ids().with_plaintext_footer(true), format!("{of_ids}[columns]\n{balance} = {x:?}\n")),
        (builder().with_aad_prefix(PREFIX.into()).with_aad_prefix_storage(true), format!("footer = {key:?}\n")),
        (
            two().with_aad_prefix(PREFIX.into()).with_aad_prefix_storage(false),
            format!("aad_prefix = {PREFIX:?}\n{of_columns}"),
        ),
    ];
    for (i, (keys, file)) in variants.into_iter().enumerate() {
        encrypt(&w.path("e.parquet"), &bank, 6_000, keys);
        std::fs::write(w.path("keys.toml"), &file).unwrap();
        let with = ["--keys", &w.text("keys.toml")];
        assert_eq!(fit("e.parquet", &with), plain, "variant {i}");
        assert_eq!(part(&w.out())["cluster_centers_"], plain_model, "variant {i}");
        assert_eq!(json(w.out().join("manifest.json"))["inputs"]["files"][0]["encrypted"], true);
        if i % 4 == 2 {
            assert_eq!(fit("e.parquet", &[&with[..], &["--rules", &w.text("rules.toml")]].concat()), ruled, "strata");
        }
    }
    // Keys are harmless if nothing is encrypted.
    assert_eq!(fit("plain.parquet", &["--keys", &w.text("keys.toml")]), plain);
    assert!(json(w.out().join("manifest.json"))["inputs"]["files"][0]["encrypted"].is_null());
}

fn tiles_that_are_streamed() {
    let w = Workshop::new();
    let plain = w.text("plain.parquet");
    done(["synth", "--rows", "700000", "--quiet", "--out", &plain]);
    encrypt(&w.path("e.parquet"), &read(&w.path("plain.parquet")), 1 << 17, builder());
    std::fs::write(w.path("keys.toml"), format!("footer = {:?}\n", hex(FOOTER))).unwrap();
    write_batch(&w.path("plain.parquet"), &read(&w.path("plain.parquet")), 1 << 17);
    let fit = |input: &str, more: &[&str]| {
        let few = ["--max-iter", "3", "--threads", "2", "--memory", "150MiB", "--quiet"];
        w.run([&["fit", &w.text(input), "--k", "6", "--backend", "cpu"], &few[..], more].concat()).succeeds();
        assert!(json(w.out().join("manifest.json"))["plan"]["place"]["scratch"].is_string(), "nothing was streamed");
        labels_hash(&w.out())
    };
    assert_eq!(fit("e.parquet", &["--keys", &w.text("keys.toml")]), fit("plain.parquet", &[]));
}

fn every_verb_takes_keys() {
    let w = Workshop::new();
    let groups = batch(&three_groups(300));
    let [input, keys] = small(&w);
    write(&w.path("plain.parquet"), &three_groups(300));
    // The columns of a joined table use the same keys.
    write_batch(&w.path("ids.parquet"), &groups.project(&[0]).unwrap(), 100);
    let expected: Vec<i32> = (0..300).map(|i| i % 3).collect();
    let fit = ["fit", &w.text("ids.parquet"), "--join", &input, "--k", "3", "--keys", &keys];
    w.run(fit).succeeds();
    assert_eq!(segments(&w.out().join("segments/part-00000.parquet")), expected);
    let manifest = json(w.out().join("manifest.json"));
    let encrypted: Vec<_> =
        manifest["inputs"]["files"].as_array().unwrap().iter().map(|i| i["encrypted"].as_bool()).collect();
    assert_eq!(encrypted, [None, Some(true)]);
    w.run(["fit", &input, "--k", "3", "--keys", &keys]).succeeds();
    let fitted = w.text("model.json");
    std::fs::copy(w.out().join("model.json"), &fitted).unwrap();
    w.run(["assign", &fitted, &input, "--keys", &keys]).succeeds();
    assert_eq!(segments(&w.out().join("segments/part-00000.parquet")), expected);
    done(["plan", &input, "--k", "3", "--keys", &keys]);
    done(["bench", &input, "--k", "3", "--backends", "cpu", "--keys", &keys]);
    let checked = done(["check", &input, "--keys", &keys]);
    let head = |ran: &Ran| ran.out.lines().take(8).map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(head(&checked), head(&done(["check", &w.text("plain.parquet")])));
    let recipe = done(["recipe", "init", &input, "--keys", &keys]);
    assert!(recipe.out.contains("[columns.x]") || recipe.out.contains("# x"), "{}", recipe.out);
    let prepared = |input: &str, more: &[&str]| {
        let out = w.text("prepared.parquet");
        done([&["recipe", "apply", &fitted, input, "--out", &out][..], more].concat());
        read(Path::new(&out))
    };
    assert_eq!(prepared(&input, &["--keys", &keys]), prepared(&w.text("plain.parquet"), &[]));
    let rfm = |input: &str, more: &[&str]| {
        let out = w.text("rfm.parquet");
        let columns = ["--customer", "id", "--time", "t", "--amount", "x", "--out", &out];
        done([&["features", "rfm", input][..], &columns, more].concat());
        read(Path::new(&out))
    };
    let days = arrow::array::Date32Array::from_iter_values(20_000..20_300);
    let mut columns = three_groups(300);
    columns.push(("t", Arc::new(days)));
    encrypt(&w.path("t.parquet"), &batch(&columns), 200, builder().with_column_key("x", X.to_vec()));
    write(&w.path("plain-t.parquet"), &columns);
    assert_eq!(rfm(&w.text("t.parquet"), &["--keys", &keys]), rfm(&w.text("plain-t.parquet"), &[]));
    // Starting centroids are an input too.
    encrypt(&w.path("c.parquet"), &groups.slice(0, 3), 200, builder());
    w.run(["fit", &input, "--k", "3", "--keys", &keys, "--init", &w.text("c.parquet")]).succeeds();
    assert_eq!(segments(&w.out().join("segments/part-00000.parquet")), expected);
    // Keys from the environment.
    let checked = std::process::Command::new(env!("CARGO_BIN_EXE_hyades"))
        .args(["check", &input, "--keys", "env:BANK_KEYS"])
        .env("BANK_KEYS", std::fs::read_to_string(&keys).unwrap())
        .output()
        .unwrap();
    Ran::from(checked).succeeds();
}

fn columns_without_their_key() {
    let w = Workshop::new();
    let [input, _] = small(&w);
    let keys = w.text("part.toml");
    let refused = |parts: &[&str], arguments: &[&str]| w.run(arguments).is_refused(3, parts);
    std::fs::write(&keys, format!("footer = {:?}\n", hex(FOOTER))).unwrap();
    let why = format!("{input}: column \"x\" is encrypted with a key of its own that {keys} lacks");
    refused(
        &["columns in use cannot be read", &why, "[columns] or [ids]", "--exclude"],
        &["fit", &input, "--k", "2", "--keys", &keys],
    );
    let fit = w.run(["fit", &input, "--k", "2", "--keys", &keys, "--exclude", "x"]).succeeds();
    assert!(fit.out.contains('y'), "{}", fit.out);
    let checked = done(["check", &input, "--keys", &keys]);
    assert!(checked.out.contains("1 column is encrypted and its key is missing"), "{}", checked.out);
    // The column is named with its key id, or with the master key of a key management service.
    let wrapped = br#"{"keyMaterialType":"PKMT1","masterKeyID":"balances","wrappedDEK":"AAAA"}"#;
    for (id, said) in [(&b"kx"[..], "(id \"kx\")"), (wrapped, "(wrapped with the master key \"balances\")")] {
        for plaintext in [false, true] {
            let own = builder().with_plaintext_footer(plaintext);
            let own = own.with_column_key_and_metadata("x", X.to_vec(), id.to_vec());
            encrypt(&w.path("ids.parquet"), &batch(&three_groups(300)), 200, own);
            refused(&["column \"x\"", said], &["fit", &w.text("ids.parquet"), "--k", "2", "--keys", &keys]);
        }
    }
    // With a plaintext footer, unencrypted columns are readable without keys, even without the footer's.
    let own = builder().with_plaintext_footer(true).with_footer_key_metadata(b"kf".to_vec());
    encrypt(&w.path("signed.parquet"), &batch(&three_groups(300)), 200, own.with_column_key("x", X.to_vec()));
    let signed = w.text("signed.parquet");
    refused(&["column \"x\" is encrypted; supply the keys with --keys FILE"], &["fit", &signed, "--k", "2"]);
    w.run(["fit", &signed, "--k", "2", "--exclude", "x"]).succeeds();
    std::fs::write(&keys, format!("ids = {{ other = {:?} }}\n", hex(FOOTER))).unwrap();
    let lacks = format!("column \"x\" is encrypted, and {keys} lacks the key (id \"kf\") that signs its file's footer");
    refused(&[&lacks], &["fit", &signed, "--k", "2", "--keys", &keys]);
    w.run(["fit", &signed, "--k", "2", "--exclude", "x", "--keys", &keys]).succeeds();
    // If the key of an encrypted footer is missing, nothing is read.
    encrypt(&w.path("f.parquet"), &batch(&three_groups(30)), 20, builder().with_footer_key_metadata(b"kf".to_vec()));
    let lacks = format!("its footer is encrypted with a key (id \"kf\") that {keys} lacks");
    refused(&[&lacks], &["fit", &w.text("f.parquet"), "--k", "2", "--keys", &keys]);
}

fn keys_that_do_not_fit() {
    let w = Workshop::new();
    let [input, keys] = small(&w);
    w.refused(
        3,
        &[&format!("{input}: its footer is encrypted; supply the keys with --keys FILE")],
        ["fit", &input, "--k", "3"],
    );
    let table = batch(&three_groups(300));
    let refused = |name: &str, file: &str, parts: &[&str]| {
        std::fs::write(&keys, file).unwrap();
        w.refused(3, &[parts, &[&w.text(name), &keys]].concat(), ["fit", &w.text(name), "--k", "3", "--keys", &keys]);
    };
    let (key, x) = (hex(FOOTER), hex(X));
    refused("e.parquet", &format!("footer = {x:?}"), &["its footer cannot be decrypted with"]);
    let file = format!("footer = {key:?}\ncolumns = {{ x = {key:?} }}");
    refused("e.parquet", &file, &["its column \"x\" cannot be decrypted with"]);
    let file = format!("footer = {key:?}\naad_prefix = \"another\"\ncolumns = {{ x = {x:?} }}");
    refused("e.parquet", &file, &["its footer cannot be decrypted with", "the aad_prefix is wrong"]);
    encrypt(&w.path("signed.parquet"), &table, 200, builder().with_plaintext_footer(true));
    refused("signed.parquet", &format!("footer = {x:?}"), &["the signature of its footer does not verify"]);
    let prefixed = builder().with_aad_prefix(PREFIX.into()).with_aad_prefix_storage(false);
    encrypt(&w.path("prefixed.parquet"), &table, 200, prefixed);
    refused("prefixed.parquet", &format!("footer = {key:?}"), &["add aad_prefix = \"...\" to"]);
}

fn key_files_with_faults() {
    let w = Workshop::new();
    let [input, keys] = small(&w);
    let refused = |file: &[u8], parts: &[&str]| {
        std::fs::write(&keys, file).unwrap();
        let ran = w.run(["fit", &input, "--k", "3", "--keys", &keys]);
        ran.is_refused(2, parts);
        assert!(!ran.err.contains("c0ffee"), "a key is told: {}", ran.err);
    };
    let at = |place: &str, what: &str| format!("{keys}:{place}: {what}");
    refused(b"footer = \"c0ffee\"", &[&at("1:10", "the footer's key is neither"), "16 or 32 bytes are needed"]);
    refused(b"footer = \"c0ffeec0\"", &[&at("1:10", "the footer's key has 6 bytes")]);
    refused(
        b"[columns]\nx = 5\n[keys]\n",
        &[&at("2:5", "the key of column \"x\" must be text"), &at("3:2", "the file has no key")],
    );
    refused(b"footer = \"c0ffee", &[&format!("{keys}:1:")]);
    refused(b"", &[&at("1:1", "every encrypted file has a key for its footer")]);
    refused(b"\xff\xfe", &["it is not text"]);
    w.refused(2, &["no such file"], ["fit", &input, "--k", "3", "--keys", &w.text("nowhere")]);
    w.refused(
        2,
        &["--keys env:HYADES_NOT_THERE: the environment has no variable"],
        ["fit", &input, "--k", "3", "--keys", "env:HYADES_NOT_THERE"],
    );
}

fn altered_files_are_refused() {
    let w = Workshop::new();
    let keys = w.text("keys.toml");
    std::fs::write(&keys, format!("footer = {:?}\n", hex(FOOTER))).unwrap();
    for plaintext in [false, true] {
        encrypt(&w.path("e.parquet"), &batch(&three_groups(300)), 200, builder().with_plaintext_footer(plaintext));
        let bytes = std::fs::read(w.path("e.parquet")).unwrap();
        let run = |bytes: &[u8]| {
            std::fs::write(w.path("altered.parquet"), bytes).unwrap();
            within(1 << 20, ["check", &w.text("altered.parquet"), "--keys", &keys, "--threads", "1", "--quiet"])
        };
        run(&bytes).succeeds();
        let mut pages = 0;
        for at in (4..bytes.len()).step_by(61) {
            let mut altered = bytes.clone();
            altered[at] ^= 0x40;
            let ran = run(&altered);
            assert!(!ran.err.contains("panicked"), "byte {at}: {}", ran.err);
            // Unused parts may be altered: page indexes, and the size of an encrypted page.
            assert!(matches!(ran.code, Some(0 | 3)), "byte {at}: exit {:?}: {}", ran.code, ran.err);
            pages += u32::from(ran.err.contains("it cannot be decrypted: the key") && ran.err.contains("column"));
        }
        assert!(pages > 50, "{pages} altered pages were seen");
        // The first four bytes of a chunk are the length of its first page header.
        let mut altered = bytes.clone();
        altered[7] = 0x7f;
        run(&altered).is_refused(3, &["the encrypted part at byte 4 claims", "expected 28 to "]);
        for cut in [bytes.len() - 1, bytes.len() - 9, bytes.len() / 2, 12] {
            run(&bytes[..cut]).is_refused(3, &["altered.parquet"]);
        }
    }
}

/// Pages of such a column would bypass the guard against pages that claim too much.
fn columns_that_only_claim_to_be_encrypted() {
    let w = Workshop::new();
    write(&w.path("plain.parquet"), &three_groups(300));
    let bytes = std::fs::read(w.path("plain.parquet")).unwrap();
    let metadata =
        ParquetMetaDataReader::new().parse_and_finish(&File::open(w.path("plain.parquet")).unwrap()).unwrap();
    let groups = metadata.row_groups().iter().map(|group| {
        let columns = group.columns().iter().map(|column| {
            let claim = Some(ColumnCryptoMetaData::ENCRYPTION_WITH_FOOTER_KEY);
            column.clone().into_builder().set_column_crypto_metadata(claim).build().unwrap()
        });
        group.clone().into_builder().set_column_metadata(columns.collect()).build().unwrap()
    });
    let forged = ParquetMetaDataBuilder::new(metadata.file_metadata().clone()).set_row_groups(groups.collect()).build();
    let length = u32::from_le_bytes(bytes[bytes.len() - 8..bytes.len() - 4].try_into().unwrap()) as usize;
    let mut out = bytes[..bytes.len() - 8 - length].to_vec();
    ParquetMetaDataWriter::new(&mut out, &forged).finish().unwrap();
    std::fs::write(w.path("forged.parquet"), out).unwrap();
    let [_, keys] = small(&w);
    let said = "claims to be encrypted in a file that is not";
    w.refused(3, &[said], ["fit", &w.text("forged.parquet"), "--k", "3", "--keys", &keys]);
    w.refused(3, &["is encrypted; supply the keys"], ["fit", &w.text("forged.parquet"), "--k", "3"]);
}

fn keys_are_told_to_nobody() {
    let w = Workshop::new();
    let [input, keys] = small(&w);
    let secrets: Vec<String> = [&FOOTER[..], X].iter().flat_map(|k| [hex(k), format!("{k:?}"), text(k)]).collect();
    let silent = |what: &str, said: &str| {
        assert!(!secrets.iter().any(|s| said.contains(s)), "{what} tells a key: {said}");
    };
    let ran: Ran =
        hyades(["fit", &input, "--k", "3", "--keys", &keys, "-vv", "--log-format", "json", "--out", &w.text("a")])
            .into();
    silent("a fit", &format!("{}{}", ran.out, ran.err));
    for (name, bytes) in contents(&w.path("a")) {
        silent(&name, &text(&bytes));
    }
    // The keys of another column, in messages.
    std::fs::write(&keys, format!("footer = {:?}\ncolumns = {{ x = {:?} }}\n", hex(X), hex(FOOTER))).unwrap();
    silent("a refusal", &w.run(["fit", &input, "--k", "3", "--keys", &keys]).err);
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// See data/encrypted/README.md.
fn files_of_pyarrow() {
    let folder = root().join("data/encrypted");
    for name in ["pyarrow-uniform", "pyarrow-kms"] {
        let at = |extension: &str| folder.join(format!("{name}.{extension}")).to_str().unwrap().to_owned();
        let w = Workshop::new();
        w.refused(3, &["its footer is encrypted"], ["fit", &at("parquet"), "--k", "3"]);
        w.run(["fit", &at("parquet"), "--k", "3", "--keys", &at("toml")]).succeeds();
        let labelled = read(&w.out().join("segments/part-00000.parquet"));
        assert_eq!(labelled.column_by_name("id").unwrap(), &i64s((0..300).map(|i| 100 + 3 * i)));
        let expected: Vec<i32> = (0..300).map(|i| i % 3).collect();
        assert_eq!(segments(&w.out().join("segments/part-00000.parquet")), expected, "{name}");
    }
}
