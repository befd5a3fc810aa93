//! Running this program under callgrind.

use std::path::Path;
use std::process::Command;

/// The argument before the name of the part to run.
pub(crate) const PART: &str = "--part";

/// Why there are no counts.
pub(crate) struct Failed(pub(crate) String);

/// What the counts depend on beside the code.
pub(crate) fn tools() -> Result<String, Failed> {
    let valgrind = output(Command::new("valgrind").arg("--version"))?;
    let rustc = output(Command::new("rustc").arg("--version"))?;
    Ok(format!("{}, {}, {}", rustc.trim(), valgrind.trim(), std::env::consts::ARCH))
}

/// How many instructions a part takes. What callgrind found stays in the target folder, for
/// `callgrind_annotate`.
pub(crate) fn count(part: &str) -> Result<u64, Failed> {
    let name = format!("callgrind.{}.out", part.replace(' ', "-"));
    let out = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let program = std::env::current_exe()
        .map_err(|error| Failed(format!("does not know its own path: {error}")))?;
    output(
        Command::new("valgrind")
            .args(["--quiet", "--tool=callgrind", "--toggle-collect=*instructions*counted*"])
            .arg(format!("--callgrind-out-file={}", out.display()))
            .arg(program)
            .args([PART, part]),
    )?;
    let profile = std::fs::read_to_string(&out)
        .map_err(|error| Failed(format!("cannot read {}: {error}", out.display())))?;
    let total = profile.lines().find_map(|line| line.strip_prefix("totals: "));
    let total = total.and_then(|total| total.trim().parse().ok()).filter(|&total| total > 0);
    total.ok_or_else(|| Failed(format!("callgrind counted nothing of {part:?}")))
}

/// What a program prints.
fn output(command: &mut Command) -> Result<String, Failed> {
    let program = command.get_program().display().to_string();
    let output = command
        .output()
        .map_err(|error| Failed(format!("cannot run {program}: {error}; is it installed?")))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(Failed(format!("{program} failed: {}: {said}", output.status)));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
