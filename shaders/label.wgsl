// Labels rows and computes the distance to their centroid (backend/mod.rs, `Session::label`). Follows the fragments,
// which bind groups 0 and 1. Constant: MARGIN, whether the second-nearest centroid is wanted too; then all K centroids
// are compared in integers.
//
// Group 2, indexed from the dispatch's first row:
//   out_labels  u32    rows
//   out_best    2 u32  rows             exact squared distance to the nearest centroid
//   out_second  2 u32  rows             to the second nearest, all ones if there is none; written only if MARGIN
//
// Workgroup: 256 invocations, four rows each, in strides over first_row..end_row.

@group(2) @binding(0) var<storage, read_write> out_labels: array<u32>;
@group(2) @binding(1) var<storage, read_write> out_best: array<vec2<u32>>;
@group(2) @binding(2) var<storage, read_write> out_second: array<vec2<u32>>;

@compute @workgroup_size(WORKGROUP)
fn label(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let step = groups.x * WORKGROUP;
    for (var quad = first_quad(group.x, lane); 4u * quad < params.end_row; quad += step) {
        let at = position(quad);
        let rows = rows_of(quad);
        var scores: Scores;
        var sure = vec4<bool>(false);
        if !MARGIN {
            scores = score(at);
            sure = certain(scores, quad);
        }
        for (var row = 0u; row < 4u; row++) {
            if rows[row] >= params.end_row {
                break;
            }
            let out = rows[row] - params.first_row;
            if sure[row] {
                out_labels[out] = scores.label[row];
                out_best[out] = distance2(at, row, scores.label[row]);
                continue;
            }
            let found = nearest(at, row);
            out_labels[out] = found.label;
            out_best[out] = found.best;
            if MARGIN {
                out_second[out] = found.second;
            }
        }
    }
}
