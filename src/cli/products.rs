//! Who holds which products, as tables.

use hyades::profile::{GroupProfile, ProductFigures, ProfileReport};
use hyades::text::{percent, shown, thousands};

use super::report::table;

/// The most pairs that are listed.
const MOST_PAIRS: usize = 10;

/// Each product with its share of all customers and the segments where it is held most and least; then the products
/// that are held together. Empty without products.
pub(super) fn products(report: &ProfileReport) -> String {
    if report.products.is_empty() || report.all.products.is_empty() {
        return String::new();
    }
    let mut out =
        table(&["product", "held by", "of all", "most in", "", "index", "least in", "", "index"], &[1, 2, 4, 5, 7, 8]);
    for (at, name) in report.products.iter().enumerate() {
        let all = &report.all.products[at];
        let mut row = vec![shown(name), thousands(all.holders), all.penetration.map_or_else(dash, percent)];
        let [most, least] = ends(report, at);
        row.extend([most, least].into_iter().flat_map(end_cells));
        out.add_row(row);
    }
    out.to_string() + &pairs(report)
}

/// A segment and how many of its customers hold a product.
type End<'a> = Option<(&'a GroupProfile, &'a ProductFigures)>;

/// The segments with the largest and the smallest share; the first of equal ones.
fn ends(report: &ProfileReport, at: usize) -> [End<'_>; 2] {
    let shares = report.segments.iter().filter(|group| group.segment.is_some());
    let shares = shares.filter_map(|group| Some((group, group.products.get(at)?)));
    let share = |(_, figures): &(&GroupProfile, &ProductFigures)| figures.penetration.unwrap_or(0.0);
    let (mut most, mut least): (End<'_>, End<'_>) = (None, None);
    for found in shares {
        if most.as_ref().is_none_or(|most| share(&found) > share(most)) {
            most = Some(found);
        }
        if least.as_ref().is_none_or(|least| share(&found) < share(least)) {
            least = Some(found);
        }
    }
    [most, least]
}

fn end_cells(end: End<'_>) -> [String; 3] {
    let Some((group, figures)) = end else { return [dash(), dash(), dash()] };
    [
        group.segment.map_or_else(dash, |number| number.to_string()),
        figures.penetration.map_or_else(dash, percent),
        figures.index.map_or_else(dash, |index| format!("{index:.0}")),
    ]
}

/// The pairs with the largest lift over all customers.
fn pairs(report: &ProfileReport) -> String {
    if report.all.pairs.is_empty() {
        return String::new();
    }
    let mut out = table(&["held together", "and", "by", "lift"], &[2, 3]);
    for pair in report.all.pairs.iter().take(MOST_PAIRS) {
        let [first, second] = &pair.products;
        out.add_row([shown(first), shown(second), thousands(pair.holders), format!("{:.2}", pair.lift)].to_vec());
    }
    format!("\n\n{out}")
}

fn dash() -> String {
    "-".into()
}
