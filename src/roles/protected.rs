//! Detects protected attributes by the names of columns: attributes on which a bank may not treat people differently,
//! or only for a reason that it can state. They are not features unless requested.
//!
//! Names are compared word by word ([`ColumnName`]), in English, German, French, Spanish, Portuguese, Italian, Chinese
//! and Japanese. If in doubt, the column counts as protected: the terminal says so, and `--include` uses it anyway,
//! while a protected attribute that slips into the features would go unnoticed.
//!
//! *Age* refers to a person unless the name says otherwise: in `account_age_days`, `age_of_oldest_account` and
//! `vehicle_age` the last word of the phrase after `age`, or else before it, is a thing. Units, groups and words such
//! as `oldest` are skipped, and `account_holder_age` refers to a person again.

use super::name::{ColumnName, phrases};

const AGE: &str = "age";
const DISABILITY: &str = "disability";

/// Phrases that indicate an attribute, anywhere in a name; earlier lines take precedence.
const NAMES: [(&str, &str); 13] = [
    ("sexual orientation", "sexual, sexuality, sexuelle, sexuell, sessuale, lgbt, lgbtq, lgbtqi, 性取向, 性的指向"),
    (
        "sex",
        "sex, gender, male, female, geschlecht, weiblich, maennlich, sexe, genre, feminin, masculin, civilite, sexo, \
        genero, femenino, feminino, masculino, sesso, genere, femminile, maschile, salutation, anrede, 性别, 性別, 男女, 称谓",
    ),
    (
        "nationality or origin",
        "nationality, nationalities, citizenship, citizenships, citizen, ethnicity, ethnic, ethnicgroup, race, racial, \
        ancestry, caste, tribe, indigenous, foreigner, immigrant, immigration, migrant, refugee, skin color, skin colour, \
        birthplace, place of birth, country of birth, birth country, birth place, native country, national origin, \
        country of origin, foreign worker, residence permit, nationalitaet, staatsangehoerigkeit, staatsbuergerschaft, \
        geburtsort, geburtsland, herkunftsland, migrationshintergrund, hautfarbe, aufenthaltstitel, nationalite, \
        citoyennete, ethnie, lieu de naissance, pays de naissance, nacionalidad, ciudadania, etnia, raza, \
        lugar de nacimiento, pais de nacimiento, nacionalidade, naturalidade, cidadania, raca, local de nascimento, \
        pais de nascimento, nazionalita, cittadinanza, razza, luogo di nascita, paese di nascita, \
        国籍, 國籍, 民族, 种族, 種族, 人種, 户籍, 戶籍, 户口, 戶口, 籍贯, 籍貫, 出生地, 出身地, 本籍",
    ),
    (
        "date of birth",
        "birth, birthdate, birthday, birthyear, dob, yob, born, geburt, geburtsdatum, geburtstag, geburtsjahr, naissance, \
        nacimiento, cumpleanos, nascimento, nascita, compleanno, 出生, 生日, 生年月日, 誕生日",
    ),
    (
        "religion",
        "religion, religious, church, faith, kirche, kirchensteuer, konfession, religionszugehoerigkeit, \
        glaubensbekenntnis, religiao, religione, 宗教, 信仰",
    ),
    (
        "marital status",
        "marital, maritalstatus, married, marriage, divorced, widowed, widow, widower, spouse, husband, wife, matrimonial, \
        matrimoniale, civil status, civil partnership, familienstand, verheiratet, geschieden, verwitwet, ehepartner, \
        ehegatte, etat civil, situation familiale, celibataire, conjoint, estado civil, casado, casada, soltero, soltera, \
        divorciado, viudo, conyuge, solteiro, solteira, viuvo, conjuge, stato civile, coniuge, coniugato, celibe, nubile, \
        sposato, 婚姻, 婚否, 婚况, 已婚, 未婚, 既婚, 离异, 离婚, 離婚, 结婚, 配偶",
    ),
    (
        "family",
        "dependents, dependants, dependent, dependant, children, child, kids, family, famsize, siblings, household size, \
        household members, household persons, kinder, kinderzahl, kinderanzahl, kindergeld, unterhaltspflichtige, \
        unterhaltspflichten, haushaltsgroesse, familiengroesse, familie, enfants, enfant, personnes a charge, famille, \
        taille du foyer, hijos, dependientes, personas a cargo, cargas familiares, familia, filhos, dependentes, figli, \
        familiari, famiglia, nucleo familiare, 子女, 孩子, 儿女, 小孩, 家庭人口, 家庭人数, 家庭成员, 家庭结构, 家庭状况, \
        赡养, 抚养, 子供, 子ども, こども, 扶養, 世帯人数, 世帯員, 家族",
    ),
    (
        "pregnancy",
        "pregnancy, pregnant, maternity, paternity, parental leave, schwanger, schwangerschaft, mutterschutz, elternzeit, \
        elterngeld, grossesse, maternite, embarazo, embarazada, maternidad, gravidez, gravida, maternidade, gravidanza, \
        incinta, maternita, 怀孕, 孕妇, 孕期, 生育, 产假, 妊娠, 出産, 産休, 育休",
    ),
    (
        "health",
        "health, medical, illness, disease, diagnosis, sick, sickness, smoker, smoking, bmi, blood type, gesundheit, \
        gesundheitszustand, krankheit, krank, raucher, sante, maladie, fumeur, salud, enfermedad, fumador, saude, doenca, \
        fumante, salute, malattia, fumatore, 健康, 疾病, 病史, 病歴, 持病, 吸烟, 喫煙, 体检",
    ),
    (
        DISABILITY,
        "disability, disabilities, handicap, handicapped, behinderung, behindert, schwerbehinderung, schwerbehindert, \
        invalidite, discapacidad, minusvalia, invalidez, deficiencia, deficiente, disabilita, invalidita, 残疾, 殘疾, 残障, \
        障害者, 障がい, 障害等級, 障害の有無",
    ),
    (
        "political or union membership",
        "political, party affiliation, party membership, political party, trade union, labor union, labour union, \
        union member, union membership, union dues, parteizugehoerigkeit, parteimitglied, gewerkschaft, \
        gewerkschaftsmitglied, syndicat, parti politique, sindicato, partido politico, afiliacion politica, \
        filiacao partidaria, sindacato, partito politico, 政治面貌, 党员, 黨員, 工会, 工會, 政党, 労働組合, 組合員",
    ),
    (
        "language",
        "language, languages, mother tongue, sprache, muttersprache, korrespondenzsprache, langue, idioma, lingua, \
        语言, 語言, 母语, 言語, 母語, 母国語",
    ),
    (AGE, "agegroup, ageband, agerange, agebucket, altersgruppe, lebensalter, kundenalter, senior citizen"),
];

