//! Charts: bars as HTML, everything else as SVG with a title and a description for readers who do not see it.
//!
//! Coordinates have one decimal, so that the same figures give the same bytes on every platform.

use maud::{Markup, html};

use super::name;

/// Bars with their labels and values, each as long as its share of the largest.
pub(crate) fn bars(rows: &[(String, f64, String)]) -> Markup {
    let largest = rows.iter().map(|(_, size, _)| *size).fold(0.0, f64::max);
    let percent = |size: f64| if largest > 0.0 { 100.0 * size / largest } else { 0.0 };
    html! {
        div.bars {
            @for (label, size, value) in rows {
                span.name { (name(label)) }
                div.track { div.fill style=(format!("width:{:.1}%", percent(*size))) {} }
                span.value { (value) }
            }
        }
    }
}

/// Columns of equal width, as high as their counts: a small histogram. `text` describes it.
pub(crate) fn columns(counts: &[u64], text: &str) -> Markup {
    const HEIGHT: f64 = 36.0;
    let largest = counts.iter().copied().max().unwrap_or(0).max(1) as f64;
    let width = 240.0 / counts.len().max(1) as f64;
    let height = |n: u64| if n == 0 { 0.0 } else { (HEIGHT * n as f64 / largest).max(1.0) };
    html! {
        svg viewBox=(format!("0 0 240 {HEIGHT:.0}")) role="img" preserveAspectRatio="none" style="height:2.4rem;width:100%" {
            title { (text) }
            @for (i, &n) in counts.iter().enumerate() {
                rect.bar x=(short(i as f64 * width)) y=(short(HEIGHT - height(n))) width=(short(width * 0.9))
                    height=(short(height(n))) {}
            }
        }
    }
}

/// Two distributions on one scale, each by its 5, 25, 50, 75 and 95 % quantiles: that of all rows above, that of some
/// below. `text` describes them.
pub(crate) fn boxes(all: [f64; 5], here: [f64; 5], text: &str) -> Markup {
    let low = all[0].min(here[0]);
    let span = (all[4].max(here[4]) - low).max(f64::MIN_POSITIVE);
    let x = |value: f64| 2.0 + 236.0 * ((value - low) / span).clamp(0.0, 1.0);
    let wide = |from: f64, to: f64| (x(to) - x(from)).max(1.0);
    html! {
        svg viewBox="0 0 240 18" role="img" preserveAspectRatio="none" {
            title { (text) }
            rect.all x=(short(x(all[0]))) y="1" width=(short(wide(all[0], all[4]))) height="3" {}
            rect.all x=(short(x(all[1]))) y="0" width=(short(wide(all[1], all[3]))) height="6" {}
            line.tick x1=(short(x(all[2]))) x2=(short(x(all[2]))) y1="0" y2="6" {}
            line.whisker x1=(short(x(here[0]))) x2=(short(x(here[4]))) y1="13" y2="13" {}
            rect.box x=(short(x(here[1]))) y="9" width=(short(wide(here[1], here[3]))) height="8" {}
            line.tick x1=(short(x(here[2]))) x2=(short(x(here[2]))) y1="8" y2="18" {}
        }
    }
}

/// A value between the ends of its interval.
pub(crate) struct ShownInterval {
    /// What it is of.
    pub(crate) label: String,
    /// The lower end, the value, the upper end.
    pub(crate) ends: [f64; 3],
    /// The same in words.
    pub(crate) text: String,
}

/// Intervals on one scale, with a line at 0. Those without finite ends have no bar.
pub(crate) fn intervals(rows: &[ShownInterval]) -> Markup {
    let ends = || rows.iter().flat_map(|row| row.ends).filter(|v| v.is_finite());
    let (low, high) = (ends().fold(0.0, f64::min), ends().fold(0.0, f64::max));
    let span = (high - low).max(f64::MIN_POSITIVE);
    let x = |v: f64| short(4.0 + 232.0 * (v - low) / span);
    html! {
        div.bars {
            @for ShownInterval { label, ends, text } in rows {
                span.name { (name(label)) }
                div.track {
                    svg viewBox="0 0 240 16" role="img" preserveAspectRatio="none" style="display:block;width:100%;height:100%" {
                        title { (name(label)) ": " (text) }
                        line.axis x1=(x(0.0)) x2=(x(0.0)) y1="0" y2="16" {}
                        @if ends.iter().all(|v| v.is_finite()) {
                            line.whisker x1=(x(ends[0])) x2=(x(ends[2])) y1="8" y2="8" {}
                            line.tick x1=(x(ends[1])) x2=(x(ends[1])) y1="3" y2="13" {}
                        }
                    }
                }
                span.value { (text) }
            }
        }
    }
}

/// A point of a map.
pub(crate) struct Spot {
    /// Its place.
    pub(crate) at: [f64; 2],
    /// Its share of the whole: of the area of its circle.
    pub(crate) share: f64,
    /// What it is.
    pub(crate) label: String,
}

