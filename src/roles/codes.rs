//! Columns of whole numbers that are likely codes, by their names. The distance between two codes means nothing.

use super::name::{ColumnName, phrases};

/// Last words of names of codes.
const LAST: &str = "code, codes, cd, category, type, typ, kind, class, mcc, naics, sic, nace, schluessel, kategorie, klasse, art, \
    categorie, categoria, tipo, clase, classe, codigo, codice";
/// First words of names of codes.
const FIRST: &str = "type, typ, tipo, code, codigo, codice, categorie, categoria, kategorie";
/// Words that name a code wherever they stand as the whole, or before one of those.
const WHOLE: &str = "education, education level, occupation, profession, job, industry, sector, region, state, province, city, \
    country, branch, channel, product, bildung, ausbildung, beruf, branche, filiale, bundesland, education nationale, \
    educacion, ocupacion, profesion, escolaridade, ocupacao, profissao, istruzione, professione, settore, provincia, filial";
const UNSPACED: &str =
    "学历, 教育程度, 教育, 职业, 行业, 地区, 省份, 城市, 网点, 渠道, 学歴, 職業, 業種, 地域, 都道府県, 支店";
const UNSPACED_ENDINGS: &str = "代码, 代碼, 类型, 類型, 类别, 類別, 编码, コード, 区分, 種別";

/// First words of flags and counts: `n_product`.
const COUNTED: &str = "has, is, n, num, nb, no, count, anzahl";

/// Whether whole numbers in a column of this name are likely codes.
pub(crate) fn is_code(name: &str) -> bool {
    let name = ColumnName::new(name);
    if let Some(text) = name.unspaced() {
        return phrases(UNSPACED).any(|phrase| name.is(phrase))
            || phrases(UNSPACED_ENDINGS).any(|ending| text.ends_with(ending));
    }
    let [first, ..] = name.words() else { return false };
    if phrases(COUNTED).any(|word| word == first) {
        return false;
    }
    let last = name.words().last().unwrap_or(first);
    phrases(LAST).any(|word| word == last)
        || phrases(FIRST).any(|word| word == first)
        || phrases(WHOLE).any(|phrase| name.is(phrase))
}
