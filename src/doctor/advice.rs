//! Advice from facts: turns [`Observed`] and the devices that Vulkan reports into sentences, each with a remedy.
//!
//! A cause suppresses its consequences, and advice that a working GPU disproves is omitted: a healthy machine gets no
//! advice.

use super::findings::FoundDevice;
use super::observed::{DeviceNode, DriverFault, Icd, Library, NVIDIA_LIBRARY, NodeAccess, NvidiaGpu, Observed};

/// The most paths to list; the rest is only counted.
const LISTED: usize = 3;

/// The advice, causes before their consequences.
pub(super) fn advice(seen: &Observed, devices: &[FoundDevice]) -> Vec<String> {
    let vulkan = Shown::of(seen, devices);
    let mut out = Vec::new();
    out.extend(absent_nodes(seen, &vulkan));
    out.extend(closed_nodes(seen, &vulkan));
    out.extend(mig(seen, &vulkan));
    out.extend(versions(seen, &vulkan));
    let capabilities = capabilities(seen, &vulkan);
    let handed_in = capabilities.is_none();
    out.extend(capabilities);
    out.extend(screen_libraries(seen, &vulkan));
    if devices.is_empty() && !seen.loader {
        out.push(
            "the Vulkan loader libvulkan.so.1 was not found: install it (Debian: libvulkan1; Red Hat: vulkan-loader)"
                .into(),
        );
    }
    out.extend(seen.icds.iter().filter(|icd| handed_in || !icd.is_nvidia()).filter_map(icd));
    if devices.is_empty() && seen.icds.is_empty() && handed_in {
        out.push(
            "no Vulkan driver (ICD file) is installed: install the GPU vendor's, or for a software device Debian's \
             mesa-vulkan-drivers"
                .into(),
        );
    }
    if out.is_empty() {
        out.extend(unexplained(seen, &vulkan));
    }
    if !devices.is_empty() && !vulkan.real {
        out.push(
            "only a software device was found: good for trying the GPU path, slower than the CPU backend; choose it \
             with --device. If there is a GPU, install its vendor's Vulkan driver"
                .into(),
        );
    }
    out
}

/// The devices that Vulkan reports, compared with what should be there.
struct Shown {
    /// Any real GPU.
    real: bool,
    /// Any device at all.
    any: bool,
    /// Any NVIDIA GPU.
    nvidia: bool,
    /// There are fewer NVIDIA GPUs than device nodes for them.
    nvidia_lacks: bool,
    /// There are device nodes of NVIDIA GPUs, and Vulkan reports none of the GPUs.
    nvidia_hidden: bool,
}

impl Shown {
    fn of(seen: &Observed, devices: &[FoundDevice]) -> Self {
        let is_nvidia = |text: &str| text.to_ascii_uppercase().contains("NVIDIA");
        let shown = devices.iter().filter(|d| d.real && (is_nvidia(&d.name) || is_nvidia(&d.driver))).count();
        let nodes = seen.nodes.iter().filter(|n| n.is_nvidia_gpu()).count();
        Shown {
            real: devices.iter().any(|d| d.real),
            any: !devices.is_empty(),
            nvidia: shown > 0,
            nvidia_lacks: shown < nodes,
            nvidia_hidden: shown == 0 && nodes > 0,
        }
    }
}

/// The kernel has the GPU, but this user space has no node for it.
fn absent_nodes(seen: &Observed, vulkan: &Shown) -> Vec<String> {
    let mut out = Vec::new();
    if seen.nvidia_module.is_some() && !vulkan.nvidia && !seen.nodes.iter().any(DeviceNode::is_nvidia_gpu) {
        let remedy = if seen.container {
            "give the container its GPUs (docker: --gpus all; Kubernetes: the resource nvidia.com/gpu)"
        } else {
            "create them with `sudo nvidia-modprobe -c 0 -u`, or run `nvidia-smi` once as root"
        };
        out.push(format!("the NVIDIA kernel module is loaded, but there is no device node /dev/nvidia0: {remedy}"));
    }
    if !seen.absent_nodes.is_empty() && !vulkan.real {
        let remedy = if seen.container {
            "give the container the folder (docker: --device /dev/dri)"
        } else {
            "let udev create it (`sudo udevadm trigger`)"
        };
        out.push(format!(
            "the kernel has a GPU, but there is no device node {}: {remedy}",
            list(seen.absent_nodes.iter().map(String::as_str))
        ));
    }
    out
}