/// How densely something lies on a map.
pub(crate) struct Density {
    /// The lowest and the highest place of each axis.
    pub(crate) frame: [[f64; 2]; 2],
    /// Cells across and up.
    pub(crate) grid: [u32; 2],
    /// The place of a cell, from the left and from below, with its count.
    pub(crate) cells: Vec<([u32; 2], u64)>,
}

/// A map of circles over cells, with the names of its axes; its title and a description.
pub(crate) fn map(spots: &[Spot], density: &Density, axes: [&str; 2], [title, text]: [&str; 2]) -> Markup {
    const SIDE: [f64; 2] = [580.0, 370.0];
    const LARGEST: f64 = 40.0;
    let place = |axis: usize, value: f64| {
        let [low, high] = density.frame[axis];
        SIDE[axis] * (value - low) / (high - low)
    };
    let largest = spots.iter().map(|spot| spot.share).fold(0.0, f64::max).max(f64::MIN_POSITIVE);
    html! {
        svg viewBox="0 0 640 420" role="img" style="width:100%;max-width:52rem" {
            title { (title) }
            desc { (text) }
            @for (class, path) in shades(density, SIDE) { path class=(class) d=(path) {} }
            line.axis x1="40" x2="620" y1="390" y2="390" {}
            line.axis x1="40" x2="40" y1="20" y2="390" {}
            @for spot in spots {
                @let x = 40.0 + place(0, spot.at[0]);
                @let y = 390.0 - place(1, spot.at[1]);
                circle.dot cx=(short(x)) cy=(short(y)) r=(short((LARGEST * (spot.share / largest).sqrt()).max(3.0))) {}
                text.halo x=(short(x)) y=(short(y + 4.0)) text-anchor="middle" { (name(&spot.label)) }
            }
            text.soft x="330" y="412" text-anchor="middle" { (axes[0]) }
            text.soft x="18" y="205" text-anchor="middle" transform="rotate(-90 18 205)" { (axes[1]) }
        }
    }
}

/// Cells of five shades, each twice as dense as the one before, the densest last; one path a shade.
fn shades(density: &Density, side: [f64; 2]) -> Vec<(&'static str, String)> {
    const SHADES: [&str; 5] = ["s1", "s2", "s3", "s4", "s5"];
    let largest = density.cells.iter().map(|(_, n)| *n).max().unwrap_or(1);
    let shade = |n: u64| {
        let halves = (1..SHADES.len()).take_while(|&halves| n << halves <= largest).count();
        SHADES.len() - 1 - halves
    };
    let size = [0, 1].map(|axis| side[axis] / f64::from(density.grid[axis]));
    let mut paths = SHADES.map(|class| (class, String::new()));
    for &([across, up], n) in &density.cells {
        let (x, y) = (40.0 + f64::from(across) * size[0], 390.0 - f64::from(up + 1) * size[1]);
        let (x, y, width, height) = (short(x), short(y), short(size[0]), short(size[1]));
        paths[shade(n)].1 += &format!("M{x} {y}h{width}v{height}h-{width}z");
    }
    paths.into_iter().filter(|(_, path)| !path.is_empty()).collect()
}

/// A line over points in order, with the label of each and the value in words; None is a gap.
pub(crate) fn lines(points: &[(String, Option<f64>, String)], title: &str) -> Markup {
    const WIDTH: f64 = 640.0;
    let values = || points.iter().filter_map(|(_, value, _)| *value);
    let low = values().fold(0.0, f64::min);
    let high = values().fold(f64::MIN_POSITIVE, f64::max);
    let x = |i: usize| 50.0 + (WIDTH - 100.0) * i as f64 / (points.len().max(2) - 1) as f64;
    let y = |value: f64| 110.0 - 90.0 * (value - low) / (high - low);
    let known: Vec<(usize, f64)> = points.iter().enumerate().filter_map(|(i, (_, v, _))| Some((i, (*v)?))).collect();
    let path: Vec<String> = known.iter().map(|&(i, v)| format!("{},{}", short(x(i)), short(y(v)))).collect();
    // As many labels as fit.
    let every = points.len().div_ceil(12).max(1);
    html! {
        svg viewBox="0 0 640 140" role="img" style="width:100%;max-width:52rem" {
            title { (title) }
            desc { @for (label, _, value) in points { (name(label)) ": " (value) "; " } }
            line.axis x1="20" x2="620" y1="110" y2="110" {}
            polyline.line points=(path.join(" ")) {}
            @for (i, value) in known {
                circle.dot cx=(short(x(i))) cy=(short(y(value))) r="3" {}
                @if i % every == 0 || i + 1 == points.len() {
                    text x=(short(x(i))) y=(short(y(value) - 8.0)) text-anchor="middle" { (points[i].2) }
                    text.soft x=(short(x(i))) y="128" text-anchor="middle" { (name(&points[i].0)) }
                }
            }
        }
    }
}

/// A tree of merges.
pub(crate) struct Dendrogram {
    /// The name of each leaf; None: that of the one before.
    pub(crate) leaves: Vec<Option<String>>,
    /// The merges, from the lowest: two clusters, each a leaf or, from the number of leaves on, a merge; and the
    /// height.
    pub(crate) merges: Vec<(usize, usize, f64)>,
    /// The height of a line across it.
    pub(crate) cut: f64,
}