/// The attributes in Chinese.
const IN_CHINESE: [(&str, &str); 13] = [
    ("sexual orientation", "性取向"),
    ("sex", "性别"),
    ("nationality or origin", "国籍或出身"),
    ("date of birth", "出生日期"),
    ("religion", "宗教信仰"),
    ("marital status", "婚姻状况"),
    ("family", "家庭状况"),
    ("pregnancy", "孕育状况"),
    ("health", "健康状况"),
    (DISABILITY, "残疾状况"),
    ("political or union membership", "政治面貌或工会身份"),
    ("language", "语言"),
    (AGE, "年龄"),
];

/// Words in the presence of which a phrase means something else.
const MEANS_ELSE: [(&str, &str); 26] = [
    ("race", "bet, bets, betting, horse, dog, car, track, ticket, tickets"),
    ("genre", "music, film, movie, book, game, merchant"),
    ("political", "risk, exposure, exposed"),
    ("union member", "credit"),
    ("union membership", "credit"),
    ("citizen", "senior"),
    ("faith", "good"),
    ("church", "street"),
    ("户口", "银行, 账户, 储蓄, 余额, 结余"),
    ("戶口", "銀行, 帳戶, 儲蓄, 餘額, 結餘"),
    // In 发生日期, the day on which something happened, 生日 is not a birthday.
    ("生日", "发生, 發生, 発生, 产生"),
    ("child", "account, accounts, process, node, record, table, card, key"),
    ("dependent", "variable, on"),
    ("family", "product, card, cards, font, fund, funds, office, income, brand, account, accounts"),
    ("familia", "producto, productos, produto, produtos, tarjeta"),
    ("famille", "produit, produits"),
    ("famiglia", "prodotto, prodotti"),
    ("家族", "信托, 企业, 办公室, カード"),
    ("medical", "insurance, premium"),
    (
        "health",
        "insurance, premium, portfolio, account, accounts, financial, credit, savings, loan, card, system, service, server, \
        data, score, index, check, app",
    ),
    ("sante", "assurance, prime, mutuelle"),
    ("salud", "seguro, financiera, prima"),
    ("saude", "seguro, financeira"),
    ("salute", "assicurazione, finanziaria, premio"),
    ("健康", "险, 保险, 保険, 账户, 财务"),
    ("language", "model, programming, processing"),
];

/// A disabled account is not a disabled person: this word counts only if all others are among these.
const DISABLED: &str = "disabled";
const BESIDE_DISABLED: &str =
    "is, flag, status, ind, indicator, person, customer, client, applicant, member, registered, holder";

/// Names that are an attribute's only as a whole.
const WHOLE: [(&str, &str); 3] = [
    ("language", "lang, lang code, pref lang, preferred lang, customer lang, user lang, locale"),
    ("marital status", "is single, ledig"),
    (
        AGE,
        "eta, eta anni, eta cliente, eta del cliente, customer eta, eta titolare, classe eta, fascia eta, fascia di eta",
    ),
];

