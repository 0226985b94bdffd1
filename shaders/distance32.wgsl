// The exact squared distance from row `row` (0 to 3) of a quad to centroid `j`, for devices without 64-bit integers.
// Needs rows.wgsl and wide.wgsl. A template, see score.wgsl: D = WHOLE + TAIL features, WHOLE in steps of UNROLL = 16.
// No entry point.
//
// The 12-bit halves of a difference are multiplied and summed separately, 256 features at a time: 256 x 4095^2 < 2^32.

fn add_square(sums: ptr<function, vec3<u32>>, difference: u32) {
    let low = difference & 0xfffu;
    let high = difference >> 12u;
    *sums += vec3<u32>(low * low, low * high, high * high);
}

fn with_sums(total: vec2<u32>, sums: vec3<u32>) -> vec2<u32> {
    let low = wide_add(total, vec2<u32>(sums.x, 0u));
    return wide_add(wide_add(low, wide_shifted(sums.y, 13u)), wide_shifted(sums.z, 24u));
}

fn distance2(at: u32, row: u32, j: u32) -> vec2<u32> {
    var total = vec2<u32>(0u, 0u);
    var sums = vec3<u32>(0u, 0u, 0u);
    for (var f = 0u; f < WHOLE; f += UNROLL) {
//: each i of UNROLL
        add_square(&sums, difference(at, row, j, f + $iu));
//: end
        if (f & 0xffu) == 0xf0u {
            total = with_sums(total, sums);
            sums = vec3<u32>(0u, 0u, 0u);
        }
    }
//: each i of TAIL
    add_square(&sums, difference(at, row, j, WHOLE + $iu));
//: end
    return with_sums(total, sums);
}
