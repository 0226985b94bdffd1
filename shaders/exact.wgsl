// The integer definition (backend/reference.rs, `nearest`), for one row of a quad. Needs rows.wgsl and distance32.wgsl
// or distance64.wgsl. No entry point.

struct Nearest {
    label: u32,
    best: vec2<u32>,
    second: vec2<u32>, // all ones where there is no second centroid
}

// Ties go to the lowest index.
fn nearest(at: u32, row: u32) -> Nearest {
    const NONE = vec2<u32>(0xffffffffu, 0xffffffffu);
    var found = Nearest(0u, NONE, NONE);
    for (var j = 0u; j < K; j++) {
        let distance = distance2(at, row, j);
        if wide_less(distance, found.best) {
            found = Nearest(j, distance, found.best);
        } else if wide_less(distance, found.second) {
            found.second = distance;
        }
    }
    return found;
}
