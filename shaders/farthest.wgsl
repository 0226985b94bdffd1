// The farthest row of every segment (backend/mod.rs, `Session::farthest`), among rows that label.wgsl has just
// labelled. Follows the fragments, which bind groups 0 and 1. Constant: ROUND. Distances have 64 bits and atomics 32,
// so there are three dispatches over the same rows: the largest high half, the largest low half with it, and the first
// row that has both.
//
// Group 2, the rows indexed from the dispatch's first:
//   out_labels  u32    rows
//   out_best    2 u32  rows             exact squared distance to the nearest centroid
//   champions   u32    3 x K            high halves and low halves, 0 to begin with; rows, all ones to begin with
//
// Workgroup: 256 invocations, one row each, in strides over first_row..end_row.

@group(2) @binding(0) var<storage, read_write> out_labels: array<u32>;
@group(2) @binding(1) var<storage, read_write> out_best: array<vec2<u32>>;
@group(2) @binding(2) var<storage, read_write> champions: array<atomic<u32>>;

@compute @workgroup_size(WORKGROUP)
fn farthest(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let rows = params.end_row - params.first_row;
    for (var row = group.x * WORKGROUP + lane; row < rows; row += groups.x * WORKGROUP) {
        let j = out_labels[row];
        let best = out_best[row];
        // Most rows are not the farthest so far; they only read.
        let high = atomicLoad(&champions[j]);
        if ROUND == 0u {
            if best.y > high {
                atomicMax(&champions[j], best.y);
            }
            continue;
        }
        let low = atomicLoad(&champions[K + j]);
        if ROUND == 1u {
            if best.y == high && best.x > low {
                atomicMax(&champions[K + j], best.x);
            }
        } else if best.y == high && best.x == low && row < atomicLoad(&champions[2u * K + j]) {
            atomicMin(&champions[2u * K + j], row);
        }
    }
}
