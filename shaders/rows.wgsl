// The rows and centroids that every kernel reads. Needs the constants D (features), K (centroids) and the declaration
// of `blocks`. No entry point.
//
// Group 0, the rows of a slab:
//   values     vec4 tiles x D x 16      grid integers, tile layout: four neighbouring rows at a time, a quad
//   norms      f32  tiles               upper bound of the squared row norms of a tile
// Group 1, the centroids:
//   params     Params
//   blocks     vec4                     see score.wgsl; uniform if it is small enough, else storage
//   slack      f32  K                   slack of the certificate
//   centroids  i32  K x D               grid integers, row-major

struct Params {
    first_row: u32,     // of this dispatch, within the slab; the first of a tile
    end_row: u32,       // one past the last; padding is never inside
    fresh: u32,         // 1: add every row to the totals, 0: only rows that changed segment
    spread_factor: f32, // of the certificate
}

@group(0) @binding(0) var<storage, read> values: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read> norms: array<f32>;
@group(1) @binding(0) var<uniform> params: Params;
@group(1) @binding(2) var<storage, read> slack: array<f32>;
@group(1) @binding(3) var<storage, read> centroids: array<i32>;

const WORKGROUP: u32 = 256u;
const STRIDE: u32 = 16u; // quads in a tile

// The position of the first feature of a quad; the next feature is STRIDE further.
fn position(quad: u32) -> u32 {
    return quad / STRIDE * (D * STRIDE) + quad % STRIDE;
}

// The first quad of an invocation. Its others follow at a stride of `WORKGROUP x workgroups`.
fn first_quad(group: u32, lane: u32) -> u32 {
    return params.first_row / 4u + group * WORKGROUP + lane;
}

// The difference between a feature of row `row` (0 to 3) of a quad and that of centroid `j`: at most 24 bits.
fn difference(at: u32, row: u32, j: u32, f: u32) -> u32 {
    return u32(abs(i32(values[at + f * STRIDE][row]) - centroids[j * D + f]));
}

fn rows_of(quad: u32) -> vec4<u32> {
    return vec4<u32>(4u * quad) + vec4<u32>(0u, 1u, 2u, 3u);
}
