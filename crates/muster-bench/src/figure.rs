//! Figures, and the table or JSON in which they are printed.

use crate::fault::Fault;
use crate::machine::Machine;
use serde_json::{Value, json};
use std::io::Write;

/// One measured number.
#[derive(Debug, Clone)]
pub(crate) struct Figure {
    /// Which part of the benchmark it comes from.
    part: &'static str,
    /// What was measured.
    what: String,
    measured: f64,
    unit: &'static str,
    /// What it should not exceed, where that was said.
    aim: Option<f64>,
}

impl Figure {
    /// A number without an aim.
    pub(crate) fn new(part: &'static str, what: impl Into<String>, measured: f64, unit: &'static str) -> Self {
        Self { part, what: what.into(), measured, unit, aim: None }
    }

    /// Says what it should not exceed.
    #[must_use]
    pub(crate) fn aim(self, at_most: f64) -> Self {
        Self { aim: Some(at_most), ..self }
    }

    /// The measured part of the aim: at most 1 is good.
    fn of_aim(&self) -> Option<f64> {
        self.aim.map(|aim| self.measured / aim)
    }

    fn row(&self) -> String {
        let or_none = |number: Option<f64>| number.map_or_else(|| "-".to_owned(), plain);
        let (aim, of_aim) = (or_none(self.aim), or_none(self.of_aim()));
        format!(
            "{:<7} {:<58} {aim:>9} {:>9} {:<6} {of_aim:>6}\n",
            self.part,
            self.what,
            plain(self.measured),
            self.unit
        )
    }

    fn json(&self) -> Value {
        json!({
            "part": self.part,
            "what": self.what,
            "unit": self.unit,
            "aim": self.aim,
            "measured": self.measured,
            "of_aim": self.of_aim(),
        })
    }
}

/// Three digits that mean something are enough for a machine that differs from yours.
fn plain(number: f64) -> String {
    match number.abs() {
        size if size >= 100.0 => format!("{number:.0}"),
        size if size >= 10.0 => format!("{number:.1}"),
        size if size >= 0.1 => format!("{number:.2}"),
        _ => format!("{number:.3}"),
    }
}

/// All figures of one run, and the machine.
pub(crate) struct Report {
    machine: Machine,
    load_before: f64,
    figures: Vec<Figure>,
}

impl Report {
    /// An empty report; notes how busy the machine is before anything is measured.
    pub(crate) fn begin(machine: Machine) -> Self {
        Self { machine, load_before: crate::machine::load(), figures: Vec::new() }
    }

    /// Adds figures.
    pub(crate) fn add(&mut self, figures: Vec<Figure>) {
        self.figures.extend(figures);
    }

    /// Prints to stdout.
    pub(crate) fn print(&self, as_json: bool) -> Result<(), Fault> {
        let load_after = crate::machine::load();
        let text = if as_json { self.json(load_after) } else { self.table(load_after) };
        std::io::stdout().write_all(text.as_bytes()).map_err(Fault::io("print the figures"))
    }

    fn json(&self, load_after: f64) -> String {
        let figures: Vec<Value> = self.figures.iter().map(Figure::json).collect();
        let mut machine = self.machine.json();
        if let Some(machine) = machine.as_object_mut() {
            machine.insert("load_before".into(), json!(self.load_before));
            machine.insert("load_after".into(), json!(load_after));
        }
        format!("{}\n", json!({ "machine": machine, "figures": figures }))
    }

    fn table(&self, load_after: f64) -> String {
        let head = format!("{:<7} {:<58} {:>9} {:>9} {:<6} {:>6}\n", "part", "figure", "aim", "measured", "", "of aim");
        let rows: String = self.figures.iter().map(Figure::row).collect();
        let load = format!("load average {:.2} before, {load_after:.2} after", self.load_before);
        format!("{head}{rows}\n{}\n{load}\n", self.machine.line())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_keeps_about_three_digits() {
        let cases =
            [(1234.5, "1234"), (12.34, "12.3"), (1.234, "1.23"), (0.5, "0.50"), (0.0123, "0.012"), (0.0, "0.000")];
        for (number, expected) in cases {
            assert_eq!(plain(number), expected);
        }
    }

    #[test]
    fn a_figure_is_compared_with_its_aim_if_it_has_one() {
        let figure = Figure::new("open", "to the view", 500.0, "ms");
        assert_eq!(figure.json()["of_aim"], Value::Null);
        assert_eq!(figure.aim(1_000.0).json()["of_aim"], json!(0.5));
    }
}
