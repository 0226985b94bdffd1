// The exact squared distance from row `row` (0 to 3) of a quad to centroid `j`, for devices with 64-bit integers. Needs
// rows.wgsl. A template, see score.wgsl: D = WHOLE + TAIL features, WHOLE in steps of UNROLL. No entry point.
//
// A difference has 24 bits, and the sum of the squares of 4096 differences 60.

fn square(difference: u32) -> u64 {
    return u64(difference) * u64(difference);
}

fn distance2(at: u32, row: u32, j: u32) -> vec2<u32> {
    var total = u64(0u);
    for (var f = 0u; f < WHOLE; f += UNROLL) {
//: each i of UNROLL
        total += square(difference(at, row, j, f + $iu));
//: end
    }
//: each i of TAIL
    total += square(difference(at, row, j, WHOLE + $iu));
//: end
    return vec2<u32>(u32(total & 0xfffffffflu), u32(total >> 32u));
}
