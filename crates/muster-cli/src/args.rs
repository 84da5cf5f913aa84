//! The command line as a whole: global options, and every command by name.
//!
//! What a command takes and does is in its own file under [`crate::commands`]. The help screen is in [`crate::help`].

use crate::commands::{
    actions, admit, amend, board, bundle, compact, completions, config, decided, declare, demo, did, doctor, doing,
    down, export, invite, join, key, man, mark, need, net, peers, phase, proof, redact, repair, role, roles, saw, say,
    seen, sev, status, team, timeline, title, up, use_incident, verify, whohas, will,
};
use crate::help;
use std::path::PathBuf;

/// The incident log that still works when everything else is down
#[derive(Debug, clap::Parser)]
#[command(name = "muster", version, override_help = help::SCREEN, arg_required_else_help = true, max_term_width = 80)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) globals: Globals,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Options that every command takes.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Everywhere")]
pub(crate) struct Globals {
    /// Where this device keeps its key, its entries and its settings (MUSTER_HOME)
    #[arg(long, global = true, value_name = "DIR")]
    pub(crate) home: Option<PathBuf>,
    /// Answers for scripts: JSON on stdout
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Which incident: an id, a prefix of four or more, or a slug
    #[arg(long, short, global = true, value_name = "PREFIX")]
    pub(crate) incident: Option<String>,
    /// Your own name, at first use
    // The id must be nobody else's: clap would hand the value of one to the other.
    #[arg(id = "own_name", long = "as", global = true, value_name = "NAME")]
    pub(crate) name: Option<String>,
    /// What the program tells about itself on stderr, as in `muster_net=debug`
    #[arg(long, global = true, value_name = "FILTER")]
    pub(crate) log: Option<String>,
    /// How it tells that
    #[arg(long, global = true, value_name = "FORMAT", value_parser = ["human", "json"])]
    pub(crate) log_format: Option<String>,
}

/// Every command.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Start the node and stay in the foreground until Ctrl-C or `muster down`
    Up(up::Up),
    /// Stop the node of this home
    Down(down::Down),
    /// Begin an incident
    Declare(declare::Declare),
    /// Choose the incident that commands mean from now on
    Use(use_incident::Use),
    /// Write a note
    Say(say::Say),
    /// Write what you see
    Saw(saw::Saw),
    /// Write what was decided
    Decided(decided::Decided),
    /// Ask for something
    Need(need::Need),
    /// Correct an entry; the original stays visible
    Amend(amend::Amend),
    /// Let somebody into the incident: a member into a private one, or another's guest
    Admit(admit::Admit),
    /// Erase what was typed, on every node; that it was there stays
    Redact(redact::Redact),
    /// Give the incident a better title
    Title(title::Title),
    /// Say how bad it is
    Sev(sev::Sev),
    /// Say that a milestone was reached
    Mark(mark::Mark),
    /// Warn before you act
    Will(will::Will),
    /// Say that an action has begun
    Doing(doing::Doing),
    /// Say how an action ended
    Did(did::Did),
    /// Take, offer, give up or settle a role
    Role(role::Role),
    /// It is an incident, no longer a suspicion
    Confirm(phase::Confirm),
    /// It was none
    Dismiss(phase::Dismiss),
    /// It is over
    Resolve(phase::Resolve),
    /// It is not over
    Reopen(phase::Reopen),
    /// One line about now
    Status(status::Status),
    /// Everything about the incident on one screen
    Board(board::Board),
    /// What happened, oldest first
    #[command(visible_alias = "log")]
    Timeline(timeline::Timeline),
    /// Who holds which role
    Roles(roles::Roles),
    /// Who is about to touch what
    Actions(actions::Actions),
    /// Say that you have read what arrived late
    Seen(seen::Seen),
    /// The members' nodes and what they lack
    Peers(peers::Peers),
    /// Which devices hold an entry
    Whohas(whohas::WhoHas),
    /// Check every signature and rule again
    Verify(verify::Verify),
    /// Prove that a device wrote two entries under one number, or list such forks
    Proof(proof::Proof),
    /// Check such a proof; needs no home
    VerifyProof(proof::VerifyProof),
    /// Carry incidents by hand: write them to a file, read one in
    Bundle(bundle::Bundle),
    /// Pack closed incidents, so that they take a fraction of the room
    Compact(compact::Compact),
    /// Make a home whose journal is damaged usable again; what does not stand is put aside
    Repair(repair::Repair),
    /// Write the report (md) or everything (json)
    Export(export::Export),
    /// Create, show or enlarge the team
    Team(team::Team),
    /// Make a ticket for one newcomer; with -i ID for a guest, who gets that incident alone (also: team invite)
    Invite(invite::Invite),
    /// Join a team by a ticket (also: team join)
    Join(join::Join),
    /// The device key: show it, copy it, put one in place, change its passphrase
    Key(key::Key),
    /// Cut or heal links, for drills and tests
    Net(net::Net),
    /// Whether this device is ready, and what would be lost if it died now
    Doctor(doctor::Doctor),
    /// Show the settings and where each comes from
    Config(config::Config),
    /// Play a real outage through three nodes on this machine, with a cable that is cut
    Demo(demo::Demo),
    /// Print a completion script for a shell
    Completions(completions::Completions),
    /// Write the manual pages into a directory, for whoever packages muster
    #[command(hide = true)]
    Man(man::Man),
}
