// Independent chains of multiply-adds: x = x factor + addend, repeated (backend/gpu/ceilings.rs, `DeviceSpin`). No
// constants.
//
// Group 0:
//   params   Params
//   sums     f32  invocations           of an invocation's chains at the end, so that none of them is left out
//
// Workgroup: 256 invocations with eight chains each, starting at 0 to 7 plus the invocation's number modulo 8. A step
// waits for the previous step of its chain; seven other chains, and the other invocations of a GPU, hide the latency.
// Not more chains: with 12 and more, an AVX2 processor emulating a GPU runs out of registers (Mesa lavapipe on two
// cores: 72 GFLOP/s, with eight 126).

struct Params {
    factor: f32,
    addend: f32,
    rounds: u32, // of 64 steps
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> sums: array<f32>;

const WORKGROUP: u32 = 256u;

struct Chains {
    low: vec4<f32>,
    high: vec4<f32>,
}

fn step(x: Chains) -> Chains {
    let factor = vec4<f32>(params.factor);
    let addend = vec4<f32>(params.addend);
    return Chains(fma(x.low, factor, addend), fma(x.high, factor, addend));
}

fn eight_steps(x: Chains) -> Chains {
    return step(step(step(step(step(step(step(step(x))))))));
}

@compute @workgroup_size(WORKGROUP)
fn spin(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let first = vec4<f32>(0.0, 1.0, 2.0, 3.0) + f32(lane % 8u);
    var x = Chains(first, first + 4.0);
    // 512 multiply-adds without a branch, which makes the loop overhead negligible.
    for (var round = 0u; round < params.rounds; round++) {
        x = eight_steps(x);
        x = eight_steps(x);
        x = eight_steps(x);
        x = eight_steps(x);
        x = eight_steps(x);
        x = eight_steps(x);
        x = eight_steps(x);
        x = eight_steps(x);
    }
    let sum = x.low + x.high;
    sums[group.x * WORKGROUP + lane] = (sum.x + sum.y) + (sum.z + sum.w);
}