/// Words for age.
const AGES: &str = "age, ages, alter, edad, idade, leeftijd";
/// The same without blanks, and what they are the age of where that is no person.
const UNSPACED_AGES: &str = "年龄, 年齢, 年齡, 岁数";
const UNSPACED_THINGS: &str =
    "账户, 帐户, 賬戶, 帳戶, 口座, 车, 車, 房, 设备, 贷款, 企业, 公司, 建物, 物件, 契約, 合同";

/// Words in a phrase of age that do not say whose age it is.
const PASSED_OVER: &str = "of, the, in, at, de, del, da, do, du, des, avg, average, mean, median, min, minimum, max, maximum, \
    oldest, newest, youngest, first, last, current, years, year, yrs, y, months, month, mths, m, days, day, d, weeks, hours, \
    jahre, jahren, monate, tage, ans, annees, mois, jours, anos, meses, dias, group, band, bracket, range, bucket, class, \
    gruppe, klasse, tranche, grupo, rango, faixa";

/// Things of a bank that have an age.
const THINGS: &str = "account, accounts, acct, accts, acc, loan, loans, mortgage, mortgages, card, cards, credit, credits, \
    debt, debts, relationship, relation, tenure, history, file, bureau, line, lines, trade, trades, tradeline, tradelines, \
    vehicle, car, auto, property, house, building, home, dwelling, device, phone, contract, policy, document, invoice, \
    invoices, receivable, receivables, arrears, deposit, deposits, balance, transaction, transactions, txn, order, payment, \
    employment, job, business, company, firm, product, products, portfolio, claim, case, ticket, asset, equipment, \
    collateral, session, password, email, address, konto, konten, kontos, kredit, kredits, vertrag, vertrags, fahrzeug, immobilie, gebaeude, haus, firma, \
    geschaeftsbeziehung, compte, pret, contrat, vehicule, logement, bien, entreprise, cuenta, prestamo, vehiculo, vivienda, \
    contrato, empresa, conta, emprestimo, veiculo, imovel, conto, prestito, mutuo, veicolo, immobile, contratto, azienda";

/// The protected attribute that a name suggests.
pub(crate) fn protected_attribute(name: &str) -> Option<&'static str> {
    let name = ColumnName::new(name);
    let stands = |phrase: &'static str| {
        let means_else = |(of, beside): &(&str, &'static str)| *of == phrase && phrases(beside).any(|w| name.has(w));
        name.has(phrase) && !MEANS_ELSE.iter().any(means_else)
    };
    let found = NAMES.iter().find(|(_, list)| phrases(list).any(stands));
    let found = found.or_else(|| WHOLE.iter().find(|(_, list)| phrases(list).any(|phrase| name.is(phrase))));
    if let Some((attribute, _)) = found {
        return Some(attribute);
    }
    let beside = |w: &String| w == DISABLED || phrases(BESIDE_DISABLED).any(|other| other == w);
    if name.has(DISABLED) && name.words().iter().all(beside) {
        return Some(DISABILITY);
    }
    is_age(&name).then_some(AGE)
}

/// A protected attribute in Chinese; as it is if a bank named it itself.
pub(crate) fn attribute_in_chinese(attribute: &str) -> &str {
    IN_CHINESE.iter().find(|(en, _)| *en == attribute).map_or(attribute, |(_, zh)| zh)
}

/// Whether a name refers to the age of a person; see the module documentation.
fn is_age(name: &ColumnName) -> bool {
    let any = |list: &'static str| phrases(list).any(|phrase| name.has(phrase));
    if any(UNSPACED_AGES) {
        return !any(UNSPACED_THINGS);
    }
    let among = |list: &'static str, word: &str| phrases(list).any(|other| other == word);
    let words = name.words();
    words.iter().enumerate().filter(|(_, w)| among(AGES, w)).any(|(at, _)| {
        let tells = |w: &&String| !among(PASSED_OVER, w) && !w.starts_with(|c: char| c.is_ascii_digit());
        let behind = words[at + 1..].iter().rfind(tells);
        let whose = behind.or_else(|| words[..at].iter().rfind(tells));
        !whose.is_some_and(|w| among(THINGS, w))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_have_chinese_names() {
        for (attribute, _) in NAMES.iter().chain(&WHOLE).chain(&[(DISABILITY, ""), (AGE, "")]) {
            assert_ne!(attribute_in_chinese(attribute), *attribute);
        }
        assert_eq!(attribute_in_chinese("a word of our own"), "a word of our own");
    }

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
            "country", "residence_country", "foreign_transactions", "spend_abroad_90d", "credit_union_member",
            "western_union_transfers", "account_disabled", "disabled_at", "notifications_disabled", "race_bets_30d",
            "party_id", "pep_flag", "essex_branch", "middlesex", "trace_count", "embrace", "interface", "political_risk",
            "date_opened", "status", "civil_claims", "stage", "percentage", "wage", "birthmark", "tenure_months", "",
        ] {
            assert_eq!(protected_attribute(name), None, "{name}");
        }
    }
}
