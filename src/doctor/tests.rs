//! Each known problem, set up below a root of its own, and the advice for it.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use super::machine::Machine;
use super::observed::Observed;
use super::{FoundDevice, advice::advice};

const ICD: &str = "/etc/vulkan/icd.d/nvidia_icd.json";
const LIBRARIES: &str = "/usr/lib/x86_64-linux-gnu";
const H100: &str = "NVIDIA H100 80GB HBM3";
const BUS: &str = "0000:65:00.0";

/// A machine below a folder, and the devices that Vulkan reports there.
struct Lab {
    root: tempfile::TempDir,
    variables: BTreeMap<String, String>,
    devices: Vec<FoundDevice>,
}

impl Lab {
    /// Nothing but the Vulkan loader.
    fn bare() -> Self {
        let root = tempfile::tempdir().unwrap();
        let lab = Lab { root, variables: BTreeMap::new(), devices: Vec::new() };
        lab.with(&format!("{LIBRARIES}/libvulkan.so.1"), "")
    }

    /// An NVIDIA GPU with everything it needs, reported by Vulkan.
    fn healthy() -> Self {
        let mut lab =
            Lab::bare().with(ICD, &icd("libGLX_nvidia.so.0")).with("/dev/nvidiactl", "").with("/dev/nvidia0", "");
        let library = format!("{LIBRARIES}/libGLX_nvidia.so");
        lab = lab.with(&format!("{library}.550.135"), "").linked(&format!("{library}.0"), "libGLX_nvidia.so.550.135");
        for needed in ["libX11.so.6", "libXext.so.6"] {
            lab = lab.with(&format!("{LIBRARIES}/{needed}"), "");
        }
        let version =
            "NVRM version: NVIDIA UNIX x86_64 Kernel Module  550.135  Fri Nov  1 00:00:00 UTC 2024\nGCC version:\n";
        lab = lab.with("/proc/driver/nvidia/version", version).gpu(0, BUS);
        lab.shows(H100, true)
    }

    /// The same, but not reported by Vulkan.
    fn hidden() -> Self {
        Lab { devices: Vec::new(), ..Lab::healthy() }
    }

    fn at(&self, path: &str) -> PathBuf {
        self.root.path().join(path.trim_start_matches('/'))
    }

    fn with(self, path: &str, text: &str) -> Self {
        let at = self.at(path);
        fs::create_dir_all(at.parent().unwrap()).unwrap();
        fs::write(at, text).unwrap();
        self
    }

    fn linked(self, path: &str, target: &str) -> Self {
        symlink(target, self.at(path)).unwrap();
        self
    }

    fn without(self, path: &str) -> Self {
        fs::remove_file(self.at(path)).unwrap();
        self
    }

    fn gpu(self, minor: u32, bus: &str) -> Self {
        let text = format!("Model: \t\t {H100}\nIRQ:   \t\t 24\nDevice Minor: \t {minor}\n");
        self.with(&format!("/proc/driver/nvidia/gpus/{bus}/information"), &text)
    }

    /// A node that cannot be opened: `denied` or `dead`.
    fn closed(self, node: &str, how: &str, mode: u32) -> Self {
        let lab = self.with(node, how);
        fs::set_permissions(lab.at(node), fs::Permissions::from_mode(mode)).unwrap();
        lab
    }

    fn set(mut self, name: &str, value: &str) -> Self {
        self.variables.insert(name.to_owned(), value.to_owned());
        self
    }

    fn shows(mut self, name: &str, real: bool) -> Self {
        let index = self.devices.len();
        self.devices.push(FoundDevice {
            index,
            name: name.into(),
            real,
            driver: String::new(),
            details: String::new(),
        });
        self
    }

    fn advice(&self) -> Vec<String> {
        let machine = Machine {
            root: self.root.path().to_owned(),
            variables: self.variables.clone(),
            open: |path: &Path| match fs::read_to_string(path)?.as_str() {
                "denied" => Err(io::ErrorKind::PermissionDenied.into()),
                "dead" => Err(io::Error::from_raw_os_error(19)),
                _ => Ok(()),
            },
        };
        advice(&Observed::of(&machine), &self.devices)
    }

