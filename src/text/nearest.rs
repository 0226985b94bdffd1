//! Suggests a name for one that does not exist.

/// The known name that a mistyped one most likely means: one that differs in at most a third of its letters, ignoring
/// case and separators.
pub(crate) fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let fold =
        |name: &str| -> String { name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect() };
    let wanted = fold(name);
    let letters = wanted.chars().count();
    let near = known.into_iter().map(|known| (strsim::damerau_levenshtein(&wanted, &fold(known)), known));
    near.filter(|(distance, _)| distance * 3 <= letters.max(3)).min_by_key(|(distance, _)| *distance).map(|(_, k)| k)
}

/// ` (did you mean "CustomerID"?)`, or nothing if no name is close.
pub(crate) fn did_you_mean<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    nearest(name, known).map_or_else(String::new, |near| format!(" (did you mean {near:?}?)"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_names() {
        let names = ["InvoiceDate", "CustomerID", "UnitPrice"];
        assert_eq!(did_you_mean("customer_id", names), " (did you mean \"CustomerID\"?)");
        assert_eq!(did_you_mean("Unitprise", names), " (did you mean \"UnitPrice\"?)");
        assert_eq!(did_you_mean("colour", names), "");
    }
}
