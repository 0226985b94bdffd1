//! Names that are not there, and the one that was probably meant.

/// ` (did you mean "CustomerID"?)`, or nothing where no name is near.
pub(crate) fn did_you_mean<'a>(asked: &str, names: impl Iterator<Item = &'a str>) -> String {
    let wanted = fold(asked);
    // A third of the letters may be wrong; case and separators do not count.
    let near = names.map(|name| (distance(&wanted, &fold(name)), name)).filter(|(d, _)| *d * 3 <= wanted.len());
    near.min_by_key(|(d, _)| *d).map_or_else(String::new, |(_, name)| format!(" (did you mean {name:?}?)"))
}

fn fold(name: &str) -> Vec<char> {
    name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

/// Insertions, deletions and replacements that turn one name into the other (Levenshtein).
fn distance(a: &[char], b: &[char]) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, y) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_names() {
        let names = || ["InvoiceDate", "CustomerID", "UnitPrice"].into_iter();
        assert_eq!(did_you_mean("customer_id", names()), " (did you mean \"CustomerID\"?)");
        assert_eq!(did_you_mean("Unitprise", names()), " (did you mean \"UnitPrice\"?)");
        assert_eq!(did_you_mean("colour", names()), "");
    }
}