    /// Asserts that this is the only advice.
    #[track_caller]
    fn says(&self, expected: &[&str]) {
        assert_eq!(self.advice(), expected);
    }
}

fn icd(library: &str) -> String {
    format!(r#"{{"file_format_version": "1.0.0", "ICD": {{"library_path": "{library}", "api_version": "1.3.277"}}}}"#)
}

#[test]
fn a_healthy_machine_gets_no_advice() {
    Lab::healthy().says(&[]);
    // Render nodes may stay closed if NVIDIA's driver computes without them, and variables may have any value.
    let lab = Lab::healthy().closed("/dev/dri/renderD128", "denied", 0o660).set("container", "podman");
    lab.set("NVIDIA_DRIVER_CAPABILITIES", "compute").set("CUDA_VISIBLE_DEVICES", "0").says(&[]);
    // AMD by Mesa, with a relative path to the library.
    let mesa = Lab::bare().with("/usr/share/vulkan/icd.d/radeon_icd.json", &icd("../../../lib/libvulkan_radeon.so"));
    let mesa = mesa.with("/usr/lib/libvulkan_radeon.so", "").with("/dev/dri/renderD128", "");
    mesa.with("/sys/class/drm/renderD128/device/vendor", "0x1002\n").shows("AMD Radeon Pro W7900", true).says(&[]);
}

#[test]
fn no_loader() {
    let lab = Lab::hidden().without(&format!("{LIBRARIES}/libvulkan.so.1"));
    lab.says(&[
        "the Vulkan loader libvulkan.so.1 was not found: install it (Debian: libvulkan1; Red Hat: vulkan-loader)",
    ]);
}

#[test]
fn libraries_are_found_as_the_linker_finds_them() {
    let missing = || Lab::hidden().without(&format!("{LIBRARIES}/libvulkan.so.1"));
    let unexplained = "an NVIDIA GPU is there, but Vulkan does not show it: VK_LOADER_DEBUG=all hyades doctor tells \
                       what the loader tries";
    let lab = missing().with("/opt/vulkan/libvulkan.so.1", "");
    lab.set("LD_LIBRARY_PATH", "/nowhere:/opt/vulkan/").says(&[unexplained]);
    let cache = "glibc-ld.so.cache1.1\0\u{3}\0/opt/notlibvulkan.so.1\0libvulkan.so.1\0/opt/v/libvulkan.so.1\0";
    missing().with("/opt/v/libvulkan.so.1", "").with("/etc/ld.so.cache", cache).says(&[unexplained]);
}

#[test]
fn no_icd_file() {
    Lab::bare()
        .says(&["no Vulkan driver (ICD file) is installed: install the GPU vendor's, or for a software device \
                        Debian's mesa-vulkan-drivers"]);
    Lab::hidden().without(ICD).says(&["no Vulkan driver (ICD file) is installed: install the GPU vendor's, or for a \
                                       software device Debian's mesa-vulkan-drivers"]);
}

#[test]
fn no_icd_file_for_nvidia() {
    let mesa = |lab: Lab| {
        let lab = lab.with(&format!("{LIBRARIES}/libvulkan_lvp.so"), "");
        lab.with("/usr/share/vulkan/icd.d/lvp_icd.json", &icd("libvulkan_lvp.so"))
    };
    mesa(Lab::hidden().without(ICD))
        .says(&["an NVIDIA GPU is there, but no ICD file for it; none is installed: install \
                                             the driver's nvidia_icd.json, or name it in VK_DRIVER_FILES"]);
    mesa(Lab::hidden())
        .set("VK_ICD_FILENAMES", "/usr/share/vulkan/icd.d/lvp_icd.json")
        .says(&["an NVIDIA GPU is there, but no ICD file for it; VK_ICD_FILENAMES names none: unset it, or name \
         nvidia_icd.json in it"]);
}

#[test]
fn a_named_icd_file_is_missing() {
    Lab::hidden().set("VK_DRIVER_FILES", &format!("/opt/nvidia_icd.json:{ICD}")).says(&[
        "VK_DRIVER_FILES names /opt/nvidia_icd.json, which does not exist: correct the path, or unset VK_DRIVER_FILES \
         so that Vulkan looks itself",
    ]);
    // The newer variable takes precedence over the older; a folder stands for its files.
    Lab::healthy().set("VK_DRIVER_FILES", "/etc/vulkan/icd.d").set("VK_ICD_FILENAMES", "/opt/none.json").says(&[]);
}

#[test]
fn a_named_icd_file_cannot_be_read() {
    // A link to itself, which not even root can read.
    Lab::hidden().without(ICD).linked(ICD, "nvidia_icd.json").set("VK_ICD_FILENAMES", ICD).says(&[
        "VK_ICD_FILENAMES names /etc/vulkan/icd.d/nvidia_icd.json, which cannot be read (filesystem loop or \
         indirection limit (e.g. symlink loop)): let this user read it (`sudo chmod a+r \
         /etc/vulkan/icd.d/nvidia_icd.json`)",
    ]);
}

#[test]
fn an_icd_file_is_broken() {
    Lab::hidden().with(ICD, "{}").says(&["the ICD file /etc/vulkan/icd.d/nvidia_icd.json is not JSON with \
                                          ICD.library_path: install its driver again"]);
    Lab::hidden()
        .without(ICD)
        .linked(ICD, "gone.json")
        .says(&["the ICD file /etc/vulkan/icd.d/nvidia_icd.json is a link to nothing: install its driver again"]);
}

#[test]
fn an_icd_files_library_is_missing() {
    Lab::hidden().without(&format!("{LIBRARIES}/libGLX_nvidia.so.0")).says(&[
        "the ICD file /etc/vulkan/icd.d/nvidia_icd.json names the library libGLX_nvidia.so.0, which was not found: \
         install the driver that it belongs to, or hand it into the container",
    ]);
    Lab::hidden()
        .with("/opt/other.json", &icd("/opt/lib/libother.so"))
        .set("VK_ADD_DRIVER_FILES", "/opt/other.json")
        .says(&[
            "VK_ADD_DRIVER_FILES names /opt/other.json, which names the library /opt/lib/libother.so, which was not \
           found: install the driver that it belongs to, or hand it into the container",
        ]);
}

#[test]
fn a_container_without_graphics() {
    let expected = "NVIDIA_DRIVER_CAPABILITIES=compute,utility leaves out graphics, and with it Vulkan: start the \
                    container with NVIDIA_DRIVER_CAPABILITIES=all";
    Lab::hidden().set("NVIDIA_DRIVER_CAPABILITIES", "compute,utility").says(&[expected]);
    // Its consequences are not reported separately.
    let library = format!("{LIBRARIES}/libGLX_nvidia.so.0");
    Lab::hidden().without(&library).set("NVIDIA_DRIVER_CAPABILITIES", "compute,utility").says(&[expected]);
    Lab::hidden().without(ICD).set("NVIDIA_DRIVER_CAPABILITIES", "compute,utility").says(&[expected]);
    for enough in ["all", "compute, graphics"] {
        let lab = Lab::hidden().set("NVIDIA_DRIVER_CAPABILITIES", enough);
        assert!(!lab.advice().concat().contains("CAPABILITIES"));
    }
    Lab::hidden().without(&library).with("/.dockerenv", "").says(&[
        "libGLX_nvidia.so.0 was not handed into this container, as NVIDIA_DRIVER_CAPABILITIES is not set: start the \
         container with NVIDIA_DRIVER_CAPABILITIES=all",
    ]);
}

#[test]
fn nvidias_library_needs_those_for_screens() {
    Lab::hidden().without(&format!("{LIBRARIES}/libXext.so.6")).says(&[
        "libGLX_nvidia.so.0 needs libXext.so.6, which was not found: install it, though there is no screen (Debian: \
         libxext6)",
    ]);
}

/// A render node that only its group can open; the group is that of the tests' files.
fn grouped(name: &str) -> (Lab, u32) {
    let lab = Lab::bare().with("/usr/lib/lib.so", "").with("/usr/share/vulkan/icd.d/intel_icd.json", &icd("lib.so"));
    let lab = lab.closed("/dev/dri/renderD128", "denied", 0o660).closed("/dev/dri/renderD129", "denied", 0o660);
    let number = fs::metadata(lab.at("/dev/dri/renderD128")).unwrap().gid();
    (lab.with("/etc/group", &format!("adm:x:{}:\n{name}:x:{number}:someone\n", number + 1)), number)
}

#[test]
fn a_node_that_its_group_can_open() {
    let (lab, number) = grouped("render");
    lab.says(&[
        "/dev/dri/renderD128 and /dev/dri/renderD129 cannot be opened by this user, only by the group render: run \
                `sudo usermod -aG render $USER` and log in again",
    ]);
    let expected = format!(
        "/dev/dri/renderD128 and /dev/dri/renderD129 cannot be opened by this user, only by group {number}: start the \
         container with that group (docker: --group-add {number})"
    );
    lab.with("/run/.containerenv", "").says(&[&expected]);
}

#[test]
fn a_node_that_its_owner_can_open() {
    let expected = "/dev/nvidia0 cannot be opened by this user, only by its owner: let an administrator give it to a \
                    group (a udev rule; for NVIDIA the module options NVreg_DeviceFileGID and NVreg_DeviceFileMode)";
    Lab::hidden().closed("/dev/nvidia0", "denied", 0o600).says(&[expected]);
    let (lab, _) = grouped("root");
    assert!(lab.advice().concat().contains("only by its owner"));
}

#[test]
fn a_node_that_rules_forbid() {
    let mut lab = Lab::hidden().closed("/dev/nvidiactl", "denied", 0o666);
    for gpu in 0..4 {
        lab = lab.closed(&format!("/dev/nvidia{gpu}"), "denied", 0o666);
    }
    lab.says(&[
        "/dev/nvidia0, /dev/nvidia1, /dev/nvidia2 and 2 more cannot be opened by this user, because the rules of \
                this container or service forbid it: hand the GPU in (docker: --gpus all, or --device with the node; \
                systemd: DeviceAllow)",
    ]);
}

#[test]
fn a_node_that_nobody_can_open() {
    Lab::hidden().closed("/dev/nvidia0", "dead", 0o666).says(&[
        "/dev/nvidia0 cannot be opened by anybody (No such device (os error 19)): the kernel's driver does not answer; \
         look for its lines in `sudo dmesg`, load it again or reboot",
    ]);
}

#[test]
fn only_software() {
    let software = "only a software device was found: good for trying the GPU path, slower than the CPU backend; \
                    choose it with --device. If there is a GPU, install its vendor's Vulkan driver";
    Lab::bare().shows("llvmpipe (LLVM 15.0.6, 256 bits)", false).says(&[software]);
    let (lab, _) = grouped("render");
    let told = lab.shows("llvmpipe (LLVM 15.0.6, 256 bits)", false).advice();
    assert!(told.len() == 2 && told[0].contains("usermod -aG render") && told[1] == software, "{told:?}");
}

#[test]
fn mig() {
    let sliced = |lab: Lab| lab.with("/proc/driver/nvidia/capabilities/gpu0/mig/gi1/access", "");
    let expected = "MIG has cut NVIDIA H100 80GB HBM3 at 0000:65:00.0 into slices, which Vulkan does not show: use a \
                    whole GPU, or the CPU backend, or switch MIG off (`sudo nvidia-smi -i 0000:65:00.0 -mig 0`)";
    sliced(Lab::hidden()).says(&[expected]);
    // Next to a whole GPU that is reported; and a profile that Vulkan reports.
    sliced(Lab::healthy().with("/dev/nvidia1", "").gpu(1, "0000:66:00.0")).says(&[expected]);
    sliced(Lab::healthy()).says(&[]);
    sliced(Lab::hidden().without(&format!("/proc/driver/nvidia/gpus/{BUS}/information"))).says(&[
        "MIG has cut GPU 0 into slices, which Vulkan does not show: use a whole GPU, or the CPU backend, or switch MIG \
         off (`sudo nvidia-smi -i 0 -mig 0`)",
    ]);
}

#[test]
fn a_slice_of_mig_in_a_container() {
    for name in ["NVIDIA_VISIBLE_DEVICES", "CUDA_VISIBLE_DEVICES"] {
        let expected = format!(
            "{name}=MIG-4f3d names a MIG slice, which Vulkan does not show: use a whole GPU, or the CPU backend"
        );
        Lab::hidden().set(name, "MIG-4f3d").says(&[&expected]);
    }
    let nodes = |lab: Lab| lab.with("/dev/nvidia-caps/nvidia-cap1", "").with("/dev/nvidia-caps/nvidia-cap21", "");
    nodes(Lab::hidden()).says(&[
        "this container was given a MIG slice, which Vulkan does not show: use a whole GPU, or the CPU backend",
    ]);
    // If the kernel module reports its GPUs, such a node is left over from a deleted slice.
    let told = nodes(Lab::hidden()).with("/proc/driver/nvidia/capabilities/mig/config", "").advice();
    assert!(!told.concat().contains("MIG"), "{told:?}");
}

#[test]
fn a_driver_of_two_versions() {
    let version = "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  565.77  Release Build  (root@host)\n";
    let lab = Lab::hidden().with("/proc/driver/nvidia/version", version);
    lab.says(&[
        "the NVIDIA kernel module is version 565.77, but /usr/lib/x86_64-linux-gnu/libGLX_nvidia.so.0 is version \
                550.135: reboot, so that the installed driver is loaded",
    ]);
    lab.set("container", "podman").says(&[
        "the NVIDIA kernel module is version 565.77, but /usr/lib/x86_64-linux-gnu/libGLX_nvidia.so.0 is version \
         550.135: restart the container, and remove NVIDIA driver packages from its image",
    ]);
}

#[test]
fn a_module_without_a_node() {
    let lab = Lab::hidden().without("/dev/nvidia0");
    lab.says(&[
        "the NVIDIA kernel module is loaded, but there is no device node /dev/nvidia0: create them with `sudo \
                nvidia-modprobe -c 0 -u`, or run `nvidia-smi` once as root",
    ]);
    lab.with("/.dockerenv", "").says(&[
        "the NVIDIA kernel module is loaded, but there is no device node /dev/nvidia0: give the container its GPUs \
         (docker: --gpus all; Kubernetes: the resource nvidia.com/gpu)",
    ]);
}

#[test]
fn a_render_node_that_is_absent() {
    let lab = Lab::bare().with("/usr/lib/lib.so", "").with("/usr/share/vulkan/icd.d/intel_icd.json", &icd("lib.so"));
    lab.says(&[
        "there is no device node of a GPU (/dev/nvidia0, /dev/dri/renderD128): load the GPU's kernel module, or \
                hand the GPU into the container",
    ]);
    let lab = Lab::bare().with("/usr/lib/lib.so", "").with("/usr/share/vulkan/icd.d/intel_icd.json", &icd("lib.so"));
    let lab = lab.with("/sys/class/drm/renderD128/device/vendor", "0x8086\n");
    lab.says(&[
        "the kernel has a GPU, but there is no device node /dev/dri/renderD128: let udev create it (`sudo udevadm \
                trigger`)",
    ]);
    lab.with("/.dockerenv", "")
        .says(&["the kernel has a GPU, but there is no device node /dev/dri/renderD128: give the \
                                        container the folder (docker: --device /dev/dri)"]);
}

#[test]
fn an_empty_machine_is_looked_at_without_a_panic() {
    let lab = Lab { root: tempfile::tempdir().unwrap(), variables: BTreeMap::new(), devices: Vec::new() };
    lab.says(&[
        "the Vulkan loader libvulkan.so.1 was not found: install it (Debian: libvulkan1; Red Hat: vulkan-loader)",
        "no Vulkan driver (ICD file) is installed: install the GPU vendor's, or for a software device Debian's \
         mesa-vulkan-drivers",
    ]);
}
