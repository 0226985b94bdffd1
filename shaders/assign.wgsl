// Labels rows by their nearest centroid and accumulates the rows that moved (backend/mod.rs, `Session::pass`). Follows
// the fragments, which bind groups 0 and 1. Constants: WEIGHTED; LOCAL, whether the sums are first reduced in workgroup
// memory; PITCH, the stride between the sums of segments there; CELLS = K x PITCH if LOCAL, else 1; SEGMENTS = K if
// LOCAL, else 1.
//
// Group 2:
//   labels   vec4<u32>  quads           of the previous pass; replaced by those of this pass
//   weights  u32        rows            one value that is not read unless WEIGHTED
//   totals   2 u32      a cell          64-bit: changed, rechecked, counts (K), mass (K, if WEIGHTED), sums (K x D)
//
// Workgroup: 256 invocations, four rows each, in strides over first_row..end_row.
//
// Workgroup sums: PITCH is odd, so that rows of different segments hit different banks. A value v is split into v >> 12
// and v & 4095. A workgroup sees at most 2^20 rows in one dispatch (the caller guarantees it), so the parts stay within
// 2048 x 2^20 = 2^31 (signed) and 4095 x 2^20 < 2^32.

@group(2) @binding(0) var<storage, read_write> labels: array<vec4<u32>>;
@group(2) @binding(1) var<storage, read> weights: array<u32>;
@group(2) @binding(2) var<storage, read_write> totals: array<atomic<u32>>;

const CHANGED: u32 = 0u;
const RECHECKED: u32 = 1u;
const COUNTS: u32 = 2u;
const MASS: u32 = COUNTS + K;
const SUMS: u32 = MASS + select(0u, K, WEIGHTED);

var<workgroup> changed: atomic<u32>;
var<workgroup> rechecked: atomic<u32>;
var<workgroup> local_counts: array<atomic<i32>, SEGMENTS>;
var<workgroup> local_low: array<atomic<u32>, CELLS>;
var<workgroup> local_high: array<atomic<i32>, CELLS>;

// Adds to a 64-bit total. The old value of the low half tells whether this addition carried, in any order of additions.
fn add_total(cell: u32, value: vec2<u32>) {
    if value.x == 0u && value.y == 0u {
        return;
    }
    let old = atomicAdd(&totals[2u * cell], value.x);
    let high = value.y + select(0u, 1u, old + value.x < old);
    if high != 0u {
        atomicAdd(&totals[2u * cell + 1u], high);
    }
}

fn widened(value: i32) -> vec2<u32> {
    return vec2<u32>(bitcast<u32>(value), bitcast<u32>(value >> 31u));
}

// Adds row `row` of a quad to a segment (sign 1) or subtracts it (sign -1).
fn move_row(quad: u32, row: u32, j: u32, sign: i32) {
    let at = position(quad);
    if LOCAL {
        atomicAdd(&local_counts[j], sign);
        for (var f = 0u; f < D; f++) {
            let value = sign * i32(values[at + f * STRIDE][row]);
            if BARE {
                atomicAdd(&local_high[j * PITCH + f], value);
                continue;
            }
            atomicAdd(&local_low[j * PITCH + f], bitcast<u32>(value) & 0xfffu);
            atomicAdd(&local_high[j * PITCH + f], value >> 12u);
        }
        return;
    }
    add_total(COUNTS + j, widened(sign));
    var weight = 1u;
    if WEIGHTED {
        weight = weights[4u * quad + row];
        var mass = vec2<u32>(weight, 0u);
        if sign < 0 {
            mass = wide_negated(mass);
        }
        add_total(MASS + j, mass);
    }
    for (var f = 0u; f < D; f++) {
        let value = sign * i32(values[at + f * STRIDE][row]);
        var product = wide_product(weight, u32(abs(value)));
        if value < 0 {
            product = wide_negated(product);
        }
        add_total(SUMS + j * D + f, product);
    }
}

@compute @workgroup_size(WORKGROUP)
fn assign(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    if lane == 0u {
        atomicStore(&changed, 0u);
        atomicStore(&rechecked, 0u);
    }
    if LOCAL {
        for (var j = lane; j < SEGMENTS; j += WORKGROUP) {
            atomicStore(&local_counts[j], 0);
        }
        for (var cell = lane; cell < CELLS; cell += WORKGROUP) {
            atomicStore(&local_low[cell], 0u);
            atomicStore(&local_high[cell], 0);
        }
    }
    workgroupBarrier();

    var seen = vec2<u32>(0u, 0u); // rows changed, rows rechecked
    let step = groups.x * WORKGROUP;
    for (var quad = first_quad(group.x, lane); 4u * quad < params.end_row; quad += step) {
        let live = rows_of(quad) < vec4<u32>(params.end_row);
        let scores = score(position(quad));
        var label = scores.label;
        var doubtful = vec4<bool>(false);
        if !BARE {
            doubtful = live & !certain(scores, quad);
        }
        if any(doubtful) {
            for (var row = 0u; row < 4u; row++) {
                if doubtful[row] {
                    // Not `label[row] = ...`: FXC, the older compiler of DX12, rejects that in a loop.
                    let here = vec4<u32>(0u, 1u, 2u, 3u) == vec4<u32>(row);
                    label = select(label, vec4<u32>(nearest(position(quad), row).label), here);
                    seen.y += 1u;
                }
            }
        }
        let old = labels[quad];
        let moved = live & (label != old);
        if any(moved) {
            labels[quad] = select(old, label, moved);
        }
        for (var row = 0u; row < 4u; row++) {
            if live[row] && (moved[row] || params.fresh != 0u) {
                move_row(quad, row, label[row], 1);
            }
            if moved[row] {
                seen.x += 1u;
                if params.fresh == 0u {
                    move_row(quad, row, old[row], -1);
                }
            }
        }
    }
    atomicAdd(&changed, seen.x);
    atomicAdd(&rechecked, seen.y);
    workgroupBarrier();

    if lane == 0u {
        add_total(CHANGED, vec2<u32>(atomicLoad(&changed), 0u));
        add_total(RECHECKED, vec2<u32>(atomicLoad(&rechecked), 0u));
    }
    if LOCAL {
        for (var j = lane; j < SEGMENTS; j += WORKGROUP) {
            add_total(COUNTS + j, widened(atomicLoad(&local_counts[j])));
        }
        for (var cell = lane; cell < K * D; cell += WORKGROUP) {
            let at = cell / D * PITCH + cell % D;
            let high = atomicLoad(&local_high[at]);
            let shifted = vec2<u32>(bitcast<u32>(high) << 12u, bitcast<u32>(high >> 20u));
            add_total(SUMS + cell, wide_add(shifted, vec2<u32>(atomicLoad(&local_low[at]), 0u)));
        }
    }
}
