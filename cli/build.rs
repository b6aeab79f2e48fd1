//! Has the linker fold functions that came out the same: of the many types of the API, many do.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let is = |name: &str, value: &str| std::env::var(name).is_ok_and(|found| found == value);
    // There the compiler brings a linker that can; where somebody chose another one, it may not know how.
    let brings_linker = is("CARGO_CFG_TARGET_ARCH", "x86_64")
        && is("CARGO_CFG_TARGET_OS", "linux")
        && is("CARGO_CFG_TARGET_ENV", "gnu");
    let is_chosen = std::env::var("CARGO_ENCODED_RUSTFLAGS").is_ok_and(|flags| flags.contains("link"))
        || std::env::var_os("RUSTC_LINKER").is_some();
    if brings_linker && !is_chosen {
        println!("cargo:rustc-link-arg-bins=-Wl,--icf=all");
    }
}
