//! What the machine has and runs, read once when the agent starts.

use std::fs;
use std::path::Path;

use k8s_openapi::api::core::v1::NodeSystemInfo;

use crate::runtime::interface::Runtime;

/// The version that the agent reports as a kubelet's.
pub const KUBELET_VERSION: &str = "v1.36.2+skiff";

/// The facts of a machine that a Node shows.
#[derive(Debug, Clone)]
pub struct Machine {
    pub cpus: u64,
    pub memory_bytes: u64,
    pub disk_bytes: u64,
    pub info: NodeSystemInfo,
}

impl Machine {
    /// Reads the files of the system: blocks for a moment. What cannot be read is empty or small, never an error.
    pub fn read(data_dir: &Path, runtime: &dyn Runtime) -> Self {
        let disk = nix::sys::statvfs::statvfs(data_dir);
        Self {
            cpus: std::thread::available_parallelism().map_or(1, |cpus| cpus.get() as u64),
            memory_bytes: memory_bytes(&fs::read_to_string("/proc/meminfo").unwrap_or_default()),
            disk_bytes: disk.map_or(0, |disk| disk.blocks() * disk.fragment_size()),
            info: info(runtime),
        }
    }
}

fn info(runtime: &dyn Runtime) -> NodeSystemInfo {
    let line = |path: &str| fs::read_to_string(path).unwrap_or_default().trim().to_owned();
    let machine_id = line("/etc/machine-id");
    let product = line("/sys/class/dmi/id/product_uuid");
    NodeSystemInfo {
        architecture: architecture().to_owned(),
        boot_id: line("/proc/sys/kernel/random/boot_id"),
        container_runtime_version: format!("{}://{}", runtime.name(), runtime.version()),
        kernel_version: line("/proc/sys/kernel/osrelease"),
        kubelet_version: KUBELET_VERSION.to_owned(),
        operating_system: std::env::consts::OS.to_owned(),
        os_image: os_image(&line("/etc/os-release")),
        system_uuid: if product.is_empty() { machine_id.clone() } else { product },
        machine_id,
        ..NodeSystemInfo::default()
    }
}

/// The architecture by the name that the field uses.
pub fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        "x86" => "386",
        other => other,
    }
}

fn memory_bytes(meminfo: &str) -> u64 {
    let total = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"));
    let kibibytes: Option<u64> = total.and_then(|rest| rest.trim().trim_end_matches("kB").trim().parse().ok());
    kibibytes.unwrap_or(0) * 1024
}

fn os_image(os_release: &str) -> String {
    let name = os_release.lines().find_map(|line| line.strip_prefix("PRETTY_NAME="));
    name.map_or("Linux".to_owned(), |name| name.trim_matches('"').to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_systems_files_are_understood() {
        assert_eq!(memory_bytes("MemFree: 1 kB\nMemTotal:       16384 kB\n"), 16 * 1024 * 1024);
        assert_eq!(memory_bytes(""), 0);
        assert_eq!(os_image("ID=debian\nPRETTY_NAME=\"Debian GNU/Linux 13\"\n"), "Debian GNU/Linux 13");
    }
}
