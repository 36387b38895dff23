//! What firmware nodes take: an emulator, and an ELF file for each board. All of it is there before
//! anything is started, or the error says how to get it.

use crate::cli::{Board, Plan};
use anyhow::{Context, bail, ensure};
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use tokio::process::Command;

/// Builds the firmware for a board, and prints where it is.
const BUILD: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/firmware/build");

/// How to get the emulator.
const GET_QEMU: &str = "run `apt-get install qemu-system-arm`, \
    or set QEMU to the path of one: QEMU=\"$(.ci/qemu)\" in the root folder gets it";

/// An emulator, and the firmware for the boards of a plan.
#[derive(Debug, Default)]
pub(crate) struct Firmware {
    pub(crate) qemu: PathBuf,
    elves: HashMap<Board, PathBuf>,
}

impl Firmware {
    /// Finds the emulator and builds what the plan needs; nothing, where it has no firmware nodes.
    ///
    /// # Errors
    ///
    /// Something is missing, and how to get it.
    pub(crate) async fn prepare(plan: &Plan) -> anyhow::Result<Self> {
        if plan.firmware == 0 {
            return Ok(Self::default());
        }
        ensure!(
            cfg!(target_os = "linux"),
            "--firmware takes Linux: elsewhere a killed mesh would leave emulators behind"
        );
        let qemu = std::env::var_os("QEMU").unwrap_or_else(|| "qemu-system-arm".into());
        let known = boards_of(&qemu).await?;
        let mut elves = HashMap::new();
        for board in plan.firmware_nodes().filter_map(|node| plan.board(node)) {
            ensure!(
                known.lines().any(|line| line.split(' ').next() == Some(board.name())),
                "{} has no board {}: {GET_QEMU}",
                qemu.display(),
                board.name()
            );
            if let Entry::Vacant(elf) = elves.entry(board) {
                elf.insert(build(Path::new(BUILD), board).await?);
            }
        }
        Ok(Self { qemu: qemu.into(), elves })
    }

    /// The firmware for a board of the plan.
    pub(crate) fn elf(&self, board: Board) -> anyhow::Result<&Path> {
        let elf = self.elves.get(&board).map(PathBuf::as_path);
        elf.with_context(|| format!("there is no firmware for {}", board.name()))
    }
}

/// The boards that the emulator knows, a line each.
async fn boards_of(qemu: &OsString) -> anyhow::Result<String> {
    let missing = || format!("no emulator {}: {GET_QEMU}", qemu.display());
    let output = Command::new(qemu).args(["-M", "help"]).stdin(Stdio::null()).output().await;
    let output = output.with_context(missing)?;
    ensure!(
        output.status.success(),
        "{} does not start ({}): {GET_QEMU}",
        qemu.display(),
        output.status
    );
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Builds the firmware for `board`; what the build has to say goes to stderr.
async fn build(script: &Path, board: Board) -> anyhow::Result<PathBuf> {
    ensure!(
        script.exists(),
        "there is no {}: firmware nodes take the source that this program was built from",
        script.display()
    );
    let mut command = Command::new(script);
    command.arg(board.name()).stdin(Stdio::null()).stdout(Stdio::piped()).kill_on_drop(true);
    let output = async { command.spawn()?.wait_with_output().await };
    let output = output.await.with_context(|| script.display().to_string())?;
    let name = board.name();
    if !output.status.success() {
        bail!(
            "the firmware for {name} is not built ({}); why, and what to do, is above",
            output.status
        );
    }
    let printed = String::from_utf8(output.stdout).context("the path of the firmware")?;
    let elf = PathBuf::from(printed.trim_end());
    ensure!(elf.is_file(), "the build for {name} prints {printed:?}, which is no file");
    Ok(elf)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::Arguments;
    use clap::Parser;

    #[tokio::test]
    async fn without_firmware_nodes_nothing_is_needed() {
        let plan = Arguments::parse_from(["mesh"]).plan;
        assert!(Firmware::prepare(&plan).await.unwrap().elves.is_empty());
    }

    #[tokio::test]
    async fn a_missing_emulator_and_a_missing_script_say_what_to_do() {
        let error = boards_of(&"no-such-emulator".into()).await.unwrap_err().to_string();
        assert!(error.contains("no-such-emulator") && error.contains("apt-get install"), "{error}");
        let error = build(Path::new("no/build"), Board::Mps2An386).await.unwrap_err().to_string();
        assert!(error.contains("no/build") && error.contains("source"), "{error}");
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn a_build_that_fails_or_prints_no_file_is_an_error() {
        let failed = build(Path::new("/bin/false"), Board::Mps2An386).await.unwrap_err();
        assert!(failed.to_string().contains("mps2-an386"), "{failed}");
        let printed = build(Path::new("/bin/echo"), Board::Mps2An386).await.unwrap_err();
        assert!(printed.to_string().contains("no file"), "{printed}");
    }
}
