//! Measures the peak rates of an open device, f32 multiply-adds and memory copies, as a reference for benchmarks of
//! passes.
//!
//! Times are taken on the host, from submission to completion, over enough work to make the round trip negligible.

use std::time::{Duration, Instant};

use bytemuck::{Pod, Zeroable};

use super::device::Device;
use super::{AdapterKind, Gpu};
use crate::backend::DeviceCeilings;
use crate::error::Result;

/// Invocations of a workgroup. The same as WORKGROUP in copy.wgsl and fma.wgsl.
const WORKGROUP: u32 = 256;
/// Submissions of sufficient duration; the fastest counts.
const ROUNDS: u32 = 5;
/// The minimum duration: a submission and its answer take some 0.1 ms. A software device has no round trip, and is
/// slow.
const ENOUGH: Duration = Duration::from_millis(50);
const ENOUGH_IN_SOFTWARE: Duration = Duration::from_millis(20);
/// The limit for doubling the work, however fast the device claims to be.
const MOST_WORK: u32 = 1 << 20;

/// Bytes of each of the two buffers of a copy: more than any GPU's cache holds. A software device uses the host's
/// memory, and no more of it than the measurement of the processor does.
const COPY_BYTES: u64 = 256 << 20;
const COPY_BYTES_IN_SOFTWARE: u64 = 128 << 20;
/// Without room for that much, halves are tried down to this.
const LEAST_COPY_BYTES: u64 = 1 << 20;
/// Workgroups of a copy; each invocation then copies 16 bytes a few times.
const COPY_GROUPS: u32 = 1 << 14;

/// Chains per invocation and steps per round in fma.wgsl.
const CHAINS: u32 = 8;
const STEPS: u32 = 64;
/// The least work: 10^8 operations, a few milliseconds on a software device.
const LEAST_GROUPS: u32 = 64;
const LEAST_ROUNDS: u32 = 8;
/// The most workgroups, which every device can dispatch: some 60 times as many as an H100 runs at once, so the last
/// ones, which leave part of it idle, do not matter. Beyond that, work grows by rounds.
const SPIN_GROUPS: u32 = (1 << 16) - 1;
const SPIN_GROUPS_IN_SOFTWARE: u32 = 1 << 12;

/// `Params` in fma.wgsl.
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct SpinParams {
    factor: f32,
    addend: f32,
    rounds: u32,
}

impl Gpu {
    /// Measures the peak rates of the device, in about a second. Nothing else should run on the device.
    ///
    /// # Errors
    /// [`DeviceLost`](crate::Error::DeviceLost), or [`Environment`](crate::Error::Environment) if there is no room for
    /// two buffers of 1 MiB.
    pub fn ceilings(&self) -> Result<DeviceCeilings> {
        let device = &self.device;
        let (enough, groups, bytes) = match self.info.kind {
            AdapterKind::Software => (ENOUGH_IN_SOFTWARE, SPIN_GROUPS_IN_SOFTWARE, COPY_BYTES_IN_SOFTWARE),
            _ => (ENOUGH, SPIN_GROUPS, COPY_BYTES),
        };
        let spin = DeviceSpin::new(device, groups.min(device.limits.max_compute_workgroups_per_dimension))?;
        let flops = best_rate(enough, |work| spin.sized(device, work))?;
        drop(spin);
        let copy = MemoryCopy::largest(device, bytes)?;
        let bytes = best_rate(enough, |work| copy.sized(device, work))?;
        Ok(DeviceCeilings { gflops: flops / 1e9, copy_gbs: bytes / 1e9 })
    }
}

/// The highest rate of `work` per second: it gets a size and returns operations and the time they took.
fn best_rate(enough: Duration, work: impl Fn(u32) -> Result<(f64, Duration)>) -> Result<f64> {
    // One-time costs, such as compiling and clearing, fall here.
    work(1)?;
    let (mut best, mut size, mut rounds) = (0.0, 1, 0);
    while rounds < ROUNDS {
        let (operations, took) = work(size)?;
        if took < enough && size < MOST_WORK {
            // Also after a round that was long enough only because of a disturbance.
            (size, rounds) = (2 * size, 0);
        } else {
            best = f64::max(best, operations / took.as_secs_f64());
            rounds += 1;
        }
    }
    Ok(best)
}

/// A kernel with its buffers.
struct Bound {
    pipeline: wgpu::ComputePipeline,
    group: wgpu::BindGroup,
}

