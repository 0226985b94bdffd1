//! A commented job file that works as it is.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use crate::error::Result;
use crate::gates::Gates;
use crate::text::parse_date;

/// The text of a job file for these inputs. A day or a month in the name of a path, such as `2026-11-30` or `2026-11`,
/// becomes a placeholder. Relative paths are relative to the working folder, where the file is meant to lie.
///
/// # Errors
/// None expected.
///
/// # Examples
/// ```
/// let text = hyades::resegment::job_template(&["bank/2026-11/customers.parquet".into()], 8)?;
/// assert!(text.contains("\"bank/{as_of:%Y-%m}/customers.parquet\""));
/// # Ok::<(), hyades::Error>(())
/// ```
pub fn job_template(inputs: &[PathBuf], k: usize) -> Result<String> {
    let mut paths = String::new();
    for input in inputs {
        let _ = write!(paths, "    {},\n", toml::Value::String(with_placeholders(input)));
    }
    Ok(format!(
        "\
# A job for hyades run. The sections are those of hyades fit --config, and [job] and [refit]; hyades job schema prints
# all keys. Relative paths are relative to the folder of this file.

[job]
# name = \"retail\"              # default: the name of this file
# owner = \"crm@bank.example\"
history = \"history\"            # the folder of the versions
# names = \"names.toml\"         # names of segments by segment_id; default: names.toml in the history
# expect = \"expectations.toml\" # what the input must be like, as for hyades check --expect
# approval = \"required\"        # versions wait for hyades history approve
# lineage = \"lineage.ndjson\"   # OpenLineage events, one in a line
# metrics = \"/var/lib/node_exporter/retail.prom\"  # for the textfile collector of Prometheus

[input]
# {{as_of}} is the day of --as-of, {{as_of:%Y-%m}} its month.
paths = [
{paths}]

[refit]
# How the segments of the last version are carried on: assign (its model labels the month), warm (a fit from its
# centroids, with its preparation), fresh (a new fit), auto (warm, unless new starts are better by more than 1 %).
mode = \"warm\"

[clustering]
k = {k}

# Answers for the model card of every version; hyades job schema prints all keys.
# [card]
# users = \"The campaign team of retail banking\"
# intended_use = \"Selection of customers for campaigns\"
# out_of_scope = \"Decisions about credit\"

{}",
        Gates::starting_toml()
    ))
}

/// A path in which days and months are placeholders, and other braces are doubled.
fn with_placeholders(path: &Path) -> String {
    let text = path.to_string_lossy().replace('{', "{{").replace('}', "}}");
    let (mut filled, mut rest) = (String::new(), text.as_str());
    while !rest.is_empty() {
        let day = rest.get(..10).filter(|day| parse_date(day).is_some());
        let month = rest.get(..7).filter(|month| parse_date(&format!("{month}-01")).is_some());
        let is_inside = |n: usize| {
            let touches = |c: Option<char>| c.is_some_and(|c| c.is_ascii_digit());
            touches(filled.chars().last()) || touches(rest[n..].chars().next())
        };
        let (placeholder, n) = match (day, month) {
            (Some(_), _) if !is_inside(10) => ("{as_of}", 10),
            (_, Some(_)) if !is_inside(7) => ("{as_of:%Y-%m}", 7),
            _ => {
                let first = rest.chars().next().map_or(1, char::len_utf8);
                filled.push_str(&rest[..first]);
                rest = &rest[first..];
                continue;
            }
        };
        filled.push_str(placeholder);
        rest = &rest[n..];
    }
    filled
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_and_months_become_placeholders() {
        let of = |path: &str| with_placeholders(Path::new(path));
        assert_eq!(of("a/2026-11/b-2026-11-30.parquet"), "a/{as_of:%Y-%m}/b-{as_of}.parquet");
        assert_eq!(of("id=12026-11/x{y}"), "id=12026-11/x{{y}}");
        assert_eq!(of("客户/2026-13/表"), "客户/2026-13/表");
    }
}