/// Device nodes that cannot be opened, grouped by reason. If another GPU works, a closed render node is no fault:
/// NVIDIA's driver computes without it.
fn closed_nodes(seen: &Observed, vulkan: &Shown) -> Vec<String> {
    let matters = |n: &&DeviceNode| if n.is_nvidia() { vulkan.nvidia_lacks || !vulkan.real } else { !vulkan.real };
    let closed: Vec<&DeviceNode> = seen.nodes.iter().filter(|n| n.access != NodeAccess::Open).filter(matters).collect();
    let mut reasons: Vec<&NodeAccess> = Vec::new();
    for node in &closed {
        if !reasons.contains(&&node.access) {
            reasons.push(&node.access);
        }
    }
    let mut out = Vec::new();
    for reason in reasons {
        let nodes: Vec<&DeviceNode> = closed.iter().filter(|n| n.access == *reason).copied().collect();
        let paths = list(nodes.iter().map(|n| n.path.as_str()));
        let refused = "cannot be opened by this user";
        out.push(match reason {
            NodeAccess::Open => continue,
            NodeAccess::Group { number, .. } if seen.container => format!(
                "{paths} {refused}, only by group {number}: start the container with that group (docker: --group-add \
                 {number})"
            ),
            NodeAccess::Group { name, .. } => format!(
                "{paths} {refused}, only by the group {name}: run `sudo usermod -aG {name} $USER` and log in again"
            ),
            NodeAccess::Forbidden => format!(
                "{paths} {refused}, because the rules of this container or service forbid it: hand the GPU in (docker: \
                 --gpus all, or --device with the node; systemd: DeviceAllow)"
            ),
            NodeAccess::Owner => format!(
                "{paths} {refused}, only by its owner: let an administrator give it to a group (a udev rule; for \
                 NVIDIA the module options NVreg_DeviceFileGID and NVreg_DeviceFileMode)"
            ),
            NodeAccess::Dead(error) => format!(
                "{paths} cannot be opened by anybody ({error}): the kernel's driver does not answer; look for its \
                 lines in `sudo dmesg`, load it again or reboot"
            ),
        });
    }
    out
}

/// NVIDIA's guide to MIG: a GPU in MIG mode supports no graphics interface, and Vulkan is one. Some profiles of the RTX
/// PRO 6000 Blackwell are exceptions; then Vulkan reports the device.
fn mig(seen: &Observed, vulkan: &Shown) -> Option<String> {
    if vulkan.nvidia && !vulkan.nvidia_lacks {
        return None;
    }
    let whole = "use a whole GPU, or the CPU backend";
    let sliced: Vec<&NvidiaGpu> = seen.nvidia_gpus.iter().filter(|g| g.sliced).collect();
    if !sliced.is_empty() {
        let name = |g: &&NvidiaGpu| match &g.place {
            Some((model, bus)) => format!("{model} at {bus}"),
            None => format!("GPU {}", g.minor),
        };
        let id = |g: &&NvidiaGpu| g.place.as_ref().map_or_else(|| g.minor.to_string(), |(_, bus)| bus.clone());
        let names: Vec<String> = sliced.iter().map(name).collect();
        let ids: Vec<String> = sliced.iter().map(id).collect();
        return Some(format!(
            "MIG has cut {} into slices, which Vulkan does not show: {whole}, or switch MIG off (`sudo nvidia-smi -i \
             {} -mig 0`)",
            list(names.iter().map(String::as_str)),
            ids.join(",")
        ));
    }
    if let Some((variable, value)) = &seen.mig_variable {
        return Some(format!("{variable}={value} names a MIG slice, which Vulkan does not show: {whole}"));
    }
    seen.mig_node.then(|| format!("this container was given a MIG slice, which Vulkan does not show: {whole}"))
}

/// The kernel module rejects a library of another version.
fn versions(seen: &Observed, vulkan: &Shown) -> Option<String> {
    let (module, library) = (seen.nvidia_module.as_ref()?, seen.nvidia_library.as_ref()?);
    let (version, path) = (library.version.as_ref()?, library.path.as_ref()?);
    if !vulkan.nvidia_hidden || module == version {
        return None;
    }
    let remedy = if seen.container {
        "restart the container, and remove NVIDIA driver packages from its image"
    } else {
        "reboot, so that the installed driver is loaded"
    };
    Some(format!("the NVIDIA kernel module is version {module}, but {path} is version {version}: {remedy}"))
}

