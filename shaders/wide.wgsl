// 64-bit integers as pairs of u32 (x: low half, y: high half), because 64-bit integers are an optional feature. Two's
// complement: adding the pair of a negative number subtracts. No bindings, no entry point.

fn wide_add(a: vec2<u32>, b: vec2<u32>) -> vec2<u32> {
    let low = a.x + b.x;
    return vec2<u32>(low, a.y + b.y + select(0u, 1u, low < a.x));
}

fn wide_negated(a: vec2<u32>) -> vec2<u32> {
    return wide_add(~a, vec2<u32>(1u, 0u));
}

fn wide_less(a: vec2<u32>, b: vec2<u32>) -> bool {
    return a.y < b.y || (a.y == b.y && a.x < b.x);
}

// `a << bits` for 0 < bits < 32.
fn wide_shifted(a: u32, bits: u32) -> vec2<u32> {
    return vec2<u32>(a << bits, a >> (32u - bits));
}

// The product of two 32-bit numbers, by 16-bit halves.
fn wide_product(a: u32, b: u32) -> vec2<u32> {
    let al = a & 0xffffu;
    let ah = a >> 16u;
    let bl = b & 0xffffu;
    let bh = b >> 16u;
    let low = vec2<u32>(al * bl, ah * bh);
    return wide_add(wide_add(low, wide_shifted(al * bh, 16u)), wide_shifted(ah * bl, 16u));
}
