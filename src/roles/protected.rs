//! Detects protected attributes by the names of columns: attributes on which a bank may not treat people differently,
//! or only for a reason that it can state. They are not features unless requested.
//!
//! Names are compared word by word (`words`), in English and, where that is cheap, German, French and Spanish. If in
//! doubt, the column counts as protected: the terminal says so, and `--include` uses it anyway, while a protected
//! attribute that slips into the features would go unnoticed.
//!
//! *Age* refers to a person unless the name says otherwise: in `account_age_days`, `age_of_oldest_account` and
//! `vehicle_age` the last word of the phrase after `age`, or else before it, is a thing. Units, groups and words such
//! as `oldest` are skipped, and `account_holder_age` refers to a person again.

use crate::text::words;

const AGE: &str = "age";
const DISABILITY: &str = "disability";

/// Phrases that indicate an attribute, anywhere in a name; earlier lines take precedence.
#[rustfmt::skip]
const NAMES: [(&str, &str); 9] = [
    ("sexual orientation", "sexual, sexuality, sexuelle, sexuell, lgbt, lgbtq, lgbtqi"),
    ("sex", "sex, gender, male, female, geschlecht, sexe, sexo, genero, g\u{e9}nero, salutation, anrede"),
    ("nationality or origin",
        "nationality, nationalities, citizenship, citizenships, citizen, ethnicity, ethnic, ethnicgroup, race, racial, \
        ancestry, caste, tribe, foreigner, immigrant, immigration, refugee, birthplace, place of birth, country of birth, \
        birth country, birth place, native country, national origin, country of origin, foreign worker, nationalitaet, \
        nationalit\u{e4}t, staatsangehoerigkeit, staatsangeh\u{f6}rigkeit, staatsbuergerschaft, staatsb\u{fc}rgerschaft, \
        geburtsort, geburtsland, herkunftsland, nationalite, nationalit\u{e9}, nacionalidad"),
    ("date of birth",
        "birth, birthdate, birthday, birthyear, dob, yob, born, geburt, geburtsdatum, geburtstag, geburtsjahr, naissance, \
        nacimiento"),
    ("religion",
        "religion, religious, church, kirche, kirchensteuer, konfession, religionszugehoerigkeit, \
        religionszugeh\u{f6}rigkeit"),
    ("marital status",
        "marital, maritalstatus, married, marriage, divorced, widowed, matrimonial, matrimoniale, civil status, \
        civil partnership, familienstand, verheiratet, etat civil, \u{e9}tat civil, estado civil"),
    (DISABILITY,
        "disability, disabilities, handicap, handicapped, behinderung, behindert, schwerbehinderung, schwerbehindert, \
        discapacidad"),
    ("political or union membership",
        "political, party affiliation, party membership, parteizugehoerigkeit, parteizugeh\u{f6}rigkeit, trade union, \
        labor union, labour union, union member, union membership, union dues, gewerkschaft, syndicat, sindicato"),
    (AGE, "agegroup, ageband, agerange, agebucket, altersgruppe, lebensalter, kundenalter, senior citizen"),
];

/// Words in the presence of which a phrase means something else.
const MEANS_ELSE: [(&str, &[&str]); 5] = [
    ("race", &["bet", "bets", "betting", "horse", "dog", "car", "track", "ticket", "tickets"]),
    ("political", &["risk", "exposure", "exposed"]),
    ("union member", &["credit"]),
    ("union membership", &["credit"]),
    ("citizen", &["senior"]),
];

/// A disabled account is not a disabled person: this word counts only if all others are among these.
const DISABLED: &str = "disabled";
#[rustfmt::skip]
const BESIDE_DISABLED: [&str; 12] = [
    "is", "flag", "status", "ind", "indicator", "person", "customer", "client", "applicant", "member", "registered",
    "holder",
];

/// Words for age.
const AGES: [&str; 6] = ["age", "ages", "alter", "edad", "\u{e2}ge", "leeftijd"];

/// Words in a phrase of age that do not say whose age it is.
#[rustfmt::skip]
const PASSED_OVER: [&str; 41] = [
    "of", "the", "in", "at", "avg", "average", "mean", "median", "min", "minimum", "max", "maximum", "oldest",
    "newest", "youngest", "first", "last", "current", "years", "year", "yrs", "y", "months", "month", "mths", "m",
    "days", "day", "d", "weeks", "hours", "jahre", "jahren", "monate", "tage", "group", "band", "bracket", "range",
    "bucket", "class",
];

