//! The river: how the segments of one number become those of the next. Every number is a column, every segment a bar
//! as high as its share of the customers, and every band the customers of one segment that are in another one next.

use maud::{Markup, html};

use super::alternative::Alternative;
use super::report::ChoiceReport;
use crate::cluster::StabilityBand;
use crate::report::Language;
use crate::text::{percent, thousands};

const WIDTH: f64 = 960.0;
const HEIGHT: f64 = 430.0;
/// Above the bars, for the names of the columns.
const TOP: f64 = 24.0;
const BAR: f64 = 12.0;
/// Bands of a smaller share of all rows are not drawn.
const NARROW: f64 = 0.002;
/// The most columns.
pub(super) const MOST_COLUMNS: usize = 20;

/// A bar: where it begins, and how high it is.
#[derive(Debug, Clone, Copy, Default)]
struct RiverBar {
    top: f64,
    height: f64,
}

/// The columns of a river, from left to right.
struct River<'a> {
    alternatives: &'a [Alternative],
    flows: &'a [Vec<Vec<u64>>],
    rows: f64,
    /// By column and segment.
    bars: Vec<Vec<RiverBar>>,
}

/// The river of a report; nothing of a single number.
pub(super) fn river(report: &ChoiceReport, language: Language) -> Option<Markup> {
    let alternatives = &report.alternatives[..report.alternatives.len().min(MOST_COLUMNS)];
    if alternatives.len() < 2 || report.flows.len() + 1 < alternatives.len() {
        return None;
    }
    let rows = report.rows as f64;
    let orders = orders(alternatives, &report.flows);
    let bars = alternatives.iter().zip(&orders).map(|(a, order)| column(a, order, rows)).collect();
    let river = River { alternatives, flows: &report.flows, rows, bars };
    let title = language.say("How segments divide as their number grows", "客群数增加时各客群的拆分过程");
    Some(html! {
        div.wide {
            svg viewBox=(format!("0 0 {WIDTH} {HEIGHT}")) role="img" style="width:100%;min-width:40rem" {
                title { (title) }
                @for i in 0..alternatives.len() - 1 { (river.bands(i, language)) }
                @for i in 0..alternatives.len() { (river.column(i, language)) }
            }
        }
    })
}

/// The segments of each column from top to bottom: of the first by size, of each other one next to the segments that
/// its customers come from.
fn orders(alternatives: &[Alternative], flows: &[Vec<Vec<u64>>]) -> Vec<Vec<usize>> {
    let mut orders: Vec<Vec<usize>> = vec![(0..alternatives[0].k).collect()];
    for (flows, next) in flows.iter().zip(&alternatives[1..]) {
        let Some(before) = orders.last() else { break };
        let place = |to: usize| {
            let parts = || before.iter().enumerate().map(|(at, &from)| (at as f64, flows[from][to] as f64));
            let total: f64 = parts().map(|(_, n)| n).sum();
            if total > 0.0 { parts().map(|(at, n)| at * n).sum::<f64>() / total } else { f64::MAX }
        };
        let mut order: Vec<usize> = (0..next.k).collect();
        order.sort_by(|&a, &b| place(a).total_cmp(&place(b)).then(a.cmp(&b)));
        orders.push(order);
    }
    orders
}

/// The bars of a column.
fn column(of: &Alternative, order: &[usize], rows: f64) -> Vec<RiverBar> {
    let gap = (60.0 / of.k as f64).min(8.0);
    let space = HEIGHT - TOP - 6.0 - gap * (of.k - 1) as f64;
    let mut bars = vec![RiverBar::default(); of.k];
    let mut top = TOP;
    for &segment in order {
        let height = space * of.sizes[segment] as f64 / rows;
        bars[segment] = RiverBar { top, height };
        top += height + gap;
    }
    bars
}