/// A tree with its leaves on the left, from top to bottom, and its root on the right; heights by their square root.
/// Its title and a description.
pub(crate) fn dendrogram(tree: &Dendrogram, [title, text]: [&str; 2]) -> Markup {
    const LINE: f64 = 18.0;
    let leaves = tree.leaves.len();
    let highest = tree.merges.last().map_or(1.0, |merge| merge.2).max(f64::MIN_POSITIVE);
    let x = |height: f64| 150.0 + 470.0 * (height / highest).sqrt();
    let mut places: Vec<(f64, f64)> = (0..leaves).map(|leaf| (x(0.0), 14.0 + LINE * leaf as f64)).collect();
    let mut paths = Vec::new();
    for &(a, b, height) in &tree.merges {
        let ((ax, ay), (bx, by), at) = (places[a], places[b], x(height));
        paths.push(format!("M{} {}H{}V{}H{}", short(ax), short(ay), short(at), short(by), short(bx)));
        places.push((at, f64::midpoint(ay, by)));
    }
    let bottom = 14.0 + LINE * leaves as f64;
    html! {
        svg viewBox=(format!("0 0 640 {}", short(bottom + 6.0))) role="img" style="width:100%;max-width:52rem" {
            title { (title) }
            desc { (text) }
            line.whisker x1=(short(x(tree.cut))) x2=(short(x(tree.cut))) y1="2" y2=(short(bottom)) stroke-dasharray="5 4" {}
            @for path in paths { path.line d=(path) {} }
            @for (leaf, label) in tree.leaves.iter().enumerate() {
                @if let Some(label) = label {
                    text x="142" y=(short(18.0 + LINE * leaf as f64)) text-anchor="end" { (name(label)) }
                }
            }
        }
    }
}

/// A coordinate.
fn short(v: f64) -> String {
    let text = format!("{v:.1}");
    text.strip_suffix(".0").map_or(text.clone(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn charts_say_what_they_show() {
        let svg = columns(&[1, 0, 4], "<b> & 3 bins").into_string();
        assert!(svg.contains("<title>&lt;b&gt; &amp; 3 bins</title>"), "{svg}");
        assert_eq!(svg.matches("<rect").count(), 3);
        let svg = boxes([0.0, 1.0, 2.0, 3.0, 10.0], [2.0; 5], "one value").into_string();
        assert!(svg.contains("one value") && !svg.contains("NaN"), "{svg}");
        let spot = Spot { at: [1.0, 1.0], share: 1.0, label: "<0>".into() };
        let cells = vec![([0, 0], 5), ([1, 0], 80), ([1, 1], 39)];
        let density = Density { frame: [[0.0, 2.0]; 2], grid: [2, 2], cells };
        let svg = map(&[spot], &density, ["x", "y"], ["a map", "one segment"]).into_string();
        assert!(svg.contains("&lt;0&gt;") && !svg.contains("NaN"), "{svg}");
        // Four halvings below the most, the most, and one below.
        for path in [
            "<path class=\"s1\" d=\"M40 205h290v185h-290z\">",
            "<path class=\"s5\" d=\"M330 205h290v185h-290z\">",
            "<path class=\"s4\" d=\"M330 20h290v185h-290z\">",
        ] {
            assert!(svg.contains(path), "{path} in {svg}");
        }
        let svg = lines(&[("1".into(), None, "-".into())], "empty").into_string();
        assert!(!svg.contains("NaN"), "{svg}");
        let leaves = vec![Some("<0>".into()), None, Some("1".into())];
        let tree = Dendrogram { leaves, merges: vec![(0, 1, 1.0), (2, 3, 4.0)], cut: 2.0 };
        let svg = dendrogram(&tree, ["a tree", "two segments"]).into_string();
        // A quarter of the height is half as far.
        assert!(svg.contains("d=\"M150 14H385V32H150\"") && svg.contains("d=\"M150 50H620V23H385\""), "{svg}");
        assert!(svg.contains("&lt;0&gt;") && svg.matches("<text").count() == 2, "{svg}");
        let flat = Dendrogram { leaves: vec![None; 2], merges: vec![(0, 1, 0.0)], cut: 0.0 };
        assert!(!dendrogram(&flat, ["", ""]).into_string().contains("NaN"));
        let far = ShownInterval { label: "<a>".into(), ends: [-1.0, f64::NAN, 2.0], text: "wide".into() };
        let near = ShownInterval { label: "b".into(), ends: [1.0, 1.5, 2.0], text: "near".into() };
        let html = intervals(&[far, near]).into_string();
        assert!(
            html.contains("&lt;a&gt;: wide") && !html.contains("NaN") && html.matches("whisker").count() == 1,
            "{html}"
        );
        assert!(bars(&[("a".into(), 0.0, "0".into())]).into_string().contains("width:0.0%"));
    }
}
