//! `muster config show`: the settings in force and where each comes from.

use crate::render::Page;
use muster_incident::printable;
use muster_node::config;
use muster_node::home::Home;
use serde_json::{Value, json};

/// What `config` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct Config {
    #[command(subcommand)]
    step: Step,
}

#[derive(Debug, clap::Subcommand)]
enum Step {
    /// Show every setting with its value and its origin
    Show,
}

impl Config {
    /// The settings for a person.
    pub(crate) fn show(&self, home: &Home, config: &config::Config, page: &Page) -> String {
        let Step::Show = self.step;
        let mut lines = vec![
            format!("{:<17} {}", "home", home.root().display()),
            format!("{:<17} {}", "settings", home.config_file().display()),
            String::new(),
        ];
        lines.extend(config.show().iter().map(|setting| {
            let value = match setting.value.to_string() {
                empty if empty.is_empty() => "(not set)".to_owned(),
                value => printable(&value),
            };
            format!("{:<17} {value}  {}", setting.key, page.paint.dim(&format!("({})", setting.origin)))
        }));
        lines.join("\n") + "\n"
    }

    /// The settings for a script.
    pub(crate) fn json(&self, home: &Home, config: &config::Config) -> Value {
        let Step::Show = self.step;
        json!({ "home": home.root(), "file": home.config_file(), "settings": config.show() })
    }
}
