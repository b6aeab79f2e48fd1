//! Has the linker make the program small, where the compiler brings one that can.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let is = |name: &str, value: &str| std::env::var(name).is_ok_and(|found| found == value);
    let brings_linker = is("CARGO_CFG_TARGET_ARCH", "x86_64")
        && is("CARGO_CFG_TARGET_OS", "linux")
        && is("CARGO_CFG_TARGET_ENV", "gnu");
    let is_chosen = std::env::var("CARGO_ENCODED_RUSTFLAGS").is_ok_and(|flags| flags.contains("link"))
        || std::env::var_os("RUSTC_LINKER").is_some();
    if !brings_linker || is_chosen {
        return;
    }
    // Functions that came out the same are folded: of the many types of the API, many do.
    println!("cargo:rustc-link-arg-bins=-Wl,--icf=all");
    // What is to be moved when the program is loaded takes a bit in place of 24 bytes. From 2.36 on, glibc can read that.
    if glibc::version().is_some_and(|version| version >= (2, 36)) && std::env::var("HOST") == std::env::var("TARGET") {
        println!("cargo:rustc-link-arg-bins=-Wl,-z,pack-relative-relocs");
    }
}

#[cfg(all(target_os = "linux", target_env = "gnu"))]
mod glibc {
    use std::ffi::{CStr, c_char};

    unsafe extern "C" {
        fn gnu_get_libc_version() -> *const c_char;
    }

    /// Of this machine.
    pub fn version() -> Option<(u32, u32)> {
        // SAFETY: the text is a constant of the library's.
        let text = unsafe { CStr::from_ptr(gnu_get_libc_version()) }.to_str().ok()?;
        let (major, minor) = text.split_once('.')?;
        let minor: String = minor.chars().take_while(char::is_ascii_digit).collect();
        Some((major.parse().ok()?, minor.parse().ok()?))
    }
}

#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
mod glibc {
    pub fn version() -> Option<(u32, u32)> {
        None
    }
}
