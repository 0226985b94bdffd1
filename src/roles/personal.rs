//! Detection of personal data by column names, in the languages of [`super::protected`]. `check` detects it by the form
//! of values.

use std::fmt;

use super::name::{ColumnName, phrases};
use crate::text::Phrase;

/// What a column likely holds that is personal, and what tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Personal {
    what: &'static str,
    /// Its comment tells, and not its name.
    by_comment: bool,
}

impl Personal {
    /// The personal data of a column with this name and comment.
    pub(super) fn of(name: &str, comment: Option<&str>) -> Option<Self> {
        let found = |text, by_comment| personal_data(text).map(|what| Personal { what, by_comment });
        found(name, false).or_else(|| found(comment?, true))
    }

    pub(super) fn what(self) -> &'static str {
        self.what
    }

    pub(super) fn by_comment(self) -> bool {
        self.by_comment
    }
}

/// What personal data are in Chinese: one of [`NAMES`], or a form of values that `check` knows.
pub(crate) fn personal_in_chinese(what: &str) -> &str {
    IN_CHINESE.iter().find(|(en, _)| *en == what).map_or(what, |(_, zh)| zh)
}

/// The data in Chinese.
const IN_CHINESE: [(&str, &str); 13] = [
    ("e-mail addresses", "电子邮箱地址"),
    ("phone numbers", "电话号码"),
    ("network addresses", "网络地址"),
    ("device ids", "设备标识"),
    ("locations", "位置信息"),
    ("bank account numbers", "银行账号"),
    ("bank account numbers (IBAN)", "银行账号（IBAN）"),
    ("card numbers", "卡号"),
    ("national ids", "身份证件号码"),
    ("passport numbers", "护照号码"),
    ("names of people", "姓名"),
    ("addresses", "地址"),
    ("dates of birth", "出生日期"),
];

impl Personal {
    /// What it is, and what tells.
    pub(crate) fn phrase(self) -> Phrase {
        let by = if self.by_comment { "注释" } else { "名称" };
        Phrase::new(self.to_string(), format!("根据字段{by}，疑似{}", personal_in_chinese(self.what)))
    }
}

impl fmt::Display for Personal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "likely {}, by its {}", self.what, if self.by_comment { "comment" } else { "name" })
    }
}

/// Endings of names, and the data they indicate. `number`, `no`, `nr`, `hash` and the like may follow.
const NAMES: [(&str, &str); 12] = [
    (
        "e-mail addresses",
        "email, e mail, mail, mail address, email address, email addr, courriel, correo, correo electronico, 邮箱, 电子邮件, \
        電子郵件, メール, メールアドレス",
    ),
    (
        "phone numbers",
        "phone, telephone, telefon, telefonnummer, mobile, mobilnummer, mobiltelefon, handy, handynummer, msisdn, fax, \
        telefono, telefone, celular, telemovel, cellulare, 手机, 手機, 电话, 電話, 携帯, 携帯電話, 微信",
    ),
    ("network addresses", "ip, ip address, ip addr, ipv4, ipv6, ip adresse, mac address, ip地址, ipアドレス"),
    (
        "device ids",
        "device id, deviceid, device fingerprint, imei, imsi, idfa, gaid, udid, advertising id, cookie id, cookie, \
        user agent, 设备id, 设备号, 設備id, 端末id",
    ),
    (
        "locations",
        "lat, latitude, lon, lng, longitude, lat lon, latlon, geohash, gps, coordinates, geolocation, geo location, \
        breitengrad, laengengrad, latitud, longitud, latitudine, longitudine, 经度, 纬度, 經度, 緯度, 経度, 坐标, 座標, \
        地理位置, 位置情報",
    ),
    (
        "bank account numbers",
        "iban, bban, account number, account no, account nr, acct no, acct number, kontonummer, kontonr, konto nr, \
        numero de compte, numero compte, numero de cuenta, numero cuenta, numero da conta, numero conto, 账号, 帐号, 賬號, \
        帳號, 口座番号",
    ),
    (
        "card numbers",
        "pan, card number, card no, cardnumber, kartennummer, numero de carte, numero de tarjeta, numero cartao, \
        numero carta, 卡号, 卡號, カード番号",
    ),
    (
        "national ids",
        "ssn, social security, nin, national id, national insurance, tax id, tin, aadhaar, steuer id, steuernummer, \
        steuerid, sozialversicherung, sozialversicherungsnummer, personalausweis, ausweisnummer, securite sociale, nif, nie, \
        dni, curp, cpf, codice fiscale, codicefiscale, 身份证, 身份證, 证件, 證件, 社保, マイナンバー, 個人番号",
    ),
    (
        "passport numbers",
        "passport, reisepass, passeport, pasaporte, passaporte, passaporto, 护照, 護照, パスポート, 旅券",
    ),
    (
        "names of people",
        "surname, forename, firstname, lastname, fullname, first name, last name, middle name, maiden name, full name, \
        customer name, client name, vorname, nachname, familienname, kundenname, prenom, nom de famille, nom client, \
        apellido, apellidos, nombre completo, nombre cliente, sobrenome, nome completo, nome cliente, cognome, 姓名, 名字, \
        客户名称, 氏名, 名前, 顧客名",
    ),
    (
        "addresses",
        "address, street, postcode, postal code, plz, zip, zipcode, zip code, adresse, anschrift, strasse, hausnummer, \
        postleitzahl, code postal, rue, direccion, calle, codigo postal, endereco, rua, cep, indirizzo, 地址, 住址, 住所, \
        邮编, 邮政编码, 郵便番号",
    ),
    (
        "dates of birth",
        "dob, birthdate, birth date, date of birth, geburtsdatum, date de naissance, fecha de nacimiento, \
        data de nascimento, data di nascita, 出生日期, 生年月日",
    ),
];