/// Things of a bank that have an age.
#[rustfmt::skip]
const THINGS: [&str; 76] = [
    "account", "accounts", "acct", "accts", "acc", "loan", "loans", "mortgage", "mortgages", "card", "cards", "credit",
    "credits", "debt", "debts", "relationship", "relation", "tenure", "history", "file", "bureau", "line", "lines", "trade",
    "trades", "tradeline", "tradelines", "vehicle", "car", "auto", "property", "house", "building", "home", "dwelling",
    "device", "phone", "contract", "policy", "document", "invoice", "invoices", "receivable", "receivables", "arrears",
    "deposit", "deposits", "balance", "transaction", "transactions", "txn", "order", "payment", "employment", "job",
    "business", "company", "firm", "product", "products", "portfolio", "claim", "case", "ticket", "asset", "equipment",
    "collateral", "session", "password", "email", "address", "konto", "kredit", "vertrag", "compte", "cuenta",
];

/// The protected attribute that a name suggests.
pub(crate) fn protected_attribute(name: &str) -> Option<&'static str> {
    let words = words(name);
    let whole = format!(" {} ", words.join(" "));
    let stands = |phrase: &str| {
        let listed = |w: &String| MEANS_ELSE.iter().any(|(of, beside)| *of == phrase && beside.contains(&w.as_str()));
        whole.contains(&format!(" {phrase} ")) && !words.iter().any(listed)
    };
    if let Some((attribute, _)) = NAMES.iter().find(|(_, phrases)| phrases.split(", ").any(stands)) {
        return Some(attribute);
    }
    let beside = |w: &String| w == DISABLED || BESIDE_DISABLED.contains(&w.as_str());
    if words.iter().any(|w| w == DISABLED) && words.iter().all(beside) {
        return Some(DISABILITY);
    }
    is_age(&words).then_some(AGE)
}

/// Whether a name refers to the age of a person; see the module documentation.
fn is_age(words: &[String]) -> bool {
    words.iter().enumerate().filter(|(_, w)| AGES.contains(&w.as_str())).any(|(at, _)| {
        let tells = |w: &&String| !PASSED_OVER.contains(&w.as_str()) && !w.starts_with(|c: char| c.is_ascii_digit());
        let behind = words[at + 1..].iter().rfind(tells);
        let whose = behind.or_else(|| words[..at].iter().rfind(tells));
        !whose.is_some_and(|w| THINGS.contains(&w.as_str()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[rustfmt::skip]
    fn attributes_are_found() {
        let cases: [(&str, &[&str]); 9] = [
            ("sex", &["sex", "SEX", "Gender", "customer_sex", "gender_F", "sexCode", "is_female", "geschlecht", "sexe", "Anrede"]),
            (AGE, &[
                "age", "AGE", "age_years", "customerAge", "Customer Age", "age-group", "AgeBand", "age_25_34", "age2",
                "alter", "alter_jahre", "edad", "account_holder_age", "age_of_applicant", "avg_age_household", "SeniorCitizen",
                "card.holder.age", "min_age",
            ]),
            ("date of birth", &["birth_date", "DOB", "dateOfBirth", "DAYS_BIRTH", "year_of_birth", "geburtsdatum", "date_naissance"]),
            ("nationality or origin", &[
                "nationality", "Nationality_DE", "citizenship", "citizen", "ethnic_group", "race", "race_white",
                "CountryOfBirth", "native-country", "foreign_worker", "staatsangeh\u{f6}rigkeit", "nacionalidad",
            ]),
            ("religion", &["religion", "ReligionCode", "church_tax", "Kirchensteuer", "konfession"]),
            ("marital status", &["marital_status", "MARRIAGE", "is_married", "maritalStatus", "familienstand", "estado_civil"]),
            (DISABILITY, &["disability", "disability_flag", "disabled", "IsDisabled", "customer_disabled", "handicap"]),
            ("political or union membership", &["political_party", "PartyAffiliation", "union_member", "trade_union", "gewerkschaft"]),
            ("sexual orientation", &["sexual_orientation", "SexualOrientation", "sexuality", "lgbt"]),
        ];
        for (attribute, names) in cases {
            for name in names {
                assert_eq!(protected_attribute(name), Some(attribute), "{name}");
            }
        }
    }

    #[test]
    #[rustfmt::skip]
    fn false_friends_are_let_through() {
        for name in [
            "average_balance", "page_views", "usage", "account_age_days", "age_of_account", "mortgage", "mortgage_outstanding",
            "AgeOfOldestTradeline", "oldest_account_age", "accountAgeMonths", "max_account_age_days", "konto_alter",
            "vehicle_age", "customer_account_age", "age_of_oldest_account_months", "coverage", "package", "manager", "agency",
            "language", "country", "residence_country", "foreign_transactions", "spend_abroad_90d", "credit_union_member",
            "western_union_transfers", "account_disabled", "disabled_at", "notifications_disabled", "race_bets_30d",
            "party_id", "pep_flag", "essex_branch", "middlesex", "trace_count", "embrace", "interface", "political_risk",
            "date_opened", "status", "civil_claims", "stage", "percentage", "wage", "birthmark", "tenure_months", "",
        ] {
            assert_eq!(protected_attribute(name), None, "{name}");
        }
    }
}
