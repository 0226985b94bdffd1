// The f32 filter: for four rows at a time, the smallest and the second-smallest score |c|^2 - 2 x.c, and the centroid
// with the smallest (backend/certificate.rs). Needs rows.wgsl and the declaration of `blocks`. No entry point.
//
// A template (backend/gpu/template.rs): the lines from `//: each f of N` to `//: end` are repeated for 0, 1, ... N - 1
// in place of the dollar name, because loops cost registers and a counter in drivers. D = HELD + LOOPED + REST
// features: HELD stay in registers for all centroids; the others are read again for every block, in steps of STEP.
//
// Constant BARE: omits the work that makes it exact, for the benchmark `exactness` only.
//
// blocks: for every block of 4 QUADS centroids their start values, then -2c by feature.

const BLOCKS: u32 = (K + 4u * QUADS - 1u) / (4u * QUADS);
const FAR: f32 = 3.0e38; // beyond every score; WGSL knows no infinity

struct Scores {
    label: vec4<u32>,
    best: vec4<f32>,
    second: vec4<f32>,
}

fn offer(scores: ptr<function, Scores>, score: vec4<f32>, j: u32) {
    let better = score < (*scores).best;
    if !BARE {
        (*scores).second = min((*scores).second, max((*scores).best, score));
    }
    (*scores).label = select((*scores).label, vec4<u32>(j), better);
    (*scores).best = min((*scores).best, score);
}

fn score(at: u32) -> Scores {
    var scores = Scores(vec4<u32>(0u), vec4<f32>(FAR), vec4<f32>(FAR));
//: each f of HELD
    let x$f = values[at + $fu * STRIDE];
//: end
    var c = 0u;
    for (var block = 0u; block < BLOCKS; block++) {
//: each q of QUADS
        let start$q = blocks[c + $qu];
        var x_$q = vec4<f32>(start$q.x);
        var y_$q = vec4<f32>(start$q.y);
        var z_$q = vec4<f32>(start$q.z);
        var w_$q = vec4<f32>(start$q.w);
//: end
        c += QUADS;
//: each f of HELD
//: each q of QUADS
        let c$f_$q = blocks[c + $fu * QUADS + $qu];
        x_$q = fma(x$f, vec4<f32>(c$f_$q.x), x_$q);
        y_$q = fma(x$f, vec4<f32>(c$f_$q.y), y_$q);
        z_$q = fma(x$f, vec4<f32>(c$f_$q.z), z_$q);
        w_$q = fma(x$f, vec4<f32>(c$f_$q.w), w_$q);
//: end
//: end
        c += HELD * QUADS;
        var place = at + HELD * STRIDE;
        for (var f = 0u; f < LOOPED; f += STEP) {
//: each f of STEP
            let v$f = values[place + $fu * STRIDE];
//: each q of QUADS
            let d$f_$q = blocks[c + $fu * QUADS + $qu];
            x_$q = fma(v$f, vec4<f32>(d$f_$q.x), x_$q);
            y_$q = fma(v$f, vec4<f32>(d$f_$q.y), y_$q);
            z_$q = fma(v$f, vec4<f32>(d$f_$q.z), z_$q);
            w_$q = fma(v$f, vec4<f32>(d$f_$q.w), w_$q);
//: end
//: end
            c += STEP * QUADS;
            place += STEP * STRIDE;
        }
//: each f of REST
        let r$f = values[place + $fu * STRIDE];
//: each q of QUADS
        let e$f_$q = blocks[c + $fu * QUADS + $qu];
        x_$q = fma(r$f, vec4<f32>(e$f_$q.x), x_$q);
        y_$q = fma(r$f, vec4<f32>(e$f_$q.y), y_$q);
        z_$q = fma(r$f, vec4<f32>(e$f_$q.z), z_$q);
        w_$q = fma(r$f, vec4<f32>(e$f_$q.w), w_$q);
//: end
//: end
        c += REST * QUADS;
        let j = block * 4u * QUADS;
//: each q of QUADS
        offer(&scores, x_$q, j + 4u * $qu);
        offer(&scores, y_$q, j + 4u * $qu + 1u);
        offer(&scores, z_$q, j + 4u * $qu + 2u);
        offer(&scores, w_$q, j + 4u * $qu + 3u);
//: end
    }
    return scores;
}

// Whether the f32 winner of each of the four rows is certainly the integer winner.
fn certain(scores: Scores, quad: u32) -> vec4<bool> {
    let label = scores.label;
    let slacks = vec4<f32>(slack[label.x], slack[label.y], slack[label.z], slack[label.w]);
    return scores.second - scores.best > slacks + vec4<f32>(params.spread_factor * norms[quad / STRIDE]);
}