impl River<'_> {
    fn x(&self, column: usize) -> f64 {
        8.0 + (WIDTH - 16.0 - BAR) * column as f64 / (self.alternatives.len() - 1) as f64
    }

    /// The bands between a column and the next.
    fn bands(&self, i: usize, language: Language) -> Markup {
        let (from_x, to_x) = (self.x(i) + BAR, self.x(i + 1));
        let middle = (from_x + to_x) / 2.0;
        let (from, to) = (&self.alternatives[i], &self.alternatives[i + 1]);
        let mut filled = [vec![0.0; from.k], vec![0.0; to.k]];
        let mut bands = Vec::new();
        // From top to bottom on both sides, so that bands of one segment do not cross.
        let mut pairs: Vec<(usize, usize)> = (0..from.k).flat_map(|a| (0..to.k).map(move |b| (a, b))).collect();
        let top = |&(a, b): &(usize, usize)| (self.bars[i][a].top, self.bars[i + 1][b].top);
        pairs.sort_by(|x, y| top(x).0.total_cmp(&top(y).0).then(top(x).1.total_cmp(&top(y).1)));
        for (a, b) in pairs {
            let n = self.flows[i][a][b];
            let part = |bar: RiverBar, size: u64| bar.height * n as f64 / size.max(1) as f64;
            let heights = [part(self.bars[i][a], from.sizes[a]), part(self.bars[i + 1][b], to.sizes[b])];
            let tops = [self.bars[i][a].top + filled[0][a], self.bars[i + 1][b].top + filled[1][b]];
            (filled[0][a], filled[1][b]) = (filled[0][a] + heights[0], filled[1][b] + heights[1]);
            if n as f64 >= NARROW * self.rows {
                let path = format!(
                    "M{from_x:.1} {:.1}C{middle:.1} {:.1} {middle:.1} {:.1} {to_x:.1} {:.1}V{:.1}C{middle:.1} {:.1} \
                     {middle:.1} {:.1} {from_x:.1} {:.1}Z",
                    tops[0],
                    tops[0],
                    tops[1],
                    tops[1],
                    tops[1] + heights[1],
                    tops[1] + heights[1],
                    tops[0] + heights[0],
                    tops[0] + heights[0]
                );
                let customers = language.counted(n, ["customer", "customers"], "位客户");
                bands.push((path, format!("k = {}: {a} → k = {}: {b}: {customers}", from.k, to.k)));
            }
        }
        html! { @for (path, text) in bands { path.flow d=(path) { title { (text) } } } }
    }

    /// The bars of a column, and its name.
    fn column(&self, i: usize, language: Language) -> Markup {
        let (of, x) = (&self.alternatives[i], self.x(i));
        let jaccard = |segment: usize| of.stability.as_ref().and_then(|stability| stability.jaccard[segment]);
        let class = |segment: usize| match jaccard(segment).map(StabilityBand::of) {
            Some(StabilityBand::Unstable) => "unstable",
            Some(StabilityBand::Pattern) => "doubtful",
            _ => "node",
        };
        let text = |segment: usize| {
            let (n, share) = (thousands(of.sizes[segment]), percent(of.sizes[segment] as f64 / self.rows));
            let name = match language {
                Language::En => format!("segment {segment}: {n} customers ({share})"),
                Language::Zh => format!("客群 {segment}：{n} 位客户（{share}）"),
            };
            match jaccard(segment) {
                Some(jaccard) => name + &format!(", Jaccard {jaccard:.2}"),
                None => name,
            }
        };
        let middle = x + BAR / 2.0;
        let anchor = match i {
            0 => ("start", x),
            _ if i + 1 == self.alternatives.len() => ("end", x + BAR),
            _ => ("middle", middle),
        };
        html! {
            text x=(format!("{:.1}", anchor.1)) y="14" text-anchor=(anchor.0) { "k = " (of.k) }
            @for (segment, bar) in self.bars[i].iter().enumerate() {
                rect class=(class(segment)) x=(format!("{x:.1}")) y=(format!("{:.1}", bar.top)) width=(BAR)
                    height=(format!("{:.1}", bar.height.max(1.0))) { title { (text(segment)) } }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_stand_beside_those_they_come_from() {
        let of = |k: usize| Alternative {
            k,
            sizes: vec![10; k],
            validity: crate::validity::Validity::none(k),
            gap: None,
            prediction_strength: None,
            agreement: None,
            stability: None,
        };
        // Segment 0 of three comes from the lower of two, segments 1 and 2 from the upper one.
        let flows = vec![vec![vec![0, 5, 5], vec![10, 0, 0]]];
        assert_eq!(orders(&[of(2), of(3)], &flows), [vec![0, 1], vec![1, 2, 0]]);
        let bars = column(&of(2), &[1, 0], 20.0);
        assert!(bars[1].top == TOP && bars[0].top > bars[1].height, "{bars:?}");
    }
}