impl Bound {
    fn new(device: &Device, entry: &str, source: &str, buffers: [&wgpu::Buffer; 2]) -> Result<Self> {
        let module = device.raw.create_shader_module(wgpu::ShaderModuleDescriptor {
            label: Some(entry),
            source: wgpu::ShaderSource::Wgsl(source.into()),
        });
        let pipeline = device.raw.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label: Some(entry),
            layout: None,
            module: &module,
            entry_point: Some(entry),
            compilation_options: wgpu::PipelineCompilationOptions::default(),
            cache: None,
        });
        device.check()?;
        let layout = pipeline.get_bind_group_layout(0);
        let group = device.bind(entry, &layout, &buffers.map(wgpu::Buffer::as_entire_binding));
        Ok(Bound { pipeline, group })
    }

    /// Runs `times` dispatches in sequence and returns the time they took.
    fn run(&self, device: &Device, groups: u32, times: u32) -> Result<Duration> {
        let mut encoder = device.encoder();
        let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
        pass.set_pipeline(&self.pipeline);
        pass.set_bind_group(0, &self.group, &[]);
        for _ in 0..times {
            pass.dispatch_workgroups(groups, 1, 1);
        }
        drop(pass);
        let commands = encoder.finish();
        let start = Instant::now();
        device.wait(device.queue.submit([commands]))?;
        Ok(start.elapsed())
    }
}

/// fma.wgsl
struct DeviceSpin {
    bound: Bound,
    params: wgpu::Buffer,
    sums: wgpu::Buffer,
}

impl DeviceSpin {
    fn new(device: &Device, most_groups: u32) -> Result<Self> {
        let uniform = wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_DST;
        let params = device.buffer("params", size_of::<SpinParams>() as u64, uniform)?;
        let usage = wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC;
        let sums = device.buffer("sums", 4 * u64::from(most_groups * WORKGROUP), usage)?;
        let source = include_str!("../../../shaders/fma.wgsl");
        Ok(DeviceSpin { bound: Bound::new(device, "spin", source, [&params, &sums])?, params, sums })
    }

    fn run(&self, device: &Device, params: SpinParams, groups: u32) -> Result<Duration> {
        device.queue.write_buffer(&self.params, 0, bytemuck::bytes_of(&params));
        self.bound.run(device, groups, 1)
    }

    /// Runs `work` times the least work: by more workgroups or, at their limit, by more rounds. Returns the operations,
    /// two per multiply-add.
    fn sized(&self, device: &Device, work: u32) -> Result<(f64, Duration)> {
        let groups = LEAST_GROUPS.saturating_mul(work);
        let most_groups = (self.sums.size() / u64::from(4 * WORKGROUP)) as u32;
        let rounds = LEAST_ROUNDS * groups.div_ceil(most_groups);
        let groups = groups.min(most_groups);
        // The chains approach 1, so no number becomes large or denormal.
        let took = self.run(device, SpinParams { factor: 0.999, addend: 0.001, rounds }, groups)?;
        let operations = [groups, WORKGROUP, rounds, STEPS, CHAINS].map(f64::from).iter().product::<f64>() * 2.0;
        Ok((operations, took))
    }
}

/// copy.wgsl
struct MemoryCopy {
    bound: Bound,
    values: wgpu::Buffer,
    copied: wgpu::Buffer,
    groups: u32,
}

impl MemoryCopy {
    /// Buffers of `bytes`, a multiple of 16, or as much as the device can bind or has room for.
    fn largest(device: &Device, bytes: u64) -> Result<Self> {
        let mut bytes = bytes.min(device.max_binding()) / 16 * 16;
        while bytes > LEAST_COPY_BYTES {
            let [values, copied] = BUFFERS.map(|(label, usage)| device.try_buffer(label, bytes, usage));
            if let (Some(values), Some(copied)) = (values?, copied?) {
                return Self::of(device, values, copied);
            }
            bytes = bytes / 32 * 16;
        }
        Self::new(device, bytes)
    }

    fn new(device: &Device, bytes: u64) -> Result<Self> {
        let [values, copied] = BUFFERS.map(|(label, usage)| device.buffer(label, bytes, usage));
        Self::of(device, values?, copied?)
    }

    fn of(device: &Device, values: wgpu::Buffer, copied: wgpu::Buffer) -> Result<Self> {
        let bound = Bound::new(device, "copy", include_str!("../../../shaders/copy.wgsl"), [&values, &copied])?;
        let groups = values.size().div_ceil(16 * u64::from(WORKGROUP)).min(u64::from(COPY_GROUPS)) as u32;
        Ok(MemoryCopy { bound, values, copied, groups })
    }

    /// Copies all values `times` times. Returns the bytes read plus the bytes written.
    fn sized(&self, device: &Device, times: u32) -> Result<(f64, Duration)> {
        let bytes = self.values.size() + self.copied.size();
        Ok((f64::from(times) * bytes as f64, self.run(device, times)?))
    }

    fn run(&self, device: &Device, times: u32) -> Result<Duration> {
        self.bound.run(device, self.groups, times)
    }
}

/// `values` and `copied` in copy.wgsl; the measurement neither fills the first nor reads the second.
const BUFFERS: [(&str, wgpu::BufferUsages); 2] = [
    ("values", wgpu::BufferUsages::STORAGE.union(wgpu::BufferUsages::COPY_DST)),
    ("copied", wgpu::BufferUsages::STORAGE.union(wgpu::BufferUsages::COPY_SRC)),
];

#[cfg(test)]
mod tests {
    use std::mem::offset_of;

