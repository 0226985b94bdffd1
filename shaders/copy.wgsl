// Copies one buffer to another at the speed of the device's memory (backend/gpu/ceilings.rs, `MemoryCopy`). No
// constants.
//
// Group 0:
//   values   vec4<f32>  n               read once
//   copied   vec4<f32>  n               written once
//
// Workgroup: 256 invocations, 16 bytes each at a time, in strides over all n.

@group(0) @binding(0) var<storage, read> values: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read_write> copied: array<vec4<f32>>;

const WORKGROUP: u32 = 256u;

@compute @workgroup_size(WORKGROUP)
fn copy(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    for (var i = group.x * WORKGROUP + lane; i < arrayLength(&values); i += groups.x * WORKGROUP) {
        copied[i] = values[i];
    }
}
