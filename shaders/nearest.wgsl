// The nearest centroid of a row: the f32 filter and the integer definition (backend/reference.rs, `nearest`).
// Needs wide.wgsl, the constants D (features) and K (centroids), and the declaration of `blocks`. No entry point.
//
// Group 0, the rows:
//   values     f32  tiles x D x 64      grid integers, tile layout
//   norms      f32  tiles               upper bound of the squared row norms of a tile
// Group 1, the centroids:
//   params     Params
//   blocks     vec4 BLOCKS x (1 + D) x 2  per block of 8 centroids: their start values, then -2c for every feature;
//                                      uniform if it is small enough, else storage
//   slack      f32  K                   slack of the certificate
//   centroids  i32  K x D               grid integers, row-major

struct Params {
    first_row: u32,     // of this dispatch, within the slab
    end_row: u32,       // one past the last; padding is never inside
    fresh: u32,         // 1: add every row to the totals, 0: only rows that changed segment
    spread_factor: f32, // of the certificate
}

@group(0) @binding(0) var<storage, read> values: array<f32>;
@group(0) @binding(1) var<storage, read> norms: array<f32>;
@group(1) @binding(0) var<uniform> params: Params;
@group(1) @binding(2) var<storage, read> slack: array<f32>;
@group(1) @binding(3) var<storage, read> centroids: array<i32>;

const WORKGROUP: u32 = 256u; // four tiles at a time
const BLOCKS: u32 = (K + 7u) / 8u;
const FAR: f32 = 3.0e38; // beyond every score; WGSL knows no infinity

// Where the first feature of a row lies; the next one is 64 further.
fn position(row: u32) -> u32 {
    return (row >> 6u) * (D * 64u) + (row & 63u);
}

struct Scores {
    label: u32,
    best: f32,
    second: f32,
}

fn offer(scores: ptr<function, Scores>, score: f32, j: u32) {
    let better = score < (*scores).best;
    (*scores).second = min((*scores).second, max((*scores).best, score));
    (*scores).label = select((*scores).label, j, better);
    (*scores).best = min((*scores).best, score);
}

// The f32 scores |c|^2 - 2 x.c, eight centroids at a time: the smallest, the second smallest, and whose it is.
fn score(at: u32) -> Scores {
    var scores = Scores(0u, FAR, FAR);
    var c = 0u;
    for (var block = 0u; block < BLOCKS; block++) {
        var low = blocks[c];
        var high = blocks[c + 1u];
        c += 2u;
        for (var f = 0u; f < D; f++) {
            let x = vec4<f32>(values[at + f * 64u]);
            low = fma(x, blocks[c], low);
            high = fma(x, blocks[c + 1u], high);
            c += 2u;
        }
        let j = block * 8u;
        offer(&scores, low.x, j);
        offer(&scores, low.y, j + 1u);
        offer(&scores, low.z, j + 2u);
        offer(&scores, low.w, j + 3u);
        offer(&scores, high.x, j + 4u);
        offer(&scores, high.y, j + 5u);
        offer(&scores, high.z, j + 6u);
        offer(&scores, high.w, j + 7u);
    }
    return scores;
}

// Whether the f32 winner is certainly the integer winner (backend/certificate.rs).
fn certain(scores: Scores, row: u32) -> bool {
    return scores.second - scores.best > slack[scores.label] + params.spread_factor * norms[row >> 6u];
}

// The exact squared distance. A difference has 24 bits; its halves of 12 bits are multiplied and summed apart, 256
// features at a time: 256 x 4095^2 < 2^32.
fn distance2(at: u32, j: u32) -> vec2<u32> {
    var total = vec2<u32>(0u, 0u);
    for (var start = 0u; start < D; start += 256u) {
        var sums = vec3<u32>(0u, 0u, 0u);
        let end = min(start + 256u, D);
        for (var f = start; f < end; f++) {
            let difference = u32(abs(i32(values[at + f * 64u]) - centroids[j * D + f]));
            let low = difference & 0xfffu;
            let high = difference >> 12u;
            sums += vec3<u32>(low * low, low * high, high * high);
        }
        total = wide_add(total, vec2<u32>(sums.x, 0u));
        total = wide_add(total, wide_shifted(sums.y, 13u));
        total = wide_add(total, wide_shifted(sums.z, 24u));
    }
    return total;
}

struct Nearest {
    label: u32,
    best: vec2<u32>,
    second: vec2<u32>, // all ones where there is no second centroid
}

// The integer definition: ties go to the lowest index.
fn nearest(at: u32) -> Nearest {
    const NONE = vec2<u32>(0xffffffffu, 0xffffffffu);
    var found = Nearest(0u, NONE, NONE);
    for (var j = 0u; j < K; j++) {
        let distance = distance2(at, j);
        if wide_less(distance, found.best) {
            found = Nearest(j, distance, found.best);
        } else if wide_less(distance, found.second) {
            found.second = distance;
        }
    }
    return found;
}
