// Labels rows and says how far they are from their centroid (backend/mod.rs, `Session::label`).
// Follows wide.wgsl and nearest.wgsl, which bind groups 0 and 1. Constant: MARGIN, whether the second-nearest centroid
// is wanted too; then all K centroids are compared in integers.
//
// Group 2, indexed from the dispatch's first row:
//   out_labels  u32    rows
//   out_best    2 u32  rows             exact squared distance to the nearest centroid
//   out_second  2 u32  rows             to the second nearest, all ones if there is none; written only if MARGIN
//
// Workgroup: 256 invocations, one row each, in strides over first_row..end_row.

@group(2) @binding(0) var<storage, read_write> out_labels: array<u32>;
@group(2) @binding(1) var<storage, read_write> out_best: array<vec2<u32>>;
@group(2) @binding(2) var<storage, read_write> out_second: array<vec2<u32>>;

@compute @workgroup_size(WORKGROUP)
fn label(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    for (var row = params.first_row + group.x * WORKGROUP + lane; row < params.end_row; row += groups.x * WORKGROUP) {
        let at = position(row);
        let out = row - params.first_row;
        if MARGIN {
            let found = nearest(at);
            out_labels[out] = found.label;
            out_best[out] = found.best;
            out_second[out] = found.second;
        } else {
            let scores = score(at);
            var label = scores.label;
            if !certain(scores, row) {
                label = nearest(at).label;
            }
            out_labels[out] = label;
            out_best[out] = distance2(at, label);
        }
    }
}
