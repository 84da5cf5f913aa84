//! The login name of whoever runs this process: the handle of somebody who gave none.

use std::fs;

/// What a person is called of whom the system knows no name.
const NOBODY_KNOWN: &str = "responder";

/// `USER` or `LOGNAME`, else the name that the system's list of users has for this user. Services and containers often
/// have no such variables.
pub(crate) fn name() -> String {
    let variable = ["USER", "LOGNAME"].iter().find_map(|name| std::env::var(name).ok());
    let listed = || {
        let users = fs::read_to_string("/etc/passwd").ok()?;
        listed_name(&users, rustix::process::geteuid().as_raw())
    };
    let found = variable.filter(|name| !name.trim().is_empty()).or_else(listed);
    found.unwrap_or_else(|| NOBODY_KNOWN.to_owned())
}

/// The name of a user in the lines of `passwd(5)`.
fn listed_name(users: &str, uid: u32) -> Option<String> {
    let lines = users.lines().map(|line| line.split(':').collect::<Vec<_>>());
    let found = lines.filter(|fields| fields.get(2).and_then(|id| id.parse().ok()) == Some(uid));
    found.filter_map(|fields| fields.first().map(|name| (*name).to_owned())).find(|name| !name.trim().is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_without_variables_goes_by_the_name_in_the_list_of_users() {
        let users = "root:x:0:0:root:/root:/bin/sh\nbroken\n:x:7::\nada:x:1000:1000::/home/ada:/bin/sh\n";
        assert_eq!(listed_name(users, 1000).as_deref(), Some("ada"));
        assert_eq!(listed_name(users, 7), None);
        assert_eq!(listed_name(users, 1), None);
    }
}
