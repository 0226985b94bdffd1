//! The map of the segments: how densely customers lie, and where the means of the segments are. No customer is drawn.

use super::segment::{short, shown};
use crate::profile::{ProfileReport, SegmentMap};
use crate::report::{Density, Language, Page, Spot, map, name};
use crate::text::thousands;

pub(super) fn add(page: &mut Page, report: &ProfileReport) {
    let language = page.language();
    let Some(found) = &report.map else { return };
    let spots: Vec<Spot> = shown(report)
        .into_iter()
        .filter_map(|(_, group)| {
            let at = (*found.spots.get(group.segment? as usize)?)?;
            Some(Spot { at, share: group.share, label: short(group, language) })
        })
        .collect();
    let density = Density {
        frame: found.frame,
        grid: found.grid,
        cells: found.cells.iter().map(|cell| ([cell.across, cell.up], cell.customers)).collect(),
    };
    let axes = found.axes.each_ref().map(|axis| axis_name(found, axis));
    let title = language.say("Map of the segments", "客群分布图");
    page.section(title, None);
    let text = language.say(
        "Circles are the means of the segments, their areas the numbers of customers; the shading shows how many customers \
         lie where. The axes are the two directions in which the segments differ most, with the columns that they are \
         mostly made of. Columns enter by rank, so that outliers do not decide what is seen.",
        "圆心为客群均值，圆的面积代表客户数，底色深浅代表客户密度。两条坐标轴为客群间差异最大的两个方向，并标注主要构成字段。\
         各字段按排名计算，避免极端值影响。",
    );
    page.explain(text);
    page.add(map(&spots, &density, [&axes[0], &axes[1]], [title, text]));
    if found.rows < report.rows {
        let drawn = thousands(found.rows);
        page.explain(&match language {
            Language::En => format!("Drawn from {drawn} customers, chosen by the number of their row."),
            Language::Zh => format!("取自按行号抽取的 {drawn} 位客户。"),
        });
    }
}

/// The columns that an axis is mostly made of: `balance ↑  logins ↓`.
fn axis_name(map: &SegmentMap, axis: &[f64]) -> String {
    let mut loads: Vec<(&String, f64)> = map.columns.iter().zip(axis.iter().copied()).collect();
    loads.sort_by(|a, b| b.1.abs().total_cmp(&a.1.abs()));
    let of = |(column, load): &(&String, f64)| format!("{} {}", name(column), if *load < 0.0 { "↓" } else { "↑" });
    let least = loads.first().map_or(0.0, |(_, largest)| largest.abs() / 2.0);
    loads.iter().filter(|(_, load)| *load != 0.0 && load.abs() >= least).take(2).map(of).collect::<Vec<_>>().join("  ")
}
