//! No process is left behind: a child does not outlive its parent, however that one ends.

use std::process::ExitCode;

/// Asks the kernel to kill this process when its parent dies, however that comes about. What this
/// process becomes by `exec` is killed as well.
#[cfg(target_os = "linux")]
pub(crate) fn die_with_parent() -> anyhow::Result<()> {
    use anyhow::Context;
    nix::sys::prctl::set_pdeathsig(nix::sys::signal::Signal::SIGKILL).context("set_pdeathsig")
}

/// Elsewhere the end of stdin has to do, which comes when the parent's end of the pipe closes.
#[cfg(not(target_os = "linux"))]
pub(crate) fn die_with_parent() -> anyhow::Result<()> {
    Ok(())
}

/// Becomes `program`, as a child that does not outlive `parent`. Returns only where that fails.
#[cfg(target_os = "linux")]
pub(crate) fn become_program(
    parent: u32,
    program: &std::path::Path,
    arguments: &[std::ffi::OsString],
) -> ExitCode {
    use std::os::unix::process::{CommandExt, parent_id};
    if let Err(error) = die_with_parent() {
        eprintln!("mesh: {error:#}");
        return ExitCode::FAILURE;
    }
    // It may have died before the kernel was asked.
    if parent_id() == parent {
        let error = std::process::Command::new(program).args(arguments).exec();
        eprintln!("mesh: {} does not start: {error}", program.display());
    }
    ExitCode::FAILURE
}
