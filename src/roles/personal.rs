//! Detection of personal data by column names. `check` detects it by the form of values.

use crate::text::words;

/// Endings of names, in words, and the data they indicate. `number`, `no`, `nr`, `hash` and the like may follow.
const NAMES: [(&[&str], &str); 47] = [
    (&["email"], "e-mail addresses"),
    (&["e", "mail"], "e-mail addresses"),
    (&["mail"], "e-mail addresses"),
    (&["phone"], "phone numbers"),
    (&["telephone"], "phone numbers"),
    (&["telefon"], "phone numbers"),
    (&["mobile"], "phone numbers"),
    (&["msisdn"], "phone numbers"),
    (&["fax"], "phone numbers"),
    (&["iban"], "bank account numbers"),
    (&["bban"], "bank account numbers"),
    (&["account", "number"], "bank account numbers"),
    (&["account", "no"], "bank account numbers"),
    (&["pan"], "card numbers"),
    (&["card", "number"], "card numbers"),
    (&["card", "no"], "card numbers"),
    (&["cardnumber"], "card numbers"),
    (&["ssn"], "national ids"),
    (&["nin"], "national ids"),
    (&["national", "id"], "national ids"),
    (&["tax", "id"], "national ids"),
    (&["tin"], "national ids"),
    (&["passport"], "passport numbers"),
    (&["surname"], "names of people"),
    (&["forename"], "names of people"),
    (&["firstname"], "names of people"),
    (&["lastname"], "names of people"),
    (&["fullname"], "names of people"),
    (&["first", "name"], "names of people"),
    (&["last", "name"], "names of people"),
    (&["middle", "name"], "names of people"),
    (&["maiden", "name"], "names of people"),
    (&["full", "name"], "names of people"),
    (&["customer", "name"], "names of people"),
    (&["client", "name"], "names of people"),
    (&["address"], "addresses"),
    (&["street"], "addresses"),
    (&["postcode"], "addresses"),
    (&["postal", "code"], "addresses"),
    (&["plz"], "addresses"),
    (&["zip"], "addresses"),
    (&["zipcode"], "addresses"),
    (&["zip", "code"], "addresses"),
    (&["dob"], "dates of birth"),
    (&["birthdate"], "dates of birth"),
    (&["birth", "date"], "dates of birth"),
    (&["date", "of", "birth"], "dates of birth"),
];

const MAY_FOLLOW: [&str; 7] = ["number", "no", "nr", "num", "hash", "line", "hashed"];

/// First words of flags and counts: `has_email`, `n_phone`.
const COUNTED: [&str; 5] = ["has", "is", "n", "num", "nb"];

/// Words of columns that measure use of a channel: `spend_mobile`, `email_click_rate`.
const MEASURED: [&str; 26] = [
    "count",
    "cnt",
    "sum",
    "total",
    "amount",
    "amt",
    "spend",
    "balance",
    "share",
    "rate",
    "ratio",
    "pct",
    "avg",
    "mean",
    "logins",
    "sessions",
    "visits",
    "payments",
    "transfers",
    "transactions",
    "txn",
    "calls",
    "changes",
    "days",
    "months",
    "usage",
];

/// The personal data that a name suggests.
pub(crate) fn personal_data(name: &str) -> Option<&'static str> {
    let words = words(name);
    let counted = words.first().is_some_and(|w| COUNTED.contains(&w.as_str()));
    if counted || words.iter().any(|w| MEASURED.contains(&w.as_str())) {
        return None;
    }
    let follows = |w: &String| MAY_FOLLOW.contains(&w.as_str()) || w.bytes().all(|b| b.is_ascii_digit());
    // Tries all trailing words that may follow, then fewer, then none.
    let shortest = words.len() - words.iter().rev().take_while(|w| follows(w)).count();
    (shortest..=words.len()).rev().find_map(|end| {
        let ends = |ending: &[&str]| {
            end >= ending.len() && words[end - ending.len()..end].iter().zip(ending).all(|(a, b)| a == b)
        };
        NAMES.iter().find(|(ending, _)| ends(ending)).map(|(_, what)| *what)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for name in [
            "email",
            "E-Mail",
            "home_phone",
            "HomePhoneNo",
            "IBAN",
            "card_number",
            "dateOfBirth",
            "ssn_hash",
            "phone1",
            "address_line_2",
            "CardNo",
            "TAX_ID",
            "postalCode",
        ] {
            assert!(personal_data(name).is_some(), "{name}");
        }
        for name in [
            "card_spend_90d",
            "mobile_logins_30d",
            "mail_count",
            "age_years",
            "company",
            "",
            "name_length",
            "has_email",
            "is_mobile",
            "n_phone",
            "spend_mobile",
            "address_changes_email",
            "total_calls_phone",
            "pan_european",
            "2",
            "number",
            "ipaddresses_90d",
        ] {
            assert_eq!(personal_data(name), None, "{name}");
        }
    }
}