    use super::super::device::Mappable;
    use super::super::tests::any_gpu;
    use super::*;

    /// The first `bytes` bytes of a buffer.
    fn read(device: &Device, buffer: &wgpu::Buffer, bytes: u64) -> Vec<f32> {
        let mut readback = Mappable::readback(device, bytes).unwrap();
        let mut encoder = device.encoder();
        encoder.copy_buffer_to_buffer(buffer, 0, &readback.buffer, 0, bytes);
        readback.map_after(device.submit(encoder));
        bytemuck::pod_collect_to_vec(&readback.view(device, 0, bytes).unwrap())
    }

    #[test]
    fn the_copy_copies() {
        let device = any_gpu().device;
        // One value; not a whole number of workgroups; several strides of few workgroups.
        for (values, groups) in [(1, None), (1000, None), (256 * 7 + 5, Some(3))] {
            let mut copy = MemoryCopy::new(&device, 16 * values).unwrap();
            copy.groups = groups.unwrap_or(copy.groups);
            let pattern: Vec<f32> = (0..4 * values).map(|i| i as f32 - 99.5).collect();
            device.queue.write_buffer(&copy.values, 0, bytemuck::cast_slice(&pattern));
            copy.run(&device, 1).unwrap();
            assert!(read(&device, &copy.copied, copy.copied.size()) == pattern, "{values} values");
        }
    }

    #[test]
    fn the_chains_are_those_of_rust() {
        let device = any_gpu().device;
        let groups = 3;
        let spin = DeviceSpin::new(&device, groups).unwrap();
        // Exact, fused or not: small whole numbers, and sequences that converge to 2.
        for (factor, addend, rounds) in [(1.0, 3.0, 20), (0.5, 1.0, 1), (-1.0, 5.0, 2)] {
            let chain = |start: u32| (0..rounds * STEPS).fold(start as f32, |x: f32, _| x.mul_add(factor, addend));
            let expected: Vec<f32> = (0..groups * WORKGROUP)
                .map(|invocation| (0..CHAINS).map(|c| chain(c + invocation % 8)).sum())
                .collect();
            spin.run(&device, SpinParams { factor, addend, rounds }, groups).unwrap();
            assert!(read(&device, &spin.sums, spin.sums.size()) == expected, "{factor} x + {addend}");
        }
    }

    #[test]
    fn shader_constants_and_layouts_are_those_of_rust() {
        for source in [include_str!("../../../shaders/copy.wgsl"), include_str!("../../../shaders/fma.wgsl")] {
            let module = naga::front::wgsl::parse_str(source).unwrap();
            let [entry] = &module.entry_points[..] else { panic!("one entry point a file") };
            assert_eq!(entry.workgroup_size, [WORKGROUP, 1, 1]);
            let Some((_, params)) = module.types.iter().find(|(_, ty)| ty.name.as_deref() == Some("Params")) else {
                continue;
            };
            let naga::TypeInner::Struct { members, span } = &params.inner else { panic!("Params is a struct") };
            let offsets: Vec<_> = members.iter().map(|m| (m.name.as_deref().unwrap(), m.offset as usize)).collect();
            let expected = [
                ("factor", offset_of!(SpinParams, factor)),
                ("addend", offset_of!(SpinParams, addend)),
                ("rounds", offset_of!(SpinParams, rounds)),
            ];
            assert_eq!(offsets, expected);
            assert_eq!(*span as usize, size_of::<SpinParams>());
        }
    }

    #[test]
    fn ceilings_are_found() {
        let ceilings = any_gpu().ceilings().unwrap();
        assert!(ceilings.gflops > 0.1 && ceilings.gflops < 1e6, "{ceilings:?}");
        assert!(ceilings.copy_gbs > 0.01 && ceilings.copy_gbs < 1e5, "{ceilings:?}");
    }

    #[test]
    fn a_disturbed_round_does_not_stand_for_the_device() {
        // A thousand operations a microsecond, except that the first two submissions take far longer.
        let calls = std::cell::Cell::new(0);
        let work = |size: u32| {
            calls.set(calls.get() + 1);
            let disturbance = if calls.get() <= 2 { 60_000 } else { 0 };
            Ok((1e3 * f64::from(size), Duration::from_micros(u64::from(size) + disturbance)))
        };
        let rate = best_rate(ENOUGH, work).unwrap();
        assert!((rate / 1e9 - 1.0).abs() < 1e-9, "{rate}");
        // A device that claims to take no time must also end the search.
        assert!(best_rate(ENOUGH, |size| Ok((f64::from(size), Duration::from_nanos(1)))).unwrap() > 0.0);
    }

    #[test]
    fn a_lost_device_is_an_error() {
        let gpu = any_gpu();
        let gpu = Gpu::open(&super::super::DeviceChoice::Index(gpu.adapter().index)).unwrap();
        gpu.destroy();
        assert!(matches!(gpu.ceilings(), Err(crate::Error::DeviceLost(_))));
    }
}
