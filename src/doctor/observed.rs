//! Facts about GPUs on Linux, collected from a [`Machine`]. `advice.rs` derives the advice.

use std::io::ErrorKind;

use super::machine::Machine;

/// The driver library that NVIDIA's ICD file names by default.
pub(super) const NVIDIA_LIBRARY: &str = "libGLX_nvidia.so.0";
/// Libraries that it needs, with or without a screen, and their Debian packages.
const NVIDIA_NEEDS: [(&str, &str); 2] = [("libX11.so.6", "libx11-6"), ("libXext.so.6", "libxext6")];
/// The kernel module's folder.
const NVIDIA_PROC: &str = "/proc/driver/nvidia";
/// PCI vendors whose render nodes Mesa supports: AMD and Intel.
const MESA_VENDORS: [&str; 2] = ["0x1002", "0x8086"];

/// The facts.
#[derive(Debug)]
pub(super) struct Observed {
    /// Whether this is a container.
    pub(super) container: bool,
    /// Whether the Vulkan loader can be found.
    pub(super) loader: bool,
    /// The variable that restricts the ICD files, if set.
    pub(super) only: Option<&'static str>,
    /// The ICD files.
    pub(super) icds: Vec<Icd>,
    /// The device nodes of GPUs.
    pub(super) nodes: Vec<DeviceNode>,
    /// Render nodes of AMD and Intel that the kernel reports and `/dev/dri` lacks.
    pub(super) absent_nodes: Vec<String>,
    /// `NVIDIA_DRIVER_CAPABILITIES`.
    pub(super) capabilities: Option<String>,
    /// A variable that names MIG slices, and its value.
    pub(super) mig_variable: Option<(&'static str, String)>,
    /// Whether a slice's device node is mounted in this container, which cannot see more of it.
    pub(super) mig_node: bool,
    /// The kernel module's version.
    pub(super) nvidia_module: Option<String>,
    /// The GPUs reported by the kernel module.
    pub(super) nvidia_gpus: Vec<NvidiaGpu>,
    /// NVIDIA's driver library.
    pub(super) nvidia_library: Option<Library>,
    /// Missing libraries that it needs, and their Debian packages.
    pub(super) nvidia_lacks: Vec<(&'static str, &'static str)>,
}

/// A file that names a Vulkan driver.
#[derive(Debug)]
pub(super) struct Icd {
    /// Its path.
    pub(super) path: String,
    /// The variable that names it, if one does.
    pub(super) named_by: Option<&'static str>,
    /// The library that it names, or the fault of the file.
    pub(super) library: Result<Library, DriverFault>,
}

/// The fault of an ICD file.
#[derive(Debug)]
pub(super) enum DriverFault {
    /// There is no such file.
    Missing,
    /// It cannot be read, and why.
    Unreadable(String),
    /// It is not the expected JSON.
    Malformed,
}

/// A library.
#[derive(Debug)]
pub(super) struct Library {
    /// The name searched for.
    pub(super) name: String,
    /// Its path.
    pub(super) path: Option<String>,
    /// Its version, if the file's name ends in one.
    pub(super) version: Option<String>,
}

/// A device node.
#[derive(Debug)]
pub(super) struct DeviceNode {
    /// Its path.
    pub(super) path: String,
    /// Whether it can be opened.
    pub(super) access: NodeAccess,
}

/// Whether this user can open a device node for reading and writing.
#[derive(Debug, PartialEq)]
pub(super) enum NodeAccess {
    /// Yes.
    Open,
    /// No; but members of a group can.
    Group {
        /// Its name, or its number.
        name: String,
        /// Its number.
        number: u32,
    },
    /// No, although its permissions allow everybody: other rules forbid it.
    Forbidden,
    /// No; only its owner can.
    Owner,
    /// Nobody can: the kernel's driver does not answer.
    Dead(String),
}

/// A GPU of the NVIDIA kernel module.
#[derive(Debug)]
pub(super) struct NvidiaGpu {
    /// The number in its device node's name.
    pub(super) minor: u32,
    /// Model and bus address, if the kernel module reports them.
    pub(super) place: Option<(String, String)>,
    /// Whether MIG has divided it into slices.
    pub(super) sliced: bool,
}

impl DeviceNode {
    /// Whether it belongs to an NVIDIA GPU, rather than to the driver.
    pub(super) fn is_nvidia_gpu(&self) -> bool {
        self.path.strip_prefix("/dev/nvidia").is_some_and(is_number)
    }

