//! What was written for an auditor, and how she can check who signed it.

use super::verify::plural;
use muster_node::audit::AuditAccount;

/// Draws the account. Commands stand on lines of their own, to be copied whole.
pub(crate) fn written(account: &AuditAccount) -> String {
    let AuditAccount { file, incidents, entries, bytes, left_out, .. } = account;
    let file = file.as_deref().unwrap_or("FILE");
    let mut drawn = format!(
        "{}, {} and the roster, are in {file}: {bytes} bytes\n",
        plural(*entries as u64, "entry", "entries"),
        plural(*incidents as u64, "incident", "incidents"),
    );
    if *left_out > 0 {
        drawn.push_str(&format!("left out: {}\n", plural(*left_out as u64, "private incident", "private incidents")));
    }
    if account.absent > 0 {
        let absent = plural(account.absent as u64, "text is", "texts are");
        drawn.push_str(&format!("{absent} absent: redacted, or not on this device\n"));
    }
    if account.lost > 0 {
        let lost = plural(account.lost, "entry", "entries");
        drawn.push_str(&format!("this home lost {lost}: the file lacks them\n"));
    }
    drawn.push_str(&format!("anybody can check it, without a home or a team: muster verify {}\n", quoted(file)));
    drawn.push_str("with OpenSSH alone, that this device says that it is all:\n");
    drawn + &by_ssh_keygen(account, file)
}

fn by_ssh_keygen(account: &AuditAccount, file: &str) -> String {
    let signed = &account.signed;
    let file = &quoted(file);
    format!(
        "  head -c {} {file} > manifest\n  tail -c +{} {file} | head -c {} > manifest.sig\n  echo '{}' > signers\n  \
         ssh-keygen -Y verify -f signers -I {} -n muster-audit -s manifest.sig < manifest\n",
        signed.manifest_bytes, signed.signature_from, signed.signature_bytes, signed.signers, signed.device
    )
}

/// A file's name as a shell takes it.
pub(super) fn quoted(file: &str) -> String {
    let file = if file.starts_with('-') { format!("./{file}") } else { file.to_owned() };
    let is_plain = file.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-/".contains(&byte));
    if is_plain { file } else { format!("'{}'", file.replace('\'', "'\\''")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_files_name_is_one_word_for_a_shell() {
        assert_eq!(quoted("out/db-1.audit"), "out/db-1.audit");
        assert_eq!(quoted("it's; rm x"), "'it'\\''s; rm x'");
        assert_eq!(quoted("-n"), "./-n");
    }
}