const MAY_FOLLOW: &str = "number, no, nr, num, nummer, numero, hash, line, hashed, cliente, client, kunde";
const UNSPACED_MAY_FOLLOW: [&str; 8] = ["号码", "號碼", "编号", "番号", "号", "號", "哈希", "加密"];

/// First words of flags and counts: `has_email`, `n_phone`.
const COUNTED: &str = "has, is, n, num, nb, hat, ist, tem, tiene, ha";
const UNSPACED_COUNTED: [&str; 3] = ["是否", "有无", "有無"];

/// Words of columns that measure use of a channel: `spend_mobile`, `email_click_rate`.
const MEASURED: &str = "count, cnt, sum, total, amount, amt, spend, balance, share, rate, ratio, pct, avg, mean, logins, \
    sessions, visits, payments, transfers, transactions, txn, calls, changes, days, months, usage, anzahl, summe, betrag, \
    anteil, quote, tage, umsatz, saldo, montant, taux, part, jours, importe, monto, cantidad, gasto, tasa, quantidade, valor, \
    taxa, importo, spesa, giorni";

/// The personal data that a name suggests.
pub(super) fn personal_data(name: &str) -> Option<&'static str> {
    let name = ColumnName::new(name);
    match name.unspaced() {
        Some(text) => unspaced(text),
        None => spaced(name.words()),
    }
}

fn spaced(words: &[String]) -> Option<&'static str> {
    let among = |list: &'static str, word: &String| phrases(list).any(|other| other == word);
    let counted = words.first().is_some_and(|w| among(COUNTED, w));
    if counted || words.iter().any(|w| among(MEASURED, w)) {
        return None;
    }
    let follows = |w: &String| among(MAY_FOLLOW, w) || w.bytes().all(|b| b.is_ascii_digit());
    // Tries all trailing words that may follow, then fewer, then none.
    let shortest = words.len() - words.iter().rev().take_while(|w| follows(w)).count();
    (shortest..=words.len()).rev().find_map(|end| {
        let start = format!(" {}", words[..end].join(" "));
        let ends = |phrase: &str| start.strip_suffix(phrase).is_some_and(|rest| rest.ends_with(' '));
        NAMES.iter().find(|(_, endings)| phrases(endings).any(ends)).map(|(what, _)| *what)
    })
}

fn unspaced(text: &str) -> Option<&'static str> {
    if UNSPACED_COUNTED.iter().any(|first| text.starts_with(first)) {
        return None;
    }
    let shorter = UNSPACED_MAY_FOLLOW.iter().find_map(|behind| text.strip_suffix(behind));
    [Some(text), shorter].into_iter().flatten().find_map(|text| {
        NAMES.iter().find(|(_, endings)| phrases(endings).any(|ending| text.ends_with(ending))).map(|(what, _)| *what)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_have_chinese_names() {
        assert!(NAMES.iter().all(|(what, _)| personal_in_chinese(what) != *what));
    }

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
