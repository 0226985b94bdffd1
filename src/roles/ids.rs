//! Ids by the names of columns. Names are those that banks give their customers' keys in English, German, French,
//! Spanish, Portuguese, Italian, Chinese and Japanese.

use super::name::{ColumnName, phrases};
use super::personal::personal_data;

/// Names of ids that are chosen before all others, the first of them first.
const FIRST: &str = "id, customer id, client id, account id, customerid, row id, user id";

/// Words for a customer, or for what stands for one.
const CUSTOMER: &str = "customer, cust, client, cli, kunde, kunden, kd, cliente, user, usr, utente, usuario, member, mitglied, \
    membre, miembro, membro, party, person, persona, pessoa, personne, holder, partner, borrower, applicant, subscriber, cif";
const ACCOUNT: &str =
    "account, acct, acc, konto, compte, cuenta, conta, conto, contract, vertrag, contrat, contrato, contratto";
/// What makes a key of such a word, behind it.
const KEY_BEHIND: &str = "id, ids, no, nr, num, number, nummer, numero, key, code, cod, codigo, codice, ref, reference, \
    identifier, schluessel, sk, pk, uid, guid, uuid, hash";
/// The same before it; `num_customers` and `no_account` are counts.
const KEY_BEFORE: &str =
    "id, key, code, cod, codigo, codice, numero, nummer, identifiant, identificador, identificativo, sk";
const BETWEEN: &str = "de, del, du, do, di, of, the, der, des";

/// Whole names of customers' keys.
const CUSTOMER_KEYS: &str = "cif, custid, custno, custnum, custkey, customerno, customernum, customernumber, customerkey, \
    clientid, clientno, clientnum, clientnumber, clientkey, clientcode, userid, usernum, memberid, memberno, partyid, partykey, \
    personid, kundennummer, kundennr, kundenid, kundeid, kundnr, kdnr, kundenschluessel, partnernummer, mitgliedsnummer, \
    geschaeftspartner, personennummer, idcliente, codcliente, codcli, numcliente, nrocliente, numerocliente, idclient, \
    numclient, numeroclient, codeclient, idutente, codicecliente, ndg";
/// Whole names of keys of accounts. An account's number may be personal, its other keys are not.
const ACCOUNT_KEYS: &str = "account, acct, accountid, acctid, accountkey, konto, kontoid, compte, cuenta, conta, conto, \
    vertragsnummer, contractid, contractno";
/// Whole names of keys of rows.
const ROW_KEYS: &str = "uid, uuid, guid, pk, recnum, recno, recordid, record id, record no, record number, record key, rownum, \
    rownumber, rowid, rowno, rowname, rownames, row no, row num, row number, row key, lfdnr, lfd nr, seqno, seq no, sequence no, \
    sequence number, sk id curr, obs id, case no, case number, identifier, identifiant, identificador, identificativo";

/// Endings of Chinese and Japanese names.
const CUSTOMER_ENDINGS: &str = "客户号, 客户编号, 客户代码, 客户代号, 客户标识, 客户id, 客户码, 客戶號, 客戶編號, 客戶代號, 客戶id, \
    用户号, 用户编号, 用户id, 会员号, 会员编号, 会员id, 顧客番号, 顧客id, 顧客コード, お客様番号, 会員番号, 会員id, 利用者id";
const ACCOUNT_ENDINGS: &str = "账户编号, 账户id, 合同号, 合同编号, 契約番号, 口座id";
/// Whole Chinese and Japanese names.
const ROW_WORDS: &str = "编号, 序号, 行号, 编码, 流水号, 記録番号, 番号, 連番, 行番号, id";

/// First words of flags and counts.
const COUNTED: &str = "has, is, n, num, nb, count, anzahl";

/// The index that pandas writes beside the columns.
pub(super) fn is_index(name: &str) -> bool {
    let level = name.strip_prefix("__index_level_").and_then(|rest| rest.strip_suffix("__"));
    let unnamed = name.strip_prefix("Unnamed: ");
    level.or(unnamed).is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit() || b == b'.'))
}

/// How well a name suits the id of the rows, best first; None for names that are not an id's.
///
/// The id is copied to the output, so a `tax_id` is none.
pub(super) fn rank(name: &str) -> Option<usize> {
    let lower = name.to_ascii_lowercase();
    // As it is written: `ID` and `Id` are two words less.
    let spelled = ColumnName::new(&lower);
    let name = ColumnName::new(name);
    let is = |list| phrases(list).any(|phrase| name.is(phrase) || spelled.is(phrase));
    if let Some(at) = phrases(FIRST).position(|phrase| name.is(phrase) || spelled.is(phrase)) {
        return Some(at);
    }
    if personal_data(&lower).is_some() {
        return None;
    }
    let ends = |list| name.unspaced().is_some_and(|text| phrases(list).any(|phrase| text.ends_with(phrase)));
    match () {
        () if is(CUSTOMER_KEYS) || is_key_of(&name, CUSTOMER) || ends(CUSTOMER_ENDINGS) => Some(SURE),
        () if is(ACCOUNT_KEYS) || is_key_of(&name, ACCOUNT) || ends(ACCOUNT_ENDINGS) => Some(SURE + 1),
        () if is_any_id(&name) => Some(ANY),
        () if is(ROW_KEYS) || is(ROW_WORDS) => Some(ANY + 1),
        () => None,
    }
}

/// Up to this rank, a name is that of customers' ids and of nothing else, so that pandas' doubles are accepted, too.
pub(super) const SURE: usize = 100;
/// The rank of a name that merely ends in `id`: an id of the rows only if no other column has one.
pub(super) const ANY: usize = 200;

fn is_any_id(name: &ColumnName) -> bool {
    let [first, .., last] = name.words() else { return false };
    last == "id" && !phrases(COUNTED).any(|word| word == first)
}

/// `customer_no`, `id_cliente`, `numero de cliente`.
fn is_key_of(name: &ColumnName, of: &'static str) -> bool {
    let among = |list: &'static str, word: &String| phrases(list).any(|w| w == word);
    match name.words() {
        [what, key] if among(of, what) => among(KEY_BEHIND, key),
        [key, what] => among(KEY_BEFORE, key) && among(of, what),
        [key, between, what] => among(KEY_BEFORE, key) && among(BETWEEN, between) && among(of, what),
        _ => false,
    }
}