    /// Whether it belongs to NVIDIA's driver.
    pub(super) fn is_nvidia(&self) -> bool {
        self.path.starts_with("/dev/nvidia")
    }
}

impl Icd {
    /// Whether it names NVIDIA's driver.
    pub(super) fn is_nvidia(&self) -> bool {
        self.library.as_ref().is_ok_and(|l| l.name.contains("nvidia"))
    }
}

impl Observed {
    /// Examines a machine.
    pub(super) fn of(machine: &Machine) -> Self {
        let container = ["/.dockerenv", "/run/.containerenv"].iter().any(|f| machine.exists(f))
            || ["container", "KUBERNETES_SERVICE_HOST"].iter().any(|v| machine.variable(v).is_some());
        let (only, icds) = icds(machine);
        let named = icds.iter().find(|i| i.is_nvidia()).and_then(|i| i.library.as_ref().ok());
        let nvidia_library = Library::find(machine, named.map_or(NVIDIA_LIBRARY, |l| l.name.as_str()));
        let mig = ["NVIDIA_VISIBLE_DEVICES", "CUDA_VISIBLE_DEVICES"].into_iter();
        Observed {
            container,
            loader: machine.library("libvulkan.so.1").is_some(),
            only,
            icds,
            nodes: nodes(machine),
            absent_nodes: absent_nodes(machine),
            capabilities: machine.variable("NVIDIA_DRIVER_CAPABILITIES").map(str::to_owned),
            mig_variable: mig
                .filter_map(|name| Some((name, machine.variable(name)?.to_owned())))
                .find(|(_, value)| value.starts_with("MIG-")),
            mig_node: mig_node(machine),
            nvidia_module: machine.read(&format!("{NVIDIA_PROC}/version")).ok().and_then(|text| module_version(&text)),
            nvidia_gpus: nvidia_gpus(machine),
            nvidia_lacks: match nvidia_library.path {
                Some(_) => NVIDIA_NEEDS.into_iter().filter(|(name, _)| machine.library(name).is_none()).collect(),
                None => Vec::new(),
            },
            nvidia_library: nvidia_library.path.is_some().then_some(nvidia_library),
        }
    }
}

/// The ICD files, in the loader's search order: in VK_DRIVER_FILES, else in VK_ICD_FILENAMES, else in its folders; and
/// in VK_ADD_DRIVER_FILES. A variable may name files and folders.
fn icds(machine: &Machine) -> (Option<&'static str>, Vec<Icd>) {
    let files = |folder: &str| -> Vec<String> {
        let names = machine.names(folder).into_iter().filter(|n| n.ends_with(".json"));
        names.map(|n| format!("{}/{n}", folder.trim_end_matches('/'))).collect()
    };
    let only = ["VK_DRIVER_FILES", "VK_ICD_FILENAMES"].into_iter().find(|name| machine.variable(name).is_some());
    let mut icds = Vec::new();
    for name in only.into_iter().chain(["VK_ADD_DRIVER_FILES"]) {
        for path in machine.variable(name).unwrap_or_default().split(':').filter(|p| !p.is_empty()) {
            let paths = if machine.is_folder(path) { files(path) } else { vec![path.to_owned()] };
            icds.extend(paths.into_iter().map(|path| icd(machine, path, Some(name))));
        }
    }
    if only.is_none() {
        let found = icd_folders(machine).iter().flat_map(|folder| files(folder)).collect::<Vec<_>>();
        icds.extend(found.into_iter().map(|path| icd(machine, path, None)));
    }
    (only, icds)
}

fn icd_folders(machine: &Machine) -> Vec<String> {
    let home = |below: &str| machine.variable("HOME").map(|home| format!("{home}/{below}"));
    let or = |name: &str, otherwise: Option<String>| machine.variable(name).map(str::to_owned).or(otherwise);
    let lists = [
        or("XDG_CONFIG_HOME", home(".config")),
        or("XDG_CONFIG_DIRS", Some("/etc/xdg".into())),
        Some("/etc".into()),
        or("XDG_DATA_HOME", home(".local/share")),
        or("XDG_DATA_DIRS", Some("/usr/local/share:/usr/share".into())),
    ];
    let mut folders: Vec<String> = Vec::new();
    for folder in lists.iter().flatten().flat_map(|list| list.split(':')).filter(|f| !f.is_empty()) {
        let folder = format!("{}/vulkan/icd.d", folder.trim_end_matches('/'));
        if !folders.contains(&folder) {
            folders.push(folder);
        }
    }
    folders
}

fn icd(machine: &Machine, path: String, named_by: Option<&'static str>) -> Icd {
    let library = match machine.read(&path) {
        Err(e) if e.kind() == ErrorKind::NotFound => Err(DriverFault::Missing),
        Err(e) => Err(DriverFault::Unreadable(e.kind().to_string())),
        Ok(text) => {
            let json: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
            match json["ICD"]["library_path"].as_str() {
                None => Err(DriverFault::Malformed),
                Some(name) if name.contains('/') && !name.starts_with('/') => {
                    let folder = path.rsplit_once('/').map_or(".", |(folder, _)| folder);
                    Ok(Library::find(machine, &format!("{folder}/{name}")))
                }
                Some(name) => Ok(Library::find(machine, name)),
            }
        }
    };
    Icd { path, named_by, library }
}

impl Library {
    fn find(machine: &Machine, name: &str) -> Self {
        let path = machine.library(name);
        let file = path.as_ref().and_then(|path| machine.final_name(path));
        let version = file.and_then(|file| Some(file.split_once(".so.")?.1.to_owned()).filter(|v| is_version(v)));
        Library { name: name.to_owned(), path, version }
    }
}

fn nodes(machine: &Machine) -> Vec<DeviceNode> {
    let nvidia = machine.names("/dev").into_iter();
    let nvidia = nvidia.filter(|n| n.strip_prefix("nvidia").is_some_and(|rest| rest == "ctl" || is_number(rest)));
    let render = machine.names("/dev/dri").into_iter().filter(|n| n.starts_with("renderD"));
    let paths = nvidia.map(|n| format!("/dev/{n}")).chain(render.map(|n| format!("/dev/dri/{n}")));
    paths.map(|path| DeviceNode { access: access(machine, &path), path }).collect()
}

fn access(machine: &Machine, path: &str) -> NodeAccess {
    let error = match machine.open(path) {
        Ok(()) => return NodeAccess::Open,
        Err(e) => e,
    };
    if error.kind() != ErrorKind::PermissionDenied {
        return NodeAccess::Dead(error.to_string());
    }
    let (mode, number) = machine.rights(path);
    let name = machine.group(number);
    if mode & 0o006 == 0o006 {
        NodeAccess::Forbidden
    } else if mode & 0o060 == 0o060 && name.as_deref() != Some("root") {
        NodeAccess::Group { name: name.unwrap_or_else(|| number.to_string()), number }
    } else {
        NodeAccess::Owner
    }
}

fn absent_nodes(machine: &Machine) -> Vec<String> {
    let known = machine.names("/sys/class/drm").into_iter().filter(|n| n.starts_with("renderD"));
    let served = known.filter(|n| {
        let vendor = machine.read(&format!("/sys/class/drm/{n}/device/vendor")).unwrap_or_default();
        MESA_VENDORS.contains(&vendor.trim())
    });
    served.map(|n| format!("/dev/dri/{n}")).filter(|path| !machine.exists(path)).collect()
}

/// The kernel module's GPUs. `capabilities/gpu0/mig/gi1` is a slice of the GPU whose device node has the number 0.
fn nvidia_gpus(machine: &Machine) -> Vec<NvidiaGpu> {
    let mut gpus = Vec::new();
    for bus in machine.names(&format!("{NVIDIA_PROC}/gpus")) {
        let text = machine.read(&format!("{NVIDIA_PROC}/gpus/{bus}/information")).unwrap_or_default();
        let field = |name: &str| {
            let mut fields = text.lines().filter_map(|line| line.split_once(':'));
            fields.find(|(n, _)| n.trim() == name).map(|(_, value)| value.trim().to_owned())
        };
        if let (Some(model), Some(Ok(minor))) = (field("Model"), field("Device Minor").map(|m| m.parse())) {
            gpus.push(NvidiaGpu { minor, place: Some((model, bus)), sliced: false });
        }
    }
    for folder in machine.names(&format!("{NVIDIA_PROC}/capabilities")) {
        let Some(Ok(minor)) = folder.strip_prefix("gpu").map(str::parse) else { continue };
        let slices = machine.names(&format!("{NVIDIA_PROC}/capabilities/{folder}/mig"));
        if !slices.iter().any(|n| n.starts_with("gi")) {
            continue;
        }
        match gpus.iter_mut().find(|g| g.minor == minor) {
            Some(gpu) => gpu.sliced = true,
            None => gpus.push(NvidiaGpu { minor, place: None, sliced: true }),
        }
    }
    gpus.sort_unstable_by_key(|g| g.minor);
    gpus
}

/// In a container that cannot see `capabilities`, a slice is a node nvidia-cap3 or higher; 1 and 2 are for management.
fn mig_node(machine: &Machine) -> bool {
    let number = |n: String| n.strip_prefix("nvidia-cap")?.parse::<u32>().ok();
    !machine.exists(&format!("{NVIDIA_PROC}/capabilities"))
        && machine.names("/dev/nvidia-caps").into_iter().filter_map(number).any(|n| n > 2)
}

/// From `NVRM version: NVIDIA UNIX x86_64 Kernel Module  550.135  Fri ...`.
fn module_version(text: &str) -> Option<String> {
    let line = text.lines().find(|l| l.starts_with("NVRM version"))?;
    line.split_whitespace().find(|word| is_version(word)).map(str::to_owned)
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

/// At least two numbers, separated by dots.
fn is_version(text: &str) -> bool {
    text.contains('.') && text.split('.').all(is_number)
}