/// NVIDIA's container runtime mounts the parts of the driver that the variable lists, by default those for CUDA.
fn capabilities(seen: &Observed, vulkan: &Shown) -> Option<String> {
    if !vulkan.nvidia_hidden {
        return None;
    }
    let remedy = "start the container with NVIDIA_DRIVER_CAPABILITIES=all";
    match &seen.capabilities {
        Some(list) if list.split(',').any(|c| matches!(c.trim(), "all" | "graphics")) => None,
        Some(list) => {
            Some(format!("NVIDIA_DRIVER_CAPABILITIES={list} leaves out graphics, and with it Vulkan: {remedy}"))
        }
        None if seen.container && seen.nvidia_library.is_none() => Some(format!(
            "{NVIDIA_LIBRARY} was not handed into this container, as NVIDIA_DRIVER_CAPABILITIES is not set: {remedy}"
        )),
        None => None,
    }
}

/// X11 libraries, without which NVIDIA's does not load.
fn screen_libraries(seen: &Observed, vulkan: &Shown) -> Option<String> {
    let library = seen.nvidia_library.as_ref().filter(|_| vulkan.nvidia_hidden && !seen.nvidia_lacks.is_empty())?;
    let names: Vec<&str> = seen.nvidia_lacks.iter().map(|(name, _)| *name).collect();
    let packages: Vec<&str> = seen.nvidia_lacks.iter().map(|(_, package)| *package).collect();
    Some(format!(
        "{} needs {}, which was not found: install it, though there is no screen (Debian: {})",
        library.name,
        names.join(" and "),
        packages.join(" ")
    ))
}

/// The fault of an ICD file.
fn icd(icd: &Icd) -> Option<String> {
    let Icd { path, named_by, library } = icd;
    let file = match named_by {
        Some(variable) => format!("{variable} names {path}, which"),
        None => format!("the ICD file {path}"),
    };
    match (library, named_by) {
        (Ok(Library { path: Some(_), .. }), _) => None,
        (Ok(Library { name, .. }), _) => Some(format!(
            "{file} names the library {name}, which was not found: install the driver that it belongs to, or hand it \
             into the container"
        )),
        (Err(DriverFault::Missing), Some(variable)) => {
            Some(format!("{file} does not exist: correct the path, or unset {variable} so that Vulkan looks itself"))
        }
        (Err(DriverFault::Missing), None) => Some(format!("{file} is a link to nothing: install its driver again")),
        (Err(DriverFault::Unreadable(why)), _) => {
            Some(format!("{file} cannot be read ({why}): let this user read it (`sudo chmod a+r {path}`)"))
        }
        (Err(DriverFault::Malformed), _) => {
            Some(format!("{file} is not JSON with ICD.library_path: install its driver again"))
        }
    }
}

/// The advice if no known cause was found.
fn unexplained(seen: &Observed, vulkan: &Shown) -> Option<String> {
    if vulkan.nvidia_hidden && !seen.icds.iter().any(Icd::is_nvidia) {
        let where_from = match seen.only {
            Some(variable) => format!("{variable} names none: unset it, or name nvidia_icd.json in it"),
            None => "none is installed: install the driver's nvidia_icd.json, or name it in VK_DRIVER_FILES".into(),
        };
        return Some(format!("an NVIDIA GPU is there, but no ICD file for it; {where_from}"));
    }
    if vulkan.nvidia_hidden {
        return Some(
            "an NVIDIA GPU is there, but Vulkan does not show it: VK_LOADER_DEBUG=all hyades doctor tells what the \
             loader tries"
                .into(),
        );
    }
    (!vulkan.any && seen.nodes.is_empty()).then(|| {
        "there is no device node of a GPU (/dev/nvidia0, /dev/dri/renderD128): load the GPU's kernel module, or hand \
         the GPU into the container"
            .into()
    })
}

/// `a, b and c`; the first few of many.
fn list<'a>(items: impl Iterator<Item = &'a str>) -> String {
    let items: Vec<&str> = items.collect();
    match items.as_slice() {
        [] => String::new(),
        [one] => (*one).to_owned(),
        [first @ .., last] if items.len() <= LISTED => format!("{} and {last}", first.join(", ")),
        _ => format!("{} and {} more", items[..LISTED].join(", "), items.len() - LISTED),
    }
}
